"""What became of a record behind the source topic: input of the job, window or set aside, result, archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.ledger.evidence import Evidence, Ints
from harness.lives.steps import Moment, Step
from harness.model import PipelinePlanned


@dataclass(frozen=True, slots=True)
class Place:
    """One offset of the source topic."""

    partition: int
    offset: int


def behind(evidence: Evidence, moment: Moment, places: list[Place]) -> Iterator[Step]:
    """The steps behind each of *places*; none without a pipeline."""
    plan = evidence.last(PipelinePlanned)
    if plan is None:
        return
    for place in places:
        yield from _job(evidence, moment, plan, place)
        yield from _archived(evidence, plan, place)
    yield from (
        Step(part, None, "this hop was not executed in this run")
        for part in ("results", "archive")
        if part not in plan.parts
    )


def _job(evidence: Evidence, moment: Moment, plan: PipelinePlanned, place: Place) -> Iterator[Step]:
    inputs = evidence.inputs
    rows = np.flatnonzero((inputs.partition == place.partition) & (inputs.offset == place.offset))
    if "results" not in plan.parts:
        return
    if not len(rows):
        yield Step("input", None, f"nothing is known of what lies at offset {place.offset}")
    for row in rows.tolist():
        event_ms, flaw = int(inputs.event_ms[row]), str(inputs.flaw[row])
        said = f"key {inputs.key[row]}, value {inputs.value[row]}, event time {event_ms}"
        if flaw:
            yield Step("input", None, f"{said}: the job has to refuse it ({flaw})")
        else:
            yield moment.step_ms("input", event_ms, f"{said}: the job has to take it")
        aside = list(_set_aside(evidence, place))
        yield from aside
        if not aside and not flaw:
            yield from _windowed(evidence, moment, plan, row)


def _set_aside(evidence: Evidence, place: Place) -> Iterator[Step]:
    placed = evidence.placed
    here = (placed.partition == place.partition) & (placed.offset == place.offset)
    for row in np.flatnonzero(here).tolist():
        yield Step(str(placed.place[row]), None, f"set aside by the job: {placed.reason[row]}")


def _windowed(evidence: Evidence, moment: Moment, plan: PipelinePlanned, row: int) -> Iterator[Step]:
    inputs, results = evidence.inputs, evidence.results
    key, start = int(inputs.key[row]), int(inputs.event_ms[row] - inputs.event_ms[row] % plan.window_ms)
    members = _members(evidence, key, start, plan.window_ms)
    said = f"of key {key}, from {start} for {plan.window_ms} ms: {members:,} records of the log belong in it"
    yield moment.step_ms("window", start + plan.window_ms, said)
    found = np.flatnonzero((results.key == key) & (results.window_ms == start))
    if not len(found):
        yield Step("no result", None, f"{plan.results} has no result of this window")
    for at in found.tolist():
        where = f"{plan.results} {results.partition[at]}/{results.offset[at]}"
        counts = f"counts {int(results.count[at]):,} of {members:,} records"
        yield moment.step_ms("result", int(results.appended_ms[at]), f"{where} {counts}")


def _members(evidence: Evidence, key: int, start: int, width: int) -> int:
    """How many records of the log belong in one window: not refused, not set aside, each id once."""
    inputs = evidence.inputs
    within = (inputs.event_ms >= start) & (inputs.event_ms < start + width)
    rows: Ints = np.flatnonzero((inputs.key == key) & within & (inputs.flaw == ""))
    places = {r: Place(int(inputs.partition[r]), int(inputs.offset[r])) for r in rows.tolist()}
    kept = [r for r, place in places.items() if not any(_set_aside(evidence, place))]
    return len({(int(inputs.producer[r]), int(inputs.partition[r]), int(inputs.sequence[r])) for r in kept})


def _archived(evidence: Evidence, plan: PipelinePlanned, place: Place) -> Iterator[Step]:
    if "archive" not in plan.parts:
        return
    rows = evidence.archive
    here = (rows.partition == place.partition) & (rows.first_offset <= place.offset)
    found = np.flatnonzero(here & (place.offset < rows.first_offset + rows.count)).tolist()
    for row in found:
        line = int(rows.first_line[row] + place.offset - rows.first_offset[row])
        yield Step("archive", None, f"line {line} of {_object(evidence, int(rows.object[row]), plan)}")
    if not found:
        yield Step(
            "not archived", None, f"no object holds offset {place.offset} of partition {place.partition}"
        )


def _object(evidence: Evidence, number: int, plan: PipelinePlanned) -> str:
    objects = evidence.objects
    # Objects are numbered in each bucket.
    rows = np.flatnonzero((objects.object == number) & (objects.bucket != plan.metrics_bucket))
    return str(objects.name[rows[0]]) if len(rows) else f"object {number}"
