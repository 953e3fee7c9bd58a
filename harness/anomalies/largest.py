"""The largest value of each code: what was seen last, acknowledged highest, committed so far."""

from __future__ import annotations

import numpy as np

from harness.history.columns import NONE, Ints


class Largest:
    """By code the largest of its values, which are not negative."""

    def __init__(self, codes: Ints, values: Ints) -> None:
        self.codes, place = np.unique(codes, return_inverse=True)
        self.values = np.full(len(self.codes), NONE, np.int64)
        np.maximum.at(self.values, place, values)

    def of(self, codes: Ints) -> Ints:
        """The largest value of each code; ``NONE`` where it has none."""
        if not len(self.codes):
            return np.full(len(codes), NONE, np.int64)
        place = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[place] == codes, self.values[place], NONE)


def running_max(groups: Ints, values: Ints) -> Ints:
    """Of each row the largest value of earlier rows of its group; ``NONE`` for the first of a group.

    Rows of a group lie together; values are at least ``NONE``.
    """
    if not len(values):
        return values
    distinct, rank = np.unique(values, return_inverse=True)
    opens = np.concatenate(([True], groups[1:] != groups[:-1]))
    # Lifted group by group, so that one maximum over all rows never looks back beyond a group's first.
    floor = np.cumsum(opens) * len(distinct)
    reached = np.maximum.accumulate(rank + floor)
    before = np.concatenate((reached[:1], reached[:-1])) - floor
    return np.where(opens, NONE, distinct[np.maximum(before, 0)])
