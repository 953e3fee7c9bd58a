"""Ctrl-C once: heal, stop, drain, partial report. Twice: heal and leave.

Inside ``shielded()`` the first signal is kept and delivered at its end, so that a
healing in progress is also proven. The second is delivered at once: undoing a fault
runs out of its reach, only the proof is cut short.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The user, or a CI system, asked the run to end. Not an ``Exception``: no scenario may swallow it."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


class Interrupts:
    """Turns the ending signals into ``Interrupted``, raised in the main thread."""

    def __init__(self) -> None:
        self.count = 0
        self._shields = 0
        self._kept: int | None = None

    def install(self) -> None:
        """Handle the signals from now on; only in the main thread."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    @property
    def in_a_hurry(self) -> bool:
        """Whether the user asked twice."""
        return self.count > 1

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """Keep a signal that arrives inside until the end of the block."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            if self._shields == 0 and self._kept is not None:
                kept, self._kept = self._kept, None
                raise Interrupted(kept)

    @contextlib.contextmanager
    def shielding_exit_of(self, guard: contextlib.AbstractContextManager[T]) -> Iterator[T]:
        """*guard*, left inside a shield."""
        entered = guard.__enter__()
        try:
            yield entered
        except BaseException as error:
            with self.shielded():
                guard.__exit__(type(error), error, error.__traceback__)
            raise
        with self.shielded():
            guard.__exit__(None, None, None)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self._shields and not self.in_a_hurry:
            self._kept = number
        else:
            raise Interrupted(number)
