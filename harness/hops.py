"""What a run does with the pipeline behind its topic: starts the job, waits it out, reads every hop back.

Like ``run``, it drives and writes down; it judges nothing.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.clock import MONOTONIC, seconds_between, wall_label
from harness.errors import StackError
from harness.ledger import archive, metrics, pipeline_reader
from harness.ledger.fence import Topic, end_offsets
from harness.ledger.pipeline_reader import TopicRead
from harness.model import CaughtUp, Fence, HopRead, JobStarted, NotExecuted, PipelinePlanned
from harness.rundir import EventLog, RunDirectory
from harness.s3 import S3Client, check_access
from harness.stack.booted import BootedStack
from harness.stack.components import JobDefinition, TopicsDefinition, VectorDefinition
from harness.stack.definition import StackDefinition
from harness.stack.flink.pipeline import Pipeline, Settled, Start
from harness.stack.objects.component import KeepsObjects
from harness.stack.parts import Parts, bucket_of
from harness.stack.vector.agent import MetricsAgent, account

HopName = Literal["source", "results", "dead-letters", "late", "archive", "metrics"]
Part = Literal["source", "results", "archive", "metrics"]

AHEAD_MS = 3_600_000
"""The fence's sentinels carry an event time so far ahead that every window closes behind them."""

_READ_S, _AGENT_S = 60.0, 60.0
_PATIENCE_S, _GIVE_UP_FACTOR = 30.0, 4.0
_REPLICAS = 3


@dataclass(frozen=True)
class Site:
    """Where a pipeline runs: its definition with its files, the booted stack, what it is made of."""

    definition: StackDefinition
    folder: Path
    stack: BootedStack
    parts: Parts


