"""The two drawings of the report: the timeline and the recovery bars.

The timeline stacks its panels over one time axis, behind them the faults as
measured: a band runs from the instant a probe proved the effect to the instant a
probe proved the healing. It is drawn twice, for a wide and for a narrow screen,
because words shrunk to a phone's width cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from harness.ledger.evidence import Floats
from harness.report import svg
from harness.report.series import LANE_LIMITS_MS, LANE_TROUBLE, Lanes, Series
from harness.report.timeline import Band, Timeline

WIDE, NARROW = 1040, 400
_KINDS = ("kill", "pause", "partition", "terminate", "slow")
_GAP = 26
_ROW = 17


@dataclass(slots=True)
class _Canvas:
    """A drawing in the making: parts so far and how far down they reach."""

    name: str
    width: float
    x: svg.Scale
    parts: list[Markup]
    bottom: float = 0.0

    def add(self, *parts: Markup) -> None:
        self.parts += parts

    @property
    def points(self) -> int:
        """More points than this cannot be told apart."""
        return int(self.x.end - self.x.start) * 2


@dataclass(frozen=True, slots=True)
class _Line:
    label: str
    css: str
    values: Floats
    filled: bool = False


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
    canvas = _Canvas(name, width, svg.Scale(0.0, series.end_s, left, width - 14), [])
    top = _band_labels(canvas, shown.bands)
    _rates(canvas, shown)
    _latency(canvas, series)
    _unavailable(canvas, shown)
    _lanes(canvas, series.lanes)
    _health(canvas, series)
    end = canvas.bottom
    _axis(canvas, shown, end)
    behind = _definitions(canvas, shown.bands) + _bands(canvas, shown.bands, top, end)
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


def _band_labels(canvas: _Canvas, bands: Sequence[Band]) -> float:
    """One row of labels for all bands that leave room for each other; returns where the bands begin."""
    rows: list[float] = []
    leads: list[tuple[float, int]] = []
    labels: list[Markup] = []
    for band in bands:
        x = canvas.x.at(band.from_s)
        label = svg.fitted(band.label, canvas.x.end - canvas.x.start)
        left = min(x, canvas.x.end - svg.width_of(label))
        row = next((i for i, used in enumerate(rows) if used <= left), len(rows))
        rows[row : row + 1] = [left + svg.width_of(label) + 14]
        leads.append((x, row))
        labels.append(svg.text(left, 12 + row * _ROW, label, "band-label"))
    canvas.bottom = len(rows) * _ROW + 4
    canvas.add(*(svg.rule(x, 16 + row * _ROW, x, canvas.bottom, "lead") for x, row in leads), *labels)
    return canvas.bottom


def kind_class(kind: str) -> str:
    """The CSS class of a family of faults; families without a colour of their own share one."""
    return f"fault-{kind}" if kind in _KINDS else "fault-other"


def _definitions(canvas: _Canvas, bands: Sequence[Band]) -> list[Markup]:
    classes = sorted({kind_class(band.kind) for band in bands})
    order = [f"fault-{kind}" for kind in _KINDS] + ["fault-other"]
    found = [svg.hatch(f"{canvas.name}-{css}", css, order.index(css)) for css in classes]
    trouble = svg.hatch(f"{canvas.name}-trouble", "lane-trouble", 0)
    return [Markup("<defs>{}</defs>").format(Markup("").join([*found, trouble]))]


def _bands(canvas: _Canvas, bands: Sequence[Band], top: float, end: float) -> list[Markup]:
    drawn = []
    for band in bands:
        css = kind_class(band.kind)
        left, right = canvas.x.at(band.from_s), canvas.x.at(band.to_s)
        style = f"{css} band" if band.proven else f"{css} band unproven"
        fill = f"{canvas.name}-{css}" if band.proven else ""
        drawn.append(svg.box(left, top, max(right - left, 1.5), end - top, style, fill))
    return drawn


def _head(canvas: _Canvas, title: str, lines: Sequence[_Line] = ()) -> None:
    """A panel's title, and the legend of its lines beside it or, where that is too wide, below."""
    canvas.bottom += _GAP
    canvas.add(svg.text(canvas.x.start, canvas.bottom, title, "panel"))
    total = sum(_legend_width(line) for line in lines)
    beside = total <= canvas.x.end - canvas.x.start - svg.width_of(title) - 16
    x = canvas.x.end - total if beside else canvas.x.end
    for line in lines:
        if x + _legend_width(line) - 14 > canvas.x.end + 1:
            x, canvas.bottom = canvas.x.start, canvas.bottom + _ROW
        canvas.add(svg.rule(x, canvas.bottom - 4, x + 18, canvas.bottom - 4, f"{line.css} key"))
        canvas.add(svg.text(x + 22, canvas.bottom, line.label, "legend"))
        x += _legend_width(line)
    canvas.bottom += 12


