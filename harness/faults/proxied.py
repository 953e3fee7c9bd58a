"""The latency mechanism where the kernel has no netem: a Toxiproxy in front of each port of a node.

Whoever connects to the node is led to the proxy by the kernel (``harness.faults.redirect``)
in short leases kept by ``Cuts``, and every answer comes later. Connections that are
open when it begins are reset, and those through the proxy when it ends. What the
node itself opens to others is not delayed, nor is the opening of a connection: the
proxy takes it at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.answers import QUESTIONS, answers_ms
from harness.faults.cut import Cut
from harness.faults.lateness import (
    ANSWERS,
    PATIENCE_SECONDS,
    PROMPT_SECONDS,
    are_late,
    as_ever,
    middle,
    prompt_again,
)
from harness.faults.leases import Cuts
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.nft import Block, clear_scripts, run_scripts, standing, vias_at
from harness.faults.reach import Pair
from harness.faults.redirect import via
from harness.stack.seams import Node, Wired
from harness.waiting import wait_for


class Front(Protocol):
    """A proxy in front of one node."""

    @property
    def ports(self) -> Mapping[int, int]:
        """Each port of the node, and the one at which its proxy listens."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        ...

    def commands(self, ms: int) -> tuple[str, ...]:
        """What ``start`` runs, as a person would paste it."""
        ...

    def start(self, ms: int) -> None:
        """Start it with that delay.

        Raises:
            StackError: it did not, or not so.
        """
        ...

    def delays(self) -> Mapping[int, int]:
        """By how many milliseconds it says that it delays each port.

        Raises:
            StackError: it does not say.
        """
        ...

    def stop(self) -> None:
        """End it; idempotent.

        Raises:
            StackError: it still runs.
        """
        ...


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """One port of one node."""

    node: str
    number: int

    def __str__(self) -> str:
        return f"{self.node}:{self.number}"


