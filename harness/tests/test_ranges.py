"""Range sets hold what plain sets of integers hold, whatever is asked of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.ranges import Range, RangeSet

RANGES = st.lists(st.tuples(st.integers(-20, 40), st.integers(-20, 40)), max_size=8)


def as_set(ranges: list[Range]) -> set[int]:
    """The members of *ranges*, one by one."""
    return {member for low, high in ranges for member in range(low, high)}


@given(RANGES)
def test_a_union_holds_exactly_the_members_of_its_ranges(ranges: list[Range]) -> None:
    """A union of ranges, overlapping, empty or reversed, holds their members and no other."""
    made = RangeSet.of(*ranges)

    expected = as_set(ranges)
    assert sorted(expected) == made.first(1_000)
    assert len(expected) == made.count()
    assert {n for n in range(-25, 45) if n in made} == expected
    assert bool(expected) == bool(made)


@given(RANGES, RANGES)
def test_operators_agree_with_those_of_sets(left: list[Range], right: list[Range]) -> None:
    """Union, intersection and difference give what Python's sets give."""
    made, other = RangeSet.of(*left), RangeSet.of(*right)
    members, others = as_set(left), as_set(right)

    assert sorted(members | others) == (made | other).first(1_000)
    assert sorted(members & others) == (made & other).first(1_000)
    assert sorted(members - others) == (made - other).first(1_000)


@given(RANGES)
def test_equal_sets_have_equal_bounds(ranges: list[Range]) -> None:
    """However a set was put together, its bounds are strictly ascending, hence the same."""
    once = RangeSet.of(*ranges)
    again = RangeSet.of(*((n, n + 1) for n in as_set(ranges)))

    assert list(once.bounds) == sorted(set(once.bounds))
    assert once == again


@given(RANGES, st.integers(0, 10))
def test_first_gives_the_smallest_members_in_order(ranges: list[Range], limit: int) -> None:
    """``first(n)`` gives the n smallest members, or all when there are fewer."""
    assert sorted(as_set(ranges))[:limit] == RangeSet.of(*ranges).first(limit)


def test_a_hundred_million_dense_members_are_two_bounds() -> None:
    """Adjacent ranges become one, so a dense set costs the same at any size."""
    made = RangeSet.of((0, 50_000_000), (50_000_000, 100_000_000))

    assert made.bounds == (0, 100_000_000)
    assert made.count() == 100_000_000
