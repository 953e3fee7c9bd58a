"""Numbers for what several columns name together, so that no two of them share one."""

from __future__ import annotations

import numpy as np

from harness.history.columns import Ints


def numbered(*columns: Ints) -> Ints:
    """Of each row the number of its values in *columns*: dense, and in their order, the first column first.

    Unlike a shift it has no bound on the values: those of readers reach 2**31, and records have no bound.
    """
    order = np.lexsort(columns[::-1])
    differs = np.zeros(len(order), np.bool_)
    for column in columns:
        differs[1:] |= column[order][1:] != column[order][:-1]
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(differs)
    return numbers
