"""Processes on this machine that are stopped, continued, waited for and looked at for somebody far away.

A process is named by its pid and its start, so that none that came later is ever hit. Standard library only:
agents run it.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.clock import MONOTONIC
from harness.stack.agents.pod_proc import family, start_ticks, stat_fields, states
from harness.stack.agents.turns import Turns

HOLDING = (signal.SIGSTOP, signal.SIGCONT)
_STOPPED_OR_GONE: tuple[list[str], ...] = (["T"], [])


def lives(pid: int, ticks: int) -> bool:
    """Whether it still runs; stopped counts as running."""
    fields = stat_fields(pid)
    return bool(fields) and int(fields[19]) == ticks and fields[0] not in "ZX"


def send(pid: int, ticks: int, number: int) -> bool:
    """Send a signal; False: it is gone."""
    descriptor = _opened(pid, ticks)
    if descriptor < 0:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def hold(pid: int, ticks: int, number: int, note: Callable[[str], None]) -> bool:
    """Send it *number*; a stop and its end to all that it started, too. *note* hears of a stop first."""
    hit = family(pid) if number in HOLDING else (pid,)
    known = [(each, ticks if each == pid else start_ticks(each)) for each in hit]
    if number == signal.SIGSTOP:
        for one in known:
            note(f"{one[0]} {one[1]}")
    sent = [send(each, started, number) for each, started in known]
    return sent[0]


def ended(pid: int, ticks: int, seconds: float) -> bool:
    """Whether it ends within *seconds*."""
    descriptor = _opened(pid, ticks)
    if descriptor < 0:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def _opened(pid: int, ticks: int) -> int:
    """A pidfd of the process that started at *ticks*; -1 when it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return -1
    if lives(pid, ticks):
        return descriptor
    os.close(descriptor)
    return -1


def let_continue(line: str) -> bool:
    """Let continue what ``hold`` told of in *line*, if it is stopped."""
    pid, ticks = (int(word) for word in line.split())
    if "T" in states(pid):
        send(pid, ticks, signal.SIGCONT)
    return True


def running(pid: int, count: int, every_s: float) -> int:
    """At how many of *count* looks it ran, with all that it started."""
    own, ran = family(pid), 0
    for _ in range(count):
        ran += all(stat_fields(each)[:1] not in _STOPPED_OR_GONE for each in own)
        MONOTONIC.sleep(every_s)
    return ran


@dataclass(frozen=True)
class Victim:
    """A process that turns are given to; see ``harness.stack.agents.turns.Stopped``."""

    pid: int
    ticks: int
    note: Callable[[str], None]

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return lives(self.pid, self.ticks)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it started."""
        if not hold(self.pid, self.ticks, number, self.note):
            raise ProcessLookupError(f"process {self.pid} is gone")


class Turning:
    """The turns that one program gives to processes, for as long as somebody asks for something.

    Args:
        note: told what is about to be stopped.
        beaten: when somebody last asked, in whatever clock.
        lease: how many seconds of silence end the turns.
    """

    def __init__(self, note: Callable[[str], None], beaten: Callable[[], int], lease: float) -> None:
        self._note, self._beaten, self._lease = note, beaten, lease
        self._turns: dict[tuple[int, int], Turns] = {}
        self._lock = threading.Lock()

    def begin(self, pid: int, ticks: int, share: float) -> None:
        """Have it run *share* of the time.

        Raises:
            OSError: it has turns already, or is gone.
        """
        victim = Victim(pid, ticks, self._note)
        with self._lock:
            if not victim.is_alive() or self.are_taken(pid, ticks):
                raise OSError(f"process {pid} is gone, or starved already")
            made = self._turns[pid, ticks] = Turns(victim, share, goes_on=self._watched())
            made.start()

    def end(self, pid: int, ticks: int) -> None:
        """End its turns; none is fine."""
        found = self._turns.pop((pid, ticks), None)
        if found is not None:
            found.end()

    def are_taken(self, pid: int, ticks: int) -> bool:
        """Whether its turns go on."""
        return (pid, ticks) in self._turns and self._turns[pid, ticks].are_taken

    def _watched(self) -> Callable[[], bool]:
        """Tells whether anybody asked for something within the lease."""
        seen = [float(self._beaten()), time.monotonic()]

        def beats() -> bool:
            latest, now = float(self._beaten()), time.monotonic()
            if latest != seen[0]:
                seen[:] = [latest, now]
            return now - seen[1] < self._lease

        return beats
