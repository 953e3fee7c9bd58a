"""Ends processes that runs left, and returns when they are gone: what is found then must not count the dying.

Standard library only, as ``harness.faults.heal``.
"""

from __future__ import annotations

import os
import signal
import time

from harness.clock import MONOTONIC
from harness.faults.observed import start_ticks, stat_fields

ABORT_SECONDS = 60.0
"""Healing, teardown and a partial report: all of it on a busy machine."""

KILL_SECONDS = 5.0


def end_harness(pid: int) -> None:
    """Have a harness heal and end by itself; one that does not get there is killed, and heals nothing."""
    ticks = start_ticks(pid)
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)  # a stopped harness cannot hear
    if not ended(pid, ticks, ABORT_SECONDS):
        kill(pid, ticks)


def kill(pid: int, ticks: int) -> None:
    """End the process that started then, if it is still there."""
    if start_ticks(pid) == ticks:
        os.kill(pid, signal.SIGKILL)
        ended(pid, ticks, KILL_SECONDS)


def ended(pid: int, ticks: int, seconds: float) -> bool:
    """Whether the process that started then is gone, or dead, within *seconds*."""
    deadline = time.monotonic() + seconds
    while start_ticks(pid) == ticks and stat_fields(pid)[:1] not in ([], ["Z"], ["X"]):
        if time.monotonic() >= deadline:
            return False
        MONOTONIC.sleep(0.01)
    return True
