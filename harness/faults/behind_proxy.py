"""The latency mechanism where a Toxiproxy stands between nodes and their clients: a toxic in it.

What the node answers to clients comes later; what brokers answer each other does not go through the proxy.
No connection is reset. A toxic cannot expire by itself: the watchdog, and ``heal``, find it by asking the
proxies of the run (``harness.faults.toxics``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.answers import QUESTIONS, answers_ms
from harness.faults.lateness import (
    ANSWERS,
    PATIENCE_SECONDS,
    PROMPT_SECONDS,
    are_late,
    as_ever,
    middle,
    prompt_again,
)
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.traffic import delay_bounds
from harness.stack.seams import Node, Wired
from harness.stack.toxiproxy.proxies import Delayer
from harness.waiting import wait_for


@dataclass
class BehindProxy:
    """What *nodes* answer to their clients comes *ms* milliseconds later, by their *proxies*."""

    nodes: Mapping[str, Node]
    proxies: Mapping[str, Delayer]
    observer: Wired
    ms: int
    disturbed: Callable[[str], bool] = lambda _: False
    """Whether another fault lies on the way to a node, or on its service: no answer proves anything."""
    patience: float = PROMPT_SECONDS
    """How long a node may take until it is prompt again, in seconds."""
    _before: dict[str, list[float]] = field(default_factory=dict)
    """How long the answers took before the injection, in milliseconds, ascending."""
    _injected: list[str] = field(default_factory=list)
    """The nodes whose proxy was, or may have been, told to delay by this fault."""

    @property
    def commands(self) -> tuple[str, ...]:
        """One toxic for each node."""
        return tuple(command for proxy in self.proxies.values() for command in proxy.commands(self.ms))

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """Each toxic is deleted."""
        return tuple(command for proxy in self.proxies.values() for command in proxy.commands(0))

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """In front of whom a toxic may be left."""
        return tuple({"do": "free", "node": name} for name in self.proxies)

    @property
    def footprint(self) -> Footprint:
        """Connections open as ever: the proxy takes them, and the nodes' own ports are not touched."""
        return Footprint(severed=frozenset(), unsure=frozenset())

    def inject(self) -> None:
        """Put a toxic into every proxy.

        Raises:
            FaultError: a node is delayed already or does not answer, or its proxy refuses.
        """
        self._before = {
            name: as_ever(f"{name} does not answer its clients", partial(self._answers, name))
            for name in self.nodes
        }
        try:
            for name, proxy in self.proxies.items():
                if proxy.delayed():
                    raise FaultError(f"{name} is delayed already", fix="heal the other fault first")
                self._injected.append(name)
                proxy.delay(self.ms)
        except StackError as error:
            raise FaultError(error.what, why=error.why) from error

    def landed(self) -> Seen:
        """Whether every proxy says that it delays as asked."""
        try:
            told = {name: proxy.delayed() for name, proxy in self.proxies.items()}
        except StackError as error:
            return Seen(ok=False, words=error.sentence())
        off = [f"{name} by {ms} ms" for name, ms in told.items() if ms != self.ms]
        words = f"the proxy delays {', '.join(off)}, not by {self.ms} ms"
        return Seen(ok=not off, words=words if off else "by Toxiproxy, for clients alone")

    def traces(self) -> Seen:
        """Whether every node answers clients as much later as asked, and others as promptly as ever."""
        words = []
        for name in self.nodes:
            try:
                seen = self._delay(name)
            except OSError as error:
                return Seen(ok=False, words=f"{name} does not answer: {error}")
            if not seen.ok:
                return seen
            words.append(seen.words)
        return Seen(ok=True, words="; ".join(words))

    def still(self) -> Seen:
        """Whether every proxy still delays."""
        seen = self.landed()
        return Seen(ok=seen.ok, words=NOTHING_LOST if seen.ok else seen.words)

    def heal(self) -> None:
        """Delete the toxics of this fault; idempotent."""
        for name in self._injected:
            self.proxies[name].free()

    def healed(self) -> Seen:
        """Whether no proxy delays, and every node answers clients as promptly as before; waits for it."""
        try:
            words = [self._again(name) for name in self._injected]
        except StackError as error:
            return Seen(ok=False, words=f"still slow: {error.sentence()}")
        return Seen(ok=True, words="; ".join(["no toxic is left", *words]))

    def _delay(self, name: str) -> Seen:
        """The quickest answer must be late enough, the middle one not too late; and none by the own port."""
        before, now, direct = self._before[name], self._answers(name), self._direct(name)
        late = are_late(before, now, self.ms)
        told = f"{name} answers clients after {middle(now):.1f} ms, before after {middle(before):.1f} ms"
        prompt = direct[0] < before[0] + delay_bounds(self.ms)[0]
        return Seen(ok=late and prompt, words=f"{told}, and past the proxy after {direct[0]:.1f} ms")

    def _again(self, name: str) -> str:
        if left := self.proxies[name].delayed():
            raise StackError(f"the proxy of {name} delays by {left} ms")
        if self.disturbed(name):
            return f"{name}: another fault is on its way here"
        return wait_for(partial(self._is_prompt, name), what=name, seconds=self.patience)

    def _is_prompt(self, name: str) -> str:
        now = prompt_again(partial(self._answers, name), self._before[name][0], self.ms)
        return f"{name} answers clients after {now:.1f} ms again"

    def _answers(self, name: str) -> list[float]:
        patience = PATIENCE_SECONDS + self.ms / 1e3
        port = self.proxies[name].port
        return answers_ms(self.observer, self.nodes[name], port, count=ANSWERS, patience=patience)

    def _direct(self, name: str) -> list[float]:
        node = self.nodes[name]
        return answers_ms(self.observer, node, node.ports[0], count=ANSWERS, patience=PATIENCE_SECONDS)


def behind_proxy(
    nodes: Mapping[str, Node], proxies: Mapping[str, Delayer], observer: Node, ms: float
) -> BehindProxy:
    """Prepare a delay of *nodes*, each of which has a proxy.

    Raises:
        NotExpressible: it could not be proven.
    """
    mute = [name for name, node in nodes.items() if node.role not in QUESTIONS]
    if mute or not isinstance(observer, Wired):
        raise NotExpressible("nothing can be slowed down here", why="the delay could not be proven")
    # A proxy delays by whole milliseconds.
    return BehindProxy(nodes, {name: proxies[name] for name in nodes}, observer, math.ceil(ms))
