"""Folders of stored runs with numbers chosen by a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.findings import LatencyRow, Recovery, RunDocument
from harness.rundir import RunDirectory
from harness.tests.report.build import broken, document

FAULT = "1. kill broker-2"


def recovery(first_ack: float | None, **changes: object) -> Recovery:
    """A fault that was recovered from after so many seconds; None is never."""
    return Recovery(
        fault=FAULT, detected_s=0.1, first_ack_s=first_ack, steady_s=0.5, drained_s=0.2, expected_s=11.0,
        budget_s=21.5, worst_partition=1,
    ).model_copy(update=changes)  # fmt: skip


def a_run(
    folder: Path,
    name: str,
    *,
    p99: float = 10.0,
    first_ack: float | None = 8.0,
    started: str = "",
    settings: Mapping[str, str] | None = None,
    verdict: str = "PASS",
    **changes: object,
) -> RunDocument:
    """Store one run named *name*; a verdict of FAIL is one that broke a guarantee."""
    told = {} if verdict == "FAIL" else {"verdict": verdict}
    made = (broken if verdict == "FAIL" else document)(
        run_id=name,
        started_at=started or name,
        recovery=(recovery(first_ack),),
        latency={"steady": LatencyRow(count=9_000, p50_ms=2.0, p99_ms=p99, p999_ms=None, max_ms=99.0)},
        environment={"parts": {}, "host": {}, "effective": {}, "settings": dict(settings or {})},
        **told,
        **changes,
    )
    directory = RunDirectory.create(folder, name)
    directory.write_document(made)
    return made


def runs(folder: Path, figures: Iterable[float], *, start: int = 0, **changes: object) -> Path:
    """A folder with one run for each p99, interleaved with those of another *start*."""
    for index, p99 in enumerate(figures):
        a_run(folder, f"202601{index + 10}-{start:02d}", p99=p99, **changes)  # type: ignore[arg-type]
    return folder
