"""Runs judged by the checkers that judge every run of the harness, one partition at a time.

Every record checker counts partitions apart and concludes from their sum, so what is said of a history
of 10⁹ records is, to the byte, what the checkers would say of the same runs all at once, in the
memory that one partition takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from harness.checkers.compose import RECORD_CHECKS
from harness.checkers.fences import Coverage, coverage
from harness.checkers.guarantees import Tally
from harness.checkers.sequences import history
from harness.engine import torn
from harness.engine.folder import Context
from harness.engine.runs import Runs, Whole, nothing, same
from harness.findings import Finding
from harness.ledger import schema
from harness.ledger.evidence import Announced, Attempts, Evidence, Ints, Reads, Samples, Words, empty
from harness.model import Budgets, Event, FencePassed, LoadEnded, LoadPlanned, RunStarted

_US = 1000


@dataclass(frozen=True, eq=False, slots=True)
class Counted:
    """What one partition holds; ``records`` are rows attempted and read, ``runs`` what they became."""

    partition: int
    tallies: tuple[Tally, ...]
    covered: Coverage
    members: torn.Members
    records: tuple[int, int]
    runs: tuple[int, int]
    spilled: bool = False


def count(context: Context, partition: int, produced: Runs, consumed: Runs) -> Counted:
    """Let every record checker count one partition; O(runs log runs).

    Raises:
        EvidenceError: a row cannot be right, e.g. a negative sequence.
    """
    evidence = evidence_of(context, produced, consumed, {partition})
    sets = history(evidence)
    covered = coverage(evidence, sets)
    return Counted(
        partition=partition,
        tallies=tuple(check.count(evidence, sets, covered) for check in RECORD_CHECKS),
        covered=covered,
        members=torn.members(produced, sets, covered),
        records=(int(produced.count.sum()), int(consumed.count.sum())),
        runs=(produced.rows, consumed.rows),
    )


def conclude(context: Context, counted: Iterable[Counted]) -> tuple[Finding, ...]:
    """The findings over all partitions, given in ascending order."""
    found = list(counted)
    covered = _joined([each.covered for each in found])
    evidence = evidence_of(context, nothing(lone=False), nothing(lone=True), set())
    findings = [
        check.over(evidence, _sum([each.tallies[place] for each in found]), covered)
        for place, check in enumerate(RECORD_CHECKS)
    ]
    whole = torn.judged((each.members for each in found), covered)
    return (*findings, *([covered.beside(whole)] if whole else []))


def evidence_of(context: Context, produced: Runs, consumed: Runs, partitions: set[int]) -> Evidence:
    """*produced* and *consumed* as the ledger of a run; without instants, which no verdict rests on."""
    return Evidence(
        events=_events(context),
        journal=(),
        attempts=_attempts(produced),
        announced=_announced(context, partitions),
        reads=_reads(consumed),
        samples=empty(Samples, schema.SAMPLES),
    )


def _sum(tallies: list[Tally]) -> Tally:
    total = tallies[0]
    for each in tallies[1:]:
        total += each
    return total


def _joined(covered: list[Coverage]) -> Coverage:
    gaps = {partition: why for each in covered for partition, why in each.gaps.items()}
    fences = {partition: fence for each in covered for partition, fence in each.fences.items()}
    acked, looked_for = (sum(getattr(each, name) for each in covered) for name in ("acked", "looked_for"))
    return Coverage({p: fence for p, fence in fences.items() if p not in gaps}, gaps, acked, looked_for)


def _attempts(runs: Runs) -> Attempts:
    none = same(0, runs.rows)
    return Attempts(
        producer=_wide(runs.producer),
        partition=_wide(runs.partition),
        first_seq=_wide(runs.first_seq),
        count=_wide(runs.count),
        t_intended=none,
        t_sent=none,
        t_done=none,
        outcome=_wide(runs.mark),
        base_offset=_wide(runs.first_offset),
        bytes=none,
        error=_no_words(runs.rows),
    )


def _reads(runs: Runs) -> Reads:
    return Reads(
        partition=_wide(runs.partition),
        producer=_wide(runs.producer),
        first_seq=_wide(runs.first_seq),
        count=_wide(runs.count),
        first_offset=_wide(runs.first_offset),
        state=_wide(runs.mark),
        detail=_no_words(runs.rows),
    )


def _announced(context: Context, partitions: set[int]) -> Announced:
    rows = [each for each in context.announced if each.partition in partitions]
    return Announced(
        producer=np.asarray([each.producer for each in rows], np.int64),
        partition=np.asarray([each.partition for each in rows], np.int64),
        until_seq=np.asarray([each.until_seq for each in rows], np.int64),
    )


def _wide(column: Whole) -> Ints:
    if column.strides == (0,):
        return same(int(column[0]), len(column)) if len(column) else same(0, 0)
    return column.astype(np.int64, copy=False)


def _no_words(rows: int) -> Words:
    words: Words = np.broadcast_to(np.asarray("", np.object_), rows)
    return words


def _events(context: Context) -> tuple[Event, ...]:
    """The events of a run that the record checkers go by."""
    found: list[Event] = [_started(context)]
    if context.partitions:
        found.append(_planned(context))
    if context.load_ended_us is not None:
        found.append(
            LoadEnded(
                t=context.load_ended_us * _US, wall="", first_t=0, last_t=context.load_ended_us * _US,
                locust_requests=0, locust_failures=0, clean=True,
            )
        )  # fmt: skip
    if context.fenced_us is not None:
        found.append(FencePassed(t=context.fenced_us * _US, wall="", fences=context.fences))
    return tuple(found)


def _planned(context: Context) -> LoadPlanned:
    return LoadPlanned(
        t=context.zero_us * _US, wall="", topic="records", partitions=context.partitions, replication=1,
        rate=0, keys=0, record_bytes=0, producers=0, processes=0, client={},
    )  # fmt: skip


def _started(context: Context) -> RunStarted:
    return RunStarted(
        t=context.zero_us * _US, wall="", run_id="records", scenario="records", title="", platform="none",
        stack="none", seed=0, guarantees=context.guarantees, budgets=Budgets(), command=(),
    )  # fmt: skip
