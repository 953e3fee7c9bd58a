"""What a run does with the pipeline behind its topic: starts the job, waits it out, reads every hop back.

Like ``run``, it drives and writes down; it judges nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from harness.clock import MONOTONIC, wall_label
from harness.errors import BadInput, HarnessError
from harness.ledger import archive, metrics, pipeline_reader
from harness.model import Fence, HopRead, JobStarted, NotExecuted, PipelinePlanned
from harness.rundir import EventLog, RunDirectory
from harness.stack.definition import StackDefinition
from harness.stack.local import LocalStack
from harness.stack.objects import check_access, client_of
from harness.stack.parts import Parts
from harness.stack.pipeline import Pipeline, Settled, Start

AHEAD_MS = 3_600_000
"""The fence's sentinels carry an event time so far ahead that every window closes behind them."""

_READ_S = 60.0


@dataclass(frozen=True)
class Site:
    """Where a pipeline runs: its definition with its files, the booted stack, what it is made of."""

    definition: StackDefinition
    folder: Path
    stack: LocalStack
    parts: Parts


class Hops:
    """The hops behind the source topic of one run.

    Args:
        site: where the pipeline runs.
        directory: gets what is read back; *log* gets what happens.
        source: the load's topic.
    """

    def __init__(self, site: Site, directory: RunDirectory, log: EventLog, *, source: str) -> None:
        self._site, self._directory, self._log, self._source = site, directory, log, source
        self._settled = Settled(complete=False, detail="the job was not waited out")
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
        )

    def open(self) -> None:
        """Make the topics, check the buckets, hand the job over; returns when all its tasks run.

        Raises:
            BadInput: a bucket, credentials, or the job is not what it should be.
            StackError: the job did not come to run.
        """
        self._log.append(self._planned())
        self._make_topics()
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

    def wait_caught_up(self, within: float) -> None:
        """Return when the job has worked through what was sent before now, or patience is at its end."""
        asked, target = MONOTONIC.now(), self._now_ms()
        reached = self.job.wait_watermark(target, max(_PATIENCE_S, within * _GIVE_UP_FACTOR))
        took = seconds_between(asked, MONOTONIC.now()) if reached else None
        self._log.append(CaughtUp(t=MONOTONIC.now(), wall=wall_label(), within_s=within, took_s=took))

    def read(self, source: tuple[Fence, ...]) -> None:
        """Wait the job out and read every hop back, as far as it can be read; each says how complete it is."""
        self._read_source(source)
        self._settled = self._wait_out()
        for hop in ("results", "dead-letters", "late"):
            self._attempt(hop, lambda hop=hop: self._read_topic(hop))
        if self._job_definition.archive:
            self._attempt("archive", self._read_archive)
        if self._site.stack.agent is not None:
            self._attempt("metrics", self._read_metrics)
