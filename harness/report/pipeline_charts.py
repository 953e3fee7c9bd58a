"""The drawings of the pipeline: its panels over time, and the small multiples of what each node cost.

A hatched strip at the foot of a panel says that the probe got no answer then: a
line that is missing is not a line at zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from harness.report import svg
from harness.report.canvas import (
    NARROW,
    Canvas,
    Line,
    axis,
    band_labels,
    compact,
    definitions,
    draw,
    draw_bands,
    head,
    kind_class,
    log_scale,
    panel,
    raised,
    short_millis,
)
from harness.report.gauges import Gauge
from harness.report.pipeline import Panel, PipelineView
from harness.report.resources import COLUMNS, Cell, Column, Resources
from harness.report.timeline import Band

_STRIP = 7.0
_MARK = 9.0
_CELL_HEIGHT = 34.0
_CELL_LINES = ("line-ack", "line-p99")


def pipeline(screen: str, shown: PipelineView, width: int) -> Markup:
    """The panels as one SVG of *width* units for a *screen*, wide or narrow, on the timeline's scale."""
    canvas = Canvas(f"{screen}-pipeline", width, svg.Scale(0.0, shown.end_s, 54, width - 14), [])
    top = band_labels(canvas, shown.bands)
    for each in shown.panels:
        _panel(canvas, each)
    end = canvas.bottom + 4
    axis(canvas, shown.notes, shown.phases, end)
    behind = definitions(canvas, shown.bands) + draw_bands(canvas, shown.bands, top, end)
    parts = behind + canvas.parts
    return svg.drawing(
        canvas.name, width, canvas.bottom, "The pipeline over time", shown.words, parts, css=screen
    )


def _panel(canvas: Canvas, shown: Panel) -> None:
    legend = [Line(trace.label, trace.css, np.empty(0)) for trace in shown.traces if trace.label]
    head(canvas, shown.title, legend)
    scale, labels = _scale(canvas, shown)
    panel(canvas, shown.height, scale, labels)
    for trace in shown.traces:
        if trace.css == "dots":
            canvas.add(_dots(canvas, scale, trace.gauge))
            continue
        values = raised(trace.gauge.value) if trace.css == "line-bad" else trace.gauge.value
        draw(canvas, scale, trace.gauge.at_s, [Line("", trace.css, values, filled=trace.filled)])
    _marks(canvas, shown, scale.end)
    strips = [_strip(canvas, start, end) for start, end in shown.silent]
    if strips:
        path = svg.boxes(strips, "lane-bad")
        canvas.add(Markup('<g fill="url(#{}-trouble)">{}</g>').format(canvas.name, path))


def _scale(canvas: Canvas, shown: Panel) -> tuple[svg.Scale, list[tuple[float, str]]]:
    if shown.unit == "millis":
        scale = log_scale(canvas, shown.height, [trace.gauge.value for trace in shown.traces])
        return scale, [(value, short_millis(value)) for value in scale.ticks(4)]
    top = max(shown.top, 1.0, *(trace.gauge.peak for trace in shown.traces))
    scale = svg.Scale(0.0, top * 1.05, canvas.bottom + shown.height, canvas.bottom)
    suffix = " %" if shown.unit == "percent" else ""
    steps = scale.ticks(2 if shown.height < 60 else 3)
    return scale, [(value, f"{compact(value)}{suffix}") for value in steps]


def _marks(canvas: Canvas, shown: Panel, top: float) -> None:
    """A stroke from the panel's top at each instant of bad news."""
    if shown.failed is not None and len(shown.failed):
        path = "".join(f"M{x:.1f} {top:.1f}v{_MARK}" for x in canvas.x.all(shown.failed).tolist())
        canvas.add(Markup('<path class="mark-bad" d="{}"/>').format(path))


def _dots(canvas: Canvas, scale: svg.Scale, gauge: Gauge) -> Markup:
    """A dot for each value: what happened at instants has nothing in between."""
    known = np.isfinite(gauge.value)
    xs, ys = canvas.x.all(gauge.at_s[known]), scale.all(gauge.value[known])
    path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in zip(xs.tolist(), ys.tolist(), strict=True))
    return Markup('<path class="dots" d="{}"/>').format(path)


def _strip(canvas: Canvas, start: float, end: float) -> tuple[float, float, float, float]:
    left, right = canvas.x.at(start), canvas.x.at(end)
    return left, canvas.bottom - _STRIP, max(right - left, 1.0), _STRIP


