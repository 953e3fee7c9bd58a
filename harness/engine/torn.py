"""``no_torn_transactions``: of a transaction, everything is visible or nothing.

A member is a record of the transaction that was not refused; visible is one that came back. Both are
counted once per record, however often it was read: the runs of a partition are held against what was
seen there, and a transaction's counts are added over the partitions it wrote to. One visible member
proves that the transaction was committed, so every other one has to be visible as well; a member that
is missing counts only where a complete fence proves that it is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from harness.checkers.fences import Coverage
from harness.checkers.guarantees import records
from harness.checkers.sequences import History
from harness.checkers.spans import Spans
from harness.engine.runs import Runs
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Ints
from harness.model import Outcome
from harness.verdict import Kind, Verdict

NAME = "no_torn_transactions"


@dataclass(frozen=True, eq=False, slots=True)
class Members:
    """Per transaction how many members there are, how many are visible, and how many provably are not."""

    transaction: Ints
    attempted: Ints
    visible: Ints
    missing: Ints

    def __add__(self, other: Members) -> Members:
        return _summed(
            np.concatenate((self.transaction, other.transaction)),
            *(
                np.concatenate((getattr(self, name), getattr(other, name)))
                for name in ("attempted", "visible", "missing")
            ),
        )


def members(produced: Runs, history: History, covered: Coverage) -> Members:
    """The members of every transaction in the partitions of *produced*."""
    rows = np.flatnonzero((produced.transaction >= 0) & (produced.mark != Outcome.FAIL))
    partition = produced.partition[rows].astype(np.int64)
    lane, _ = history.lanes.find(partition, produced.producer[rows].astype(np.int64))
    count = produced.count[rows].astype(np.int64)
    low = history.lanes.base[lane] + produced.first_seq[rows]
    visible = _held(history.seen, low, low + count)
    fenced = np.isin(partition, np.asarray(sorted(covered.fences), np.int64))
    missing = np.where(fenced, count - visible, 0)
    return _summed(produced.transaction[rows].astype(np.int64), count, visible, missing)


def judged(found: Iterable[Members], covered: Coverage) -> Finding | None:
    """What is to be said of all partitions' transactions; None when there is none."""
    total = _total(list(found))
    if not len(total.transaction):
        return None
    torn = np.flatnonzero((total.visible > 0) & (total.missing > 0))
    doubt = covered.why_not()
    verdict = Verdict.FAIL if len(torn) else Verdict.UNKNOWN if doubt else Verdict.PASS
    whole = records(len(total.transaction), "transaction")
    held = f"Not proven: {doubt}." if doubt else f"Each of {whole} is visible whole or not at all."
    return Finding(
        checker=NAME,
        kind=Kind.GUARANTEE,
        verdict=verdict,
        summary=f"{len(torn):,} of {whole} visible in part." if len(torn) else held,
        compared={"transactions": len(total.transaction), "members": int(total.attempted.sum())},
        violations=len(torn),
        limit="none allowed",
        witnesses=tuple(_witness(total, row) for row in torn[:MAX_WITNESSES].tolist()),
    )


def _witness(total: Members, row: int) -> Witness:
    visible, attempted = int(total.visible[row]), int(total.attempted[row])
    return Witness(
        detail=f"transaction {int(total.transaction[row])}: {visible} of {attempted} members visible"
    )


def _total(found: list[Members]) -> Members:
    empty = np.empty(0, np.int64)
    columns = [
        np.concatenate([empty, *(getattr(each, name) for each in found)])
        for name in ("transaction", "attempted", "visible", "missing")
    ]
    return _summed(*columns)


def _summed(transaction: Ints, *counts: Ints) -> Members:
    """Rows of one transaction added up; numbers that are dense, as they should be, need no sort."""
    if not len(transaction):
        return Members(transaction, *counts)
    most = int(transaction.max())
    if most < 4 * len(transaction):
        known = np.flatnonzero(np.bincount(transaction))
        sums = [np.bincount(transaction, weights=count)[known].astype(np.int64) for count in counts]
        return Members(known, *sums)
    known, place = np.unique(transaction, return_inverse=True)
    return Members(known, *(np.bincount(place, weights=count).astype(np.int64) for count in counts))


def _held(seen: Spans, low: Ints, high: Ints) -> Ints:
    """How many members of *seen* each of the spans holds."""
    before = np.concatenate(([0], np.cumsum(seen.high - seen.low)))
    return _below(seen, before, high) - _below(seen, before, low)


def _below(seen: Spans, before: Ints, position: Ints) -> Ints:
    """How many members of *seen* are smaller than each position."""
    place = np.searchsorted(seen.low, position, side="right") - 1
    inside = np.minimum(position, seen.high[place]) - seen.low[place] if seen else 0
    found: Ints = np.where(place >= 0, before[np.maximum(place, 0)] + inside, 0)
    return found
