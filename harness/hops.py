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
