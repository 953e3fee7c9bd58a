"""Where a series of nightly figures changed for good.

E-divisive means: the split that maximises the energy distance between what lies before and after it, tried
again on both sides. Its own test deals the values out at random, which gives another answer each time; here,
as others do for the same reason, Student's t (Welch's form) decides, so equal histories give equal points.
A point is kept when p and its magnitude hold between the segments that remain; candidates are taken at ten
times that p first, for two changes close together hide each other until both are in.

"Never" (``inf``) is taken as twice the largest number of the series: above all, and finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.statistics.ranks import LEAST_RUNS, Floats, median

WINDOW = 50
MAX_P = 0.001
MIN_MAGNITUDE = 0.05
_WEAK = 10


@dataclass(frozen=True, slots=True)
class Rules:
    """How sure and how large a change must be.

    Args:
        window: how many values are looked at together; it moves by half of itself.
        max_p: the largest p of a change.
        min_magnitude: the least change of the mean, as a share of the mean before it.
        grain: the least change that matters in the unit of the values.
    """

    window: int = WINDOW
    max_p: float = MAX_P
    min_magnitude: float = MIN_MAGNITUDE
    grain: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """The first value of the new level, and the medians of the levels before and after it."""

    index: int
    before: float
    after: float
    p: float


def change_points(values: Sequence[float], rules: Rules | None = None) -> tuple[Change, ...]:
    """The changes in *values*, oldest first; each level has at least four values."""
    rules = rules or Rules()
    finite = _finite(values)
    points = sorted(set(_candidates(finite, rules)))
    while points and (weakest := _weakest(finite, points, rules)) is not None:
        points.remove(weakest)
    return tuple(_change(values, finite, low, mid, high) for low, mid, high in _levels(points, len(finite)))


def _change(values: Sequence[float], finite: Floats, low: int, mid: int, high: int) -> Change:
    p = _chance(finite[low:mid], finite[mid:high])
    return Change(mid, median(values[low:mid]), median(values[mid:high]), p)


def _levels(points: Sequence[int], end: int) -> list[tuple[int, int, int]]:
    """Each point with the edges of the levels before and after it."""
    edges = [0, *points, end]
    return list(zip(edges, edges[1:], edges[2:], strict=False))


def student(t: float, freedom: float) -> float:
    """The two-sided p-value of Student's *t* with *freedom* degrees of freedom."""
    if math.isinf(t):
        return 0.0
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def best_split(values: Floats) -> int | None:
    """Where *values* are cut best in two, by energy distance; None when they are too few."""
    count = len(values)
    if count < 2 * LEAST_RUNS:
        return None
    apart = np.abs(values[:, None] - values[None, :])
    cuts = range(LEAST_RUNS, count - LEAST_RUNS + 1)
    return max(cuts, key=lambda cut: _energy(apart, cut))


def _energy(apart: Floats, cut: int) -> float:
    first, second = cut, len(apart) - cut
    between = 2 * float(apart[:cut, cut:].mean())
    within = float(apart[:cut, :cut].sum()) / (first * (first - 1))
    within += float(apart[cut:, cut:].sum()) / (second * (second - 1))
    return first * second / (first + second) * (between - within)


def _candidates(values: Floats, rules: Rules) -> Iterator[int]:
    step = max(1, rules.window // 2)
    for start in range(0, max(1, len(values) - step), step):
        yield from _within(values[start : start + rules.window], start, _WEAK * rules.max_p)


def _within(values: Floats, start: int, max_p: float) -> Iterator[int]:
    cut = best_split(values)
    if cut is not None and _chance(values[:cut], values[cut:]) <= max_p:
        yield start + cut
        yield from _within(values[:cut], start, max_p)
        yield from _within(values[cut:], start + cut, max_p)


def _weakest(values: Floats, points: list[int], rules: Rules) -> int | None:
    """The point to give up: between levels too short or alike, the least sure first; None when all hold."""
    doubts = [
        (_doubt(values[low:mid], values[mid:high], rules), mid)
        for low, mid, high in _levels(points, len(values))
    ]
    p, point = max(doubts)
    return point if p > rules.max_p else None


def _doubt(before: Floats, after: Floats, rules: Rules) -> float:
    """The p of a change, or 1 when it is too small or a level too short."""
    moved = abs(float(after.mean() - before.mean()))
    least = max(rules.min_magnitude * abs(float(before.mean())), rules.grain)
    short = min(len(before), len(after)) < LEAST_RUNS
    return 1.0 if short or moved < least else _chance(before, after)


def _chance(first: Floats, second: Floats) -> float:
    """Welch's t-test; levels without any spread that differ are certain."""
    moved = abs(float(first.mean() - second.mean()))
    spread = [float(side.var(ddof=1)) / len(side) if len(side) > 1 else 0.0 for side in (first, second)]
    if not moved:
        return 1.0
    if sum(spread) <= 1e-24 * moved * moved:
        return 0.0
    parts = [
        share * share / max(1, len(side) - 1) for share, side in zip(spread, (first, second), strict=True)
    ]
    return student(moved / math.sqrt(sum(spread)), sum(spread) ** 2 / sum(parts))


def _finite(values: Sequence[float]) -> Floats:
    whole = np.asarray(values, np.float64)
    known = whole[np.isfinite(whole)]
    return np.where(np.isfinite(whole), whole, 2 * float(known.max(initial=0.5)))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x > (a + 1) / (a + b + 2):
        return 1 - front * _fraction(b, a, 1 - x) / b
    return front * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction by the modified Lentz method."""
    upper, lower = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    product = lower
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            lower, upper = 1 / (1 + term * lower), 1 + term / upper
            product *= lower * upper
        if abs(lower * upper - 1) < 1e-14:
            break
    return product
