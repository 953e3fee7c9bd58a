"""Sets of integers as numpy columns: the arithmetic every record checker is built from.

``harness.ranges.RangeSet`` is for a handful of ranges; a ledger row of few
records makes millions, so here every operation is one sort and one vectorised
sweep. Invariant: the spans of a ``Spans`` ascend, do not touch and are not empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.ledger.evidence import Ints

_IN_FIRST, _IN_SECOND = 1, 2


def _none() -> Ints:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class Spans:
    """The integers of all half-open spans [low, high)."""

    low: Ints = field(default_factory=_none)
    high: Ints = field(default_factory=_none)

    def __bool__(self) -> bool:
        return len(self.low) > 0

    def count(self) -> int:
        """How many integers the set holds."""
        return int((self.high - self.low).sum())

    def first(self, limit: int) -> list[int]:
        """The *limit* smallest members."""
        members: list[int] = []
        # Every span holds at least one member, so *limit* spans are enough.
        for low, high in zip(self.low[:limit].tolist(), self.high[:limit].tolist(), strict=True):
            members += range(low, min(high, low + limit - len(members)))
        return members

    def within(self, other: Spans) -> npt.NDArray[np.bool_]:
        """Which spans lie wholly inside one span of *other*."""
        if not other:
            return np.zeros(len(self.low), np.bool_)
        place = np.maximum(np.searchsorted(other.low, self.low, side="right") - 1, 0)
        return (other.low[place] <= self.low) & (self.high <= other.high[place])

    def met_by(self, low: Ints, high: Ints) -> npt.NDArray[np.bool_]:
        """Which of the given spans hold a member of this set."""
        if not self:
            return np.zeros(len(low), np.bool_)
        place = np.minimum(np.searchsorted(self.high, low, side="right"), len(self.low) - 1)
        return (self.low[place] < high) & (low < self.high[place])

    def chosen(self, rows: npt.NDArray[np.bool_]) -> Spans:
        """The spans at these rows alone."""
        return Spans(self.low[rows], self.high[rows])

    def __or__(self, other: Spans) -> Spans:
        return union(np.concatenate((self.low, other.low)), np.concatenate((self.high, other.high)))

    def __and__(self, other: Spans) -> Spans:
        return _where(self, other, _IN_FIRST | _IN_SECOND)

    def __sub__(self, other: Spans) -> Spans:
        return _where(self, other, _IN_FIRST)


def union(low: Ints, high: Ints) -> Spans:
    """The union of half-open spans in any order, overlapping or empty."""
    kept = high > low
    order = np.argsort(low[kept])
    low, reach = low[kept][order], np.maximum.accumulate(high[kept][order])
    if not len(low):
        return Spans()
    opens = np.flatnonzero(np.concatenate(([True], low[1:] > reach[:-1])))
    closes = np.append(opens[1:] - 1, len(low) - 1)
    return Spans(low[opens], reach[closes])


def covered_twice(low: Ints, high: Ints) -> Spans:
    """What at least two of the given spans, none of them empty, hold."""
    order = np.argsort(low)
    low, high = low[order], high[order]
    meets = low[1:] < np.maximum.accumulate(high)[:-1]
    # Whoever overlaps anybody has a neighbour, in this order, that overlaps somebody before it.
    crowded = np.concatenate((meets, [False])) | np.concatenate(([False], meets))
    if not len(low) or not crowded.any():
        return Spans()
    marks, depth = _swept((low[crowded], 1), (high[crowded], -1))
    return _between(marks, depth[:-1] >= 2)


def pieces(low: Ints, high: Ints, marks: Ints) -> tuple[Ints, Ints, Ints]:
    """Each span cut at the *marks* inside it: the span's index, and the pieces' bounds.

    *marks* ascend without repeating; pieces come in the order of their spans.
    """
    after = np.searchsorted(marks, low, side="right")
    count = np.searchsorted(marks, high) - after + 1
    span = np.repeat(np.arange(len(low)), count)
    last = np.cumsum(count)
    place = np.arange(len(span)) - np.repeat(last - count, count)
    cuts = np.concatenate((marks, marks[:1]))
    ends = cuts[np.minimum(after[span] + place, len(marks))]
    ends[last - 1] = high
    starts = np.concatenate((low[:1], ends[:-1]))
    starts[last - count] = low
    return span, starts, ends


def _where(first: Spans, second: Spans, state: int) -> Spans:
    if not first:
        return first
    marks, found = _swept(
        (first.low, _IN_FIRST), (first.high, -_IN_FIRST), (second.low, _IN_SECOND), (second.high, -_IN_SECOND)
    )
    return _between(marks, found[:-1] == state)


def _swept(*steps: tuple[Ints, int]) -> tuple[Ints, npt.NDArray[np.int32]]:
    """Every mark in order, and the sum of the steps up to and including it."""
    marks = np.concatenate([at for at, _ in steps])
    weights = np.concatenate([np.full(len(at), step, np.int8) for at, step in steps])
    order = np.argsort(marks)
    return marks[order], np.cumsum(weights[order], dtype=np.int32)


def _between(marks: Ints, chosen: npt.NDArray[np.bool_]) -> Spans:
    """The stretches from each chosen mark to the next one; equal marks make an empty one."""
    return union(marks[:-1][chosen], marks[1:][chosen])
