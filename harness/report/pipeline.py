"""The pipeline over time: which panels a run's samples make, each as data that the drawing only places.

A panel exists when its probe ran; what was never measured has no empty panel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.findings import RunDocument
from harness.ledger.evidence import Evidence, Floats
from harness.model import PipelinePlanned
from harness.report.gauges import Gauge, Gauges, Spans
from harness.report.phrases import count, millis, plural, rate
from harness.report.timeline import Band, Note, Span, bands_of

_PROBES = ("kafka", "flink", "tasks", "objects", "vector")
_ALL = "flink"


@dataclass(frozen=True, eq=False, slots=True)
class Trace:
    """One line of a panel."""

    label: str
    css: str
    gauge: Gauge
    filled: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Panel:
    """One panel: its lines, the stretches in which its probe got no answer, and marks at instants.

    ``done`` are marks that are good news, ``failed`` those that are bad, both in seconds.
    """

    title: str
    unit: Literal["count", "percent", "millis"]
    traces: tuple[Trace, ...]
    silent: Spans
    height: float = 84.0
    top: float = 0.0
    """The scale reaches at least this far."""
    done: Floats | None = None
    failed: Floats | None = None


@dataclass(frozen=True, eq=False, slots=True)
class PipelineView:
    """Everything that the drawing of the pipeline over time shows; ``words`` says the same in words."""

    end_s: float
    panels: tuple[Panel, ...]
    bands: tuple[Band, ...]
    phases: tuple[Span, ...]
    notes: tuple[Note, ...]
    words: str


def pipeline_of(document: RunDocument, evidence: Evidence, notes: tuple[Note, ...]) -> PipelineView | None:
    """The pipeline over time, or None when no probe looked at one."""
    gauges = Gauges(evidence)
    if not any(gauges.has(probe) for probe in _PROBES):
        return None
    end_s = max(document.duration_s, 1.0)
    planned = evidence.last(PipelinePlanned)
    panels = tuple(panel for panel in _panels(gauges, planned) if any(t.gauge.known for t in panel.traces))
    return PipelineView(
        end_s=end_s,
        panels=panels,
        bands=bands_of(document.faults, end_s),
        phases=tuple(Span(name, low, high) for name, (low, high) in document.phases.items()),
        notes=notes,
        words=_words(gauges),
    )


def _panels(gauges: Gauges, planned: PipelinePlanned | None) -> list[Panel]:
    kafka, flink, tasks, objects, vector = (gauges.silent(probe) for probe in _PROBES)
    return [
        Panel("Records per second at each hop", "count", _rates(gauges, planned), kafka, 110),
        Panel("Consumer lag in records", "count", (_lag(gauges),), kafka),
        Panel("Watermark behind the clock, log scale", "millis", (_watermark(gauges),), tasks),
        Panel("Busiest vertex, percent of its time", "percent", _load(gauges), tasks, top=100),
        Panel("Tasks", "count", _tasks(gauges), flink, 40, failed=gauges.rises("restarts", _ALL)),
        _checkpoints(gauges, flink),
        Panel("Object store answers after, log scale", "millis", (_answers(gauges),), objects),
        _vector(gauges, vector),
    ]


def _rates(gauges: Gauges, planned: PipelinePlanned | None) -> tuple[Trace, ...]:
    source = planned.source if planned else next(iter(gauges.sources("appended_per_s")), "")
    job = next(iter(gauges.sources("records_out_per_s")), "")
    results = [each for each in gauges.sources("appended_per_s") if each != source]
    return (
        Trace("source log", "line-ack", gauges.line("appended_per_s", source), filled=True),
        Trace("taken by the job", "line-own", gauges.line("records_out_per_s", job)),
        Trace("results", "line-p99", gauges.line("appended_per_s", lambda topic: topic in results)),
    )


def _lag(gauges: Gauges) -> Trace:
    return Trace("", "line-ack", gauges.line("lag_records", lambda one: "/" not in one), filled=True)


def _watermark(gauges: Gauges) -> Trace:
    return Trace("", "line-ack", gauges.line("watermark_lag_ms", lambda _: True, "max"))


def _load(gauges: Gauges) -> tuple[Trace, ...]:
    pressed = gauges.line("backpressure_percent", lambda _: True, "max")
    return (
        Trace("busy", "line-ack", gauges.line("busy_percent", lambda _: True, "max"), filled=True),
        Trace("back pressured", "line-bad", pressed),
    )


def _tasks(gauges: Gauges) -> tuple[Trace, ...]:
    return (
        Trace("running", "line-ack", gauges.line("tasks_running", _ALL), filled=True),
        Trace("wanted", "line-ask", gauges.line("tasks_total", _ALL)),
        Trace("restart", "mark-bad", Gauge(np.empty(0), np.empty(0))),
    )


def _checkpoints(gauges: Gauges, silent: Spans) -> Panel:
    done, failed = (gauges.rises(f"checkpoints_{end}", _ALL) for end in ("completed", "failed"))
    took = gauges.line("checkpoint_ms", _ALL)
    completed = Gauge(done, _at(took, done))
    empty = Gauge(np.empty(0), np.empty(0))
    traces = (Trace("completed", "dots", completed), Trace("failed", "mark-bad", empty))
    return Panel("Checkpoints by their duration, log scale", "millis", traces, silent, 84, 0.0, done, failed)


def _at(gauge: Gauge, at_s: Floats) -> Floats:
    """The values of *gauge* at instants at which it was sampled."""
    known = np.isfinite(gauge.value)
    if not known.any():
        return np.full(len(at_s), np.nan)
    slots = np.searchsorted(gauge.at_s[known], at_s).clip(0, int(known.sum()) - 1)
    found: Floats = gauge.value[known][slots]
    return found


def _answers(gauges: Gauges) -> Trace:
    return Trace("", "line-ack", gauges.line("latency_ms", lambda _: True, "max"))


def _vector(gauges: Gauges, silent: Spans) -> Panel:
    held = gauges.line("buffer_events", lambda _: True)
    empty = Gauge(np.empty(0), np.empty(0))
    traces = (Trace("events", "line-own", held, filled=True), Trace("new errors", "mark-bad", empty))
    failed = gauges.rises("errors_total", lambda _: True)
    return Panel("Vector: events in its buffers", "count", traces, silent, 60, 1.0, None, failed)


def _words(gauges: Gauges) -> str:
    lag, watermark, answers = _lag(gauges).gauge, _watermark(gauges).gauge, _answers(gauges).gauge
    done, failed = (len(gauges.rises(f"checkpoints_{end}", _ALL)) for end in ("completed", "failed"))
    said = [
        f"at most {count(lag.peak)} records behind" if lag.known else "",
        f"watermark at most {millis(watermark.peak)} behind the clock" if watermark.known else "",
        f"checkpoints seen to complete {plural(done, 'time')}, to fail {plural(failed, 'time')}",
        f"object store answered within {millis(answers.peak)}" if answers.known else "",
        _silences(gauges),
    ]
    results = gauges.line("appended_per_s", lambda _: True, "max")
    said.insert(0, f"at most {rate(results.peak)} into one topic" if results.known else "")
    text = "; ".join(part for part in said if part)
    return f"{text[:1].upper()}{text[1:]}."


def _silences(gauges: Gauges) -> str:
    lost = {probe: sum(end - start for start, end in gauges.silent(probe)) for probe in _PROBES}
    told = [f"{probe} {seconds:.0f} s" for probe, seconds in lost.items() if seconds >= 1]
    return f"without an answer: {', '.join(told)}" if told else "every probe always had an answer"
