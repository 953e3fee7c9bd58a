"""Turns: a process is stopped and let continue so that it runs a share of the time.

The turns are told to the clock, not counted: a turn that came late makes the next one shorter, so the share
holds on a busy machine too. Standard library only: agents run it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from harness.clock import MONOTONIC, NANOS_PER_SECOND, Clock, seconds_between

TURN_SECONDS = 0.1
_STOP_NANOS = TURN_SECONDS * NANOS_PER_SECOND
_MEMORY = 0.8
"""How much of what was owed is still owed a turn later: a machine that hung does not starve it to death."""


class Stopped(Protocol):
    """What the turns are given to: a process with all that it started."""

    def is_alive(self) -> bool:
        """Whether it still runs."""
        ...

    def send(self, number: signal.Signals) -> None:
        """Send a signal.

        Raises:
            ProcessLookupError: it is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Looked:
    """At how many looks a process ran, with all that it started, and how many processors its machine has."""

    running: int
    processors: int


@runtime_checkable
class Turned(Protocol):
    """A process that somebody on its own machine gives turns to, and looks at."""

    def starve(self, share: float) -> None:
        """Begin the turns; they end by themselves a lease after the harness is gone."""
        ...

    def feed(self) -> None:
        """End them; it runs on, if it is still there. Repeating it is harmless."""
        ...

    def is_starved(self) -> bool:
        """Whether the turns go on."""
        ...

    def looks(self, count: int, every_s: float) -> Looked:
        """Look *count* times."""
        ...


class Turns:
    """Stops and continues one process so that it runs *share* of the time, until ended.

    Args:
        goes_on: asked before each turn; once it says no the turns end, and the process runs on.
    """

    def __init__(
        self,
        process: Stopped,
        share: float,
        clock: Clock = MONOTONIC,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self._process, self._share, self._clock, self._goes_on = process, share, clock, goes_on
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
        # When it dies whoever looks sees that.
        with contextlib.suppress(ProcessLookupError):
            while not self._ending.is_set() and self._goes_on():
                # A whole stop each turn, and what it still owes to the share; then the run that this earns.
                stopped += self._hold(signal.SIGSTOP, _STOP_NANOS * rest + ran / run * rest - stopped, rest)
                ran += self._hold(signal.SIGCONT, stopped / rest * run - ran, run)
                stopped, ran = stopped * _MEMORY, ran * _MEMORY

    def _hold(self, number: signal.Signals, owed_ns: float, share: float) -> int:
        """Begin this half of the turn with its signal, wait for what is owed to it within reason; its length.

        Sending takes its time, too: a node may have several processes, which are looked for each time.
        """
        usual, began = TURN_SECONDS * share, self._clock.now()
        self._process.send(number)
        owed = min(max(owed_ns / NANOS_PER_SECOND, usual / 4), 2 * usual)
        self._ending.wait(max(owed - seconds_between(began, self._clock.now()), 0.0))
        return self._clock.now() - began
