"""Cycles in a directed graph of numbered nodes."""

from __future__ import annotations

import numpy as np

from harness.anomalies.facts import Mask
from harness.history.columns import Ints


def in_cycles(source: Ints, target: Ints, nodes: int) -> Mask:
    """Of each node, whether it can be left and reached again by what is left after peeling.

    Whatever has no edge in, or no edge out, is in no cycle; it is taken away until nothing changes. What
    remains lies on a cycle or on a way between two; every such way is part of the same trouble.
    """
    alive = np.ones(nodes, np.bool_)
    while True:
        live = alive[source] & alive[target]
        into = np.bincount(target[live], minlength=nodes) > 0
        out = np.bincount(source[live], minlength=nodes) > 0
        kept: Mask = alive & into & out
        if kept.sum() == alive.sum():
            return kept
        alive = kept
