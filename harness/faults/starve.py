"""Starvation: a process gets a share of the time and no more, by SIGSTOP and SIGCONT in turn.

An ordinary user may not limit processor time by cgroups everywhere; signals work
on any machine. The turns are told to the clock, not counted: a turn that came
late makes the next one shorter, so the share holds on a busy machine too.

A stopped process is what the watchdog and ``heal`` look for in any case: should
the harness die or hang between two turns, they let it continue.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.clock import MONOTONIC, NANOS_PER_SECOND, Clock, seconds_between
from harness.errors import FaultError, StackError
from harness.faults.mechanism import NOTHING_LOST, Footprint, Seen
from harness.faults.observed import processor_seconds, stat_fields, undo_of
from harness.faults.reach import Pair
from harness.stack.seams import Process, Service

TURN_SECONDS = 0.1
_STOP_NANOS = TURN_SECONDS * NANOS_PER_SECOND
_MEMORY = 0.8
"""How much of what was owed is still owed a turn later: a machine that hung does not starve it to death."""

_LOOKS, _LOOK_SECONDS = 250, 0.006
_BEFORE_SECONDS = 0.5
_QUIET_LOOKS = 30
_MOST = 1.3
"""How much of the asked share it may have at the most; the looks add the error of their number."""

_LEAST = 0.3
_LOOK_SLACK = 0.06


class Turns:
    """Stops and continues one process so that it runs *share* of the time, until ended."""

    def __init__(self, process: Process, share: float, clock: Clock = MONOTONIC) -> None:
        self._process, self._share, self._clock = process, share, clock
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._take, name="starve", daemon=True)

    def start(self) -> None:
        """Begin with a stop."""
        self._thread.start()

    def end(self) -> None:
        """End the turns; the process runs on, if it is still there. Repeating it is harmless."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._process.is_alive():
            self._process.send(signal.SIGCONT)

    @property
    def are_taken(self) -> bool:
        """Whether the turns go on."""
        return self._thread.is_alive()

    def _take(self) -> None:
        run, rest = self._share, 1 - self._share
        ran = stopped = 0.0
        try:
            while not self._ending.is_set():
                # A whole stop each turn, and what it still owes to the share; then the run that this earns.
                stopped += self._hold(signal.SIGSTOP, _STOP_NANOS * rest + ran / run * rest - stopped, rest)
                ran += self._hold(signal.SIGCONT, stopped / rest * run - ran, run)
                stopped, ran = stopped * _MEMORY, ran * _MEMORY
        except ProcessLookupError:
            return  # it died: whoever looks sees that

    def _hold(self, number: signal.Signals, owed_ns: float, share: float) -> int:
        """Begin this half of the turn with its signal, wait for what is owed to it within reason; its length.

        Sending takes its time, too: a node may have several processes, which are looked for each time.
        """
        usual, began = TURN_SECONDS * share, self._clock.now()
        self._process.send(number)
        owed = min(max(owed_ns / NANOS_PER_SECOND, usual / 4), 2 * usual)
        self._ending.wait(max(owed - seconds_between(began, self._clock.now()), 0.0))
        return self._clock.now() - began


@dataclass
class Starvation:
    """The processes of *services* run *share* of the time."""

    services: Mapping[str, Service]
    share: float
    ready_seconds: float
    listeners: frozenset[Pair] = frozenset()
    clock: Clock = MONOTONIC
    _victims: dict[str, Process] = field(init=False)
    _turns: dict[str, Turns] = field(default_factory=dict)
    _used_before: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._victims = {name: service.process for name, service in self.services.items()}
        for name, process in self._victims.items():
            if not process.is_alive() or process.is_stopped():
                state = "paused already" if process.is_alive() else "dead"
                raise FaultError(f"{name} is {state} and cannot be starved", fix="heal the other fault first")

    @property
    def commands(self) -> tuple[str, ...]:
        """What injecting runs, ten times a second."""
        run, stop = TURN_SECONDS * self.share, TURN_SECONDS * (1 - self.share)
        return tuple(
            f"while sleep {run:g}; do kill -STOP {pid}; sleep {stop:g}; kill -CONT {pid}; done"
            for pid in self._pids()
        )

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What healing runs."""
        return tuple(f"kill -CONT {pid}" for pid in self._pids())

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """What is to be undone, for ``heal`` and the watchdog."""
        return tuple(note for name, one in self._victims.items() for note in undo_of(name, one.pids()))

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
            self._turns[name] = Turns(process, self.share)
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
            seen.append(self._judged(name, running[name] / _LOOKS, used))
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
            if not self._victims[name].is_alive():
                words.append(f"{name}: target gone")
                continue
            if running[name] < _QUIET_LOOKS:
                return Seen(ok=False, words=f"{name} is still stopped at times")
            try:
                ready = service.wait_ready(self.ready_seconds)
                words.append(f"{name}: not stopped at any of {_QUIET_LOOKS} looks, {ready}")
            except StackError as error:
                return Seen(ok=False, words=f"{name} does not serve: {error.sentence()}")
        return Seen(ok=True, words="; ".join(words))

    def _judged(self, name: str, running: float, used: float) -> Seen:
        processors = os.cpu_count() or 1
        most = self.share * _MOST
        told = f"{name} ran at {running:.0%} of the looks and used {used:.2f} processors"
        told += f" (before {self._used_before[name]:.2f})"
        ok = self.share * _LEAST - _LOOK_SLACK <= running <= most + _LOOK_SLACK
        ok = ok and running > 0 and 0 < used <= most * processors + _LOOK_SLACK
        return Seen(ok=ok, words=told)

    def _looks(self, count: int) -> dict[str, int]:
        """How often each process ran, with all that it started, of *count* looks."""
        running = dict.fromkeys(self._victims, 0)
        pids = {name: process.pids() for name, process in self._victims.items()}
        for _ in range(count):
            for name, own in pids.items():
                running[name] += all(stat_fields(pid)[:1] not in (["T"], []) for pid in own)
            self.clock.sleep(_LOOK_SECONDS)
        return running

    def _pids(self) -> list[str]:
        # A rehearsal has no process yet.
        victims = self._victims.items()
        return [" ".join(map(str, one.pids())) if one.pid else f"<pid of {name}>" for name, one in victims]


def _used(process: Process) -> float:
    return sum(map(processor_seconds, process.pids()))
