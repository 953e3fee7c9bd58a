"""Faults on processes: kill, terminate, pause.

A signal goes through a pidfd, so it cannot hit a stranger. The effect is proven
by what the kernel says of the process and, for a death, by the data plane too. A
paused process still completes TCP handshakes, the kernel does that for it; so a
pause is proven by the stopped state of all its threads and by their making no progress.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from harness.clock import MONOTONIC, Clock
from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.observed import context_switches, thread_states, undo_of
from harness.faults.reach import Pair
from harness.faults.serving import all_serve, serves_in_its_place
from harness.stack.seams import Distant, Process, Service, Supervised, Unreached
from harness.waiting import NotYet, wait_for

KILL_SECONDS = 5.0
TERMINATE_SECONDS = 60.0
STOP_SECONDS = 2.0
_QUIET_SECONDS = 0.1


@dataclass
class Death:
    """Kill or terminate processes; healed by starting their services again."""

    services: Mapping[str, Service]
    number: signal.Signals
    gone_seconds: float
    ready_seconds: float
    wipe: bool = False
    listeners: frozenset[Pair] = frozenset()
    """Connections that cannot be opened while the processes are dead."""
    _victims: dict[str, Process] = field(init=False)

    def __post_init__(self) -> None:
        self._victims = {name: service.process for name, service in self.services.items()}
        for name, process in self._victims.items():
            _require_reached(name, process)
            if not process.is_alive():
                raise FaultError(f"{name} is already dead", fix="heal the other fault first")

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting runs."""
        return tuple(_kill_words(self.number, name, process) for name, process in self._victims.items())

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing runs."""
        wipes = tuple(f"wipe the data of {name}" for name in self.services if self.wipe)
        return (*wipes, *(f"start {name}" for name in self.services))

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """What is to be undone, for ``heal``."""
        return tuple({"do": "start", "node": name} for name in self.services)

    @property
    def footprint(self) -> Footprint:
        """What connections the fault takes away; a service that somebody starts again may be back at once."""
        if any(isinstance(service, Supervised) for service in self.services.values()):
            return Footprint(severed=frozenset(), unsure=self.listeners)
        return Footprint(severed=self.listeners, unsure=frozenset())

    def inject(self) -> None:
        """Send the signal to every process.

        Raises:
            FaultError: one died before it was hit.
        """
        for name, process in self._victims.items():
            _send(name, process, self.number)

    def landed(self) -> Seen:
        """Whether every process ended in time."""
        for name, process in self._victims.items():
            try:
                process.wait_gone(self.gone_seconds)
            except StackError as error:
                return Seen(ok=False, words=f"{name} did not end: {error.why or error.what}")
        return Seen(ok=True, words=f"{_pids(self._victims)} gone")

    def traces(self) -> Seen:
        """Nothing beside what the data plane itself shows."""
        return Seen(ok=True, words="")

    def still(self) -> Seen:
        """Whether nobody started them again meanwhile."""
        alone = [name for name, service in self.services.items() if not isinstance(service, Supervised)]
        back = [name for name in alone if self._came_back(name)]
        return Seen(ok=not back, words=f"{', '.join(back)} came back by itself" if back else NOTHING_LOST)

    def heal(self) -> None:
        """Start every service that is down, after wiping its data if so asked; idempotent."""
        for name, service in self.services.items():
            victim = self._victims[name]
            if not _same(service.process, victim):
                continue
            if victim.is_alive():  # it withstood SIGTERM
                _send(name, victim, signal.SIGKILL)
                victim.wait_gone(KILL_SECONDS)
            if self.wipe:
                service.wipe()
            service.start()

    def healed(self) -> Seen:
        """Whether every service serves again; waits for it."""
        return all_serve(self.services, self.ready_seconds)

    def _came_back(self, name: str) -> bool:
        process = self.services[name].process
        return process.is_alive() or not _same(process, self._victims[name])


@dataclass
class Pause:
    """Stop processes; healed by letting them continue."""

    services: Mapping[str, Service]
    ready_seconds: float
    listeners: frozenset[Pair] = frozenset()
    clock: Clock = MONOTONIC
    _stopped: dict[str, Process] = field(init=False)

    def __post_init__(self) -> None:
        self._stopped = {name: service.process for name, service in self.services.items()}
        for name, process in self._stopped.items():
            _require_reached(name, process)
            if not process.is_alive():
                raise FaultError(f"{name} is dead and cannot be paused", fix="heal the other fault first")
            if process.is_stopped():
                raise FaultError(f"{name} is already paused", fix="heal the other fault first")

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting runs."""
        return tuple(_kill_words(signal.SIGSTOP, name, process) for name, process in self._stopped.items())

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing runs."""
        return tuple(_kill_words(signal.SIGCONT, name, process) for name, process in self._stopped.items())

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """What is to be undone, for ``heal`` and the watchdog."""
        return tuple(note for name, one in self._stopped.items() for note in noted(name, one))

    @property
    def footprint(self) -> Footprint:
        """Connections to a paused process complete until its backlog is full: not judged."""
        return Footprint(severed=frozenset(), unsure=self.listeners)

    def inject(self) -> None:
        """Stop every process.

        Raises:
            FaultError: one is gone.
        """
        for name, process in self._stopped.items():
            _send(name, process, signal.SIGSTOP)

    def landed(self) -> Seen:
        """Whether every thread of every process is stopped and none makes progress."""
        try:
            wait_for(self._all_stopped, what="stopping", seconds=STOP_SECONDS, every=0.005, clock=self.clock)
        except StackError as error:
            return Seen(ok=False, words=error.why)
        before = self._switches()
        self.clock.sleep(_QUIET_SECONDS)
        progress = {name: count - before[name] for name, count in self._switches().items()}
        moved = [f"{name} made {count} context switches" for name, count in progress.items() if count]
        quiet = f"{_pids(self._stopped)} in state T, no context switch in {_QUIET_SECONDS:g} s"
        return Seen(ok=not moved, words="; ".join(moved) or quiet)

    def traces(self) -> Seen:
        """Nothing beside what the data plane itself shows."""
        return Seen(ok=True, words="")

    def still(self) -> Seen:
        """Whether nobody let them continue meanwhile."""
        running = [name for name, process in self._stopped.items() if not process.is_stopped()]
        words = f"{', '.join(running)} was not stopped any more" if running else NOTHING_LOST
        return Seen(ok=not running, words=words)

    def heal(self) -> None:
        """Let every process continue that still exists; idempotent."""
        for process in self._stopped.values():
            if process.is_alive():
                process.send(signal.SIGCONT)

    def healed(self) -> Seen:
        """Whether none is stopped and every service serves again; waits for it."""
        words = []
        for name, service in self.services.items():
            try:
                words.append(f"{name}: {self._goes_on(name, service)}")
            except StackError as error:
                return Seen(ok=False, words=f"{name} does not serve: {error.sentence()}")
        return Seen(ok=True, words="; ".join(words))

    def _goes_on(self, name: str, service: Service) -> str:
        process = self._stopped[name]
        if not process.is_alive():
            return serves_in_its_place(service, self.ready_seconds)
        wait_for(partial(_runs, process), what=f"{name} continuing", seconds=STOP_SECONDS, every=0.005)
        return f"not stopped, {service.wait_ready(self.ready_seconds)}"

    def _all_stopped(self) -> None:
        for name, process in self._stopped.items():
            states = _states(process)
            if set(states) != {"T"}:
                raise NotYet(f"{name} has threads in state {''.join(sorted(set(states))) or 'gone'}")

    def _switches(self) -> dict[str, int]:
        return {name: _switches(process) for name, process in self._stopped.items()}


def _require_reached(name: str, process: Process) -> None:
    if isinstance(process, Unreached):
        raise NotExpressible(f"no signal reaches {name} here", why=process.unreached)


def _states(process: Process) -> list[str]:
    if isinstance(process, Distant):
        return list(process.look().states)
    return [state for pid in process.pids() for state in thread_states(pid)]


def _switches(process: Process) -> int:
    if isinstance(process, Distant):
        return process.look().switches
    return sum(map(context_switches, process.pids()))


def noted(node: str, process: Process) -> tuple[dict[str, str], ...]:
    """The journal's note; of a distant process its pid means nothing here: its agent lets it continue."""
    if isinstance(process, Distant):
        return ({"do": "continue", "node": node, "by": "agent"},)
    return undo_of(node, process.pids())


def _same(one: Process, other: Process) -> bool:
    return (one.pid, one.start_ticks) == (other.pid, other.start_ticks)


def _runs(process: Process) -> None:
    if process.is_stopped():
        raise NotYet("it is stopped")


def _send(name: str, process: Process, number: signal.Signals) -> None:
    try:
        process.send(number)
    except ProcessLookupError as error:
        raise FaultError(f"{name} died before {number.name} reached it") from error


def _kill_words(number: signal.Signals, node: str, process: Process) -> str:
    # A rehearsal has no process yet, and `kill 0` would hit whoever pastes it.
    hit = process.pids() if number in (signal.SIGSTOP, signal.SIGCONT) else (process.pid,)
    pids = " ".join(map(str, hit)) if process.pid else f"<pid of {node}>"
    argv = ["kill", f"-{number.name.removeprefix('SIG')}", pids]
    return " ".join(process.enter(argv) if isinstance(process, Distant) else argv)


def _pids(processes: Mapping[str, Process]) -> str:
    told = {name: ", ".join(map(str, process.pids())) for name, process in processes.items()}
    return ", ".join(f"{name} (pid {pids})" for name, pids in told.items())
