"""A history as a table with sparklines for people, and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

from harness.report.bounds import Together, together
from harness.statistics.stored import Stored
from harness.statistics.trend import Line, Shifted, Story, Trend
from harness.statistics.words import damaged_lines, number, plain, table

SCHEMA = "edge-harness/trend/1"
NIGHTS = 40
_BARS = "▁▂▃▄▅▆▇█"
_NEVER, _NONE = "×", "·"


def as_text(found: Trend) -> Iterator[str]:
    """Per story: what did not pass, then its numbers, those that changed first."""
    yield from damaged_lines(found.damaged)
    for story in found.stories:
        runs = f"{len(story.runs)} run{'' if len(story.runs) == 1 else 's'}"
        first, last = story.runs[0].document.started_at, story.runs[-1].document.started_at
        yield f"{story.name}: {runs}, {first} to {last}"
        yield from (f"  {line}" for line in _not_passed(story))
        yield f"  {_proven(story).sentence}"
        head = ("  metric", f"last {NIGHTS} at most, × never", "last", "changes")
        yield from table([head, *(_row(line) for line in _ranked(story))])
        yield ""
    yield _sentence(found)


def as_json(found: Trend) -> str:
    """The history as one JSON document; "never" is that word."""
    told = {
        "schema": SCHEMA,
        "folder": found.asked,
        "sentence": _sentence(found),
        "rules": {
            "window": found.rules.window,
            "max_p": found.rules.max_p,
            "min_magnitude": found.rules.min_magnitude,
        },
        "damaged": [{"path": str(one.path), "why": one.why} for one in found.damaged],
        "stories": [_story(story) for story in found.stories],
    }
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)


def sparkline(values: Sequence[float | None]) -> str:
    """One character a night, from the least to the largest number; × is never, · not measured."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    return "".join(_mark(value, low, span) for value in values)


def _mark(value: float | None, low: float, span: float) -> str:
    if value is None:
        return _NONE
    if not math.isfinite(value):
        return _NEVER
    return _BARS[min(len(_BARS) - 1, int((value - low) / span * len(_BARS)))] if span else _BARS[0]


def _not_passed(story: Story) -> Iterator[str]:
    for run in story.not_passed:
        document = run.document
        yield f"{document.verdict}  {run.name} (exit {document.exit_code}): {document.sentence}"
    if story.not_passed:
        yield f"{len(story.not_passed)} of {len(story.runs)} did not pass"


def _proven(story: Story) -> Together:
    """What the faults of all nights prove."""
    return together(run.document for run in story.runs)


def _ranked(story: Story) -> list[Line]:
    return sorted(story.lines, key=lambda line: not line.shifts)


def _row(line: Line) -> tuple[str, ...]:
    shown = line.values[-NIGHTS:]
    changes = "; ".join(_said(line, shift) for shift in line.shifts)
    return (f"  {line.metric.name}", sparkline(shown), number(line.values[-1], line.metric.unit), changes)


def _said(line: Line, shift: Shifted) -> str:
    change = shift.change
    worse = (change.after < change.before) == line.metric.more_is_better
    before, after = number(change.before), number(change.after, line.metric.unit)
    return f"{'WORSE' if worse else 'better'} since {shift.run}: {before} → {after}"


def _sentence(found: Trend) -> str:
    shifts = sum(len(line.shifts) for story in found.stories for line in story.lines)
    runs = sum(len(story.runs) for story in found.stories)
    failed = sum(len(story.not_passed) for story in found.stories)
    return (
        f"{runs} runs read, {failed} of them not passed, {len(found.damaged)} not readable; {shifts} changes."
    )


def _story(story: Story) -> dict[str, object]:
    return {
        "name": story.name,
        "runs": [run.name for run in story.runs],
        "not_passed": [_failure(run) for run in story.not_passed],
        "faults": _proven(story).told(),
        "metrics": [_line(line) for line in _ranked(story)],
    }


def _failure(run: Stored) -> dict[str, object]:
    document = run.document
    return {
        "run": run.name,
        "verdict": document.verdict,
        "exit_code": document.exit_code,
        "said": document.sentence,
    }


def _line(line: Line) -> dict[str, object]:
    changes = [
        {
            "run": shift.run,
            "started_at": shift.started_at,
            "before": plain(shift.change.before),
            "after": plain(shift.change.after),
            "p": shift.change.p,
        }
        for shift in line.shifts
    ]
    values = [plain(value) for value in line.values]
    return {"metric": line.metric.name, "unit": line.metric.unit, "values": values, "changes": changes}
