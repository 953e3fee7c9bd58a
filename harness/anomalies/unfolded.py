"""A run's ledger as a history: its batches and runs unfolded to single operations.

The ledger is a history too, only packed. Unfolded, the checks of anomalies judge it as well, by other code
than the ledger's own checkers: realtime_offset and inconsistent_offset are asked of no ledger otherwise.

What a ledger does not know is not invented. Nobody says when a record was handed out, only that it was
after the load and before the fence; sequences that were announced and have no row are attempts without an
answer; a partition whose fence proves nothing has none. It is for runs of some hundred thousand records: each
becomes a value of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

import numpy as np

from harness.history.operations import (
    Delivered,
    End,
    Fence,
    History,
    Move,
    Operation,
    Poll,
    Reader,
    Send,
)
from harness.ledger.evidence import Evidence, Ints, Reads
from harness.model import (
    EnvironmentSeen,
    FencePassed,
    LoadEnded,
    LoadPlanned,
    Outcome,
    Phase,
    PhaseEntered,
    ReadState,
)
from harness.model import Fence as Passed

READER = 0
STRANGER = 2**31 - 1
"""The producer of what names no producer."""
_ENDS: dict[Outcome, End] = {Outcome.OK: "ok", Outcome.FAIL: "fail", Outcome.UNKNOWN: "unknown"}


def unfolded(evidence: Evidence) -> list[Operation]:
    """Every operation that the ledger of *evidence* tells of: attempts, then reads, then fences."""
    fences = _fences(evidence)
    return [
        _settings(evidence),
        Reader(reader=READER, isolation="uncommitted"),
        *_attempts(evidence),
        *_announced(evidence),
        *_reads(evidence, fences),
        *map(_fence, fences.values()),
    ]


def _settings(evidence: Evidence) -> History:
    """What the producers, the topic and the cluster were told."""
    planned, seen = evidence.last(LoadPlanned), evidence.last(EnvironmentSeen)
    client = planned.client if planned else {}
    effective = seen.effective if seen else {}
    policy = effective.get("topic.cleanup.policy", "delete")
    keeps = effective.get("topic.retention.ms") == "-1"
    return History(
        acks=_acks(client.get("acks", "all")),
        idempotent=client.get("enable.idempotence", "true") == "true",
        unclean_election=effective.get("topic.unclean.leader.election.enable") == "true",
        cleanup="compact" if "compact" in policy else "keep" if keeps else "delete",
    )


def _acks(told: str) -> Literal["all", "1", "0"]:
    return "1" if told == "1" else "0" if told == "0" else "all"


def _attempts(evidence: Evidence) -> Iterator[Send]:
    rows = evidence.attempts
    for row in np.lexsort((rows.first_seq, rows.t_sent)).tolist():
        base, first = int(rows.base_offset[row]), int(rows.first_seq[row])
        sent, done = int(rows.t_sent[row]), int(rows.t_done[row])
        ended = Outcome(int(rows.outcome[row]))
        for place in range(int(rows.count[row])):
            yield Send(
                producer=int(rows.producer[row]),
                partition=int(rows.partition[row]),
                sequence=first + place,
                t=(sent, max(sent, done)),
                outcome=_ENDS[ended],
                offset=base + place if base >= 0 and ended is Outcome.OK else None,
            )


def _announced(evidence: Evidence) -> Iterator[Send]:
    """Attempts whose rows were lost with their worker: they may have happened, at any time."""
    rows, attempts = evidence.announced, evidence.attempts
    until: dict[tuple[int, int], int] = {}
    for producer, partition, end in zip(rows.producer, rows.partition, rows.until_seq, strict=True):
        lane = int(producer), int(partition)
        until[lane] = max(until.get(lane, 0), int(end))
    for (producer, partition), end in sorted(until.items()):
        mine = (attempts.producer == producer) & (attempts.partition == partition)
        known = _sequences(attempts.first_seq[mine], attempts.count[mine])
        for sequence in np.setdiff1d(np.arange(end), known).tolist():
            t = (evidence.started.t, None)
            yield Send(producer=producer, partition=partition, sequence=sequence, t=t, outcome="unknown")


def _sequences(first: Ints, count: Ints) -> Ints:
    ranges = [np.arange(low, low + size) for low, size in zip(first.tolist(), count.tolist(), strict=True)]
    return np.concatenate(ranges) if ranges else np.empty(0, np.int64)


def _fences(evidence: Evidence) -> dict[int, Passed]:
    """The fences that prove something: complete, after the load, of this reading, of an uncut ledger."""
    passed, ended = evidence.last(FencePassed), evidence.last(LoadEnded)
    if passed is None or ended is None or ended.t > passed.t or evidence.tail_cut:
        return {}
    whole = (each for each in passed.fences if each.complete)
    return {each.partition: each for each in whole if not _overrun(evidence.reads, each)}


def _overrun(reads: Reads, fence: Passed) -> bool:
    """Whether a record came back from where the fence's sentinel lies, or from where its reader never was."""
    first, end = reads.first_offset, reads.first_offset + reads.count
    over = (end > fence.position) | ((first <= fence.sentinel_offset) & (fence.sentinel_offset < end))
    return bool((over & (reads.partition == fence.partition) & (reads.state == ReadState.GOOD)).any())


