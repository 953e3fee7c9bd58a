"""Two small samples compared by ranks: is there a difference, how large, and which of many to believe.

Written here and not taken from scipy: its exact Mann-Whitney test leaves ties out of account, and runs
that "never recovered" are ties by nature; it has no Hodges-Lehmann interval; and a hundred megabytes
for as many lines would be the harness's largest dependency.

Values are floats; ``inf`` is "never", which ranks above every number and equals itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_RUNS = 4
"""With fewer on a side not even the most extreme order of runs has p < 0.05: 3 against 3 gives 0.10."""

_EXACT_UP_TO = 120


@dataclass(frozen=True, slots=True)
class Shift:
    """How much larger the second sample is: the median of all differences, and its interval.

    ``low`` and ``high`` are None when so few values allow no interval of that confidence.
    """

    estimate: float
    low: float | None
    high: float | None


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided p-value that *first* and *second* come from one distribution; 1.0 when one is empty.

    Exact over all ways to deal the pooled values out, ties included, for up to 120 values together;
    beyond that the normal approximation with the correction for ties.
    """
    if not len(first) or not len(second):
        return 1.0
    doubled = _doubled_ranks(np.asarray([*first, *second], np.float64))
    if len(doubled) > _EXACT_UP_TO:
        return _approximate(doubled, len(first))
    counts = _sums(doubled, len(first))
    expected = len(first) * (len(doubled) + 1)
    distance = abs(int(doubled[: len(first)].sum()) - expected)
    extreme = np.abs(np.arange(len(counts)) - expected) >= distance
    return min(1.0, float(counts[extreme].sum() / counts.sum()))


def hodges_lehmann(first: Sequence[float], second: Sequence[float], *, confidence: float = 0.95) -> Shift:
    """By how much *second* lies above *first*, both not empty.

    The interval is the one that the exact test, ties left out of account, does not reject.
    """
    differences = np.sort(np.asarray([_minus(b, a) for a in first for b in second], np.float64))
    cut = _depth(len(first), len(second), (1 - confidence) / 2)
    if not cut:
        return Shift(_median(differences), None, None)
    return Shift(_median(differences), float(differences[cut - 1]), float(differences[-cut]))


def benjamini_hochberg(chances: Sequence[float]) -> list[float]:
    """The p-values of one family made into q-values, in the order given.

    To believe every q ≤ 0.05 is to be wrong about at most one in twenty of those believed, on average.
    """
    order = sorted(range(len(chances)), key=lambda index: chances[index])
    adjusted = [1.0] * len(chances)
    least = 1.0
    for rank in range(len(order), 0, -1):
        index = order[rank - 1]
        least = min(least, chances[index] * len(order) / rank)
        adjusted[index] = least
    return adjusted


def median(values: Sequence[float]) -> float:
    """The median of *values*, which is not empty; "never" is the largest."""
    return _median(np.sort(np.asarray(values, np.float64)))


def _median(ordered: Floats) -> float:
    low, high = float(ordered[(len(ordered) - 1) // 2]), float(ordered[len(ordered) // 2])
    return low if low == high else (low + high) / 2 if math.isfinite(low + high) else high


def _minus(one: float, other: float) -> float:
    return 0.0 if one == other else one - other


def _doubled_ranks(values: Floats) -> npt.NDArray[np.int64]:
    """Twice the mid-rank of each value: whole numbers, with equal ones for ties."""
    ordered = np.sort(values)
    below, through = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return (below + through + 1).astype(np.int64)


def _sums(doubled: npt.NDArray[np.int64], size: int) -> Floats:
    """How many subsets of *size* have each sum of doubled ranks."""
    counts = np.zeros((size + 1, int(doubled.sum()) + 1))
    counts[0, 0] = 1
    for rank in doubled.tolist():
        counts[1:, rank:] += counts[:-1, : counts.shape[1] - rank]
    row: Floats = counts[size]
    return row


def _approximate(doubled: npt.NDArray[np.int64], size: int) -> float:
    whole, other = len(doubled), len(doubled) - size
    _, tied = np.unique(doubled, return_counts=True)
    ties = float((tied.astype(np.float64) ** 3 - tied).sum()) / (whole * (whole - 1))
    spread = math.sqrt(size * other / 12 * (whole + 1 - ties))
    distance = abs(int(doubled[:size].sum()) / 2 - size * (whole + 1) / 2)
    if not spread:
        return 1.0
    return math.erfc(max(0.0, distance - 0.5) / spread / math.sqrt(2))


def _depth(first: int, second: int, tail: float) -> int:
    """How many differences may be cut off at each end; 0 when none, so that no interval exists."""
    if first + second > _EXACT_UP_TO:
        spread = math.sqrt(first * second * (first + second + 1) / 12)
        return max(1, math.floor(first * second / 2 - _normal_quantile(1 - tail) * spread))
    counts = _sums(2 * np.arange(1, first + second + 1), first)[first * (first + 1) :: 2]
    return int(np.searchsorted(np.cumsum(counts) / counts.sum(), tail, "right"))


def _normal_quantile(share: float) -> float:
    return NormalDist().inv_cdf(share)
