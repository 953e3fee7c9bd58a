"""Set arithmetic on spans agrees with Python's own sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checkers.spans import Spans, covered_twice, union

RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), max_size=8)


def columns(ranges: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """(start, length) pairs as two columns."""
    low = np.asarray([start for start, _ in ranges], np.int64)
    return low, low + np.asarray([length for _, length in ranges], np.int64)


def members(spans: Spans) -> set[int]:
    """Every integer of a set of spans."""
    return {
        n for low, high in zip(spans.low.tolist(), spans.high.tolist(), strict=True) for n in range(low, high)
    }


def naive(ranges: list[tuple[int, int]]) -> set[int]:
    """The same as a Python set."""
    return {start + k for start, length in ranges for k in range(length)}


@settings(deadline=None)
@given(RANGES, RANGES)
def test_set_operations_agree_with_sets(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    """Union, intersection and difference hold exactly the members that sets would."""
    one, two = union(*columns(first)), union(*columns(second))

    assert naive(first) | naive(second) == members(one | two)
    assert naive(first) & naive(second) == members(one & two)
    assert naive(first) - naive(second) == members(one - two)


@settings(deadline=None)
@given(RANGES)
def test_spans_are_disjoint_and_do_not_touch(ranges: list[tuple[int, int]]) -> None:
    """However the ranges overlap, equal sets have equal spans."""
    spans = union(*columns(ranges))

    assert bool(np.all(spans.high[:-1] < spans.low[1:]))
    assert len(naive(ranges)) == spans.count()
    assert sorted(naive(ranges))[:5] == spans.first(5)


@settings(deadline=None)
@given(RANGES)
def test_covered_twice_is_what_two_ranges_hold(ranges: list[tuple[int, int]]) -> None:
    """An integer is covered twice when two of the ranges hold it."""
    kept = [pair for pair in ranges if pair[1]]
    expected = {n for n in naive(kept) if sum(start <= n < start + length for start, length in kept) > 1}

    assert expected == members(covered_twice(*columns(kept)))


@settings(deadline=None)
@given(RANGES, RANGES)
def test_within_and_met_by_tell_containment_and_contact(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    """A span lies within a set when all its members do, and is met by it when one does."""
    one, two = union(*columns(first)), union(*columns(second))
    each = [set(range(a, b)) for a, b in zip(one.low.tolist(), one.high.tolist(), strict=True)]

    assert [span <= naive(second) for span in each] == one.within(two).tolist()
    assert [bool(span & naive(second)) for span in each] == two.met_by(one.low, one.high).tolist()
