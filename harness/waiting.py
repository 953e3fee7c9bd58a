"""Waiting for a condition, with the last observation kept for the error.

Polling never sleeps once more after success, uses monotonic time only, and
retries nothing but the errors it was told to expect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from harness.clock import MONOTONIC, NANOS_PER_SECOND, Clock
from harness.errors import StackError

T = TypeVar("T")


class NotYet(Exception):
    """Raised by an observation to say what it saw instead of what it waits for."""


def wait_for(
    observe: Callable[[], T],
    *,
    what: str,
    seconds: float,
    every: float = 0.05,
    retry_on: tuple[type[Exception], ...] = (),
    fix: str = "",
    clock: Clock = MONOTONIC,
) -> T:
    """Call *observe* until it returns, and return what it returned.

    Args:
        observe: returns the awaited value, or raises ``NotYet`` with what it saw.
        what: the condition in words, for the error.
        seconds: how long to wait at the most.
        every: seconds between two observations.
        retry_on: further exceptions that mean "not yet".
        fix: what a user does when the wait ends in vain.

    Raises:
        StackError: the time was up; carries the last observation.
    """
    not_yet: tuple[type[Exception], ...] = (NotYet, *retry_on)
    deadline = clock.now() + int(seconds * NANOS_PER_SECOND)
    while True:
        try:
            return observe()
        except not_yet as seen:
            if clock.now() >= deadline:
                why = f"last seen: {str(seen) or type(seen).__name__}"
                raise StackError(f"{what} took longer than {seconds:g} s", why=why, fix=fix) from seen
        clock.sleep(every)
