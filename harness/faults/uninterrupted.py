"""Undoing to the end, whatever a user's impatience does to the thread that asked for it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable

from harness.errors import HarnessError
from harness.interrupts import Interrupted

UNDO_ERRORS = (HarnessError, OSError, subprocess.SubprocessError)
"""What an undoing may raise; anything else is a defect."""


def uninterrupted(action: Callable[[], None]) -> None:
    """Run *action* to its end although a user interrupts meanwhile; the interrupt follows then."""
    once = _Once(action)
    late: BaseException | None = None
    while not once.ended.is_set():
        try:
            # An interrupt may strike inside start() itself, with the thread running or not: then
            # another thread asks again, and only the first to ask runs the action.
            threading.Thread(target=once.run, name="heal", daemon=True).start()
            once.ended.wait()
        except (KeyboardInterrupt, SystemExit, Interrupted) as interrupt:
            late = interrupt
    if once.error is not None:
        raise once.error
    assert once.finished, "the undoing ended with a defect; its traceback is above"
    if late is not None:
        raise late


class _Once:
    """An action that runs once, whichever thread asks for it first."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.ended = threading.Event()
        self.error: Exception | None = None
        self.finished = False
        self._action = action
        self._claim = threading.Lock()

    def run(self) -> None:
        """Run the action unless another thread does."""
        if not self._claim.acquire(blocking=False):
            return
        try:
            self._action()
            self.finished = True
        except UNDO_ERRORS as error:
            self.error = error
        finally:
            self.ended.set()
