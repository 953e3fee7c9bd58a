"""The timeline and the recovery bars.

The timeline stacks its panels over one time axis, behind them the faults as
measured. It is drawn twice, for a wide and for a narrow screen, because words
shrunk to a phone's width cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from harness.ledger.evidence import Floats
from harness.report import svg
from harness.report.canvas import (
    ROW,
    Canvas,
    Line,
    axis,
    band_labels,
    compact,
    definitions,
    draw,
    draw_bands,
    head,
    log_scale,
    panel,
    raised,
    short_millis,
)
from harness.report.series import LANE_LIMITS_MS, LANE_TROUBLE, Lanes, Series
from harness.report.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Bar:
    """A measured time beside the expected one and the budget; ``limit_s`` is the bar's full length."""

    measured_s: float | None
    expected_s: float | None
    budget_s: float | None
    limit_s: float


def timeline(name: str, shown: Timeline, width: int) -> Markup:
    """The timeline as one SVG of *width* units; *name* must be unique on the page."""
    series = shown.series
    left = 54
    canvas = Canvas(name, width, svg.Scale(0.0, series.end_s, left, width - 14), [])
    top = band_labels(canvas, shown.bands)
    _rates(canvas, shown)
    _latency(canvas, series)
    _unavailable(canvas, shown)
    _lanes(canvas, series.lanes)
    _health(canvas, series)
    end = canvas.bottom
    axis(canvas, shown.notes, shown.phases, end)
    behind = definitions(canvas, shown.bands) + draw_bands(canvas, shown.bands, top, end)
    return svg.drawing(name, width, canvas.bottom, "Timeline of the run", shown.words, behind + canvas.parts)


def recovery_bar(name: str, words: str, bar: Bar) -> Markup:
    """Measured time as a bar, the expected time as one tick and the budget as another."""
    scale = svg.Scale(0.0, max(bar.limit_s, 0.1), 0, 220)
    reached = bar.limit_s if bar.measured_s is None else bar.measured_s
    over = bar.measured_s is None or (bar.budget_s is not None and reached > bar.budget_s)
    css = "bar over" if over else "bar"
    parts = [svg.box(0, 9, 220, 8, "bar-rail"), svg.box(0, 9, scale.at(reached), 8, css)]
    for value, tick in ((bar.expected_s, "tick-expected"), (bar.budget_s, "tick-budget")):
        if value is not None:
            parts.append(svg.rule(scale.at(value), 4, scale.at(value), 22, tick))
    return svg.drawing(name, 222, 26, "Recovery time", words, parts)


def _rates(canvas: Canvas, shown: Timeline) -> None:
    series = shown.series
    lines = [
        Line("acknowledged", "line-ack", series.acknowledged, filled=True),
        Line("attempted", "line-try", series.attempted),
        Line("failed or unknown", "line-bad", raised(series.troubled), filled=True),
    ]
    asked = [Line("asked", "line-ask", np.empty(0))] if shown.asked_per_s else []
    head(canvas, "Records per second", asked + lines)
    top = max(float(np.nanmax(line.values, initial=0.0)) for line in lines)
    scale = svg.Scale(0.0, max(top, shown.asked_per_s or 1.0) * 1.05, canvas.bottom + 140, canvas.bottom)
    panel(canvas, 140, scale, [(v, compact(v)) for v in scale.ticks(4)])
    draw(canvas, scale, series.at_s, lines)
    if shown.asked_per_s:
        y = scale.at(shown.asked_per_s)
        left, right = (canvas.x.at(edge) for edge in series.load_s)
        canvas.add(svg.rule(left, y, right, y, "line-ask"))


def _latency(canvas: Canvas, series: Series) -> None:
    lines = [
        Line("max", "line-max", series.worst_ms),
        Line("p99", "line-p99", series.p99_ms),
        Line("p50", "line-p50", series.p50_ms),
    ]
    head(canvas, "Latency from the intended instant, log scale", lines)
    scale = log_scale(canvas, 120, [line.values for line in lines])
    panel(canvas, 120, scale, [(v, short_millis(v)) for v in scale.ticks(5)])
    draw(canvas, scale, series.at_s, lines)


