"""Change points on series whose changes were planted, and on series without any."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.statistics.changes import Rules, best_split, change_points, student


def noise(seed: int, *levels: tuple[float, int]) -> list[float]:
    """So many values around each level, with 3 % of noise."""
    draw = np.random.default_rng(seed)
    return [float(draw.normal(level, 0.03 * level)) for level, count in levels for _ in range(count)]


@pytest.mark.parametrize(
    ("t", "freedom", "p"),
    [
        (2.228, 10, 0.05),
        (3.169, 10, 0.01),
        (12.706, 1, 0.05),
        (63.657, 1, 0.01),
        (3.291, 1e6, 0.001),
        (0.0, 5, 1.0),
    ],
)
def test_student_is_that_of_the_tables(t: float, freedom: float, p: float) -> None:
    """Critical values of the published tables give back their p."""
    assert student(t, freedom) == pytest.approx(p, rel=2e-3)


@given(st.lists(st.floats(0, 100), min_size=8, max_size=14))
@settings(max_examples=100, deadline=None)
def test_the_split_is_the_best_of_all(values: list[float]) -> None:
    """The chosen cut has the largest energy distance, each computed pair by pair."""

    def energy(cut: int) -> float:
        a, b = values[:cut], values[cut:]
        between = sum(abs(x - y) for x in a for y in b) / (len(a) * len(b))
        within = sum(
            sum(abs(x - y) for x in side for y in side) / (len(side) * (len(side) - 1)) for side in (a, b)
        )
        return len(a) * len(b) / len(values) * (2 * between - within)

    found = best_split(np.asarray(values))

    assert found is not None
    assert energy(found) == pytest.approx(max(energy(cut) for cut in range(4, len(values) - 3)), abs=1e-6)


@given(st.integers(0, 10_000), st.integers(8, 60), st.integers(6, 60), st.sampled_from([0.7, 1.25, 1.5, 3.0]))
@settings(max_examples=60, deadline=None)
def test_a_planted_change_is_found_where_it_is(seed: int, before: int, after: int, factor: float) -> None:
    """A quarter more or less, eight times the noise, is one point within two runs of the truth."""
    points = change_points(noise(seed, (10.0, before), (10.0 * factor, after)), Rules(max_p=1e-4))

    assert [point for point in points if abs(point.index - before) <= 2]
    assert all((point.after > point.before) == (factor > 1) for point in points if point.index == before)


def test_series_without_a_change_are_rarely_accused() -> None:
    """Of 300 histories of 60 nights without any change at most one in a hundred has a point."""
    accused = sum(bool(change_points(noise(seed, (10.0, 60)))) for seed in range(300))

    assert accused <= 3


def test_a_change_that_is_sure_and_small_is_none() -> None:
    """Two percent in 200 runs is beyond chance and below the least magnitude."""
    values = noise(1, (10.0, 100), (10.2, 100))
    exact = [10.0] * 20 + [10.1] * 20

    assert () == change_points(values) == change_points(exact)
    assert 1 == len(change_points(exact, Rules(min_magnitude=0.005)))
    assert () == change_points([0.1] * 20 + [0.2] * 20, Rules(grain=0.25))


def test_a_spike_is_no_change() -> None:
    """One bad night, or three, among sixty is not a new level."""
    values = noise(2, (10.0, 60))

    assert () == change_points([*values[:30], 40.0, *values[30:]])
    assert () == change_points([*values, 14.0, 14.1, 13.9])


def test_two_changes_and_a_long_history_are_all_found() -> None:
    """Up after 70 nights and back after 140, in windows of fifty."""
    points = change_points(noise(3, (10.0, 70), (15.0, 70), (10.0, 70)))

    assert [70, 140] == [round(point.index, -1) for point in points]
    assert (10.0, 15.0) == pytest.approx((points[0].before, points[0].after), rel=0.03)


def test_never_is_a_level() -> None:
    """A fault that is no longer recovered from is a change to "never"."""
    (point,) = change_points([*noise(4, (8.0, 12)), *[math.inf] * 6])

    assert (12, math.inf) == (point.index, point.after)


@given(st.lists(st.one_of(st.floats(0, 1e6), st.just(math.inf)), max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_series_has_an_answer_and_always_the_same(values: list[float]) -> None:
    """Whatever the numbers, there is no error, and no chance in the answer."""
    assert change_points(values) == change_points(values)