def _legend_width(line: _Line) -> float:
    return svg.width_of(line.label) + 36


def _panel(canvas: _Canvas, height: float, scale: svg.Scale, labels: Sequence[tuple[float, str]]) -> None:
    for value, label in labels:
        y = scale.at(value)
        canvas.add(svg.rule(canvas.x.start, y, canvas.x.end, y, "grid"))
        canvas.add(svg.text(canvas.x.start - 6, y + 4, label, "tick", "end"))
    canvas.bottom += height


def _draw(canvas: _Canvas, scale: svg.Scale, at_s: Floats, lines: Sequence[_Line]) -> None:
    for line in lines:
        xs, ys = svg.decimate(at_s, line.values, canvas.points)
        xs, ys = canvas.x.all(xs), scale.all(ys)
        if line.filled:
            canvas.add(svg.area(xs, ys, scale.start, f"{line.css} fill"))
        canvas.add(svg.line(xs, ys, line.css))


def _rates(canvas: _Canvas, shown: Timeline) -> None:
    series = shown.series
    lines = [
        _Line("acknowledged", "line-ack", series.acknowledged, filled=True),
        _Line("attempted", "line-try", series.attempted),
        _Line("failed or unknown", "line-bad", _raised(series.troubled), filled=True),
    ]
    asked = [_Line("asked", "line-ask", np.empty(0))] if shown.asked_per_s else []
    _head(canvas, "Records per second", asked + lines)
    top = max(float(np.nanmax(line.values, initial=0.0)) for line in lines)
    scale = svg.Scale(0.0, max(top, shown.asked_per_s or 1.0) * 1.05, canvas.bottom + 140, canvas.bottom)
    _panel(canvas, 140, scale, [(v, compact(v)) for v in scale.ticks(4)])
    _draw(canvas, scale, series.at_s, lines)
    if shown.asked_per_s:
        y = scale.at(shown.asked_per_s)
        left, right = (canvas.x.at(edge) for edge in series.load_s)
        canvas.add(svg.rule(left, y, right, y, "line-ask"))


def _latency(canvas: _Canvas, series: Series) -> None:
    lines = [
        _Line("max", "line-max", series.worst_ms),
        _Line("p99", "line-p99", series.p99_ms),
        _Line("p50", "line-p50", series.p50_ms),
    ]
    _head(canvas, "Latency from the intended instant, log scale", lines)
    scale = _log_scale(canvas, 120, [line.values for line in lines])
    _panel(canvas, 120, scale, [(v, short_millis(v)) for v in scale.ticks(5)])
    _draw(canvas, scale, series.at_s, lines)


def _log_scale(canvas: _Canvas, height: float, lines: Sequence[Floats]) -> svg.Scale:
    found = np.concatenate(lines)
    found = found[found > 0]
    low = 10.0 ** np.floor(np.log10(max(found.min(), 0.01))) if len(found) else 0.1
    high = 10.0 ** np.ceil(np.log10(max(found.max(), low * 10))) if len(found) else 1.0
    return svg.Scale(float(low), float(high), canvas.bottom + height, canvas.bottom, log=True)


def _unavailable(canvas: _Canvas, shown: Timeline) -> None:
    _head(canvas, "Unavailable partitions")
    peak = max((number for _, number in shown.unavailable), default=0)
    scale = svg.Scale(0.0, max(peak, 1), canvas.bottom + 40, canvas.bottom)
    _panel(canvas, 40, scale, [(0, "0"), (scale.high, f"{scale.high:.0f}")])
    xs, ys = _stairs(shown)
    canvas.add(svg.area(canvas.x.all(xs), scale.all(ys), scale.start, "line-bad fill"))
    canvas.add(svg.line(canvas.x.all(xs), scale.all(_raised(ys)), "line-bad"))


def _raised(values: Floats) -> Floats:
    """*values* without the stretches that lie flat on zero: nothing happened, so nothing is drawn."""
    beside = np.maximum(np.append(values[1:], 0), np.append(0, values[:-1]))
    return np.where((values > 0) | (beside > 0), values, np.nan)


