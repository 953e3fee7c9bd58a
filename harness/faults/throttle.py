"""Slow cables: a rate (tbf) or a delay (netem) at the ends of a node's cable.

A rate stands at both ends: what the node sends is queued at its own end, what it
receives at the bridge's. A delay stands at the node's end alone, which makes
every round trip longer by it, once. Neither can expire in the kernel: the
journal's note lets the watchdog remove them, and they go with the enclosure.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from harness.clock import MONOTONIC, seconds_between
from harness.errors import FaultError, MissingAbility, NotExpressible, StackError
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.rates import BACK_AT_MOST_SECONDS, both_ways, free_again, judged, offered
from harness.faults.reach import Pair
from harness.faults.shaping import HANDLE, Shaped, removal, remove_from, shaped
from harness.faults.traffic import Way, bytes_per_second, delay_bounds, pushed, round_trips_ms
from harness.stack.kubernetes.orchestrated import Plugged
from harness.stack.seams import Node, Wired
from harness.waiting import NotYet, wait_for

_BITS = 8
_MEGA = 1_000_000
_TC_SECONDS = 5.0
_LEAST_BURST, _LEAST_QUEUE = 4_096, 49_152
_BURST_SHARE, _QUEUE_SHARE = 0.02, 0.2
"""Of what passes in a second: how much may pass at once, and how much may wait."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a cable: the interface, and the argv prefix that enters its network."""

    enter: tuple[str, ...]
    device: str

    def command(self, discipline: Sequence[str]) -> list[str]:
        """The command that puts *discipline* there."""
        return [*self.enter, "tc", "qdisc", "add", "dev", self.device, "root", "handle", HANDLE, *discipline]

    def found(self) -> Shaped | None:
        """What of ours stands there now."""
        return next((one for one in shaped(self.enter) if one.device == self.device), None)


