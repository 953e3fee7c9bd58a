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

from harness.checkers.fences import Coverage
from harness.checkers.guarantees import (
    Count,
    RecordCheck,
    Tally,
    acked_offset,
    judged,
    record_witness,
    records,
    sentence,
)
from harness.checkers.sequences import History, Lanes, Placed
from harness.checkers.spans import Spans, pieces, union
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Evidence, Ints

NAME = "order_per_key"

_BEHIND = "lies behind a later record of its producer"


def count(evidence: Evidence, history: History, covered: Coverage) -> Tally:  # noqa: ARG001 - as all of them
    """Count the records that lie behind a later one, or not where they were acknowledged."""
    late = _late(_first_copies(history), history.lanes)
    moved = (union(history.placed.low, history.placed.high) & history.seen) - history.located
    wrong = late | moved
    return Tally(
        {
            "seen": history.seen.count(),
            "located": history.located.count(),
            "late": late.count(),
            "moved": moved.count(),
            "wrong": wrong.count(),
        },
        (tuple(_witnesses(evidence, history, wrong, late)),),
    )


def conclude(evidence: Evidence, tally: Tally, covered: Coverage) -> Finding:
    """Judge the records that lie behind a later one, or not where they were acknowledged."""
    seen = tally["seen"]
    counted = Count(
        compared={"read": seen, "acknowledged offsets": tally["located"]},
        violations=tally["wrong"],
        held=f"{records(seen, 'record')} lie in the order their producers sent them.",
        broken=_broken(tally["late"], tally["moved"]),
        doubt="no record was read back" if not seen else covered.why_not(),
        witnesses=tally.witnesses,
    )
    return judged(NAME, evidence, counted)


check = RecordCheck(NAME, count, conclude)


def _broken(late: int, moved: int) -> str:
    return sentence(
        (
            f"{records(late)} out of order" if late else "",
            f"{records(moved)} not at the acknowledged offset" if moved else "",
        )
    )


def _late(first: Placed, lanes: Lanes) -> Spans:
    """What lies, by offset, behind a record of the same lane with a larger sequence."""
    low, high, start, lane = _apart(first, np.searchsorted(lanes.base, first.low, side="right"))
    order = np.lexsort((low, start, lane))
    low, high, start, lane = low[order], high[order], start[order], lane[order]
    opens = np.concatenate(
        (np.ones(min(1, len(low)), np.bool_), (np.diff(start) != 0) | (np.diff(lane) != 0))
    )
    place = np.cumsum(opens) - 1
    # Lanes ascend along the line, so the largest position so far never reaches into the next lane.
    reached = np.concatenate((low[:1], np.maximum.accumulate(high)[:-1]))[opens][place]
    # Of runs at the same offsets, the one furthest on makes the others late, all but their first records.
    behind = np.maximum.reduceat(low, np.flatnonzero(opens))[place] > low if len(low) else opens
    return union(low, np.minimum(high, reached)) | union(low[behind] + 1, high[behind])


def _apart(runs: Placed, lane: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Low, high, first offset and lane of *runs*, cut so that two of a lane share all offsets or none.

    Only a log that held one record at an offset and later another has runs that share any.
    """
    start = runs.low + runs.diagonal
    end = start + runs.high - runs.low
    order = np.lexsort((start, lane))
    meet = (start[order][1:] < end[order][:-1]) & (lane[order][1:] == lane[order][:-1])
    cut = np.isin(lane, np.unique(lane[order][1:][meet]))
    marks = np.unique(np.concatenate((start[cut], end[cut])))
    shift = lane[cut] * len(marks)
    from_, to = np.searchsorted(marks, start[cut]) + shift, np.searchsorted(marks, end[cut]) + shift
    run, begins, ends = pieces(from_, to, np.unique(np.concatenate((from_, to))))
    at, until = marks[begins - shift[run]], marks[ends - shift[run]]
    back = runs.diagonal[cut][run]
    return (
        np.concatenate((runs.low[~cut], at - back)),
        np.concatenate((runs.high[~cut], until - back)),
        np.concatenate((start[~cut], at)),
        np.concatenate((lane[~cut], lane[cut][run])),
    )


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