def _stairs(shown: Timeline) -> tuple[Floats, Floats]:
    xs, ys = [0.0], [0.0]
    for at, number in shown.unavailable:
        xs += [at, at]
        ys += [ys[-1], float(number)]
    return np.array([*xs, shown.series.end_s]), np.array([*ys, ys[-1]])


def _lanes(canvas: _Canvas, lanes: Lanes) -> None:
    more = f", the {len(lanes.partitions)} most troubled" if lanes.left_out else ""
    _head(canvas, f"Partitions{more}: slowest record of each moment")
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


def _lane_class(canvas: _Canvas, lanes: Lanes, kind: int, pitch: float) -> Markup:
    found = []
    for row, cells in enumerate(lanes.classes):
        for first, last in _runs(cells == kind):
            left, right = canvas.x.at(first * lanes.cell_s), canvas.x.at(last * lanes.cell_s)
            found.append((left, canvas.bottom + row * pitch, right - left, pitch - 1.5))
    return svg.boxes(found, f"lane-{kind}") if kind < LANE_TROUBLE else _trouble(canvas, found)


def _trouble(canvas: _Canvas, cells: Sequence[tuple[float, float, float, float]]) -> Markup:
    path = svg.boxes(cells, "lane-bad")
    return Markup('<g fill="url(#{}-trouble)">{}</g>').format(canvas.name, path)


def _runs(wanted: np.typing.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], wanted.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _lane_legend(canvas: _Canvas) -> None:
    words = [f"< {short_millis(limit)}" for limit in LANE_LIMITS_MS]
    words += [f"≥ {short_millis(LANE_LIMITS_MS[-1])}", "not acknowledged"]
    x, y = canvas.x.start, canvas.bottom + 10
    for kind, label in enumerate(words, start=1):
        need = svg.width_of(label) + 30
        if x + need > canvas.x.end + 16:
            x, y = canvas.x.start, y + _ROW
        cell = (x, y - 9, 14.0, 10.0)
        canvas.add(svg.boxes([cell], f"lane-{kind}") if kind < LANE_TROUBLE else _trouble(canvas, [cell]))
        canvas.add(svg.text(x + 19, y, label, "legend"))
        x += need
    canvas.bottom = y + 10


def _health(canvas: _Canvas, series: Series) -> None:
    _head(canvas, "Harness: send-time error, p99, log scale")
    scale = _log_scale(canvas, 44, [series.send_error_ms])
    _panel(canvas, 44, scale, [(v, short_millis(v)) for v in (scale.low, scale.high)])
    _draw(canvas, scale, series.at_s, [_Line("", "line-own", series.send_error_ms)])
    for gauge in series.gauges:
        _head(canvas, f"Harness: {gauge.name.replace('_', ' ')}")
        top = svg.Scale(min(0.0, float(gauge.value.min())), max(float(gauge.value.max()), 1e-9) * 1.05, 0, 1)
        scale = svg.Scale(top.low, top.high, canvas.bottom + 44, canvas.bottom)
        _panel(canvas, 44, scale, [(v, compact(v)) for v in scale.ticks(2)])
        _draw(canvas, scale, gauge.at_s, [_Line("", "line-own", gauge.value)])


def _axis(canvas: _Canvas, shown: Timeline, end: float) -> None:
    canvas.add(svg.rule(canvas.x.start, end, canvas.x.end, end, "axis"))
    for value in canvas.x.ticks(10 if canvas.width > 600 else 5):
        x = canvas.x.at(value)
        label = f"{value:g} s" if value == 0 else f"{value:g}"
        canvas.add(svg.rule(x, end, x, end + 5, "axis"), svg.text(x, end + 18, label, "tick", "middle"))
    for note in shown.notes:
        x = canvas.x.at(note.at_s)
        canvas.add(svg.rule(x, end - 9, x, end, "note"))
    y = end + 38
    for phase in shown.phases:
        left, right = canvas.x.at(phase.from_s), canvas.x.at(phase.to_s)
        canvas.add(svg.rule(left + 1, y - 12, max(right - 1, left + 1), y - 12, "phase"))
        canvas.add(svg.text(left + 1, y + 2, svg.fitted(phase.name, right - left), "legend"))
    canvas.bottom = y + 10 if shown.phases else end + 26


def compact(value: float) -> str:
    """A tick label: 12000 as "12k"."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def short_millis(value: float) -> str:
    """A tick label of a latency given in milliseconds: "10 ms", "1 s"."""
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"