@dataclass
class Throttle:
    """*discipline* at *ends*, which shapes the traffic of *nodes* as seen from *observer*.

    ``to_mbit`` is the asked rate; 0: it is a delay of ``ms``.
    """

    nodes: Mapping[str, Node]
    observer: Node
    ends: Mapping[str, tuple[End, ...]]
    discipline: tuple[str, ...]
    to_mbit: float = 0.0
    ms: float = 0.0
    touched: frozenset[Pair] = frozenset()
    disturbed: Callable[[str], bool] = lambda _: False
    """Whether another fault lies between a node and the observer: then no traffic proves anything."""
    _before: dict[str, float] = field(default_factory=dict)
    """The round trip to each node before the injection, in milliseconds."""

    @property
    def commands(self) -> tuple[str, ...]:
        """One tc command for each end."""
        return tuple(" ".join(end.command(self.discipline)) for end in self._ends())

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """One tc command for each end."""
        return tuple(" ".join(removal(end.enter, end.device)) for end in self._ends())

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """Whose cables are shaped."""
        return tuple({"do": "unshape", "node": name, **_beyond(node)} for name, node in self.nodes.items())

    @property
    def footprint(self) -> Footprint:
        """Connections are slow, and may time out: not judged."""
        return Footprint(severed=frozenset(), unsure=self.touched)

    def inject(self) -> None:
        """Put the discipline on every end.

        Raises:
            NotExpressible: the kernel has no such discipline.
            FaultError: an end is shaped already, or tc refused.
        """
        for name in self.nodes:
            if any(end.found() for end in self.ends[name]):
                raise FaultError(f"{name} is throttled already", fix="heal the other fault first")
        if self.ms:
            self._before = {name: self._round_trip(name) for name in self.nodes}
        for end in self._ends():
            _run_tc(end.command(self.discipline), self.discipline[0])

    def landed(self) -> Seen:
        """Whether every end carries the discipline."""
        missing = [end.device for end in self._ends() if end.found() is None]
        words = f"no {self.discipline[0]} on {', '.join(missing)}"
        return Seen(ok=not missing, words=words if missing else "")

    def traces(self) -> Seen:
        """What traffic of our own sees of it: not faster than asked, and not much slower either."""
        return _all(self._rate(name) if self.to_mbit else self._delay(name) for name in self.nodes)

    def still(self) -> Seen:
        """Whether every end still carries it."""
        seen = self.landed()
        return Seen(ok=seen.ok, words=seen.words or NOTHING_LOST)

    def heal(self) -> None:
        """Remove every discipline of ours from the ends; idempotent."""
        for end in self._ends():
            remove_from(end.enter, end.device)

    def healed(self) -> Seen:
        """Whether nothing of ours is left and traffic is faster than it was asked to be."""
        left = [end.device for end in self._ends() if end.found() is not None]
        if left:
            return Seen(ok=False, words=f"still shaped: {', '.join(left)}")
        words = []
        for name in self.nodes:
            if self.disturbed(name):
                words.append(f"{name}: nothing of it is left, and another fault is on its way here")
                continue
            free = self._is_free if self.to_mbit else self._is_prompt
            try:
                words.append(wait_for(partial(free, name), what=name, seconds=BACK_AT_MOST_SECONDS))
            except StackError as error:
                return Seen(ok=False, words=f"{name} is still slow: {error.why}")
        return Seen(ok=True, words="; ".join(words))

    def _rate(self, name: str) -> Seen:
        """Send more than may pass, both ways at once, and see what passes."""
        before, started = self._sent(name), MONOTONIC.now()
        measure = partial(pushed, offered=offered(self.to_mbit))
        carried = both_ways(self.nodes[name], self.observer, measure)
        seconds, after = seconds_between(started, MONOTONIC.now()), self._sent(name)
        passed = [(b - a) / seconds for a, b in zip(before, after, strict=True)]
        return judged(name, self.to_mbit, carried, passed)

    def _delay(self, name: str) -> Seen:
        now = self._round_trip(name)
        more = now - self._before[name]
        least, most = delay_bounds(self.ms)
        told = f"{name} answers after {now:.1f} ms, before after {self._before[name]:.1f} ms"
        return Seen(ok=least <= more <= most, words=told)

    def _is_free(self, name: str) -> str:
        came = both_ways(self.nodes[name], self.observer, bytes_per_second)
        return free_again(name, self.to_mbit, came)

    def _is_prompt(self, name: str) -> str:
        now = self._round_trip(name)
        if now >= self._before.get(name, 0.0) + self.ms / 2:
            raise NotYet(f"it answers after {now:.1f} ms")
        return f"{name} answers after {now:.1f} ms again"

    def _round_trip(self, name: str) -> float:
        took = round_trips_ms(Way(self.observer, self.nodes[name]))
        if not took:
            raise FaultError(f"{name} does not answer a single datagram", fix="heal the other fault first")
        return took[len(took) // 2]

    def _sent(self, name: str) -> list[int]:
        found = [end.found() for end in self.ends[name]]
        return [one.sent if one else 0 for one in found]

    def _ends(self) -> tuple[End, ...]:
        return tuple(end for name in self.nodes for end in self.ends[name])


def rate_of(nodes: Mapping[str, Node], observer: Node, to_mbit: float, touched: frozenset[Pair]) -> Throttle:
    """Prepare a limit of *to_mbit* each way on the cables of *nodes*.

    Raises:
        NotExpressible: a node's cable cannot be reached.
    """
    rate = to_mbit * _MEGA / _BITS
    burst, queue = max(_LEAST_BURST, rate * _BURST_SHARE), max(_LEAST_QUEUE, rate * _QUEUE_SHARE)
    words = f"tbf rate {round(rate * _BITS)}bit burst {round(burst)}b limit {round(queue)}b"
    discipline = tuple(words.split())
    ends = {name: (_near(node), _far(node, observer)) for name, node in nodes.items()}
    return Throttle(nodes, observer, ends, discipline, to_mbit=to_mbit, touched=touched)


def delay_of(nodes: Mapping[str, Node], observer: Node, ms: float, touched: frozenset[Pair]) -> Throttle:
    """Prepare a delay of *ms* on what *nodes* send.

    Raises:
        NotExpressible: a node's cable cannot be reached.
    """
    discipline = ("netem", "limit", "100000", "delay", f"{ms:g}ms")
    ends = {name: (_near(node),) for name, node in nodes.items()}
    return Throttle(nodes, observer, ends, discipline, ms=ms, touched=touched)


def has_cable(node: Node) -> bool:
    """Whether both ends of its cable are within reach."""
    return isinstance(node, Wired) and bool(node.cable)


def _near(node: Node) -> End:
    return End(tuple(node.enter([])), _wired(node).interface)


def _far(node: Node, observer: Node) -> End:
    device = _wired(node).cable
    return End(tuple(node.beyond([]) if isinstance(node, Plugged) else observer.enter([])), device)


def _beyond(node: Node) -> dict[str, str]:
    """Where its cable's other end has to be looked for, if that is not where the harness stands."""
    return {"machine": node.machine} if isinstance(node, Plugged) else {}


def _wired(node: Node) -> Wired:
    if not isinstance(node, Wired) or not node.cable:
        raise NotExpressible(f"{node.name} cannot be slowed down here", why="its cable cannot be reached")
    return node


def _run_tc(argv: list[str], kind: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TC_SECONDS, check=False)
    except FileNotFoundError as error:
        raise MissingAbility(f"there is no {error.filename} here", fix="harness doctor") from error
    except subprocess.TimeoutExpired as error:
        raise FaultError("tc did not answer", why=str(error)) from error
    if "qdisc kind is unknown" in done.stderr:
        raise NotExpressible(f"not expressible here, because this kernel has no {kind}")
    if done.returncode:
        raise FaultError("tc refused", why=done.stderr, fix="harness doctor")


def _all(seen: Iterable[Seen]) -> Seen:
    every = list(seen)
    bad = [one.words for one in every if not one.ok]
    return Seen(ok=not bad, words="; ".join(bad or [one.words for one in every]))
