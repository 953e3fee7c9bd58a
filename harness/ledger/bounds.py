"""What a column of whole numbers may hold, so that nothing else is ever computed with.

A code that no rule knows is a record that no rule counts: an acknowledgement with the outcome 9 is neither
due nor refused, and its loss passes unseen. And sums of what is out of range wrap around without a word.

Bounds are inclusive. A column that only repeats what a job or an agent said has none: to judge that is for
the checkers. Nor has the name of a record that was read damaged, for the name is damaged as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from harness.model import Outcome, ReadState

Bounds = Mapping[str, tuple[int, int]]
Values = npt.NDArray[np.integer]

NUMBER = (0, 2**31 - 1)
PLACE = (0, 2**61)
PLACE_OR_NONE = (-1, 2**61)
OUTCOMES = (int(min(Outcome)), int(max(Outcome)))
STATES = (int(min(ReadState)), int(max(ReadState)))
_MANY = (1, 2**61)
_INSTANT = (-(2**62), 2**62)

LEDGER: Mapping[str, Bounds] = {
    "attempts": {
        "producer": NUMBER,
        "partition": NUMBER,
        "first_seq": PLACE,
        "count": _MANY,
        "t_intended": _INSTANT,
        "t_sent": _INSTANT,
        "t_done": _INSTANT,
        "outcome": OUTCOMES,
        "base_offset": PLACE_OR_NONE,
        "bytes": PLACE,
    },
    "announced": {"producer": NUMBER, "partition": NUMBER, "until_seq": PLACE},
    "reads": {"partition": NUMBER, "count": _MANY, "first_offset": PLACE, "state": STATES},
    "inputs": {"partition": NUMBER, "offset": PLACE},
    "results": {"partition": NUMBER, "offset": PLACE},
    "archive": {
        "object": NUMBER,
        "first_line": _MANY,
        "partition": NUMBER,
        "first_offset": PLACE,
        "count": _MANY,
    },
    "objects": {"object": NUMBER, "bytes": PLACE, "lines": PLACE},
}
"""By the names of the ledger's tables."""

_NAMES: Bounds = {"producer": NUMBER, "first_seq": PLACE}


def in_table(name: str, columns: Mapping[str, Values]) -> str:
    """What is out of range in the ledger's table *name*: "state holds 9, not 0 to 3"; empty: nothing."""
    found = outside(columns, LEDGER.get(name, {}))
    if name != "reads" or found:
        return found
    good = columns["state"] == ReadState.GOOD
    return outside({each: columns[each][good] for each in _NAMES}, _NAMES)


def outside(columns: Mapping[str, Values], bounds: Bounds) -> str:
    """The first of *columns* that is out of its *bounds*, and how; empty: none is."""
    for name, (least, most) in bounds.items():
        values = columns[name]
        if not len(values):
            continue
        low, high = int(values.min()), int(values.max())
        if low < least or high > most:
            return f"{name} holds {low if low < least else high:,}, not {least:,} to {most:,}"
    return ""
