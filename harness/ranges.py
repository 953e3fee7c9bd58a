"""An immutable set of integers held as half-open ranges.

Invariant: ``bounds`` is a flat tuple lo₀ < hi₀ < lo₁ < hi₁ …, so two equal sets
have equal bounds. Record sequences are dense, so a set of a hundred million of
them is a handful of ranges.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RangeSet:
    """A set of integers; ``RangeSet.of((0, 3), (2, 5))`` is {0, 1, 2, 3, 4}."""

    bounds: tuple[int, ...] = ()

    @classmethod
    def of(cls, *ranges: Range) -> RangeSet:
        """The union of half-open *ranges*, in any order, overlapping or empty."""
        return cls.union_of(ranges)

    @classmethod
    def union_of(cls, ranges: Iterable[Range]) -> RangeSet:
        """The union of half-open *ranges*; O(n log n)."""
        merged: list[int] = []
        for low, high in sorted(r for r in ranges if r[0] < r[1]):
            if merged and low <= merged[-1]:
                merged[-1] = max(merged[-1], high)
            else:
                merged += (low, high)
        return cls(tuple(merged))

    def __iter__(self) -> Iterator[Range]:
        """The ranges in ascending order."""
        return iter(zip(self.bounds[::2], self.bounds[1::2], strict=True))

    def __bool__(self) -> bool:
        return bool(self.bounds)

    def __contains__(self, value: int) -> bool:
        return bisect_right(self.bounds, value) % 2 == 1

    def count(self) -> int:
        """How many integers the set holds."""
        return sum(high - low for low, high in self)

    def first(self, limit: int) -> list[int]:
        """The *limit* smallest members."""
        members: list[int] = []
        for low, high in self:
            members += range(low, min(high, low + limit - len(members)))
            if len(members) >= limit:
                break
        return members

    def __or__(self, other: RangeSet) -> RangeSet:
        return RangeSet.union_of((*self, *other))

    def __and__(self, other: RangeSet) -> RangeSet:
        return self - (self - other)

    def __sub__(self, other: RangeSet) -> RangeSet:
        return RangeSet(tuple(_swept(self.bounds, other.bounds)))


def _swept(kept: tuple[int, ...], cut: tuple[int, ...]) -> Iterator[int]:
    """The bounds of kept minus cut: one pass over all bounds in order."""
    inside = [False, False]
    open_now = False
    marks = sorted([(at, 0) for at in kept] + [(at, 1) for at in cut])
    for index, (at, which) in enumerate(marks):
        inside[which] = not inside[which]
        if index + 1 < len(marks) and marks[index + 1][0] == at:
            continue
        if (inside[0] and not inside[1]) != open_now:
            open_now = not open_now
            yield at
