"""Stand-ins that several tests share. Each does what the real thing does, only without the world."""

from __future__ import annotations

from harness.clock import NANOS_PER_SECOND


class FakeClock:
    """A clock that stands still until somebody sleeps; see ``harness.clock.Clock``."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._now = 1_000 * NANOS_PER_SECOND

    def now(self) -> int:
        """The present instant."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move on by *seconds* and remember it."""
        self.slept.append(seconds)
        self._now += round(seconds * NANOS_PER_SECOND)
