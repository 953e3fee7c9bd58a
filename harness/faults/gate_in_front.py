"""Faults of an object store without a gate of its own: one is put in front of it while the fault lasts.

The kernel of the store's node leads its clients to the gate (``harness.faults.redirect``) in short leases
kept by ``Cuts``; what the gate does to them is told, proven and leased as ever (``harness.faults.gate``).
Connections to the store that are open when it begins are reset, and those through the gate when it ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.errors import FaultError, StackError
from harness.faults.cut import Cut
from harness.faults.gate import Gated
from harness.faults.leases import Cuts
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.nft import Block, clear_scripts, run_scripts, standing, vias_at
from harness.faults.redirect import via
from harness.stack.seams import HasGate, Node


class GateFront(HasGate, Protocol):
    """A gate that can be put in front of one node, and taken away."""

    @property
    def ports(self) -> Mapping[int, int]:
        """Each port at which clients find the store, and the one at which the gate listens."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        ...

    @property
    def commands(self) -> tuple[str, ...]:
        """What ``start`` runs, as a person would paste it."""
        ...

    def start(self) -> None:
        """Start it.

        Raises:
            StackError: it did not.
        """
        ...

    def stop(self) -> None:
        """End it; idempotent.

        Raises:
            StackError: it still runs.
        """
        ...


@dataclass
class GateInFront:
    """The gates *fronts* in front of their nodes, told by ``told``; ``redirect`` leads everybody there."""

    redirect: Cut
    fronts: Mapping[str, GateFront]
    told: Gated

    @property
    def commands(self) -> tuple[str, ...]:
        """The gates, what they are told, then one nft transaction for each node."""
        started = (command for front in self.fronts.values() for command in front.commands)
        return (*started, *self.told.commands, *self.redirect.commands)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """Nobody is led to a gate any more, then it ends, then its rules go."""
        ended = (f"kill -KILL <pid of the gate of {name}>" for name in self.fronts)
        cleared = (str(one) for one in clear_scripts(self.redirect.nodes, self.redirect.blocks))
        return (*self.redirect.undo_commands, *ended, *self.told.undo_commands, *cleared)

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """The tables in which the blocks stand, and where a process of ours is to be ended."""
        return (*self.redirect.undo, *({"do": "end", "node": name} for name in self.fronts))

    @property
    def footprint(self) -> Footprint:
        """Connections to the store are reset once, and may be slow: not judged."""
        return self.told.footprint

    def inject(self) -> None:
        """Start every gate and tell it, then lead everybody there.

        Raises:
            FaultError: somebody is led past a node already, or a gate does not run.
        """
        for name in self.fronts:
            if standing(self.redirect.nodes[name]).vias:
                what = f"a proxy or a gate stands in front of {name} already"
                raise FaultError(what, fix="heal the other fault first")
        try:
            for front in self.fronts.values():
                front.start()
        except StackError as error:
            raise FaultError(error.what, why=error.why, fix="harness doctor") from error
        self.told.inject()
        self.redirect.inject()

    def landed(self) -> Seen:
        """Whether the kernels lead everybody to the gates, and requests of our own meet the fault there."""
        led = self.redirect.landed()
        if not led.ok:
            return led
        met = self.told.landed()
        return Seen(ok=met.ok, words=f"{met.words}; {led.words}")

    def traces(self) -> Seen:
        """What the gates counted, and the connections that the kernels led to them."""
        counted = self.told.traces()
        led = {name: self._led(name) for name in self.fronts}
        words = ", ".join(
            f"{count} connections to {name} were led to its gate" for name, count in led.items()
        )
        return Seen(ok=counted.ok and all(led.values()), words=f"{counted.words}, {words}")

    def still(self) -> Seen:
        """Whether every gate runs, was told, and everybody was led to it without a gap until now."""
        dead = [name for name, front in self.fronts.items() if not front.is_alive]
        if dead:
            return Seen(ok=False, words=f"the gate of {', '.join(dead)} ended by itself")
        lost = [seen for seen in (self.redirect.still(), self.told.still()) if not seen.ok]
        return lost[0] if lost else Seen(ok=True, words=NOTHING_LOST)

    def heal(self) -> None:
        """Lead nobody any more, end the gates, then remove the rules; idempotent.

        In this order: while the rules are there the kernel tells clients that a gate's connections ended.
        """
        try:
            self.redirect.heal()
        finally:
            self.told.heal()
            for front in self.fronts.values():
                front.stop()
        run_scripts(clear_scripts(self.redirect.nodes, self._free()))

    def healed(self) -> Seen:
        """Whether no gate and no rule is left, and the stores answer as ever; waits for it."""
        own = self.redirect.healed()
        if not own.ok:
            return own
        alive = [name for name, front in self.fronts.items() if front.is_alive]
        ours = {block.set_name for block in self._free()}
        ruled = [name for name in self.fronts if ours & standing(self.redirect.nodes[name]).vias]
        if alive or ruled:
            left = f"gates that run: {alive or 'none'}, nodes with rules of it: {ruled or 'none'}"
            return Seen(ok=False, words=left)
        well = self.told.healed()
        return Seen(ok=well.ok, words=f"no gate and no rule of it is left; {well.words}")

    def _led(self, name: str) -> int:
        lost = standing(self.redirect.nodes[name]).lost
        return sum(lost.get(via(port, gate), 0) for port, gate in self.fronts[name].ports.items())

    def _free(self) -> frozenset[Block]:
        """The blocks that no other fault holds: a second gate of a node is refused, the first one stays."""
        return self.redirect.blocks - self.redirect.cuts.held(self.redirect.blocks)


def gate_in_front(
    cuts: Cuts, holder: int, nodes: Mapping[str, Node], fronts: Mapping[str, GateFront], told: Gated
) -> GateInFront:
    """Prepare the *fronts* of *nodes* (all of a stack), for everybody else."""
    blocks: list[Block] = []
    for name, front in fronts.items():
        peers = [node for node in nodes.values() if node.name != name]
        blocks += vias_at(nodes[name], peers, front.ports)
    redirect = Cut(cuts, holder, nodes, frozenset(blocks), severed=frozenset())
    return GateInFront(redirect, fronts, told)
