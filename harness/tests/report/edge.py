"""A run of the whole pipeline made by hand: a TaskManager is killed, then the uplink to the store is cut.

``edge`` adds to the model run of ``build`` what the probes of a pipeline would
have seen of it: a lag that grows while the job is down and is worked off after,
checkpoints that fail while the store is away, and gaps where nobody answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.findings import FaultOutcome, RunDocument
from harness.ledger import schema, tables
from harness.model import Event, HopRead, NotExecuted, PipelinePlanned
from harness.rundir import EventLog, RunDirectory
from harness.tests.report.build import KILL, WALL, ZERO, Shape, build, document, finding
from harness.verdict import Kind

Row = tuple[int, str, str, float]
DOWN, CUT = (20.0, 33.0), (46.0, 66.0)
_NODES = {
    "broker-1": (410, 22),
    "broker-2": (395, 20),
    "broker-3": (402, 21),
    "jobmanager-1": (480, 4),
    "taskmanager-1": (720, 48),
    "taskmanager-2": (705, 45),
    "s3-1": (210, 9),
}


def edge_document(**changes: object) -> RunDocument:
    """The run's verdict: everything that was executed held."""
    base = {
        "scenario": "pipeline",
        "title": "Every record is in exactly one place, through a killed TaskManager and a lost uplink.",
        "sentence": "All 1,305,600 acknowledged records reached their window once, through 2 faults.",
        "findings": [
            finding(
                "no_loss", "Every acknowledged record came back.", acknowledged=1_305_600, read=1_344_000
            ).model_dump(),
            finding("no_duplicates", "No record came back twice.", read=1_344_000).model_dump(),
            finding("results_exact", "Every window is as computed again.", windows=38_400).model_dump(),
            finding("results_single", "No window has two results.", results=38_400).model_dump(),
            finding("every_record_placed", "Every record is in one place.", records=1_305_600).model_dump(),
            finding("archive_complete", "Every valid record is archived.", records=1_305_000).model_dump(),
            finding("archive_intact", "Every object is whole.", objects=91).model_dump(),
            finding(
                "processing_latency",
                "Results were appended 812 ms after their window at p99.",
                Kind.BUDGET,
                limit="≤ 2,000 ms",
                results=38_400,
            ).model_dump(),
        ],
        "faults": [_killed().model_dump(), _cut().model_dump()],
    }
    return document(**(base | changes))


_HOPS = {
    "inputs": schema.INPUTS,
    "results": schema.RESULTS,
    "placed": schema.PLACED,
    "archive": schema.ARCHIVE,
    "objects": schema.OBJECTS,
    "scrapes": schema.SCRAPES,
}
"""The page shows what was counted: no row is needed."""


def edge(out: Path, *, vector: bool = False) -> RunDirectory:
    """Write the whole run directory; with *vector* the metrics hop was executed too."""
    directory = build(out, edge_document())
    log = EventLog(directory)
    for event in _events(vector=vector):
        log.append(event)
    log.close()
    for name, columns in _HOPS.items():
        tables.TableWriter(directory.ledger, name, columns).close()
        tables.seal(directory.ledger, name, columns)
    (directory.samples / "samples.parquet").unlink()
    writer = tables.TableWriter(directory.samples, "samples", schema.SAMPLES)
    for row in _samples(Shape().seconds, vector=vector):
        writer.add(*row)
    writer.close()
    tables.seal(directory.samples, "samples", schema.SAMPLES)
    return directory


def _killed() -> FaultOutcome:
    return KILL.model_copy(update={"name": "kill taskmanager-2", "target": "taskmanager-2"})


def _cut() -> FaultOutcome:
    return KILL.model_copy(
        update={
            "name": "cut the uplink to s3-1",
            "kind": "partition",
            "target": "s3-1",
            "injected_at": CUT[0] - 0.1,
            "effect_proven_at": CUT[0],
            "healed_at": CUT[1] - 0.1,
            "healing_proven_at": CUT[1],
            "why_this_target": "it keeps the archive and the checkpoints",
        }
    )


def _events(*, vector: bool) -> Iterator[Event]:
    at = ZERO + 79 * 10**9
    yield PipelinePlanned(
        t=at,
        wall=WALL,
        source="orders",
        results="edge-out",
        dead_letters="edge-dlq",
        late="edge-late",
        archive="s3://edge-archive/records",
        metrics_bucket="edge-metrics",
        window_ms=1000,
        out_of_order_ms=500,
        dedup_ttl_ms=120_000,
        guarantee="exactly-once",
        parts=("source", "results", "archive", "metrics") if vector else ("source", "results", "archive"),
    )
    yield HopRead(
        t=at, wall=WALL, hop="source", complete=True, counts={"records": 1_344_000, "partitions": 12}
    )
    yield HopRead(t=at, wall=WALL, hop="results", complete=True, counts={"results": 38_400})
    yield HopRead(t=at, wall=WALL, hop="dead-letters", complete=True, counts={"records": 600})
    detail = "the last checkpoint was still being written when the run ended"
    yield HopRead(
        t=at, wall=WALL, hop="archive", complete=False, detail=detail, counts={"objects": 91, "flawed": 0}
    )
    if vector:
        yield HopRead(
            t=at,
            wall=WALL,
            hop="metrics",
            complete=True,
            counts={"events": 9_100, "read_ms": 1_768_442_480_000},
        )
    else:
        reason = "there is no binary vector in PATH; --set vector.binary=PATH names one"
        yield NotExecuted(t=at, wall=WALL, part="metrics", reason=reason)


