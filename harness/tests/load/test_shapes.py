"""Shapes: the multiplier, its area and the inverse belong together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.shapes import Burst, Constant, Curve, Ramp, Shape, Sine, Steps

SHAPES: dict[str, Shape] = {
    "constant": Constant(),
    "ramp up": Ramp(low=0.0, high=2.0, seconds=10),
    "ramp down": Ramp(low=3.0, high=0.5, seconds=7),
    "steps": Steps(levels=(1.0, 0.0, 2.0), seconds=4),
    "sine": Sine(low=0.0, high=2.0, seconds=20),
    "burst": Burst(factor=5.0, seconds=1, every=10, seed=3),
}


def curve(name: str) -> Curve:
    """The curve of a shape above."""
    return SHAPES[name].curve()


def level(name: str, *seconds: float) -> list[float]:
    """The multipliers at *seconds*."""
    return [float(value) for value in curve(name).multiplier(np.asarray(seconds))]


@pytest.mark.parametrize("name", SHAPES)
def test_area_is_the_integral_of_the_multiplier(name: str) -> None:
    """The area up to an instant is what a fine numeric integration of the multiplier gives."""
    ticks = np.arange(0, 90, 0.001)
    summed = np.cumsum(curve(name).multiplier(ticks + 0.0005)) * 0.001

    assert np.allclose(summed, curve(name).area(ticks + 0.001), atol=0.05)


@given(name=st.sampled_from(sorted(SHAPES)), area=st.floats(0, 500, allow_subnormal=False))
def test_when_inverts_area(name: str, area: float) -> None:
    """At the instant at which an area is reached, it is reached."""
    shape = curve(name)

    assert area == pytest.approx(float(shape.area(shape.when(np.asarray([area])))[0]), abs=1e-6)


def test_levels_are_the_documented_ones() -> None:
    """Each shape has the multiplier that its parameters say."""
    assert level("constant", 0, 1, 100) == [1.0, 1.0, 1.0]
    assert level("ramp up", 0, 5, 10, 60) == [0.0, 1.0, 2.0, 2.0]
    assert level("steps", 1, 5, 9, 13, 17) == [1.0, 0.0, 2.0, 1.0, 0.0]
    assert pytest.approx(level("sine", 0, 5, 10, 15, 20)) == [1.0, 2.0, 1.0, 0.0, 1.0]


def test_bursts_come_once_a_window_and_from_the_seed() -> None:
    """In every window of a burst shape its share of seconds is at the factor; the seed places it."""
    ticks = np.arange(0, 50, 0.01)
    high = curve("burst").multiplier(ticks) == 5.0
    other = Burst(factor=5.0, seconds=1, every=10, seed=4).curve()

    assert pytest.approx(list(high.reshape(5, -1).sum(axis=1) * 0.01), abs=0.021) == [1.0] * 5
    assert not np.array_equal(high, other.multiplier(ticks) == 5.0)
    assert np.array_equal(high, curve("burst").multiplier(ticks) == 5.0)


def test_a_load_that_falls_to_zero_is_never_due_again() -> None:
    """An area beyond the end of a shape that stays at zero is reached at infinity."""
    ended = Curve.through([(0, 1), (10, 0)], repeats=False)

    assert [10 - 50**0.5, np.inf] == pytest.approx(list(ended.when(np.asarray([2.5, 6.0]))))
