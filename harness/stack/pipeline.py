"""The job on its cluster, kept as its operator would keep it: handed over, started again, upgraded.

What a new start begins from is what the Flink operator's ``upgradeMode`` says: a savepoint, the last
checkpoint, or nothing. A JobManager that comes back without high availability knows no job any more;
its Deployment runs ``main()`` again, which begins without state whatever the mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.clock import MONOTONIC
from harness.errors import StackError
from harness.stack.definition import StackDefinition
from harness.stack.flink_files import checkpointing, cluster_settings
from harness.stack.flink_rest import ENDED, Ended, FlinkRest, JobSeen
from harness.waiting import NotYet

GROUP = "edge-processor"
SAVEPOINTS = "s3://edge-state/savepoints"
_RUNNING_S = 60.0
_SAVEPOINT_S = 60.0
_CANCEL_S = 30.0
_STILL_S = 2.0


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the job, as an event tells it."""

    job_id: str
    arguments: tuple[str, ...]
    restored_from: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Whether nothing more can come out of the job, and why one may say so."""

    complete: bool
    detail: str


class Pipeline:
    """The present job of one cluster.

    Args:
        jar: the job's jar, on this machine.
        bootstrap: the brokers, for the job.
        source: the topic it reads.
        told: called after every start.
    """

    def __init__(
        self,
        definition: StackDefinition,
        folder: Path,
        rest: FlinkRest,
        *,
        jar: Path,
        bootstrap: str,
        source: str,
        told: Callable[[Start], None],
    ) -> None:
        self._definition, self._rest, self._told = definition, rest, told
        self._jar, self._bootstrap, self._source = jar, bootstrap, source
        self._settings = cluster_settings(definition, folder)
        self._jar_id = ""
        self.job_id = ""

    @property
    def checkpointing(self) -> bool:
        """Whether the job takes checkpoints."""
        return checkpointing(self._settings)

    def arguments(self) -> tuple[str, ...]:
        """What the job's program is told."""
        job, topics = self._definition.job, self._definition.topics
        assert job is not None
        assert topics is not None
        told = {
            "bootstrap": self._bootstrap,
            "source": self._source,
            "results": topics.results,
            "dead-letters": topics.dead_letters,
            "late": topics.late,
            "window-ms": job.window_ms,
            "out-of-order-ms": job.out_of_order_ms,
            "idle-ms": job.idle_ms,
            "dedup-ttl-ms": job.dedup_ttl_ms,
            "guarantee": job.guarantee,
            "transaction-timeout-ms": job.transaction_timeout_ms,
            "group": GROUP,
            "start": job.start,
        } | ({"archive": job.archive} if job.archive else {})
        return tuple(word for name, value in told.items() for word in (f"--{name}", str(value)))

    def start(self, restore: str = "") -> None:
        """Hand the job over and return when all its tasks run.

        Raises:
            BadInput: Flink or the job itself refuses; carries the words.
            StackError: it did not come to run.
        """
        job, flink = self._definition.job, self._definition.flink
        assert job is not None
        assert flink is not None
        self._jar_id = self._rest.upload(self._jar)
        arguments = self.arguments()
        self.job_id = self._rest.run(
            self._jar_id, job.main, arguments, parallelism=flink.parallelism, restore=restore
        )
        self._told(Start(self.job_id, arguments, restore))
        self.wait_running(_RUNNING_S)

    def upgrade(self) -> str:
        """Stop the job and start it again as its upgrade mode says; returns what it began from."""
        flink = self._definition.flink
        assert flink is not None
        restore = ""
        if flink.upgrade == "savepoint":
            restore = self._rest.stop_with_savepoint(self.job_id, SAVEPOINTS, _SAVEPOINT_S)
        else:
            if flink.upgrade == "last-state":
                restore = self._rest.job(self.job_id).last_path
            self._rest.cancel(self.job_id, _CANCEL_S)
        self.start(restore)
        return restore

    def keep(self) -> None:
        """Start the job anew when its cluster has forgotten it, as a Deployment without HA does."""
        if self.job_id and self.job_id not in {job_id for job_id, _ in self._rest.jobs()}:
            self.start()

    def seen(self) -> JobSeen:
        """The job as it is now."""
        return self._rest.job(self.job_id)

    def wait_running(self, seconds: float) -> str:
        """Return when every task of the job runs.

        Raises:
            StackError: it ended, or does not run within *seconds*.
        """

        def observe() -> str:
            seen = self.seen()
            if seen.state in ENDED:
                why = self._rest.root_cause(self.job_id)
                raise Ended(f"the job has ended: {seen.state}", why=why, fix="see logs/jobmanager-*.log")
            if not seen.whole:
                raise NotYet(f"{seen.tasks_running} of {seen.tasks} tasks run, {seen.state}")
            return f"{seen.tasks} tasks run"

        return self._rest.wait(observe, "every task of the job to run", seconds)

    def wait_watermark(self, target_ms: int, seconds: float) -> bool:
        """Whether every task behind the sources saw event time *target_ms* within *seconds*."""

        def observe() -> None:
            mark = self._rest.lowest_watermark(self.job_id)
            if mark is None or mark < target_ms:
                raise NotYet(f"watermark {mark}, wanted {target_ms}")

        try:
            self._rest.wait(observe, "the job to catch up", seconds)
        except StackError:
            return False
        return True

    def settle(self, closing_ms: int, ends: Callable[[], tuple[int, ...]], seconds: float) -> Settled:
        """Return when the job has worked through everything up to the watermark *closing_ms*.

        With checkpoints: one was completed that was triggered after every task behind the sources had
        seen the watermark. Without: the *ends* of its topics then stood still for two seconds.
        """
        try:
            return Settled(complete=True, detail=self._rest.wait(
                lambda: self._worked_through(closing_ms, ends), "the job to work everything through", seconds
            ))  # fmt: skip
        except StackError as error:
            return Settled(complete=False, detail=error.why or error.what)

    def _worked_through(self, closing_ms: int, ends: Callable[[], tuple[int, ...]]) -> str:
        seen = self.seen()
        if seen.state in ENDED:
            why = self._rest.root_cause(self.job_id)
            return f"the job has ended for good: {seen.state}{f' ({why})' if why else ''}"
        mark = self._rest.lowest_watermark(self.job_id)
        if mark is None or mark < closing_ms or not seen.whole:
            raise NotYet(
                f"watermark {mark}, wanted {closing_ms}; {seen.tasks_running} of {seen.tasks} tasks run"
            )
        if self.checkpointing:
            self._one_more_checkpoint(seen)
            return "every task saw the closing watermark, and a later checkpoint is complete"
        self._still(ends)
        return "every task saw the closing watermark, and the results stood still"

    def _one_more_checkpoint(self, before: JobSeen) -> None:
        # The second one from here was certainly triggered after the watermark was seen.
        def observe() -> None:
            now = self.seen()
            if now.completed < before.completed + 2:
                raise NotYet(f"{now.completed - before.completed} checkpoints since the closing watermark")

        self._rest.wait(observe, "a checkpoint behind the closing watermark", _SAVEPOINT_S)

    def _still(self, ends: Callable[[], tuple[int, ...]]) -> None:
        before = ends()
        MONOTONIC.sleep(_STILL_S)
        if ends() != before:
            raise NotYet("results still come")
