"""Faults that the orchestrator makes when it is asked: a pod deleted, a machine drained, a rolling update.

Nobody needs to undo a deletion: the pod's controller makes another one, and the fault is over when that one
serves. What does have to be undone (a cordon, an image, a selector) is marked where it stands, and goes with
the namespace. The effect is proven by what the API server says *and* by the process itself, for an answer
of the API server is not yet a pod that died.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from harness.clock import MONOTONIC, Clock
from harness.errors import FaultError, StackError
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.reach import Pair
from harness.faults.serving import all_serve
from harness.stack.kubernetes.orchestrated import Orchestrator, PodFacts
from harness.stack.seams import Process, Service
from harness.waiting import NotYet, wait_for

_GONE_S = 15.0
_EVICTED_S = 20.0
_ROLL_BEGINS_S = 180.0
"""An operator ends what it is at, and renews much, before it rolls the first pod."""
_ROLLED_S = 120.0
_UNLISTED_S = 15.0


@dataclass
class OnPods:
    """What these faults have in common; each says what it does and how that is seen."""

    services: Mapping[str, Service]
    orchestrator: Orchestrator
    ready_seconds: float
    listeners: frozenset[Pair] = frozenset()
    """Connections to the pods; ``through``: those from them as well."""
    through: frozenset[Pair] = frozenset()
    clock: Clock = MONOTONIC
    before: dict[str, PodFacts] = field(init=False)
    victims: dict[str, Process] = field(init=False)

    def __post_init__(self) -> None:
        self.before = {name: self._ready(name) for name in self.services}
        self.victims = {name: service.process for name, service in self.services.items()}

    def _ready(self, name: str) -> PodFacts:
        """The pod, which the kubelet may call ready a moment after it served."""

        def observe() -> PodFacts:
            pod = self.orchestrator.pod(name)
            if not pod.ready:
                raise NotYet(pod.said or "there is no such pod")
            return pod

        try:
            return wait_for(observe, what=name, seconds=_GONE_S, every=0.1, clock=self.clock)
        except StackError as error:
            fix = "heal the other fault first"
            raise FaultError(f"pod {name} is not ready", why=error.why, fix=fix) from error

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting asks for."""
        raise NotImplementedError

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """Nothing: the controller makes another pod."""
        return ()

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """Nothing that stays in this machine's kernel."""
        return ()

    @property
    def footprint(self) -> Footprint:
        """Connections to the pods and from them come and go: not judged."""
        return Footprint(severed=frozenset(), unsure=self.through)

    def inject(self) -> None:
        """Ask for it."""
        raise NotImplementedError

    def landed(self) -> Seen:
        """Whether it took hold."""
        raise NotImplementedError

    def traces(self) -> Seen:
        """Nothing beside what the data plane itself shows."""
        return Seen(ok=True, words="")

    def still(self) -> Seen:
        """It is an event rather than a state."""
        return Seen(ok=True, words=NOTHING_LOST)

    def heal(self) -> None:
        """Nothing to undo."""

    def healed(self) -> Seen:
        """Whether every service serves again; waits for it."""
        return all_serve(self.services, self.ready_seconds)

    def replaced(self, name: str) -> bool:
        """Whether the pod that was there is not there any more."""
        return self.orchestrator.pod(name).uid != self.before[name].uid

    def _all_gone(self) -> None:
        left = [name for name, process in self.victims.items() if process.is_alive()]
        left += [name for name in self.services if not self.replaced(name) and name not in left]
        if left:
            raise NotYet(f"{', '.join(left)} is still there")

    def _gone(self, seconds: float) -> Seen:
        try:
            wait_for(self._all_gone, what="the pods to go", seconds=seconds, every=0.05, clock=self.clock)
        except StackError as error:
            return Seen(ok=False, words=error.why)
        told = ", ".join(f"{name} ({self.before[name].uid[:8]})" for name in self.services)
        return Seen(ok=True, words=f"pod {told} and its process gone")


