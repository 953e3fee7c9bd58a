"""What one worker process writes: its ledger tables, its samples, its status.

Everything on disk is at most half a second behind (``FLUSH_SECONDS``), so that a worker that is
killed leaves at most that much to be counted as unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.clock import NANOS_PER_SECOND, Clock
from harness.ledger import schema
from harness.ledger.tables import TableWriter
from harness.load import status
from harness.load.plan import LoadPlan
from harness.load.tally import Counts

FLUSH_SECONDS = 0.5


Keep = Callable[[int], None]
"""Waits until so many bytes of the announcements are safe."""


def kept_here(_written: int) -> None:
    """The ledger is kept on this very disk: what the kernel has is safe."""


class Announcements:
    """The ledger's ``announced``; see ``harness.load.session.KeptRows``."""

    def __init__(self, table: TableWriter, keep: Keep) -> None:
        self._table, self.wait_kept = table, keep
        self.add, self.flush, self.close = table.add, table.flush, table.close

    @property
    def written(self) -> int:
        """How many bytes the kernel has."""
        return self._table.written


class Books:
    """The files of worker number *worker*.

    Args:
        plan: the load; names the ledger's and the samples' folder.
        worker: counted from 0.
        folder: where the status goes.
        clock: where instants come from.
        keep: waits until announcements are safe.
    """

    def __init__(
        self, plan: LoadPlan, worker: int, folder: Path, clock: Clock, keep: Keep = kept_here
    ) -> None:
        self._source = f"{plan.name}-{worker}"
        self.attempts = TableWriter(plan.ledger, "attempts", schema.ATTEMPTS, writer=self._source)
        announced = TableWriter(plan.ledger, "announced", schema.ANNOUNCED, writer=self._source)
        self.announced = Announcements(announced, keep)
        self._samples = TableWriter(plan.samples, "samples", schema.SAMPLES, writer=self._source)
        self.counts = Counts()
        self.requests, self.failures = 0, 0
        self._status = status.status_path(folder, worker)
        self._clock = clock
        self._lateness: list[int] = []
        self._sampled = 0
        # The first row of a process costs 0.2 s, while pyarrow looks for pandas: not in the load, then.
        self._sample(clock.now())

    def sent(self, lateness: int) -> None:
        """Take note of a batch handed over *lateness* nanoseconds after its intended instant."""
        self._lateness.append(lateness)

    def keep_up(self, state: status.State) -> None:
        """Flush what is pending, sample once a second, rewrite the status."""
        self.attempts.flush()
        now = self._clock.now()
        if now - self._sampled >= NANOS_PER_SECOND:
            self._sample(now)
        self.say(state)

    def say(self, state: status.State, *, stopped_t: int = 0, detail: str = "") -> None:
        """Rewrite the status."""
        counts = self.counts
        told = status.WorkerStatus(
            state=state,
            t=self._clock.now(),
            attempted=counts.attempted,
            ok=counts.ok,
            fail=counts.fail,
            unknown=counts.unknown,
            requests=self.requests,
            failures=self.failures,
            stopped_t=stopped_t,
            detail=detail,
        )
        status.write(self._status, told)

    def close(self) -> None:
        """Sample what is left and end every table."""
        self._sample(self._clock.now())
        for table in (self.attempts, self.announced, self._samples):
            table.close()

    def _sample(self, now: int) -> None:
        self._sampled = now
        if self._lateness:
            lateness = np.asarray(self._lateness) / 1e6
            self._lateness = []
            self._samples.add(now, self._source, "send_error_ms_p99", float(np.quantile(lateness, 0.99)))
            self._samples.add(now, self._source, "send_error_ms_max", float(lateness.max()))
        self._samples.add(now, self._source, "open_records", float(self.counts.open))
        self._samples.flush()
