"""The life of a record as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from harness.ledger.evidence import Evidence
from harness.lives.logs import LogLine, around
from harness.lives.record import Life
from harness.lives.steps import Step, wall_ms
from harness.rundir import RunDirectory

SCHEMA = "edge-harness/explain/1"
Lines = tuple[LogLine, ...]


def with_logs(directory: RunDirectory, evidence: Evidence, told: Life) -> list[Lines]:
    """For each step that has an instant, the lines of the run's logs around it; for others none.

    A line is shown once, at the first step that it is near to.
    """
    dated = sorted({step.at_s for step in told.steps if step.at_s is not None})
    found = dict(zip(dated, around(directory.logs, wall_ms(evidence) / 1000, dated), strict=True))
    shown: set[LogLine] = set()
    return [_fresh(found.get(step.at_s, ()) if step.at_s is not None else (), shown) for step in told.steps]


def as_text(told: Life, logs: Sequence[Lines], run: str) -> Iterator[str]:
    """One line for each step, then its faults and its log lines, indented."""
    yield f"record {told.record} of {run}"
    width = max((len(step.hop) for step in told.steps), default=0)
    for step, lines in zip(told.steps, logs, strict=True):
        at = "" if step.at_s is None else f"{step.at_s:.3f} s"
        yield f"{at:>12}  {step.hop:{width}}  {step.said}"
        if step.in_force:
            yield f"{'':>12}  {'':{width}}  in force: {'; '.join(step.in_force)}"
        yield from (f"{'':>14}| {line.at_s:9.3f} s  {line.file}: {line.text}" for line in lines)


def as_json(told: Life, logs: Sequence[Lines], run: str) -> str:
    """The same as one JSON document."""
    steps = [_step(step, lines) for step, lines in zip(told.steps, logs, strict=True)]
    shown = {"schema": SCHEMA, "run_id": run, "record": str(told.record), "steps": steps}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _fresh(lines: Lines, shown: set[LogLine]) -> Lines:
    fresh = tuple(line for line in lines if line not in shown)
    shown.update(fresh)
    return fresh


def _step(step: Step, lines: Lines) -> dict[str, object]:
    logs = [{"at_s": line.at_s, "file": line.file, "text": line.text} for line in lines]
    return {
        "hop": step.hop,
        "at_s": step.at_s,
        "said": step.said,
        "in_force": list(step.in_force),
        "logs": logs,
    }