def resources(screen: str, shown: Resources, width: int) -> Markup:
    """The small multiples as one SVG of *width* units: a row for each node, a cell for each quantity."""
    narrow = width <= NARROW
    parts: list[Markup] = []
    bottom = 0.0 if narrow else _heads(parts, width)
    for node, cells in shown.rows:
        bottom = _row(parts, bottom, width, (node, cells), shown)
    words = f"{shown.summary} {_peaks(shown)}"
    name = f"{screen}-resources"
    return svg.drawing(name, width, bottom + 4, "What each node cost", words, parts, css=screen)


def _places(width: int) -> list[tuple[float, float, int]]:
    """Left edge, right edge and line of each column's cell: four in a row, or two by two when narrow."""
    narrow = width <= NARROW
    left, in_row, gap = (0.0, 2, 18.0) if narrow else (128.0, len(COLUMNS), 22.0)
    pitch = (width - left + gap) / in_row
    places = [(left + pitch * (index % in_row), index // in_row) for index in range(len(COLUMNS))]
    return [(start, start + pitch - gap, line) for start, line in places]


def _heads(parts: list[Markup], width: int) -> float:
    for column, (left, _, _) in zip(COLUMNS, _places(width), strict=True):
        parts.append(svg.text(left, 14, column.title[:1].upper() + column.title[1:], "panel"))
    left = _places(width)[-1][0] + svg.width_of("network") + 18
    for label, css in (("received", _CELL_LINES[0]), ("sent", _CELL_LINES[1])):
        parts += [svg.rule(left, 10, left + 16, 10, f"{css} key"), svg.text(left + 20, 14, label, "legend")]
        left += svg.width_of(label) + 32
    return 22.0


def _row(
    parts: list[Markup], top: float, width: int, row: tuple[str, tuple[Cell, ...]], shown: Resources
) -> float:
    narrow = width <= NARROW
    node, cells = row
    if narrow:
        top += 22
        parts.append(svg.text(0, top, node, "panel"))
    else:
        parts.append(svg.text(0, top + 20 + _CELL_HEIGHT / 2, svg.fitted(node, 122), "panel"))
    bottom = top
    for column, cell, place, highest in zip(COLUMNS, cells, _places(width), shown.tops, strict=True):
        left, right, line = place
        upper = top + 18 + line * (_CELL_HEIGHT + 24)
        said = _caption(column, cell, named=narrow)
        parts.append(svg.text(right, upper - 5, said, "legend", "end"))
        x = svg.Scale(0.0, shown.end_s, left, right)
        parts += _cell(cell, x, svg.Scale(0.0, highest or 1.0, upper + _CELL_HEIGHT, upper), shown.bands)
        bottom = max(bottom, upper + _CELL_HEIGHT)
    return bottom + 8


def _cell(cell: Cell, x: svg.Scale, y: svg.Scale, bands: Sequence[Band]) -> list[Markup]:
    parts = [_wash(band, x, y) for band in bands]
    if cell.known:
        for index, gauge in enumerate(cell.gauges):
            parts += _drawn(gauge, x, y, _CELL_LINES[index], filled=len(cell.gauges) == 1)
    return [*parts, svg.rule(x.start, y.start, x.end, y.start, "grid")]


def _wash(band: Band, x: svg.Scale, y: svg.Scale) -> Markup:
    left, right = x.at(band.from_s), x.at(band.to_s)
    return svg.box(left, y.end, max(right - left, 1.0), y.start - y.end, f"{kind_class(band.kind)} wash")


def _drawn(gauge: Gauge, x: svg.Scale, y: svg.Scale, css: str, *, filled: bool) -> list[Markup]:
    at_s, values = svg.decimate(gauge.at_s, gauge.value, int(x.end - x.start))
    xs, ys = x.all(at_s), y.all(values)
    below = [svg.area(xs, ys, y.start, f"{css} fill")] if filled else []
    return [*below, svg.line(xs, ys, css)]


def _caption(column: Column, cell: Cell, *, named: bool) -> str:
    peak = f"max {_short(cell.peak)} {column.unit}" if cell.known else "not measured"
    return f"{column.title}, {peak}" if named else peak


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _peaks(shown: Resources) -> str:
    told = [f"{node}: {_told(cells)}" for node, cells in shown.rows]
    return f"Peaks by node. {'; '.join(told)}."


def _told(cells: Sequence[Cell]) -> str:
    return ", ".join(_caption(c, cell, named=True) for c, cell in zip(COLUMNS, cells, strict=True))
