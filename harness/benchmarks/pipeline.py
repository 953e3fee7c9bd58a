"""Figures of the whole pipeline: boot to the first archived record, memory, and records through every hop.

Runs in an enclosure, without the metrics agent.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from harness import launch
from harness.benchmarks.figures import Figure
from harness.clock import MONOTONIC
from harness.load.engine import LoadEngine
from harness.load.plan import LoadPlan
from harness.stack.booted import BootedStack
from harness.stack.flink.pipeline import Pipeline
from harness.stack.local import booted
from harness.stack.namespaces.enclosure import keeper
from harness.stack.objects.component import ObjectStore
from harness.stack.parts import find_parts
from harness.waiting import NotYet, wait_for

_PARTITIONS, _RECORD_BYTES = 12, 100
_BACKLOG_S = 8.0
"""For how long records are written as fast as they are taken, before the job works them off."""

_BOOT_S, _MEMORY_GB, _QUICKSTART_S = 25, 4.0, 150


def measure() -> list[Figure]:
    """All figures of this module."""
    prepared = launch.prepare("edge", {})
    launch.fetch(prepared)
    find_parts(prepared.definition, prepared.folder, prepared.software)
    with tempfile.TemporaryDirectory(prefix="harness-benchmark-") as folder:
        subprocess.run(keeper([sys.executable, "-m", __name__, folder]), check=True)
        found = [Figure(**one) for one in json.loads((Path(folder) / "figures.json").read_text())]
    return [*found, _quickstart()]


@dataclass(frozen=True)
class _Site:
    """A booted pipeline whose job runs."""

    stack: BootedStack
    job: Pipeline
    store: ObjectStore
    scratch: Path

    def load(self, name: str, rate: float, seconds: float) -> int:
        """Write for *seconds*; returns how many records were acknowledged."""
        plan = self._plan(name, rate)
        for folder in (plan.ledger, plan.samples):
            folder.mkdir(parents=True)
        enter = self.stack.nodes["load-1"].enter
        engine = LoadEngine(plan, enter=enter, folder=self.scratch / name / "state", logs=self.scratch)
        engine.start()
        MONOTONIC.sleep(seconds)
        return engine.stop(drain_seconds=20).ok

    def _plan(self, name: str, rate: float) -> LoadPlan:
        return LoadPlan(
            run_id="benchmark",
            name=name,
            topic="orders",
            bootstrap=self.stack.bootstrap,
            partitions=_PARTITIONS,
            record_bytes=_RECORD_BYTES,
            rate=rate,
            ledger=self.scratch / name / "ledger",
            samples=self.scratch / name / "samples",
            first_producer=0 if name == "first" else 100,
        )


def _measure_inside(folder: Path) -> list[Figure]:
    begin = time.monotonic()
    with _site(folder) as site:
        site.load("first", 1_000, 1.0)
        wait_for(lambda: _archived(site.store), what="the first archived record", seconds=60)
        first = time.monotonic() - begin
        memory = _memory_gb(site.stack)
        through = _throughput(site)
    boot = Figure(
        "whole pipeline, start to the first record in the archive",
        f"{first:.1f} s",
        f"≤ {_BOOT_S} s",
        first <= _BOOT_S,
        "three brokers, JobManager, two TaskManagers, S3; warm cache, checkpoints every 2 s",
    )
    used = Figure(
        "memory of the whole pipeline",
        f"{memory:.1f} GB",
        f"≤ {_MEMORY_GB:g} GB",
        memory <= _MEMORY_GB,
        "resident, with the first records through",
    )
    return [boot, used, through]


@contextmanager
def _site(folder: Path) -> Iterator[_Site]:
    prepared = launch.prepare("edge", {"vector.binary": "no-vector"})
    definition, logs = prepared.definition, folder / "logs"
    logs.mkdir()
    parts = find_parts(definition, prepared.folder, prepared.software)
    assert parts.job is not None
    with booted(definition, prepared.folder, prepared.software, parts, logs=logs, environment={}) as stack:
        topics = ("orders", "edge-out", "edge-dlq", "edge-late")
        stack.roles.create_topics(topics, partitions=_PARTITIONS, replication=3, config={})
        assert stack.flink is not None
        job = Pipeline(
            definition, prepared.folder, stack.flink, jar=parts.job, bootstrap=stack.bootstrap,
            source="orders", told=lambda _start: None,
        )  # fmt: skip
        job.start()
        store = next(one for one in stack.services.values() if isinstance(one, ObjectStore))
        yield _Site(stack, job, store, folder)


def _throughput(site: _Site) -> Figure:
    """Write a backlog, then see how long the job takes until it has worked through all of it."""
    begin = time.monotonic()
    records = site.load("backlog", 0, _BACKLOG_S)
    target = time.time_ns() // 1_000_000 - 1_000
    site.load("closing", 100, 2.0)
    assert site.job.wait_watermark(target, 300), "the job did not work through its backlog"
    seconds = time.monotonic() - begin
    cpu = {name: sum(_times(pid)) for name, pid in site.stack.live_pids().items()}
    busiest = ", ".join(sorted(cpu, key=lambda name: -cpu[name])[:3])
    return Figure(
        "records through Kafka, Flink and the archive",
        f"{records / seconds:,.0f} records/s",
        "measured",
        None,
        f"{records:,} records in {seconds:.0f} s on {os.cpu_count()} cores; most processor time: {busiest}",
    )


def _archived(store: ObjectStore) -> None:
    if not store.client().objects("edge-archive", "records/part-"):
        raise NotYet("no object in the archive")


def _memory_gb(stack: BootedStack) -> float:
    found = [psutil.Process(pid) for pid in stack.live_pids().values()]
    whole = [one for process in found for one in (process, *process.children(recursive=True))]
    return float(sum(one.memory_info().rss for one in whole) / 1e9)


def _times(pid: int) -> tuple[float, float]:
    times = psutil.Process(pid).cpu_times()
    return times.user, times.system


def _quickstart() -> Figure:
    """The pipeline's quickstart as a user runs it."""
    with tempfile.TemporaryDirectory(prefix="harness-benchmark-") as out:
        start = time.monotonic()
        argv = [sys.executable, "-m", "harness", "run", "pipeline", "--out", out]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=600)
        seconds = time.monotonic() - start
    good = seconds <= _QUICKSTART_S and done.returncode == 0
    return Figure(
        "pipeline quickstart, start to report",
        f"{seconds:.0f} s",
        f"≤ {_QUICKSTART_S} s",
        good,
        f"exit {done.returncode}",
    )


if __name__ == "__main__":
    place = Path(sys.argv[1])
    figures = _measure_inside(place)
    (place / "figures.json").write_text(json.dumps([asdict(figure) for figure in figures]))
    shutil.rmtree(place / "logs", ignore_errors=True)
