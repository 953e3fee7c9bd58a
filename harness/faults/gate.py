"""Faults of the object store, made by the gate in front of it: refusals, delays, broken bodies, silence.

The gate reads a control file and counts what it did in another. What the file
says holds until an instant of the monotonic clock that stands in it, five
seconds ahead, and is renewed each second: a harness that dies heals by itself.
"""

from __future__ import annotations

import http.client
import logging
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from harness.clock import MONOTONIC, NANOS_PER_SECOND, Clock, seconds_between
from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.leases import LEASE_SECONDS, RENEW_SECONDS
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.reach import Pair
from harness.faults.spec import FaultSpec
from harness.faults.traffic import binomial_bounds
from harness.stack.objects.gate import GateState, clear_state, read_stats, write_state
from harness.stack.seams import HasGate, Node, Service
from harness.waiting import NotYet, wait_for

_PROBES_OF_A_SHARE = 40
_PROBES_OF_ALL = 3
_SILENT_SECONDS = 1.0
_TOLD_SECONDS = 2.0
"""The gate tells what it counted a little later."""

_ANSWER_SECONDS = 5.0
_SLOW_FACTOR, _SLOW_SLACK_SECONDS = 1.5, 1.0
_PROMPT_SECONDS, _BACK_SECONDS = 2.0, 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request got: a status (0: none), whether the body was whole, and how long it took."""

    status: int
    whole: bool
    seconds: float

    @property
    def is_normal(self) -> bool:
        """Whether a store that is well might have answered so; to a stranger it may well say no."""
        return 0 < self.status < 500 and self.whole and self.seconds <= _PROMPT_SECONDS


@dataclass
class Gated:
    """The gates of *services*, told to misbehave as *asked*."""

    services: Mapping[str, HasGate]
    nodes: Mapping[str, Node]
    asked: GateState
    listeners: frozenset[Pair] = frozenset()
    clock: Clock = MONOTONIC
    patience: float = _BACK_SECONDS
    """How long a gate may take until it answers as ever again, in seconds."""
    _closing: threading.Event = field(default_factory=threading.Event)
    _renewer: threading.Thread | None = None
    _renewed_t: int = 0
    _lapsed: bool = False
    _counted: dict[str, int] = field(default_factory=dict)

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting writes."""
        return tuple(f"tell the gate of {name} for {LEASE_SECONDS} s: {self.asked}" for name in self.services)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing removes."""
        return tuple(f"rm -f {service.control}" for service in self.services.values())

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """Nothing has to be undone by others: what the gate was told lapses."""
        return tuple({"do": "lapse", "node": name} for name in self.services)

    @property
    def footprint(self) -> Footprint:
        """The gate still takes connections, but may be slow to: not judged."""
        return Footprint(severed=frozenset(), unsure=self.listeners)

    def inject(self) -> None:
        """Tell every gate.

        Raises:
            FaultError: one has been told something else already.
        """
        for name, service in self.services.items():
            if service.control.exists():
                raise FaultError(f"the gate of {name} misbehaves already", fix="heal the other fault first")
            self._counted[name] = self._count(service)
        self._tell()
        self._renewer = threading.Thread(target=self._keep_telling, name="gate-lease", daemon=True)
        self._renewer.start()

    def landed(self) -> Seen:
        """Whether requests of our own meet the fault as often, and as hard, as asked."""
        always = self.asked.share >= 1
        probes = _PROBES_OF_ALL if always else _PROBES_OF_A_SHARE
        least, most = (probes, probes) if always else binomial_bounds(probes, self.asked.share)
        words = []
        for name, node in self.nodes.items():
            answers = [ask(node, self._patience(), self.clock) for _ in range(probes)]
            met = sum(self._is_hit(answer) for answer in answers)
            told = f"{met} of {probes} requests to {name} {self._effect()}"
            if not least <= met <= most:
                return Seen(ok=False, words=f"{told}, not {least} to {most}; the last: {answers[-1]}")
            words.append(told)
        return Seen(ok=True, words="; ".join(words))

    def traces(self) -> Seen:
        """What the gates counted themselves."""
        try:
            words = [
                wait_for(partial(self._has_counted, name), what=name, seconds=_TOLD_SECONDS)
                for name in self.services
            ]
        except StackError as error:
            return Seen(ok=False, words=error.why)
        return Seen(ok=True, words=", ".join(words))

    def still(self) -> Seen:
        """Whether the lease was renewed in time until now."""
        late = self._lapsed or self._is_late() or (self._renewer is None or not self._renewer.is_alive())
        return Seen(ok=not late, words="no renewal came in time, the gate let go" if late else NOTHING_LOST)

    def heal(self) -> None:
        """Take the telling back; idempotent. What another fault told stays."""
        self._closing.set()
        if self._renewer is not None:
            self._renewer.join()
        for service in self.services.values() if self._renewed_t else ():
            clear_state(service.control)

    def healed(self) -> Seen:
        """Whether every gate answers at once and in whole again; waits for it."""
        if not self._renewed_t:
            return Seen(ok=True, words="no gate was told anything")
        words = []
        for name, node in self.nodes.items():
            try:
                words.append(wait_for(partial(self._well, node), what=name, seconds=self.patience))
            except StackError as error:
                return Seen(ok=False, words=f"{name} still misbehaves: {error.why}")
        return Seen(ok=True, words="; ".join(words))

    def _is_hit(self, answer: Answer) -> bool:
        if self.asked.kind == "refuse":
            return answer.status == self.asked.status
        if self.asked.kind == "slow":
            delay = self.asked.delay_ms / 1e3
            late = delay * 0.95 <= answer.seconds <= delay * _SLOW_FACTOR + _SLOW_SLACK_SECONDS
            return late and answer.status > 0
        if self.asked.kind == "truncate":
            return not answer.whole and answer.seconds < _ANSWER_SECONDS
        return answer.status == 0 and answer.seconds >= _SILENT_SECONDS * 0.95

    def _effect(self) -> str:
        words = {
            "refuse": f"got {self.asked.status}",
            "slow": f"took {self.asked.delay_ms:g} ms or more",
            "truncate": "got half an answer",
            "hang": f"got no answer in {_SILENT_SECONDS:g} s",
        }
        return words[self.asked.kind]

    def _patience(self) -> float:
        if self.asked.kind == "hang":
            return _SILENT_SECONDS
        return _ANSWER_SECONDS + self.asked.delay_ms / 1e3 * _SLOW_FACTOR

    def _well(self, node: Node) -> str:
        answer = ask(node, _PROMPT_SECONDS, self.clock)
        if not answer.is_normal:
            raise NotYet(str(answer))
        return f"{node.name} answers {answer.status} in {answer.seconds * 1e3:.0f} ms"

    def _has_counted(self, name: str) -> str:
        counted = self._count(self.services[name]) - self._counted[name]
        if counted <= 0:
            raise NotYet(f"the gate of {name} counted none")
        return f"the gate of {name} counted {counted}"

    def _count(self, service: HasGate) -> int:
        return read_stats(service.stats).hit_by(self.asked.kind)

    def _tell(self) -> None:
        self._renewed_t = self.clock.now()
        until = self._renewed_t / NANOS_PER_SECOND + LEASE_SECONDS
        for service in self.services.values():
            write_state(service.control, replace(self.asked, until=until))

    def _is_late(self) -> bool:
        return seconds_between(self._renewed_t, self.clock.now()) >= LEASE_SECONDS

    def _keep_telling(self) -> None:
        while not self._closing.wait(RENEW_SECONDS):
            self._lapsed = self._lapsed or self._is_late()
            if self._lapsed:
                continue  # it is not brought back: the fault ended
            try:
                self._tell()
            except OSError as error:
                _log.warning("telling a gate failed: %s", error)


def gated(
    spec: FaultSpec,
    services: Mapping[str, Service | HasGate],
    nodes: Mapping[str, Node],
    listeners: frozenset[Pair],
) -> Gated:
    """Prepare what *spec* asks of the gates of *services*.

    Raises:
        NotExpressible: the object store has no gate.
    """
    gates: dict[str, HasGate] = {}
    for name, service in services.items():
        if not isinstance(service, HasGate):
            raise NotExpressible(f"{spec.name} cannot be done here", why=f"{name} has no gate in front of it")
        gates[name] = service
    return Gated(gates, nodes, _state(spec), listeners)


def ask(node: Node, patience: float, clock: Clock = MONOTONIC) -> Answer:
    """What ``GET /`` at the client port of *node* gets within *patience* seconds."""
    started, status, whole = clock.now(), 0, False
    connection = http.client.HTTPConnection(node.address, node.ports[0], timeout=patience)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/")
        response = connection.getresponse()
        status = response.status
        response.read()
        whole = True
    return Answer(status, whole, seconds_between(started, clock.now()))


def _state(spec: FaultSpec) -> GateState:
    share = 1.0 if spec.share is None else spec.share
    match spec.kind:
        case "s3_refuse":
            assert spec.status is not None, spec
            return GateState("refuse", share=share, status=spec.status)
        case "s3_slow":
            assert spec.ms is not None, spec
            return GateState("slow", delay_ms=round(spec.ms), bytes_per_s=round(spec.bytes_per_s or 0))
        case "s3_truncate":
            return GateState("truncate", share=share)
    return GateState("hang")
