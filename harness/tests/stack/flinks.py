"""A Flink cluster without Flink: it says what a test tells it to, and keeps what it was asked to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.stack.flink.rest import FlinkRest, JobSeen
from harness.tests.fakes import FakeClock

RUNNING = JobSeen("", "RUNNING", tasks_running=4, tasks=4, completed=0, last_path="")


class FakeFlink(FlinkRest):
    """One job after another; ``seen`` is what the present one looks like.

    ``each_look`` is called before every answer, so that a test can let things happen in between.
    """

    def __init__(self) -> None:
        self.ticking = FakeClock()
        super().__init__(["http://nowhere"], clock=self.ticking)
        self.done: list[str] = []
        self.seen = RUNNING
        self.watermark: int | None = None
        self.known: set[str] = set()
        self.cause = ""
        self.each_look: Callable[[], None] = lambda: None

    def upload(self, jar: Path) -> str:
        """The jar's name with a mark."""
        self.done.append(f"upload {jar.name}")
        return f"id-of-{jar.name}"

    def run(
        self, jar_id: str, main: str, arguments: Sequence[str], *, parallelism: int, restore: str = ""
    ) -> str:
        """Jobs are numbered."""
        number = 1 + sum(word.startswith("run ") for word in self.done)
        self.done.append(f"run {jar_id} {main} x{parallelism} from {restore or 'nothing'}")
        self.known.add(f"job-{number}")
        return f"job-{number}"

    def jobs(self) -> tuple[tuple[str, str], ...]:
        """Those that it knows."""
        return tuple((job_id, "RUNNING") for job_id in sorted(self.known))

    def job(self, job_id: str) -> JobSeen:
        """As set."""
        self.each_look()
        return replace(self.seen, job_id=job_id)

    def root_cause(self, job_id: str) -> str:
        """As set."""
        return self.cause

    def lowest_watermark(self, job_id: str) -> int | None:
        """As set."""
        return self.watermark

    def stop_with_savepoint(self, job_id: str, folder: str, seconds: float) -> str:
        """Into the folder."""
        self.done.append(f"savepoint of {job_id}")
        return f"{folder}/savepoint-1"

    def cancel(self, job_id: str, seconds: float) -> None:
        """Its last checkpoint is complete before it ends."""
        self.done.append(f"cancel {job_id}")
        self.seen = replace(self.seen, last_path=f"{self.seen.last_path}+1")
