"""The numbers of one run that can be held against those of another: latency, recovery, load, resources.

``inf`` is "never": a fault that was not recovered from within the run, or a percentile that lies among
attempts that were never answered. A number that a run did not measure, or that proves nothing because its
baseline was restless, is absent: it is neither good nor bad.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.findings import LatencyRow, RunDocument
from harness.ledger import schema, tables
from harness.ledger.evidence import Samples, columns
from harness.statistics.stored import Stored

_NOT_NODES = ("host", "harness")


@dataclass(frozen=True, slots=True)
class Metric:
    """What a number is called and how it reads. ``grain`` is the least difference worth a word."""

    name: str
    unit: str
    grain: float
    more_is_better: bool = False


Numbers = dict[Metric, float]


def numbers(run: Stored) -> Numbers:
    """Every number of *run*, its samples included where it has them."""
    return from_document(run.document) | dict(_resources(run))


def from_document(document: RunDocument) -> Numbers:
    """The numbers that stand in ``run.json``."""
    found = dict(_latency(document)) | dict(_recovery(document))
    if document.load:
        found[Metric("throughput", "records/s", 1.0, more_is_better=True)] = document.load.reached_per_s
    return found


def _latency(document: RunDocument) -> Iterator[tuple[Metric, float]]:
    for phase, row in document.latency.items():
        for share, value in ((0.5, row.p50_ms), (0.99, row.p99_ms)):
            if value is not None:
                name = f"latency, {phase}: p{share * 100:g}"
                yield Metric(name, "ms", 1.0), math.inf if _is_censored(row, share) else value


def _is_censored(row: LatencyRow, share: float) -> bool:
    """Whether the quantile lies among the attempts that never got an answer."""
    return row.censored > (1 - share) * row.count


def _recovery(document: RunDocument) -> Iterator[tuple[Metric, float]]:
    for one in document.recovery:
        if one.unsure:
            continue
        yield Metric(f"{one.fault}: first ack", "s", 0.1), _or_never(one.claimed_s)
        yield Metric(f"{one.fault}: steady", "s", 0.25), _or_never(one.steady_s)
        yield Metric(f"{one.fault}: drained", "s", 0.1), _or_never(one.drained_s)


def _or_never(value: float | None) -> float:
    return math.inf if value is None else value


def _resources(run: Stored) -> Iterator[tuple[Metric, float]]:
    """What all nodes took together: each at its own peak of memory, and the mean of each one's CPU."""
    table, _ = tables.read(run.directory.samples, "samples", schema.SAMPLES)
    samples = columns(Samples, table)
    for name, metric, fold in (
        ("rss_mb", Metric("memory of all nodes, peak", "MB", 10.0), np.max),
        ("cpu_percent", Metric("CPU of all nodes, mean", "%", 1.0), np.mean),
    ):
        rows = np.flatnonzero(samples.name == name)
        nodes = sorted({str(node) for node in samples.source[rows]} - set(_NOT_NODES))
        if nodes:
            yield metric, sum(float(fold(samples.value[rows[samples.source[rows] == n]])) for n in nodes)
