"""Ctrl-C once: heal, stop, drain, partial report. Twice: heal and leave.

Healing itself is never interrupted: inside ``shielded()`` a signal is kept and
delivered at its end.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

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
            kept, self._kept = self._kept, None
            if kept is not None and self._shields == 0:
                raise Interrupted(kept)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self._shields:
            self._kept = number
        else:
            raise Interrupted(number)
