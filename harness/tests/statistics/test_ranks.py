"""The rank tests against all permutations, published tables and planted differences."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.statistics.ranks import LEAST_RUNS, benjamini_hochberg, hodges_lehmann, mann_whitney, median

VALUES = st.lists(
    st.one_of(st.integers(0, 6).map(float), st.just(math.inf)), min_size=1, max_size=5
)  # few distinct values: ties abound


def by_all_deals(first: list[float], second: list[float]) -> float:
    """The naive reference: every way to deal the pooled values out."""
    pool = [*first, *second]
    ranks = [sum(b < a for b in pool) + (sum(b == a for b in pool) + 1) / 2 for a in pool]
    expected = len(first) * (len(pool) + 1) / 2
    seen = abs(sum(ranks[: len(first)]) - expected)
    deals = [abs(sum(deal) - expected) >= seen - 1e-9 for deal in combinations(ranks, len(first))]
    return sum(deals) / len(deals)


@given(first=VALUES, second=VALUES)
@settings(max_examples=200, deadline=None)
def test_p_is_that_of_all_deals(first: list[float], second: list[float]) -> None:
    """With ties and with "never" the p-value is the share of deals at least as extreme."""
    assert mann_whitney(first, second) == pytest.approx(by_all_deals(first, second))
    assert mann_whitney(first, second) == pytest.approx(mann_whitney(second, first))


@pytest.mark.parametrize(("runs", "least"), [(3, 0.10), (4, 0.0286), (5, 0.0079), (10, 1.083e-5)])
def test_the_least_p_is_that_of_the_tables(runs: int, least: float) -> None:
    """Runs that do not overlap at all give the published minimum; below four a side it is no evidence."""
    p = mann_whitney(list(range(runs)), list(range(100, 100 + runs)))

    assert p == pytest.approx(least, rel=0.01)
    assert (p < 0.05) == (runs >= LEAST_RUNS)


def test_many_runs_go_by_the_normal_curve() -> None:
    """At the border the approximation agrees with the exact value to a thousandth."""
    draw = np.random.default_rng(7)
    first, second = draw.normal(0, 1, 60).tolist(), draw.normal(0.4, 1, 60).tolist()
    exact, approximate = mann_whitney(first, second), mann_whitney([*first, 0.1], second)

    assert exact == pytest.approx(approximate, abs=0.01)
    assert 1.0 == mann_whitney([1.0] * 70, [1.0] * 70)


@given(
    first=st.lists(st.floats(-100, 100), min_size=4, max_size=8),
    shift=st.floats(-50, 50),
)
@settings(max_examples=100, deadline=None)
def test_a_planted_shift_is_found(first: list[float], shift: float) -> None:
    """The same runs moved by a constant: the interval holds it, the estimate too where runs are symmetric."""
    found = hodges_lehmann(first, [value + shift for value in first])

    assert found.estimate == pytest.approx(shift, abs=1e-6)
    assert found.low is not None
    assert found.high is not None
    assert found.low - 1e-6 <= shift <= found.high + 1e-6


def test_three_runs_have_no_interval() -> None:
    """All nine differences of three runs a side hold the truth in 90 % of cases only."""
    found = hodges_lehmann([1, 2, 3], [5, 6, 7])

    assert (4.0, None, None) == (found.estimate, found.low, found.high)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of 400 drawn pairs without any difference about 95 % have an interval around zero."""
    draw = np.random.default_rng(11)
    covered = 0
    for _ in range(400):
        found = hodges_lehmann(draw.normal(size=6).tolist(), draw.normal(size=6).tolist())
        covered += found.low is not None and found.high is not None and found.low <= 0 <= found.high

    assert 0.93 <= covered / 400 <= 0.99


def test_never_is_above_every_number() -> None:
    """One side that never recovers and one that does: the shift is "never", not an error."""
    found = hodges_lehmann([1.0, 2.0, 3.0, 4.0], [math.inf] * 4)

    assert (math.inf, math.inf) == (found.estimate, found.high)
    assert 0.0 == hodges_lehmann([math.inf] * 4, [math.inf] * 4).estimate
    assert mann_whitney([1.0, 2.0, 3.0, 4.0], [math.inf] * 4) < 0.05
    assert 1.0 == mann_whitney([math.inf] * 4, [math.inf] * 4)


@given(chances=st.lists(st.floats(0, 1), max_size=12))
def test_q_is_that_of_the_definition(chances: list[float]) -> None:
    """Q of a test is the least p·m/k over all tests that are at least as weak as it."""
    ordered = sorted(chances)
    wanted = [
        min([1.0, *(p * len(chances) / (rank + 1) for rank, p in enumerate(ordered) if p >= one)])
        for one in chances
    ]

    assert benjamini_hochberg(chances) == pytest.approx(wanted)


def test_the_median_of_an_even_number_is_between() -> None:
    """Half of two numbers; of a number and "never" it is "never"."""
    assert 2.5 == median([1.0, 2.0, 3.0, 4.0])
    assert math.inf == median([1.0, 2.0, math.inf, math.inf])
