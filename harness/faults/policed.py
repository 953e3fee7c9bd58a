"""The bandwidth mechanism where a cable is out of reach: the node's packet filter drops what exceeds it.

It stands at the node's end alone, for both directions, and is kept in force by ``Cuts``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from harness.clock import MONOTONIC, seconds_between
from harness.errors import FaultError, NotExpressible, StackError
from harness.faults import policing
from harness.faults.cut import Cut, OfBlocks
from harness.faults.leases import Cuts
from harness.faults.mechanism import Footprint, Seen
from harness.faults.nft import Block, standing
from harness.faults.policing import RATE, Flow
from harness.faults.rates import BACK_AT_MOST_SECONDS, both_ways, free_again, judged, offered
from harness.faults.reach import Pair
from harness.faults.traffic import can_speak, poured
from harness.stack.seams import Node
from harness.waiting import wait_for


@dataclass
class Policed(OfBlocks):
    """Each of a target's nodes sends, and gets, *to_mbit* at the most, by what ``cut`` holds.

    ``peers`` are, by node, those with which its rate can be proven, the best first.
    """

    to_mbit: float
    peers: Mapping[str, tuple[Node, ...]]
    touched: frozenset[Pair]

    @property
    def footprint(self) -> Footprint:
        """Connections are slow, and may time out: not judged."""
        return Footprint(severed=frozenset(), unsure=self.touched)

    def inject(self) -> None:
        """Put the blocks in force.

        Raises:
            FaultError: a node has a rate already, or a kernel refused.
        """
        for name in self.peers:
            if any(block.set_name.startswith(RATE) for block in standing(self._node(name)).blocks):
                raise FaultError(f"{name} is throttled already", fix="heal the other fault first")
        super().inject()

    def traces(self) -> Seen:
        """What traffic of our own sees of it, and the kernels' own count."""
        seen = [self._rate(name) for name in self.peers]
        bad = [one.words for one in seen if not one.ok]
        return Seen(ok=not bad, words="; ".join(bad or [one.words for one in seen]))

    def healed(self) -> Seen:
        """Whether the kernels hold none of the blocks, and more gets through than was asked for."""
        own = self.cut.healed()
        if not own.ok:
            return own
        words = [own.words]
        for name in self.peers:
            peer = next((each for each in self.peers[name] if self._is_clear(name, each)), None)
            if peer is None:
                words.append(f"{name}: nothing of it is left, and another fault is on its way here")
                continue
            free, patience = partial(self._is_free, name, peer), BACK_AT_MOST_SECONDS
            try:
                words.append(wait_for(free, what=name, seconds=patience, retry_on=(FaultError,)))
            except StackError as error:
                return Seen(ok=False, words=f"{name} is still slow: {error.why}")
        return Seen(ok=True, words="; ".join(words))

    def _rate(self, name: str) -> Seen:
        """Send more than may pass, both ways at once, and see what passes."""
        before, started = self._flows(name), MONOTONIC.now()
        carried = both_ways(self._node(name), self.peers[name][0], self._pouring())
        seconds, after = seconds_between(started, MONOTONIC.now()), self._flows(name)
        # What was kept of the rate before is drained first: it is no part of the rate.
        kept = policing.kept(policing.rate(self.to_mbit))
        passed = [max(0, b.passed - a.passed - kept) / seconds for a, b in zip(before, after, strict=True)]
        return judged(name, self.to_mbit, carried, passed)

    def _is_free(self, name: str, peer: Node) -> str:
        carried = both_ways(self._node(name), peer, self._pouring())
        return free_again(name, self.to_mbit, [came for _, came in carried])

    def _pouring(self) -> Callable[..., tuple[float, float]]:
        return partial(poured, offered=offered(self.to_mbit))

    def _flows(self, name: str) -> list[Flow]:
        """What that node's kernel counted so far: out, and in."""
        found = standing(self._node(name)).flows
        return [found.get(chain, Flow()) for chain in policing.ends_of(policing.rate(self.to_mbit))]

    def _is_clear(self, name: str, peer: Node) -> bool:
        return not self.cut.cuts.disturbs(self._node(name), peer)

    def _node(self, name: str) -> Node:
        return self.cut.nodes[name]


def policed_at(
    cuts: Cuts,
    holder: int,
    nodes: Mapping[str, Node],
    targets: Sequence[str],
    to_mbit: float,
    touched: frozenset[Pair],
) -> Policed:
    """Prepare a rate of *to_mbit* each way between each of *targets* and all other *nodes*.

    Raises:
        NotExpressible: the harness cannot send packets of its own to any other node.
    """
    # The better witness has no rate of its own. The harness may lack the right to room for many packets.
    speaking = [name for name in nodes if can_speak(nodes[name])]
    ranked = sorted(speaking, key=lambda name: (name in targets, nodes[name].role == "observer"))
    peers = {target: tuple(nodes[name] for name in ranked if name != target) for target in targets}
    if mute := [target for target, found in peers.items() if not found]:
        what = f"{mute[0]} cannot be slowed down here"
        raise NotExpressible(what, why="its cable cannot be reached, and no other node can prove a rate")
    blocks = [
        Block(target, policing.rate(to_mbit), node.address)
        for target in targets
        for name, node in nodes.items()
        if name != target
    ]
    return Policed(Cut(cuts, holder, nodes, frozenset(blocks), frozenset()), to_mbit, peers, touched)
