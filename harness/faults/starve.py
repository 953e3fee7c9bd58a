"""Starvation: a process gets a share of the time and no more, by SIGSTOP and SIGCONT in turn.

An ordinary user may not limit processor time by cgroups everywhere; signals work
on any machine (``harness.stack.agents.turns``). On another machine its agent gives the turns.

A stopped process is what the watchdog and ``heal`` look for in any case: should
the harness die or hang between two turns, they let it continue.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from harness.clock import MONOTONIC, Clock, seconds_between
from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.observed import stat_fields
from harness.faults.reach import Pair
from harness.faults.serving import serves_in_its_place
from harness.faults.signals import noted
from harness.stack.agents.pod_proc import processor_seconds
from harness.stack.agents.turns import TURN_SECONDS, Looked, Turned, Turns
from harness.stack.seams import Distant, Process, Service, Unreached

_LOOKS, _LOOK_SECONDS = 250, 0.006
_BEFORE_SECONDS = 0.5
_QUIET_LOOKS = 30
_MOST = 1.3
"""How much of the asked share it may have at the most; the looks add the error of their number."""

_LEAST = 0.3
_LOOK_SLACK = 0.06


class Elsewhere:
    """Turns that the agent on its own machine gives to a process."""

    def __init__(self, process: Turned, share: float) -> None:
        self._process, self._share = process, share

    def start(self) -> None:
        """See ``Turns``."""
        self._process.starve(self._share)

    def end(self) -> None:
        """See ``Turns``."""
        self._process.feed()

    @property
    def are_taken(self) -> bool:
        """See ``Turns``."""
        return self._process.is_starved()


@dataclass
class Starvation:
    """The processes of *services* run *share* of the time."""

    services: Mapping[str, Service]
    share: float
    ready_seconds: float
    listeners: frozenset[Pair] = frozenset()
    clock: Clock = MONOTONIC
    _victims: dict[str, Process] = field(init=False)
    _turns: dict[str, Turns | Elsewhere] = field(default_factory=dict)
    _used_before: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._victims = {name: service.process for name, service in self.services.items()}
        for name, process in self._victims.items():
            if isinstance(process, Distant | Unreached) and not isinstance(process, Turned):
                why = "its turns are too short to be given from another machine"
                raise NotExpressible(f"{name} cannot be starved here", why=why)
            if not process.is_alive() or process.is_stopped():
                state = "paused already" if process.is_alive() else "dead"
                raise FaultError(f"{name} is {state} and cannot be starved", fix="heal the other fault first")

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting runs, ten times a second."""
        run, stop = TURN_SECONDS * self.share, TURN_SECONDS * (1 - self.share)
        turns = "while sleep {run:g}; do kill -STOP {pid}; sleep {stop:g}; kill -CONT {pid}; done"
        return tuple(
            _there(process, turns.format(run=run, stop=stop, pid=_pid(name, process)))
            for name, process in self._victims.items()
        )

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing runs."""
        return tuple(
            _there(process, f"kill -CONT {_pid(name, process)}") for name, process in self._victims.items()
        )

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """What is to be undone, for ``heal`` and the watchdog."""
        return tuple(note for name, one in self._victims.items() for note in noted(name, one))

    @property
    def footprint(self) -> Footprint:
        """Connections to a starved process are slow: not judged."""
        return Footprint(severed=frozenset(), unsure=self.listeners)

    def inject(self) -> None:
        """See what each process uses, then begin the turns."""
        before = {name: _used(process) for name, process in self._victims.items()}
        started = self.clock.now()
        self.clock.sleep(_BEFORE_SECONDS)
        seconds = seconds_between(started, self.clock.now())
        for name, process in self._victims.items():
            self._used_before[name] = (_used(process) - before[name]) / seconds
            self._turns[name] = _turns_of(process, self.share)
            self._turns[name].start()

    def landed(self) -> Seen:
        """Whether it is stopped as often as asked, and uses processors no more than that, yet some."""
        before = {name: _used(process) for name, process in self._victims.items()}
        started = self.clock.now()
        running = self._looks(_LOOKS)
        seconds = seconds_between(started, self.clock.now())
        seen = []
        for name, process in self._victims.items():
            used = (_used(process) - before[name]) / seconds
            seen.append(self._judged(name, running[name], used))
        bad = [one.words for one in seen if not one.ok]
        return Seen(ok=not bad, words="; ".join(bad or [one.words for one in seen]))

    def traces(self) -> Seen:
        """Nothing beside what the looks saw."""
        return Seen(ok=True, words="")

    def still(self) -> Seen:
        """Whether the turns were taken until now."""
        over = [name for name, turns in self._turns.items() if not turns.are_taken]
        return Seen(ok=not over, words=f"{', '.join(over)} died meanwhile" if over else NOTHING_LOST)

    def heal(self) -> None:
        """End the turns, and let continue what is stopped; idempotent."""
        for turns in self._turns.values():
            turns.end()

    def healed(self) -> Seen:
        """Whether none is stopped at any look and every service serves again; waits for it."""
        running = self._looks(_QUIET_LOOKS)
        words = []
        for name, service in self.services.items():
            alive = self._victims[name].is_alive()
            if alive and running[name].running < _QUIET_LOOKS:
                return Seen(ok=False, words=f"{name} is still stopped at times")
            try:
                words.append(f"{name}: {self._goes_on(service, alive=alive)}")
            except StackError as error:
                return Seen(ok=False, words=f"{name} does not serve: {error.sentence()}")
        return Seen(ok=True, words="; ".join(words))

    def _goes_on(self, service: Service, *, alive: bool) -> str:
        if not alive:
            return serves_in_its_place(service, self.ready_seconds)
        return f"not stopped at any of {_QUIET_LOOKS} looks, {service.wait_ready(self.ready_seconds)}"

    def _judged(self, name: str, looked: Looked, used: float) -> Seen:
        processors, running = looked.processors, looked.running / _LOOKS
        most = self.share * _MOST
        told = f"{name} ran at {running:.0%} of the looks and used {used:.2f} processors"
        told += f" (before {self._used_before[name]:.2f})"
        ok = self.share * _LEAST - _LOOK_SLACK <= running <= most + _LOOK_SLACK
        ok = ok and running > 0 and 0 < used <= most * processors + _LOOK_SLACK
        return Seen(ok=ok, words=told)

    def _looks(self, count: int) -> dict[str, Looked]:
        """How often each process ran, with all that it started, of *count* looks."""
        far = {name: process for name, process in self._victims.items() if isinstance(process, Turned)}
        near = {name: process.pids() for name, process in self._victims.items() if name not in far}
        running = dict.fromkeys(near, 0)
        with ThreadPoolExecutor(max(len(far), 1), thread_name_prefix="looks") as pool:
            asked = {name: pool.submit(one.looks, count, _LOOK_SECONDS) for name, one in far.items()}
            for _ in range(count if near else 0):
                for name, own in near.items():
                    running[name] += all(stat_fields(pid)[:1] not in (["T"], []) for pid in own)
                self.clock.sleep(_LOOK_SECONDS)
        here = {name: Looked(ran, os.cpu_count() or 1) for name, ran in running.items()}
        return here | {name: answer.result() for name, answer in asked.items()}


def _turns_of(process: Process, share: float) -> Turns | Elsewhere:
    return Elsewhere(process, share) if isinstance(process, Turned) else Turns(process, share)


def _pid(name: str, process: Process) -> str:
    # A rehearsal has no process yet.
    return " ".join(map(str, process.pids())) if process.pid else f"<pid of {name}>"


def _there(process: Process, command: str) -> str:
    """*command* as a person would paste it, where the process is."""
    return shlex.join(process.enter(["sh", "-c", command])) if isinstance(process, Distant) else command


def _used(process: Process) -> float:
    if isinstance(process, Distant):
        cost = process.cost()
        return cost.used_s if cost else 0.0
    return sum(map(processor_seconds, process.pids()))
