"""Values by rows of which some are nobody's."""

from __future__ import annotations

import numpy as np

from harness.history.columns import NONE, Ints


def pick(values: Ints, rows: Ints) -> Ints:
    """*values* at *rows*; ``NONE`` where the row is ``NONE``."""
    if not len(values):
        return np.full(len(rows), NONE, np.int64)
    return np.where(rows == NONE, NONE, values[rows])
