"""The partition mechanism: blocks at one end of every cut connection, kept in force by ``Cuts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.faults.leases import Cuts
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.nft import TABLE, Block, blocks_at, standing
from harness.faults.reach import Pair
from harness.faults.spec import Direction, How
from harness.stack.seams import Node, Passive

_TURNED: dict[Direction, Direction] = {"both": "both", "in": "out", "out": "in"}


@dataclass
class Cut:
    """A cut between every node of *targets* and every node of *peers*."""

    cuts: Cuts
    holder: int
    nodes: Mapping[str, Node]
    blocks: frozenset[Block]
    severed: frozenset[Pair]

    @property
    def commands(self) -> tuple[str, ...]:
        """One nft transaction for each affected node."""
        return tuple(str(script) for script in self.cuts.install_plan(self.blocks))

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """One nft transaction for each affected node."""
        return tuple(str(script) for script in self.cuts.lift_plan(self.blocks))

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """The tables in which the blocks stand."""
        return tuple({"do": "flush", "node": name, "table": TABLE} for name in self._affected())

    @property
    def footprint(self) -> Footprint:
        """A TCP handshake needs both ways, so a one-way cut severs both directions of opening."""
        return Footprint(severed=self.severed, unsure=frozenset())

    def inject(self) -> None:
        """Put the blocks in force."""
        self.cuts.install(self.holder, self.blocks)

    def landed(self) -> Seen:
        """Whether the kernels hold every block."""
        missing = self.blocks - self._in_force()
        if missing:
            return Seen(ok=False, words=f"not in the kernel: {_addresses(missing)}")
        return Seen(ok=True, words=f"{len(self.blocks)} blocks in {TABLE}")

    def traces(self) -> Seen:
        """The packets that the probes lost to the cut: they tell one direction from the other."""
        lost = [f"{name} {words}" for name in self._affected() if (words := self._losses(name))]
        words = f"packets lost: {', '.join(lost)}" if lost else "no packet met the cut"
        return Seen(ok=bool(lost), words=words)

    def still(self) -> Seen:
        """Whether every block stayed in force, without a gap, until now."""
        lapsed = self.cuts.lapsed(self.blocks) | (self.blocks - self._in_force())
        words = f"the kernel ended the cut by itself, no renewal came in time: {_addresses(lapsed)}"
        return Seen(ok=not lapsed, words=words if lapsed else NOTHING_LOST)

    def heal(self) -> None:
        """End the blocks that no other cut holds."""
        self.cuts.lift(self.holder, self.blocks)

    def healed(self) -> Seen:
        """Whether the kernels hold none of the blocks but those of other cuts."""
        left = (self.blocks & self._in_force()) - self.cuts.held(self.blocks)
        words = f"still in the kernel: {_addresses(left)}" if left else f"no block left in {TABLE}"
        return Seen(ok=not left, words=words)

    def _affected(self) -> tuple[str, ...]:
        return tuple(sorted({block.node for block in self.blocks}))

    def _in_force(self) -> frozenset[Block]:
        return frozenset().union(*(standing(self.nodes[name]).blocks for name in self._affected()))

    def _losses(self, name: str) -> str:
        used = {block.set_name for block in self.blocks if block.node == name}
        lost = standing(self.nodes[name]).lost
        return ", ".join(f"{kind}={lost[kind]}" for kind in sorted(used) if lost.get(kind))


@dataclass
class OfBlocks:
    """A fault that stands as the blocks of ``cut``: leased, lifted and looked for like those of any cut."""

    cut: Cut

    @property
    def commands(self) -> tuple[str, ...]:
        """One nft transaction for each affected node."""
        return self.cut.commands

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """One nft transaction for each affected node."""
        return self.cut.undo_commands

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """The tables in which the blocks stand."""
        return self.cut.undo

    def inject(self) -> None:
        """Put the blocks in force."""
        self.cut.inject()

    def landed(self) -> Seen:
        """Whether the kernels hold every block."""
        return self.cut.landed()

    def still(self) -> Seen:
        """Whether every block stayed in force, without a gap, until now."""
        return self.cut.still()

    def heal(self) -> None:
        """End the blocks that nothing else holds."""
        self.cut.heal()


def cut_between(
    cuts: Cuts,
    holder: int,
    nodes: Mapping[str, Node],
    sides: tuple[Sequence[str], Sequence[str]],
    *,
    direction: Direction,
    how: How,
    pairs: frozenset[Pair],
) -> Cut:
    """Prepare the cut between the two *sides*; *direction* is seen from the first.

    The smaller side gets the blocks: fewer transactions, hence less skew between them.
    """
    here, there = sides
    if _passive(here, nodes) or (len(there) < len(here) and not _passive(there, nodes)):
        here, there, direction = there, here, _TURNED[direction]
    blocks = [b for name in here for b in blocks_at(nodes[name], [nodes[p] for p in there], direction, how)]
    return Cut(cuts, holder, nodes, frozenset(blocks), severed_by(sides, pairs))


def _passive(names: Sequence[str], nodes: Mapping[str, Node]) -> bool:
    return any(isinstance(nodes[name], Passive) for name in names)


def severed_by(sides: tuple[Sequence[str], Sequence[str]], pairs: frozenset[Pair]) -> frozenset[Pair]:
    """Those of *pairs* that cross from one side to the other, in either direction."""
    crossing = {Pair(a, b) for a in sides[0] for b in sides[1]}
    return pairs & (crossing | {Pair(pair.target, pair.source) for pair in crossing})


def _addresses(blocks: frozenset[Block]) -> str:
    return ", ".join(f"{block.node} {block.set_name} {block.address}" for block in sorted(blocks))
