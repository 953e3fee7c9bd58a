"""What every client of a workload has: its part of the history, its orders, its pace, its chance.

Orders are lines on standard input: ``stop``. The end of the input is the same order, so that a client whose
harness is gone ends as well, should the kernel not have ended it before.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from pathlib import Path

from harness.clock import MONOTONIC, NANOS_PER_SECOND, seconds_between
from harness.history.operations import Operation
from harness.history.parts import Part
from harness.seeds import stream
from harness.workloads.plan import Client, Plan

_COUNT = struct.Struct("<q")

QUIET = {"log_level": "3", "reconnect.backoff.ms": "50", "reconnect.backoff.max.ms": "1000"}
"""Errors go to the client's log; a broker that came back is called soon."""


class Over(Exception):
    """This session can do nothing more: it was fenced, or nobody answers. Another one takes its place."""


class Kit:
    """One client's own. Its part is written by one thread: the one that calls the Kafka client."""

    def __init__(self, plan: Plan, client: Client) -> None:
        self.plan, self.client, self.number = plan, client, client.number
        self.chance = stream(plan.seed, f"{plan.workload.name}/{client.name}")
        self._part = Part(plan.folder, client.name)
        self._stopping = threading.Event()
        self._count, self._began = 0, MONOTONIC.now()
        self._counter = os.open(count_path(plan, client), os.O_WRONLY | os.O_CREAT, 0o600)

    @property
    def stopping(self) -> bool:
        """Whether it is to end: it was told so, or has done or lived as much as it may."""
        plan = self.plan
        old = seconds_between(self._began, MONOTONIC.now()) > plan.seconds
        return old or self._count >= plan.operations or self._stopping.is_set()

    def write(self, *operations: Operation) -> None:
        """Put *operations* into its part of the history."""
        self._part.write(*operations)

    def did(self) -> None:
        """Count one operation that took effect, where the harness sees it."""
        self._count += 1
        os.pwrite(self._counter, _COUNT.pack(self._count), 0)

    def pause(self, seconds: float) -> None:
        """Return after *seconds*, or at an order."""
        self._stopping.wait(seconds)

    def rest(self, began: int) -> None:
        """Return when the next operation is due, the last one having begun at *began*, or at an order."""
        due = began + int(NANOS_PER_SECOND / self.plan.workload.rate)
        self.pause(max(0.0, seconds_between(MONOTONIC.now(), due)))

    def obey(self) -> None:
        """Take orders from standard input from now on."""
        threading.Thread(target=self._take_orders, daemon=True).start()

    def _take_orders(self) -> None:
        sys.stdin.readline()
        self._stopping.set()


def count_path(plan: Plan, client: Client) -> Path:
    """Where *client* says how much it has done."""
    return plan.counts / client.name


def counted(path: Path) -> int:
    """How much the client whose count lies at *path* has done; 0 before it has begun."""
    try:
        told = path.read_bytes()
    except FileNotFoundError:
        return 0
    return int(_COUNT.unpack(told)[0]) if len(told) == _COUNT.size else 0