def _samples(seconds: float, *, vector: bool) -> Iterator[Row]:
    draw = np.random.Generator(np.random.PCG64(11))
    lag, behind, completed, failed = 0.0, 700.0, 0, 0
    for at_s in range(int(seconds)):
        t, noise = ZERO + at_s * 10**9, float(draw.normal(1, 0.04))
        down, cut, loaded = DOWN[0] <= at_s < DOWN[1], CUT[0] <= at_s < CUT[1], 4 <= at_s < seconds - 6
        produced = 19_200 * noise if loaded else 0.0
        taken = 0.0 if down else min(lag + produced, 31_000 * noise)
        lag += produced - taken
        behind = behind + 1000 if down else max(650 * noise, behind - 1900)
        if at_s % 2 == 0 and not down and at_s > 4:
            completed, failed = completed + (not cut), failed + cut
        yield from _host(t, draw, loaded=loaded, down=down, cut=cut)
        yield from _kafka(t, produced, taken / 34, lag + 19_200 * (at_s % 2))
        yield from _flink(t, taken, behind, (completed, failed), draw, down=down)
        yield t, "objects", "objects_ok", float(not cut)
        if not cut:
            yield t, "s3-1", "latency_ms", float(draw.lognormal(1.3, 0.4))
        if vector:
            yield t, "vector", "vector_ok", 1.0
            yield t, "vector-1", "buffer_events", (at_s - CUT[0]) * 90 if cut else 40 * noise
            yield t, "vector-1", "errors_total", float(max(0, min(at_s, CUT[1]) - CUT[0]) // 3)


def _host(t: int, draw: np.random.Generator, *, loaded: bool, down: bool, cut: bool) -> Iterator[Row]:
    yield t, "host", "host_ok", 1.0
    yield t, "harness", "lag_ms", float(draw.exponential(0.6))
    for node, (memory, cpu) in _NODES.items():
        if node == "taskmanager-2" and down:
            continue
        share = cpu * (1.0 if loaded else 0.1) * float(draw.normal(1, 0.1))
        yield t, node, "rss_mb", memory * float(draw.normal(1, 0.01))
        yield t, node, "cpu_percent", max(share, 0.2)
        yield t, node, "disk_mb", (t - ZERO) / 1e9 * (1.9 if node.startswith("broker") else 0.1)
        away = 0.01 if cut and node == "s3-1" else 1.0
        yield t, node, "rx_mb_per_s", 3.1 * away * share / 20
        yield t, node, "tx_mb_per_s", 1.6 * away * share / 20


def _kafka(t: int, produced: float, results: float, lag: float) -> Iterator[Row]:
    yield t, "kafka", "kafka_ok", 1.0
    yield t, "orders", "appended_per_s", produced
    yield t, "edge-out", "appended_per_s", results
    yield t, "edge-processor", "lag_records", lag
    yield t, "orders/0", "lag_records", lag / 12


def _flink(
    t: int,
    taken: float,
    behind: float,
    ended: tuple[int, int],
    draw: np.random.Generator,
    *,
    down: bool,
) -> Iterator[Row]:
    busy = taken / 400 * float(draw.normal(1, 0.05))
    yield t, "flink", "flink_ok", 1.0
    yield t, "flink", "tasks_running", 4.0 if down else 8.0
    yield t, "flink", "tasks_total", 8.0
    yield t, "flink", "restarts", float(t > ZERO + DOWN[0] * 1e9)
    yield t, "flink", "checkpoints_completed", float(ended[0])
    yield t, "flink", "checkpoints_failed", float(ended[1])
    yield t, "flink", "checkpoint_ms", float(draw.lognormal(5.4, 0.3))
    yield t, "tasks", "tasks_ok", 1.0
    yield t, "taskmanager-1", "page_ok", 1.0
    yield t, "taskmanager-2", "page_ok", float(not down)
    yield t, "flink/orders", "records_out_per_s", taken
    yield t, "flink/orders", "busy_percent", busy
    yield t, "flink/window", "busy_percent", min(100.0, busy * 1.3)
    yield t, "flink/orders", "backpressure_percent", max(0.0, busy - 62) * 2
    yield t, "flink/window", "watermark_lag_ms", behind
