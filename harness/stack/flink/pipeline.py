"""The job on its cluster, kept as its operator would keep it: handed over, started again, upgraded.

What a new start begins from is what the Flink operator's ``upgradeMode`` says: a savepoint, the last
checkpoint, or nothing. A JobManager that comes back without high availability knows no job any more;
its Deployment runs ``main()`` again, which begins without state whatever the mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.clock import NANOS_PER_SECOND, Clock
from harness.errors import StackError
from harness.stack.definition import StackDefinition
from harness.stack.flink.files import checkpoint_interval_s, checkpointing, cluster_settings
from harness.stack.flink.rest import ENDED, Ended, FlinkRest, JobSeen
from harness.waiting import NotYet

GROUP = "edge-processor"
TRANSACTIONS = "edge"
SAVEPOINTS = "s3://edge-state/savepoints"
_RUNNING_S = 60.0
_SAVEPOINT_S = 60.0
_CANCEL_S = 30.0
_STILL_S = 2.0
_CHECKPOINTS = 2
_SETTLE_S = 90.0
_SETTLE_INTERVALS = 4
"""The end is proven by two checkpoints: an interval may pass before the first begins, the second begins
another one later, and a restart or a failed one costs one more. That much, beside what the work takes."""


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
        renew: has the cluster's operator make it anew for an upgrade; None: nobody does, the cluster stays.
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
        renew: Callable[[], str] | None = None,
    ) -> None:
        self._definition, self._rest, self._told = definition, rest, told
        self._renew = renew
        self._jar, self._bootstrap, self._source = jar, bootstrap, source
        self._settings = cluster_settings(definition, folder)
        self.job_id = ""

    @property
    def checkpointing(self) -> bool:
        """Whether the job takes checkpoints."""
        return checkpointing(self._settings)

    @property
    def effective(self) -> dict[str, str]:
        """What the cluster was told of checkpoints, each name after "flink."."""
        prefix = "execution.checkpointing."
        return {f"flink.{name}": told for name, told in self._settings.items() if name.startswith(prefix)}

    @property
    def settle_s(self) -> float:
        """For how long ``settle`` has to be patient before nothing was proven."""
        return _SETTLE_S + _SETTLE_INTERVALS * checkpoint_interval_s(self._settings)

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
            "transactional-id-prefix": TRANSACTIONS,
            "invalid": job.invalid,
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
        jar, arguments = self._rest.upload(self._jar), self.arguments()
        self.job_id = self._rest.run(jar, job.main, arguments, parallelism=flink.parallelism, restore=restore)
        self._told(Start(self.job_id, arguments, restore))
        self.wait_running(_RUNNING_S)

    def upgrade(self) -> str:
        """Stop the job and start it again as its upgrade mode says; returns what it began from.

        Where an operator runs the cluster it is upgraded in between, by a change of its resource.

        Raises:
            StackError: the job did not stop, the cluster was not upgraded, or the job did not come to run.
        """
        flink = self._definition.flink
        assert flink is not None
        if flink.upgrade == "savepoint":
            restore = self._rest.stop_with_savepoint(self.job_id, SAVEPOINTS, _SAVEPOINT_S)
        else:
            self._rest.cancel(self.job_id, _CANCEL_S)
            # Only now: what an older checkpoint does not hold, a newer one may have committed.
            restore = self.seen().last_path if flink.upgrade == "last-state" else ""
        if self._renew is not None:
            self._renew()
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

    def settle(self, closing_ms: int, ends: Callable[[], tuple[int, ...]]) -> Settled:
        """Return when the job has worked through everything up to the watermark *closing_ms*.

        With checkpoints: two more were completed after every task behind the sources had seen the
        watermark; the first may have been triggered before. Without: the *ends* of its topics then
        stood still for two seconds. A job that has ended for good is at its end, too.
        """
        proof = _Checkpoints(self.seen) if self.checkpointing else _Still(ends, self._rest.clock)
        try:
            said = self._rest.wait(
                lambda: self._worked_through(closing_ms, proof),
                "the job to work everything through",
                self.settle_s,
            )
        except StackError as error:
            return Settled(complete=False, detail=error.why or error.what)
        return Settled(complete=True, detail=said)

    def _worked_through(self, closing_ms: int, proof: _Proof) -> str:
        seen = self.seen()
        if seen.state in ENDED:
            why = self._rest.root_cause(self.job_id)
            return f"the job has ended for good: {seen.state}{f' ({why})' if why else ''}"
        mark = self._rest.lowest_watermark(self.job_id)
        if mark is None or mark < closing_ms or not seen.whole:
            proof.begin_anew()
            running = f"{seen.tasks_running} of {seen.tasks} tasks run"
            raise NotYet(f"watermark {mark}, wanted {closing_ms}; {running}")
        return f"every task saw the closing watermark, and {proof.given()}"


class _Proof(Protocol):
    """What must be seen once every task has seen the closing watermark, without a break in between."""

    def begin_anew(self) -> None:
        """Forget what was seen so far."""
        ...

    def given(self) -> str:
        """What was seen, in words.

        Raises:
            NotYet: it was not seen so far.
        """
        ...


class _Checkpoints:
    """Two more checkpoints: the second was triggered after the first, hence after the watermark."""

    def __init__(self, seen: Callable[[], JobSeen]) -> None:
        self._seen = seen
        self._before: int | None = None

    def begin_anew(self) -> None:
        self._before = None

    def given(self) -> str:
        now = self._seen().completed
        self._before = now if self._before is None else self._before
        if now < self._before + _CHECKPOINTS:
            raise NotYet(f"{now - self._before} checkpoints since the closing watermark")
        return "a later checkpoint is complete"


class _Still:
    """The ends of topics do not move."""

    def __init__(self, ends: Callable[[], tuple[int, ...]], clock: Clock) -> None:
        self._ends, self._clock = ends, clock
        self._before: tuple[int, ...] | None = None
        self._since = 0

    def begin_anew(self) -> None:
        self._before = None

    def given(self) -> str:
        now, ends = self._clock.now(), self._ends()
        if ends != self._before:
            self._before, self._since = ends, now
        if now - self._since < _STILL_S * NANOS_PER_SECOND:
            raise NotYet("results still come, or came until just now")
        return "the results stood still"
