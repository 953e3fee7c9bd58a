"""Faults on the machines of a cluster: power off, pause, reboot. Every pod on a machine is hit together.

It is proven by the processes of the pods, which are gone, or do not move.
A paused machine still forwards packets and completes handshakes, its kernel does that; so connections to
it are not judged. Docker starts it again, and the watchdog does when the harness is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.clock import MONOTONIC, Clock
from harness.errors import FaultError, StackError
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.observed import context_switches
from harness.faults.reach import Pair
from harness.stack.kind.machines import START
from harness.stack.kubernetes.orchestrated import Machines
from harness.stack.seams import Process, Service
from harness.waiting import NotYet, wait_for

_OFF_S = 15.0
_QUIET_S = 0.2


@dataclass
class PowerCut:
    """Stop *machines*; healed by starting them. ``reboots``: they are started at once."""

    machines: tuple[str, ...]
    power: Machines
    services: Mapping[str, Service]
    ready_seconds: float
    through: frozenset[Pair] = frozenset()
    reboots: bool = False
    clock: Clock = MONOTONIC
    victims: dict[str, Process] = field(init=False)

    def __post_init__(self) -> None:
        for machine in self.machines:
            if (state := self.power.state(machine)) != "running":
                raise FaultError(f"machine {machine} is {state}", fix="heal the other fault first")
        self.victims = {name: service.process for name, service in self.services.items()}

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting runs."""
        verb = "restart --time 0" if self.reboots else "kill"
        return tuple(f"docker {verb} {machine}" for machine in self.machines)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing runs."""
        return tuple(f"docker start {machine}" for machine in self.machines)

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """Which machines are to be started."""
        return tuple({"do": START, "node": machine} for machine in self.machines)

    @property
    def footprint(self) -> Footprint:
        """No connection from or to its pods can be opened until they are back."""
        return Footprint(severed=self.through, unsure=frozenset())

    def inject(self) -> None:
        """Take the power away, and give it back where it is a reboot."""
        for machine in self.machines:
            self.power.stop(machine)
            if self.reboots:
                self.power.start(machine)

    def landed(self) -> Seen:
        """Whether every process of its pods is gone, and the machines are off unless they reboot."""
        for name, process in self.victims.items():
            try:
                process.wait_gone(_OFF_S)
            except StackError as error:
                return Seen(ok=False, words=f"{name} did not end: {error.what}")
        states = self._states()
        words = f"{_told(states)}; {', '.join(self.victims)} gone"
        return Seen(ok=self.reboots or "running" not in states.values(), words=words)

    def traces(self) -> Seen:
        """Nothing beside what the data plane itself shows."""
        return Seen(ok=True, words="")

    def still(self) -> Seen:
        """Whether nobody else started it meanwhile; a reboot ends by itself."""
        if self.reboots:
            return Seen(ok=True, words=NOTHING_LOST)
        back = [machine for machine in self.machines if self.power.state(machine) == "running"]
        words = f"{', '.join(back)} was started by somebody else" if back else NOTHING_LOST
        return Seen(ok=not back, words=words)

    def heal(self) -> None:
        """Start every machine; idempotent."""
        for machine in self.machines:
            self.power.start(machine)

    def healed(self) -> Seen:
        """Whether the machines run and every service on them serves again; waits for it."""
        off = [machine for machine in self.machines if self.power.state(machine) != "running"]
        if off:
            return Seen(ok=False, words=f"{', '.join(off)} does not run")
        words = []
        for name, service in self.services.items():
            try:
                service.start()  # returns once the kubelet did
                words.append(f"{name}: {service.wait_ready(self.ready_seconds)}")
            except StackError as error:
                return Seen(ok=False, words=f"{name} does not serve: {error.sentence()}")
        return Seen(ok=True, words="; ".join(words))

    def _states(self) -> dict[str, str]:
        return {machine: self.power.state(machine) for machine in self.machines}


@dataclass
class MachinePause(PowerCut):
    """Freeze every process on *machines*; healed by letting them go on."""

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting runs."""
        return tuple(f"docker pause {machine}" for machine in self.machines)

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing runs."""
        return tuple(f"docker unpause {machine}" for machine in self.machines)

    @property
    def footprint(self) -> Footprint:
        """The kernel still completes handshakes: not judged."""
        return Footprint(severed=frozenset(), unsure=self.through)

    def inject(self) -> None:
        """Freeze them."""
        for machine in self.machines:
            self.power.pause(machine)

    def landed(self) -> Seen:
        """Whether no process of its pods, all of which live, makes progress."""
        try:
            wait_for(self._quiet, what="processes to stand still", seconds=_OFF_S, clock=self.clock)
        except StackError as error:
            return Seen(ok=False, words=error.why)
        still = f"no context switch of {', '.join(self.victims)} in {_QUIET_S:g} s"
        return Seen(ok=True, words=f"{_told(self._states())}; {still}")

    def _quiet(self) -> None:
        states = self._states()
        if set(states.values()) != {"paused"}:
            raise NotYet(_told(states))
        if dead := [name for name, process in self.victims.items() if not process.is_alive()]:
            raise NotYet(f"{', '.join(dead)} is dead")  # which makes no progress either
        before = self._switches()
        self.clock.sleep(_QUIET_S)
        moved = [name for name, count in self._switches().items() if count != before[name]]
        if moved:
            raise NotYet(f"{', '.join(moved)} still runs")

    def _switches(self) -> dict[str, int]:
        return {name: sum(map(context_switches, one.pids())) for name, one in self.victims.items()}


def _told(states: Mapping[str, str]) -> str:
    return ", ".join(f"{machine} {state}" for machine, state in states.items())