@dataclass
class Deletion(OnPods):
    """Delete pods; ``grace_s`` is what each gets to end by itself, 0: none. ``claims``: and their claims."""

    grace_s: float = 0.0
    claims: bool = False
    _wiped: dict[str, dict[str, str]] = field(default_factory=dict)
    """The claims of each pod as they were."""

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting asks for."""
        how = f"--grace-period={ceil(self.grace_s)}" if self.grace_s else "--grace-period=0 --force"
        claims = tuple(f"kubectl delete pvc (those of {name})" for name in self.services if self.claims)
        return (*claims, *(f"kubectl delete pod {name} {how}" for name in self.services))

    @property
    def footprint(self) -> Footprint:
        """Until its successor listens nobody can connect to a pod."""
        return Footprint(severed=self.listeners, unsure=self.through - self.listeners)

    def inject(self) -> None:
        """Delete every pod."""
        for name in self.services:
            self._wiped[name] = self.orchestrator.claims(name) if self.claims else {}
            self.orchestrator.delete(name, grace_seconds=ceil(self.grace_s), claims=self.claims)

    def landed(self) -> Seen:
        """Whether every pod and its process are gone."""
        return self._gone(self.grace_s + _GONE_S)

    def healed(self) -> Seen:
        """Whether every successor serves, on claims of its own if those were to go."""
        served = super().healed()
        had = {name: old for name, old in self._wiped.items() if old}
        kept = [name for name, old in had.items() if old.items() & self.orchestrator.claims(name).items()]
        return Seen(ok=False, words=f"{', '.join(kept)} kept a claim") if served.ok and kept else served


@dataclass
class Drain(OnPods):
    """Cordon the machines of pods and evict them, as far as disruption budgets allow; healed by opening."""

    _refused: dict[str, str] = field(default_factory=dict)

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines that are closed."""
        return tuple(sorted({pod.machine for pod in self.before.values()}))

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting asks for."""
        closing = tuple(f"kubectl cordon {machine}" for machine in self.machines)
        return (*closing, *(f"kubectl evict {name}" for name in self.services))

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing asks for."""
        return tuple(f"kubectl uncordon {machine}" for machine in self.machines)

    def inject(self) -> None:
        """Close the machines, then ask for each eviction until it is granted or for too long."""
        for machine in self.machines:
            self.orchestrator.cordon(machine, closed=True)
        for name in self.services:
            self._evict(name)

    def landed(self) -> Seen:
        """Whether every pod left; a disruption budget that forbids it is quoted."""
        if self._refused:
            told = "; ".join(f"{name}: {words}" for name, words in self._refused.items())
            return Seen(ok=False, words=f"not evicted: {told}")
        return self._gone(_GONE_S + _EVICTED_S)

    def still(self) -> Seen:
        """Whether the machines stayed closed."""
        opened = [machine for machine in self.machines if not self.orchestrator.cordoned(machine)]
        words = f"{', '.join(opened)} was opened by somebody else" if opened else NOTHING_LOST
        return Seen(ok=not opened, words=words)

    def heal(self) -> None:
        """Open the machines; idempotent."""
        for machine in self.machines:
            self.orchestrator.cordon(machine, closed=False)

    def healed(self) -> Seen:
        """Whether pods may come back to the machines, and every service serves."""
        closed = [machine for machine in self.machines if self.orchestrator.cordoned(machine)]
        return Seen(ok=False, words=f"{', '.join(closed)} is still closed") if closed else super().healed()

    def _evict(self, name: str) -> None:
        def ask() -> None:
            if words := self.orchestrator.evict(name):
                raise NotYet(words)

        try:
            wait_for(ask, what="the eviction", seconds=_EVICTED_S, every=1.0, clock=self.clock)
        except StackError as error:
            self._refused[name] = error.why


@dataclass
class Roll(OnPods):
    """Have the controllers of pods replace all their pods, one after the other: a rolling update."""

    _rolled: dict[str, PodFacts] = field(default_factory=dict)
    """Every pod that is to be replaced, as it was."""

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting asks for."""
        return tuple(f"kubectl rollout restart (the controller of {name})" for name in self.services)

    def inject(self) -> None:
        """Mark each controller's template, once for each controller."""
        for name in self.services:
            if name not in self._rolled:
                pods = self.orchestrator.pods_of(self.orchestrator.roll(name))
                self._rolled |= {pod: self.before.get(pod) or self.orchestrator.pod(pod) for pod in pods}

    def landed(self) -> Seen:
        """Whether the first pod was replaced."""
        try:
            what, seconds = "the first pod to be replaced", _ROLL_BEGINS_S
            wait_for(self._begun, what=what, seconds=seconds, every=0.1, clock=self.clock)
        except StackError as error:
            return Seen(ok=False, words=error.why)
        return Seen(ok=True, words=f"{', '.join(self._new())} of {', '.join(self._rolled)} replaced")

    def healed(self) -> Seen:
        """Whether every pod was replaced and serves."""
        seconds = _ROLLED_S * max(1, len(self._rolled))
        try:
            wait_for(self._done, what="the rolling update", seconds=seconds, every=0.25, clock=self.clock)
        except StackError as error:
            return Seen(ok=False, words=f"the rolling update did not end: {error.why}")
        return super().healed()

    def _new(self) -> list[str]:
        return [name for name, old in self._rolled.items() if self.orchestrator.pod(name).uid != old.uid]

    def _begun(self) -> None:
        if not self._new():
            raise NotYet("every pod is the old one")

    def _done(self) -> None:
        now = {name: self.orchestrator.pod(name) for name in self._rolled}
        left = [name for name, pod in now.items() if pod.uid == self._rolled[name].uid or not pod.ready]
        if left:
            raise NotYet(f"{', '.join(left)} is the old one or not ready")


