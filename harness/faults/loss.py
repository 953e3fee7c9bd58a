"""The loss mechanism: packets that come in are dropped by chance, kept in force by ``Cuts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from harness.errors import NotExpressible, StackError
from harness.faults.cut import Cut, OfBlocks
from harness.faults.leases import Cuts
from harness.faults.mechanism import Footprint, Seen
from harness.faults.nft import Block, losses_at, standing
from harness.faults.reach import Pair
from harness.faults.spec import Direction
from harness.faults.traffic import DATAGRAMS, Way, arrived, binomial_bounds, can_speak
from harness.stack.seams import Node
from harness.waiting import NotYet, wait_for

_WHOLE = 200
_WHOLE_SECONDS = 5.0


@dataclass
class Loss(OfBlocks):
    """*share* of the packets is lost along *ways* and what else ``cut`` holds.

    ``ways`` are those that are proven, one for each target and direction.
    """

    share: float
    ways: tuple[Way, ...]
    touched: frozenset[Pair]

    @property
    def footprint(self) -> Footprint:
        """A connection opens late or not at all, by chance: not judged."""
        return Footprint(severed=frozenset(), unsure=self.touched)

    def traces(self) -> Seen:
        """Whether datagrams are lost as often as asked, and by the kernel's own count."""
        least, most = binomial_bounds(DATAGRAMS, self.share)
        words = []
        for way in self.ways:
            before = self._taken(way)
            lost = DATAGRAMS - arrived(way)
            taken = self._taken(way) - before
            told = f"{way} lost {lost} of {DATAGRAMS} datagrams, the kernel took {taken} packets"
            if not least <= lost <= most or taken < lost:
                return Seen(ok=False, words=f"{told}, not {least} to {most}")
            words.append(told)
        return Seen(ok=True, words="; ".join(words))

    def healed(self) -> Seen:
        """Whether the kernels hold none of the blocks, and every datagram arrives again."""
        own = self.cut.healed()
        ways = [w for w in self.ways if not self.cut.cuts.disturbs(w.source, w.target)]
        if not own.ok or not ways:
            return own  # another fault lies on every way: its healing is proven with packets
        try:
            for way in ways:
                wait_for(partial(_all_arrive, way), what=str(way), seconds=_WHOLE_SECONDS)
        except StackError as error:
            return Seen(ok=False, words=f"still lossy: {error.why}")
        told = ", ".join(str(way) for way in ways)
        return Seen(ok=True, words=f"{own.words}; {told}: {_WHOLE} of {_WHOLE} datagrams arrive")

    def _taken(self, way: Way) -> int:
        """How many packets the target of *way* lost to this share, by its kernel's count."""
        lost = standing(way.target).lost
        names = {block.set_name for block in self.cut.blocks if block.node == way.target.name}
        return sum(lost.get(name, 0) for name in names)


def loss_between(
    cuts: Cuts,
    holder: int,
    nodes: Mapping[str, Node],
    sides: tuple[Sequence[str], Sequence[str]],
    *,
    direction: Direction,
    share: float,
    touched: frozenset[Pair],
) -> Loss:
    """Prepare the loss between the two *sides*; *direction* is seen from the first.

    Raises:
        NotExpressible: the harness cannot send packets of its own between them.
    """
    here, there = ([nodes[name] for name in side] for side in sides)
    blocks: list[Block] = []
    ways: list[Way] = []
    if direction in {"both", "in"}:
        blocks += [block for node in here for block in losses_at(node, there, share)]
        ways += [Way(there[0], node) for node in here]
    if direction in {"both", "out"}:
        blocks += [block for peer in there for block in losses_at(peer, here, share)]
        ways += [Way(node, there[0]) for node in here]
    if mute := [node.name for way in ways for node in (way.source, way.target) if not can_speak(node)]:
        raise NotExpressible(f"{mute[0]} cannot lose packets here", why="the loss could not be proven there")
    cut = Cut(cuts, holder, nodes, frozenset(blocks), severed=frozenset())
    return Loss(cut, share, tuple(ways), touched)


def _all_arrive(way: Way) -> None:
    got = arrived(way, _WHOLE)
    if got < _WHOLE:
        raise NotYet(f"{got} of {_WHOLE} datagrams arrive")
