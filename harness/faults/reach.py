"""The data-plane probe: which node can open a TCP connection to which other node.

This is what effects and healings are proven with, because a rule that is
installed is not yet a packet that is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness.stack.seams import Passive, Stack

_AT_ONCE = 32


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """A connection in the direction in which it is opened."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}→{self.target}"


def all_pairs(stack: Stack) -> frozenset[Pair]:
    """Every connection that can be tried: from each node to each other node that listens."""
    listening = [name for name, node in stack.nodes.items() if node.ports]
    asking = [name for name, node in stack.nodes.items() if not isinstance(node, Passive)]
    return frozenset(Pair(a, b) for a in asking for b in listening if a != b)


def connecting(stack: Stack, pairs: Mapping[Pair, float]) -> frozenset[Pair]:
    """Those of *pairs* that connect, each within its seconds; all are tried at once."""
    tried = sorted(pairs)
    if not tried:
        return frozenset()
    with ThreadPoolExecutor(min(len(tried), _AT_ONCE), thread_name_prefix="reach") as pool:
        results = list(pool.map(lambda pair: _connects(stack, pair, pairs[pair]), tried))
    return frozenset(pair for pair, connected in zip(tried, results, strict=True) if connected)


def listed(pairs: Iterable[Pair], *, at_most: int = 6) -> str:
    """*pairs* in words, in order, cut after *at_most*."""
    ordered = sorted(pairs)
    more = f" and {len(ordered) - at_most} more" if len(ordered) > at_most else ""
    return (", ".join(str(pair) for pair in ordered[:at_most]) or "none") + more


def _connects(stack: Stack, pair: Pair, seconds: float) -> bool:
    target = stack.nodes[pair.target]
    return stack.nodes[pair.source].can_connect(target.address, target.ports[0], seconds=seconds)