@dataclass
class MissingImage(OnPods):
    """Have pods made anew from an image that is nowhere; healed by giving them their own back."""

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting asks for."""
        return tuple(f"kubectl set image (of {name} to one that is nowhere)" for name in self.services)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing asks for."""
        return tuple(f"kubectl set image (of {name} to its own)" for name in self.services)

    @property
    def footprint(self) -> Footprint:
        """A pod without an image does not listen."""
        return Footprint(severed=self.listeners, unsure=self.through - self.listeners)

    def inject(self) -> None:
        """Change the image and delete the pod."""
        for name in self.services:
            self.orchestrator.break_image(name)

    def landed(self) -> Seen:
        """Whether each pod waits for an image that it does not get."""
        try:
            what, seconds = "the image to be missed", _GONE_S + _EVICTED_S
            wait_for(self._lacking, what=what, seconds=seconds, every=0.1, clock=self.clock)
        except StackError as error:
            return Seen(ok=False, words=error.why)
        return Seen(ok=True, words=self._words())

    def still(self) -> Seen:
        """Whether no pod found one."""
        back = [name for name in self.services if self.orchestrator.pod(name).ready]
        return Seen(ok=not back, words=f"{', '.join(back)} is ready" if back else NOTHING_LOST)

    def heal(self) -> None:
        """Give every pod its own image back; idempotent."""
        for name in self.services:
            self.orchestrator.mend_image(name)

    def _words(self) -> str:
        return "; ".join(f"{name}: {self.orchestrator.pod(name).said}" for name in self.services)

    def _lacking(self) -> None:
        self._all_gone()
        if not all("Image" in self.orchestrator.pod(name).said for name in self.services):
            raise NotYet(self._words())


@dataclass
class Unlisting(OnPods):
    """Take every endpoint away from the Services that lead to pods; healed by giving them back."""

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting asks for."""
        return tuple(f"kubectl patch service {name} (to select nothing)" for name in self._services())

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing asks for."""
        return tuple(f"kubectl patch service {name} (to select as before)" for name in self._services())

    @property
    def footprint(self) -> Footprint:
        """Who knows an address still connects."""
        return Footprint(severed=frozenset(), unsure=frozenset())

    def inject(self) -> None:
        """Have the Services select nothing."""
        if not self._services():
            raise FaultError("no Service leads there", why=", ".join(self.services))
        for name in self.services:
            self.orchestrator.unlist(name, hidden=True)

    def landed(self) -> Seen:
        """Whether no Service has an endpoint left."""
        return self._waits(some=False)

    def still(self) -> Seen:
        """Whether that stayed so."""
        back = [name for name, count in self._services().items() if count]
        return Seen(ok=not back, words=f"{', '.join(back)} has endpoints again" if back else NOTHING_LOST)

    def heal(self) -> None:
        """Have them select as before; idempotent."""
        for name in self.services:
            self.orchestrator.unlist(name, hidden=False)

    def healed(self) -> Seen:
        """Whether every Service has endpoints and every pod serves."""
        listed = self._waits(some=True)
        return super().healed() if listed.ok else listed

    def _services(self) -> dict[str, int]:
        return {k: count for name in self.services for k, count in self.orchestrator.listed(name).items()}

    def _waits(self, *, some: bool) -> Seen:
        def observe() -> str:
            found = self._services()
            words = ", ".join(f"{name} has {count} endpoints" for name, count in found.items())
            if not found or any(bool(count) != some for count in found.values()):
                raise NotYet(words or "no Service leads there")
            return words

        try:
            seconds, clock = _UNLISTED_S, self.clock
            told = wait_for(observe, what="endpoints", seconds=seconds, every=0.1, clock=clock)
        except StackError as error:
            return Seen(ok=False, words=error.why)
        return Seen(ok=True, words=told)