def _unavailable(canvas: Canvas, shown: Timeline) -> None:
    head(canvas, "Unavailable partitions")
    peak = max((number for _, number in shown.unavailable), default=0)
    scale = svg.Scale(0.0, max(peak, 1), canvas.bottom + 40, canvas.bottom)
    panel(canvas, 40, scale, [(0, "0"), (scale.high, f"{scale.high:.0f}")])
    xs, ys = _stairs(shown)
    canvas.add(svg.area(canvas.x.all(xs), scale.all(ys), scale.start, "line-bad fill"))
    canvas.add(svg.line(canvas.x.all(xs), scale.all(raised(ys)), "line-bad"))


def _stairs(shown: Timeline) -> tuple[Floats, Floats]:
    xs, ys = [0.0], [0.0]
    for at, number in shown.unavailable:
        xs += [at, at]
        ys += [ys[-1], float(number)]
    return np.array([*xs, shown.series.end_s]), np.array([*ys, ys[-1]])


def _lanes(canvas: Canvas, lanes: Lanes) -> None:
    more = f", the {len(lanes.partitions)} most troubled" if lanes.left_out else ""
    head(canvas, f"Partitions{more}: slowest record of each moment")
    _lane_legend(canvas)
    pitch = min(14.0, max(6.0, 224 / len(lanes.partitions)))
    every = max(1, round(13 / pitch + 0.49))
    for row, partition in enumerate(lanes.partitions):
        if row % every == 0:
            y = canvas.bottom + row * pitch + pitch / 2 + 4
            canvas.add(svg.text(canvas.x.start - 6, y, str(partition), "tick", "end"))
    for kind in range(1, LANE_TROUBLE + 1):
        canvas.add(_lane_class(canvas, lanes, kind, pitch))
    canvas.bottom += pitch * len(lanes.partitions)


def _lane_class(canvas: Canvas, lanes: Lanes, kind: int, pitch: float) -> Markup:
    found = []
    for row, cells in enumerate(lanes.classes):
        for first, last in _runs(cells == kind):
            left, right = canvas.x.at(first * lanes.cell_s), canvas.x.at(last * lanes.cell_s)
            found.append((left, canvas.bottom + row * pitch, right - left, pitch - 1.5))
    return svg.boxes(found, f"lane-{kind}") if kind < LANE_TROUBLE else _trouble(canvas, found)


def _trouble(canvas: Canvas, cells: Sequence[tuple[float, float, float, float]]) -> Markup:
    path = svg.boxes(cells, "lane-bad")
    return Markup('<g fill="url(#{}-trouble)">{}</g>').format(canvas.name, path)


def _runs(wanted: np.typing.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], wanted.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _lane_legend(canvas: Canvas) -> None:
    words = [f"< {short_millis(limit)}" for limit in LANE_LIMITS_MS]
    words += [f"≥ {short_millis(LANE_LIMITS_MS[-1])}", "not acknowledged"]
    x, y = canvas.x.start, canvas.bottom + 10
    for kind, label in enumerate(words, start=1):
        need = svg.width_of(label) + 30
        if x + need > canvas.x.end + 16:
            x, y = canvas.x.start, y + ROW
        cell = (x, y - 9, 14.0, 10.0)
        canvas.add(svg.boxes([cell], f"lane-{kind}") if kind < LANE_TROUBLE else _trouble(canvas, [cell]))
        canvas.add(svg.text(x + 19, y, label, "legend"))
        x += need
    canvas.bottom = y + 10


def _health(canvas: Canvas, series: Series) -> None:
    head(canvas, "Harness: send-time error, p99, log scale")
    scale = log_scale(canvas, 44, [series.send_error_ms])
    panel(canvas, 44, scale, [(v, short_millis(v)) for v in (scale.low, scale.high)])
    draw(canvas, scale, series.at_s, [Line("", "line-own", series.send_error_ms)])
    for gauge in series.gauges:
        head(canvas, f"Harness: {gauge.name.replace('_', ' ')}")
        top = svg.Scale(min(0.0, float(gauge.value.min())), max(float(gauge.value.max()), 1e-9) * 1.05, 0, 1)
        scale = svg.Scale(top.low, top.high, canvas.bottom + 44, canvas.bottom)
        panel(canvas, 44, scale, [(v, compact(v)) for v in scale.ticks(2)])
        draw(canvas, scale, gauge.at_s, [Line("", "line-own", gauge.value)])
