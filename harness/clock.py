"""Time as the harness uses it: monotonic for every duration, wall clock only as a label.

CLOCK_MONOTONIC is one clock for all processes of a host, inside namespaces too
(a time namespace is never created), so instants written by a Locust worker and
by the harness compare directly.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

NANOS_PER_SECOND = 1_000_000_000


class Clock(Protocol):
    """Where instants come from and how waiting is done; tests pass a fake."""

    def now(self) -> int:
        """The present instant in monotonic nanoseconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after *seconds* of this clock."""
        ...


class MonotonicClock:
    """The real clock."""

    def now(self) -> int:
        """The present instant in monotonic nanoseconds."""
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        """Block this thread for *seconds*."""
        time.sleep(max(0.0, seconds))


MONOTONIC = MonotonicClock()


def seconds_between(start: int, end: int) -> float:
    """The duration from *start* to *end*, both monotonic nanoseconds, in seconds."""
    return (end - start) / NANOS_PER_SECOND


def wall_label() -> str:
    """The wall clock as an ISO 8601 label in UTC; never computed with."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wall_at_zero_ms() -> int:
    """The wall clock, milliseconds since 1970, when the monotonic one was 0, as both stand now."""
    return (time.time_ns() - time.monotonic_ns()) // 1_000_000