@dataclass
class Proxied:
    """What *nodes* answer to others comes *ms* milliseconds later, by the proxies *fronts*.

    ``redirect`` leads the others there: its blocks are leased, lifted and looked for like those of any cut.
    """

    redirect: Cut
    fronts: Mapping[str, Front]
    nodes: Mapping[str, Node]
    observer: Wired
    ms: int
    touched: frozenset[Pair] = frozenset()
    disturbed: Callable[[str], bool] = lambda _: False
    """Whether another fault lies on the way to a node, or on its service: no answer proves anything."""
    patience: float = PROMPT_SECONDS
    """How long a port may take until it is prompt again, in seconds."""
    _before: dict[Port, list[float]] = field(default_factory=dict)
    """How long the answers took before the injection, in milliseconds, ascending."""

    @property
    def commands(self) -> tuple[str, ...]:
        """The proxies, then one nft transaction for each node."""
        started = (command for front in self.fronts.values() for command in front.commands(self.ms))
        return (*started, *self.redirect.commands)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """Nobody is led to a proxy any more, then it ends, then its rules go."""
        ended = (f"kill -KILL <pid of the toxiproxy-server of {name}>" for name in self.fronts)
        cleared = clear_scripts(self.redirect.nodes, self.redirect.blocks)
        return (*self.redirect.undo_commands, *ended, *(str(script) for script in cleared))

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """The tables in which the blocks stand, and where a process of ours is to be ended."""
        return (*self.redirect.undo, *({"do": "end", "node": name} for name in self.fronts))

    @property
    def footprint(self) -> Footprint:
        """Connections to the nodes are reset once, and slow: not judged."""
        return Footprint(severed=frozenset(), unsure=self.touched)

    def inject(self) -> None:
        """Start every proxy, then lead everybody to it.

        Raises:
            FaultError: a node is behind a proxy already or does not answer, or the proxy does not run.
        """
        for name, node in self.nodes.items():
            if standing(node).vias:
                raise FaultError(f"{name} is behind a proxy already", fix="heal the other fault first")
        self._before = {
            port: as_ever(f"{port} does not answer", partial(self._answers, port)) for port in self._ports()
        }
        try:
            for front in self.fronts.values():
                front.start(self.ms)
        except StackError as error:
            raise FaultError(error.what, why=error.why, fix="harness doctor") from error
        self.redirect.inject()

    def landed(self) -> Seen:
        """Whether every proxy runs and delays as asked, and the kernels lead everybody to it."""
        for name, front in self.fronts.items():
            try:
                told = front.delays()
            except StackError as error:
                return Seen(ok=False, words=error.sentence())
            if told != dict.fromkeys(front.ports, self.ms):
                return Seen(ok=False, words=f"the proxy of {name} delays {told}, not all by {self.ms} ms")
        own = self.redirect.landed()
        return Seen(ok=own.ok, words=f"by Toxiproxy: {own.words}; what it opens itself is not delayed")

    def traces(self) -> Seen:
        """Whether every port answers as much later as asked, and its proxy was what answered."""
        words = []
        for port in self._ports():
            try:
                seen = self._delay(port)
            except OSError as error:
                return Seen(ok=False, words=f"{port} does not answer: {error}")
            if not seen.ok:
                return seen
            words.append(seen.words)
        return Seen(ok=True, words="; ".join(words))

    def still(self) -> Seen:
        """Whether every proxy runs, and everybody was led to it without a gap until now."""
        dead = [name for name, front in self.fronts.items() if not front.is_alive]
        if dead:
            return Seen(ok=False, words=f"the proxy of {', '.join(dead)} ended by itself")
        own = self.redirect.still()
        return Seen(ok=own.ok, words=NOTHING_LOST if own.ok else own.words)

    def heal(self) -> None:
        """Lead nobody any more, end the proxies, then remove the rules; idempotent.

        In this order: while the rules are there the kernel tells clients that a proxy's connections ended.
        """
        try:
            self.redirect.heal()
        finally:
            for front in self.fronts.values():
                front.stop()
        # A second delay of a node was refused: what stands there is the first one's.
        free = self.redirect.blocks - self.redirect.cuts.held(self.redirect.blocks)
        run_scripts(clear_scripts(self.redirect.nodes, free))

    def healed(self) -> Seen:
        """Whether no proxy and no rule is left, and every port is as prompt as before; waits for it."""
        alive = [name for name, front in self.fronts.items() if front.is_alive]
        ruled = [name for name in self._freed() if standing(self.nodes[name]).vias]
        if alive or ruled:
            left = f"proxies that run: {alive or 'none'}, nodes with rules of it: {ruled or 'none'}"
            return Seen(ok=False, words=left)
        try:
            words = [self._again(port) for port in self._ports()]
        except StackError as error:
            return Seen(ok=False, words=f"still slow: {error.why}")
        return Seen(ok=True, words="; ".join(["no proxy and no rule of it is left", *words]))

    def _delay(self, port: Port) -> Seen:
        """The quickest answer must be late enough, the middle one not too late."""
        before, now = self._before[port], self._answers(port)
        name = via(port.number, self.fronts[port.node].ports[port.number])
        led = standing(self.nodes[port.node]).lost.get(name, 0)
        ok = are_late(before, now, self.ms) and led >= len(now)
        told = f"{port} answers after {middle(now):.1f} ms, before after {middle(before):.1f} ms"
        return Seen(ok=ok, words=f"{told}, {led} connections were led to its proxy")

    def _again(self, port: Port) -> str:
        if port.node not in self._freed() or self.disturbed(port.node):
            return f"{port}: another fault is on its way here"
        return wait_for(partial(self._is_prompt, port), what=str(port), seconds=self.patience)

    def _is_prompt(self, port: Port) -> str:
        before = self._before.get(port, [0.0])[0]
        now = prompt_again(partial(self._answers, port), before, self.ms)
        return f"{port} answers after {now:.1f} ms again"

    def _answers(self, port: Port) -> list[float]:
        node = self.nodes[port.node]
        return answers_ms(
            self.observer, node, port.number, count=ANSWERS, patience=PATIENCE_SECONDS + self.ms / 1e3
        )

    def _freed(self) -> list[str]:
        """The nodes that no other delay holds."""
        held = {block.node for block in self.redirect.cuts.held(self.redirect.blocks)}
        return [name for name in self.nodes if name not in held]

    def _ports(self) -> Iterator[Port]:
        return (Port(name, number) for name, front in self.fronts.items() for number in front.ports)


def proxied(
    cuts: Cuts,
    holder: int,
    nodes: Mapping[str, Node],
    fronts: Mapping[str, Front],
    observer: Node,
    ms: float,
    touched: frozenset[Pair],
) -> Proxied:
    """Prepare the *fronts* of *nodes* (all of a stack), for everybody else.

    Raises:
        NotExpressible: not everything that a node answers can be led through a proxy, or proven to be.
    """
    blocks: list[Block] = []
    for name, front in fronts.items():
        _require_proxiable(nodes[name])
        peers = [node for node in nodes.values() if node.name != name]
        blocks += vias_at(nodes[name], peers, front.ports)
    if not isinstance(observer, Wired):
        raise NotExpressible("nothing can be slowed down here", why="the delay could not be proven")
    redirect = Cut(cuts, holder, nodes, frozenset(blocks), severed=frozenset())
    targets = {name: nodes[name] for name in fronts}
    # A proxy delays by whole milliseconds.
    return Proxied(redirect, fronts, targets, observer, math.ceil(ms), touched)


def _require_proxiable(node: Node) -> None:
    why = ""
    if not node.ports:
        why = "nothing listens there, and a proxy delays only what is answered"
    elif node.role not in QUESTIONS:
        why = f"a {node.role} has ports that nobody knows before it opens them"
    if why:
        what = f"not expressible here, because this kernel has no netem, and no proxy can delay {node.name}"
        raise NotExpressible(what, why=why)
