"""``order_per_key``: along each partition's log, each producer's sequences ascend.

A key belongs to one partition, so the order of producer and partition implies
the order of every key. Only the first occurrence of a record counts: a later
copy is a duplicate, not a disorder. A record is out of order when a later one
of the same producer lies before it.

An acknowledgement that named an offset is held to it: when no copy of the
record lies there but one lies elsewhere, the broker's own word about the order
was wrong, and that counts here too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.checkers.fences import coverage
from harness.checkers.guarantees import Count, acked_offset, judged, record_witness, records, sentence
from harness.checkers.sequences import History, Lanes, Placed
from harness.checkers.spans import Spans, pieces, union
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Evidence

NAME = "order_per_key"

_BEHIND = "lies behind a later record of its producer"


def check(evidence: Evidence, history: History) -> Finding:
    """Count the records that lie behind a later one, or not where they were acknowledged."""
    late = _late(_first_copies(history), history.lanes)
    moved = (union(history.placed.low, history.placed.high) & history.seen) - history.located
    wrong, seen = late | moved, history.seen.count()
    count = Count(
        compared={"read": seen, "acknowledged offsets": history.located.count()},
        violations=wrong.count(),
        held=f"{records(seen, 'record')} lie in the order their producers sent them.",
        broken=_broken(late.count(), moved.count()),
        doubt="no record was read back" if not seen else coverage(evidence, history).why_not(),
        witnesses=tuple(_witnesses(evidence, history, wrong, late)),
    )
    return judged(NAME, evidence, count)


def _broken(late: int, moved: int) -> str:
    return sentence(
        (
            f"{records(late)} out of order" if late else "",
            f"{records(moved)} not at the acknowledged offset" if moved else "",
        )
    )


def _late(first: Placed, lanes: Lanes) -> Spans:
    """What lies, by offset, behind a record of the same lane with a larger sequence."""
    lane = np.searchsorted(lanes.base, first.low, side="right")
    order = np.lexsort((first.low + first.diagonal, lane))
    low, high = first.low[order], first.high[order]
    # Lanes ascend along the line, so the largest position so far never reaches into the next lane.
    reached = np.concatenate((low[:1], np.maximum.accumulate(high)[:-1]))
    return union(low, np.minimum(high, reached))


def _first_copies(history: History) -> Placed:
    """Of every record the copy at the lowest offset."""
    copies = history.copies
    crowded = history.doubled.met_by(copies.low, copies.high)
    alone, first = copies.chosen(~crowded), _lowest(copies.chosen(crowded))
    return Placed(
        np.concatenate((alone.low, first.low)),
        np.concatenate((alone.high, first.high)),
        np.concatenate((alone.diagonal, first.diagonal)),
    )


def _lowest(copies: Placed) -> Placed:
    """Of every record the copy at the lowest offset; *copies* ascend by diagonal."""
    marks = np.unique(np.concatenate((copies.low, copies.high)))
    copy, low, high = pieces(copies.low, copies.high, marks)
    # At one position the lowest diagonal is the lowest offset, and copies ascend by it.
    start, winner = np.unique(low, return_index=True)
    return Placed(start, high[winner], copies.diagonal[copy[winner]])


def _witnesses(evidence: Evidence, history: History, wrong: Spans, late: Spans) -> Iterator[Witness]:
    behind = set(late.first(MAX_WITNESSES))
    for position in wrong.first(MAX_WITNESSES):
        detail = _BEHIND if position in behind else _elsewhere(evidence, history, position)
        yield record_witness(evidence, history, position, detail)


def _elsewhere(evidence: Evidence, history: History, position: int) -> str:
    return f"acknowledged at offset {acked_offset(evidence, history, position)}, found elsewhere"