class Hops:
    """The hops behind the source topic of one run.

    Args:
        site: where the pipeline runs.
        directory: gets what is read back; *log* gets what happens.
        source: the load's topic.
        seconds: in which each topic has to be read back.
    """

    def __init__(
        self, site: Site, directory: RunDirectory, log: EventLog, *, source: str, seconds: float = _READ_S
    ) -> None:
        self._site, self._directory, self._log, self._source = site, directory, log, source
        self._seconds = seconds
        self.closing_ms = 0
        """The event time of the sentinels that close every window; set when they are about to be written."""
        flink, jar = site.stack.flink, site.parts.job
        assert flink is not None
        assert jar is not None
        self.job = Pipeline(
            site.definition,
            site.folder,
            flink,
            jar=jar,
            bootstrap=site.stack.bootstrap,
            source=source,
            told=self._job_started,
            renew=site.stack.renew_flink,
        )

    def open(self) -> None:
        """Make the topics, check the buckets, hand the job over; returns when all its tasks run.

        Raises:
            BadInput: a bucket, credentials, or the job is not what it should be.
            StackError: the job did not come to run.
        """
        self._log.append(self._planned())
        self._make_topics()
        self._check_buckets()
        if self._site.parts.vector_missing:
            self._not_executed("metrics", self._site.parts.vector_missing)
        self.job.start()

    def keep(self, hit: tuple[str, ...]) -> None:
        """After a fault on the nodes *hit*: hand the job over again where nothing else remembers it."""
        flink = self._site.definition.flink
        assert flink is not None
        roles = {self._site.stack.nodes[name].role for name in hit}
        if "jobmanager" in roles and not flink.high_availability:
            self.job.keep()

    def upgrade(self) -> str:
        """Stop the job and start it as its upgrade mode says; returns what it began from, in words."""
        restored = self.job.upgrade()
        return f"started again from {restored}" if restored else "started again without state"

    def closing(self) -> int:
        """The event time, ms since 1970, that the source's sentinels shall carry."""
        self.closing_ms = self._now_ms() + AHEAD_MS
        return self.closing_ms

    def wait_caught_up(self, within: float) -> None:
        """Return when the job has worked through what was sent before now, or patience is at its end."""
        asked, target = MONOTONIC.now(), self._now_ms()
        reached = self.job.wait_watermark(target, max(_PATIENCE_S, within * _GIVE_UP_FACTOR))
        took = seconds_between(asked, MONOTONIC.now()) if reached else None
        self._log.append(CaughtUp(t=MONOTONIC.now(), wall=wall_label(), within_s=within, took_s=took))

    def read(self, source: tuple[Fence, ...]) -> None:
        """Wait the job out and read every hop back, as far as it can be read; each says how complete it is.

        *source* is the fence of the source topic, whose sentinels close every window.
        """
        through = all(fence.complete for fence in source)
        self._tell("source", complete=through, detail="read through" if through else "not read through")
        settled = self._wait_out()
        self._read_topics(settled)
        if self._job.archive:
            self._reading("archive", settled, self._read_archive)
        if self._site.stack.agent is not None:
            self._read_metrics(self._site.stack.agent)

    def _read_topics(self, settled: Settled) -> None:
        told, directory, seconds = self._topics, self._directory, self._seconds
        names = (told.results, told.dead_letters, told.late)
        results, dead, late = (Topic(self._site.stack.bootstrap, name, told.partitions) for name in names)
        read = functools.partial(pipeline_reader.read_results, directory=directory, seconds=seconds)
        placed = functools.partial(pipeline_reader.read_placed, directory=directory, seconds=seconds)
        self._topic("results", settled, lambda: read(results))
        self._topic("dead-letters", settled, lambda: placed(dead, "dead"))
        self._topic("late", settled, lambda: placed(late, "late"))

    def _topic(self, hop: HopName, settled: Settled, read: Callable[[], TopicRead]) -> None:
        """Read one topic through its fence; what cannot be read is told, and makes the hop incomplete."""
        try:
            found = read()
        except StackError as error:
            return self._tell(hop, complete=False, detail=error.sentence())
        through = all(fence.complete for fence in found.fences)
        return self._tell(
            hop,
            complete=settled.complete and through,
            detail=settled.detail if through else "the topic was not read through",
            counts=found.counts,
            fences=found.fences,
        )

    def _wait_out(self) -> Settled:
        closing = self.closing_ms - self._job.out_of_order_ms - 1
        return self.job.settle(closing, self._ends)

    def _ends(self) -> tuple[int, ...]:
        topics, bootstrap = self._topics, self._site.stack.bootstrap
        names = (topics.results, topics.dead_letters, topics.late)
        return tuple(end for name in names for end in end_offsets(Topic(bootstrap, name, topics.partitions)))

    def _read_archive(self) -> dict[str, int]:
        bucket, _, prefix = self._job.archive.removeprefix("s3://").partition("/")
        return archive.read_archive(self._store(), bucket, prefix, self._directory).by_name()

    def _read_metrics(self, agent: MetricsAgent) -> None:
        """Let the agent send what it holds, then read its bucket."""
        told, whole = account(agent), False
        with contextlib.suppress(StackError):
            whole = agent.stop(_AGENT_S)
        settled = Settled(whole, "the agent sent all it held" if whole else "the agent still holds events")
        self._reading("metrics", settled, lambda: self._metrics_counts(told))

    def _metrics_counts(self, told: dict[str, int]) -> dict[str, int]:
        store, bucket = self._store(), self._vector.bucket
        found = ((each.name, store.get(bucket, each.name)) for each in store.objects(bucket))
        return metrics.read_metrics(found, self._directory.ledger, bucket).counts | told

    def _reading(self, hop: HopName, settled: Settled, read: Callable[[], dict[str, int]]) -> None:
        """Read one hop; what cannot be read is told, and makes the hop incomplete."""
        try:
            counts = read()
        except StackError as error:
            self._tell(hop, complete=False, detail=error.sentence())
        else:
            self._tell(hop, complete=settled.complete, detail=settled.detail, counts=counts)

    def _tell(self, hop: HopName, *, complete: bool, detail: str, counts: dict[str, int] | None = None,
              fences: tuple[Fence, ...] = ()) -> None:  # fmt: skip
        now = MONOTONIC.now()
        self._log.append(
            HopRead(t=now, wall=wall_label(), hop=hop, complete=complete, detail=detail,
                    counts=counts or {}, fences=fences)
        )  # fmt: skip

    def _make_topics(self) -> None:
        roles, topics = self._site.stack.roles, self._topics
        replication = min(_REPLICAS, len(roles.brokers()))
        names = (topics.results, topics.dead_letters, topics.late)
        roles.create_topics(names, partitions=topics.partitions, replication=replication, config={})

    def _check_buckets(self) -> None:
        """Every bucket that the pipeline writes to is there and takes the credentials."""
        buckets = [bucket_of(self._job.archive)] if self._job.archive else []
        buckets += [self._vector.bucket] if self._site.stack.agent is not None else []
        for bucket in buckets:
            check_access(self._store(), bucket)

    def _store(self) -> S3Client:
        services = self._site.stack.services.values()
        return next(service for service in services if isinstance(service, KeepsObjects)).client()

    def _planned(self) -> PipelinePlanned:
        job, topics = self._job, self._topics
        parts: list[Part] = ["source", "results"]
        parts += ["archive"] if job.archive else []
        parts += ["metrics"] if self._site.stack.agent is not None else []
        return PipelinePlanned(
            t=MONOTONIC.now(),
            wall=wall_label(),
            source=self._source,
            results=topics.results,
            dead_letters=topics.dead_letters,
            late=topics.late,
            archive=job.archive,
            metrics_bucket=self._vector.bucket if self._site.definition.vector else "",
            window_ms=job.window_ms,
            out_of_order_ms=job.out_of_order_ms,
            dedup_ttl_ms=job.dedup_ttl_ms,
            guarantee=job.guarantee,
            parts=tuple(parts),
        )

    def _job_started(self, start: Start) -> None:
        self._log.append(
            JobStarted(
                t=MONOTONIC.now(),
                wall=wall_label(),
                job_id=start.job_id,
                jar=self._job.jar,
                jar_sha256=self._site.parts.job_sha256,
                main=self._job.main,
                arguments=start.arguments,
                restored_from=start.restored_from,
            )
        )

    def _not_executed(self, part: str, reason: str) -> None:
        self._log.append(NotExecuted(t=MONOTONIC.now(), wall=wall_label(), part=part, reason=reason))

    @staticmethod
    def _now_ms() -> int:
        return time.time_ns() // 1_000_000

    @property
    def _job(self) -> JobDefinition:
        assert self._site.definition.job is not None
        return self._site.definition.job

    @property
    def _topics(self) -> TopicsDefinition:
        assert self._site.definition.topics is not None
        return self._site.definition.topics

    @property
    def _vector(self) -> VectorDefinition:
        assert self._site.definition.vector is not None
        return self._site.definition.vector