def _fence(passed: Passed) -> Fence:
    """A fence that is complete: nothing was open at its end, and all was read up to its sentinel."""
    end = passed.sentinel_offset
    return Fence(partition=passed.partition, first=passed.first_offset, end=end, stable=end)


def _reads(evidence: Evidence, fences: dict[int, Passed]) -> Iterator[Operation]:
    rows, again = evidence.reads, itertools.count(READER + 1)
    for partition in sorted({*np.unique(rows.partition).tolist(), *fences}):
        mine = np.flatnonzero(rows.partition == partition)
        runs = mine[np.argsort(rows.first_offset[mine], kind="stable")].tolist()
        yield from _of_partition(evidence, partition, runs, fences.get(partition), again)


def _of_partition(
    evidence: Evidence, partition: int, runs: list[int], fence: Passed | None, again: Iterator[int]
) -> Iterator[Operation]:
    """The reader's way over one partition; through a fence it passed over whatever it was not handed.

    An offset that was read again was so by another reader.
    """
    rows, t, stood = evidence.reads, _read_between(evidence), fence.first_offset if fence else 0
    for row in runs:
        first, reader = int(rows.first_offset[row]), READER
        end = first + int(rows.count[row])
        if first < stood:
            reader = next(again)
            yield Reader(reader=reader, isolation="uncommitted")
        elif fence is None and first > stood:
            yield Move(reader=READER, partition=partition, t=t[0], why="seek")
        start = stood if fence and reader == READER else first
        yield _poll(reader, partition, t, (start, end), tuple(_delivered(evidence, row)))
        stood = max(end, stood)
    if fence is not None and stood < fence.position:
        yield _poll(READER, partition, t, (stood, fence.position), ())


def _poll(
    reader: int,
    partition: int,
    t: tuple[int, int],
    position: tuple[int, int],
    records: tuple[Delivered, ...],
) -> Poll:
    return Poll(reader=reader, partition=partition, t=t, position=position, records=records)


def _delivered(evidence: Evidence, row: int) -> Iterator[Delivered]:
    rows = evidence.reads
    state, first = ReadState(int(rows.state[row])), int(rows.first_offset[row])
    known = state in {ReadState.GOOD, ReadState.MISROUTED} and int(rows.producer[row]) >= 0
    for place in range(int(rows.count[row])):
        yield Delivered(
            offset=first + place,
            producer=int(rows.producer[row]) if known else STRANGER,
            sequence=int(rows.first_seq[row]) + place if known else first + place,
            sent_to=("elsewhere", 0) if state is ReadState.MISROUTED else None,
            whole=state is not ReadState.CORRUPT,
        )


def _read_between(evidence: Evidence) -> tuple[int, int]:
    """When the records were read back, as far as the run says so."""
    verifying = [e.t for e in evidence.events if isinstance(e, PhaseEntered) and e.phase is Phase.VERIFY]
    last = max(int(evidence.attempts.t_done.max(initial=0)), evidence.started.t)
    passed = evidence.last(FencePassed)
    began = max([last, *verifying])
    return began, max(began, passed.t) if passed else began
