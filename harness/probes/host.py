"""One sample a second of what the run costs: memory and CPU of every node, and the harness's own lag.

The lag is how much later than asked the sampler itself woke up: when the
machine starves the harness, its measured times are not the cluster's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from harness.ledger.schema import SAMPLES
from harness.ledger.tables import TableWriter

_EVERY_S = 1.0


class HostSampler:
    """Samples in a thread of its own between ``start`` and ``stop``.

    Args:
        folder: where the samples go.
        pids: gives the live process of each node at the moment, by node name.
    """

    def __init__(self, folder: Path, pids: Callable[[], Mapping[str, int]]) -> None:
        self._table = TableWriter(folder, "samples", SAMPLES, writer="host")
        self._pids = pids
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="host-sampler", daemon=True)
        self._cpu_s: dict[tuple[str, int], float] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and write what is still pending."""
        self._ended.set()
        self._thread.join()
        self._table.close()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            late = time.monotonic() - due
            self._take(late)
            due = max(due + _EVERY_S, time.monotonic())

    def _take(self, late: float) -> None:
        now = time.monotonic_ns()
        self._table.add(now, "harness", "lag_ms", late * 1000)
        self._table.add(now, "host", "cpu_percent", psutil.cpu_percent(None))
        for node, pid in self._pids().items():
            self._take_node(now, node, pid)
        self._table.flush()

    def _take_node(self, now: int, node: str, pid: int) -> None:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                memory, times = process.memory_info().rss, process.cpu_times()
        except psutil.Error:
            return  # it died since: the gap in its samples says so
        spent = times.user + times.system
        before = self._cpu_s.get((node, pid))
        self._cpu_s[node, pid] = spent
        self._table.add(now, node, "rss_mb", memory / 1e6)
        if before is not None:
            self._table.add(now, node, "cpu_percent", (spent - before) / _EVERY_S * 100)
