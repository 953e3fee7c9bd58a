"""What every drawing over the run's time is made with: canvas, panels, bands of faults, the time axis.

A canvas grows downwards, panel by panel, over one scale of seconds; behind it go
the faults as measured: a band runs from the instant a probe proved the effect to
the instant a probe proved the healing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from harness.ledger.evidence import Floats
from harness.report import svg
from harness.report.timeline import Band, Note, Span

WIDE, NARROW = 1040, 400
_KINDS = ("kill", "pause", "partition", "terminate", "slow")
GAP = 26
ROW = 17


@dataclass(slots=True)
class Canvas:
    """A drawing in the making: parts so far and how far down they reach."""

    name: str
    width: float
    x: svg.Scale
    parts: list[Markup]
    bottom: float = 0.0

    def add(self, *parts: Markup) -> None:
        """Put *parts* on top of what is there."""
        self.parts += parts

    @property
    def points(self) -> int:
        """More points than this cannot be told apart."""
        return int(self.x.end - self.x.start) * 2


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel, in the panel's unit; ``css`` names its colour and stroke."""

    label: str
    css: str
    values: Floats
    filled: bool = False


def band_labels(canvas: Canvas, bands: Sequence[Band]) -> float:
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
        labels.append(svg.text(left, 12 + row * ROW, label, "band-label"))
    canvas.bottom = len(rows) * ROW + 4
    canvas.add(*(svg.rule(x, 16 + row * ROW, x, canvas.bottom, "lead") for x, row in leads), *labels)
    return canvas.bottom


def kind_class(kind: str) -> str:
    """The CSS class of a family of faults; families without a colour of their own share one."""
    return f"fault-{kind}" if kind in _KINDS else "fault-other"


def definitions(canvas: Canvas, bands: Sequence[Band]) -> list[Markup]:
    """The patterns that the bands and the unanswered stretches of a drawing are filled with."""
    classes = sorted({kind_class(band.kind) for band in bands})
    order = [f"fault-{kind}" for kind in _KINDS] + ["fault-other"]
    found = [svg.hatch(f"{canvas.name}-{css}", css, order.index(css)) for css in classes]
    trouble = svg.hatch(f"{canvas.name}-trouble", "lane-trouble", 0)
    return [Markup("<defs>{}</defs>").format(Markup("").join([*found, trouble]))]


def draw_bands(canvas: Canvas, bands: Sequence[Band], top: float, end: float) -> list[Markup]:
    """The faults between *top* and *end*; they belong behind everything else."""
    drawn = []
    for band in bands:
        css = kind_class(band.kind)
        left, right = canvas.x.at(band.from_s), canvas.x.at(band.to_s)
        style = f"{css} band" if band.proven else f"{css} band unproven"
        fill = f"{canvas.name}-{css}" if band.proven else ""
        drawn.append(svg.box(left, top, max(right - left, 1.5), end - top, style, fill))
    return drawn


def head(canvas: Canvas, title: str, lines: Sequence[Line] = ()) -> None:
    """A panel's title, and the legend of its lines beside it or, where that is too wide, below."""
    canvas.bottom += GAP
    canvas.add(svg.text(canvas.x.start, canvas.bottom, title, "panel"))
    total = sum(_legend_width(line) for line in lines)
    beside = total <= canvas.x.end - canvas.x.start - svg.width_of(title) - 16
    x = canvas.x.end - total if beside else canvas.x.end
    for line in lines:
        if x + _legend_width(line) - 14 > canvas.x.end + 1:
            x, canvas.bottom = canvas.x.start, canvas.bottom + ROW
        canvas.add(svg.rule(x, canvas.bottom - 4, x + 18, canvas.bottom - 4, f"{line.css} key"))
        canvas.add(svg.text(x + 22, canvas.bottom, line.label, "legend"))
        x += _legend_width(line)
    canvas.bottom += 12


def _legend_width(line: Line) -> float:
    return svg.width_of(line.label) + 36


def panel(canvas: Canvas, height: float, scale: svg.Scale, labels: Sequence[tuple[float, str]]) -> None:
    """A panel's grid with its *labels*, and room for its lines."""
    for value, label in labels:
        y = scale.at(value)
        canvas.add(svg.rule(canvas.x.start, y, canvas.x.end, y, "grid"))
        canvas.add(svg.text(canvas.x.start - 6, y + 4, label, "tick", "end"))
    canvas.bottom += height


def draw(canvas: Canvas, scale: svg.Scale, at_s: Floats, lines: Sequence[Line]) -> None:
    """Draw *lines*, thinned to what can be told apart."""
    for line in lines:
        xs, ys = svg.decimate(at_s, line.values, canvas.points)
        xs, ys = canvas.x.all(xs), scale.all(ys)
        if line.filled:
            canvas.add(svg.area(xs, ys, scale.start, f"{line.css} fill"))
        canvas.add(svg.line(xs, ys, line.css))


def log_scale(canvas: Canvas, height: float, lines: Sequence[Floats]) -> svg.Scale:
    """A logarithmic scale of whole decades around all that is above zero in *lines*."""
    found = np.concatenate(lines)
    found = found[found > 0]
    low = 10.0 ** np.floor(np.log10(max(found.min(), 0.01))) if len(found) else 0.1
    high = 10.0 ** np.ceil(np.log10(max(found.max(), low * 10))) if len(found) else 1.0
    return svg.Scale(float(low), float(high), canvas.bottom + height, canvas.bottom, log=True)


def raised(values: Floats) -> Floats:
    """*values* without the stretches that lie flat on zero: nothing happened, so nothing is drawn."""
    beside = np.maximum(np.append(values[1:], 0), np.append(0, values[:-1]))
    return np.where((values > 0) | (beside > 0), values, np.nan)


def axis(canvas: Canvas, notes: Sequence[Note], phases: Sequence[Span], end: float) -> None:
    """The axis of seconds at *end*, with a stroke for each note and the phases below."""
    canvas.add(svg.rule(canvas.x.start, end, canvas.x.end, end, "axis"))
    for value in canvas.x.ticks(10 if canvas.width > 600 else 5):
        x = canvas.x.at(value)
        label = f"{value:g} s" if value == 0 else f"{value:g}"
        canvas.add(svg.rule(x, end, x, end + 5, "axis"), svg.text(x, end + 18, label, "tick", "middle"))
    for note in notes:
        x = canvas.x.at(note.at_s)
        canvas.add(svg.rule(x, end - 9, x, end, "note"))
    y = end + 38
    for phase in phases:
        left, right = canvas.x.at(phase.from_s), canvas.x.at(phase.to_s)
        canvas.add(svg.rule(left + 1, y - 12, max(right - 1, left + 1), y - 12, "phase"))
        canvas.add(svg.text(left + 1, y + 2, svg.fitted(phase.name, right - left), "legend"))
    canvas.bottom = y + 10 if phases else end + 26


def compact(value: float) -> str:
    """A tick label: 12000 as "12k"."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def short_millis(value: float) -> str:
    """A tick label of a latency given in milliseconds: "10 ms", "1 s"."""
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"
