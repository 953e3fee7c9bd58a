"""Charts as SVG text: scales, lines, areas, bands and the words beside them.

No script and no size in pixels: a drawing has a view box and takes its colours
from the CSS classes of the page, so one drawing serves light, dark and print.
Every word goes through ``markupsafe`` and ``plaintext``; a label cannot become
markup. Coordinates have one decimal, which is finer than any screen shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np
from markupsafe import Markup

from harness.ledger.evidence import Floats
from harness.report.plaintext import one_line

FONT = 12
_LETTER = 0.58
"""Mean width of a letter of the page's sans-serif, in units of its size; a little generous."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps data from ``low`` … ``high`` to ``start`` … ``end`` of the drawing, clipped to it."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where *value* lies in the drawing."""
        return float(self.all(np.array([value]))[0])

    def all(self, values: Floats) -> Floats:
        """Where *values* lie; NaN stays NaN."""
        low, high = self.low, self.high
        clipped = np.clip(values, low, high)
        if self.log:
            clipped, low, high = np.log10(clipped), log10(low), log10(high)
        part = (clipped - low) / ((high - low) or 1.0)
        placed: Floats = self.start + part * (self.end - self.start)
        return placed

    def ticks(self, most: int) -> list[float]:
        """At most about *most* round values between low and high."""
        return _decades(self.low, self.high) if self.log else _round_steps(self.low, self.high, most)


def decimate(xs: Floats, ys: Floats, most: int) -> tuple[Floats, Floats]:
    """At most *most* points of a line: the lowest and highest of each stretch, so no spike is lost.

    Gaps (NaN) inside a stretch close; a stretch of nothing but NaN stays one gap.
    """
    if len(xs) <= most:
        return xs, ys
    kept: list[int] = []
    for stretch in np.array_split(np.arange(len(xs)), max(1, most // 2)):
        part = ys[stretch]
        if np.isnan(part).all():
            kept.append(int(stretch[0]))
            continue
        kept += sorted({int(stretch[np.nanargmin(part)]), int(stretch[np.nanargmax(part)])})
    return xs[kept], ys[kept]


def line(xs: Floats, ys: Floats, css: str) -> Markup:
    """A line through drawing coordinates, interrupted where y is NaN; a lone point shows as a dot."""
    parts = ["M" + "L".join(points) + ("h0" if len(points) == 1 else "") for points in _stretches(xs, ys)]
    return Markup('<path class="{}" d="{}"/>').format(css, "".join(parts))


def area(xs: Floats, ys: Floats, floor_y: float, css: str) -> Markup:
    """The area between a line and *floor_y*."""
    parts = []
    for points in _stretches(xs, ys):
        left, right = points[0].split(" ")[0], points[-1].split(" ")[0]
        parts.append(f"M{left} {floor_y:.1f}L{'L'.join(points)}L{right} {floor_y:.1f}Z")
    return Markup('<path class="{}" d="{}"/>').format(css, "".join(parts))


def boxes(cells: Sequence[tuple[float, float, float, float]], css: str) -> Markup:
    """Many rectangles (x, y, width, height) of one class as one path."""
    path = "".join(f"M{x:.1f} {y:.1f}h{w:.1f}v{h:.1f}h{-w:.1f}z" for x, y, w, h in cells)
    return Markup('<path class="{}" d="{}"/>').format(css, path)


def box(x: float, y: float, width: float, height: float, css: str, fill: str = "") -> Markup:
    """One rectangle; *fill* names a pattern of the same drawing."""
    paint = Markup(' fill="url(#{})"').format(fill) if fill else Markup()
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"{}/>').format(
        css, x, y, max(width, 0.0), height, paint
    )


def rule(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    """A straight line."""
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
        css, x1, y1, x2, y2
    )


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> Markup:
    """Words at a place; *anchor* is start, middle or end."""
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        css, x, y, anchor, one_line(words)
    )


def width_of(words: str, font: float = FONT) -> float:
    """About how wide *words* are drawn."""
    return len(words) * font * _LETTER


def fitted(words: str, width: float, font: float = FONT) -> str:
    """*words*, shortened with an ellipsis when they are wider than *width*; empty when nothing fits."""
    words = one_line(words)
    letters = floor(width / (font * _LETTER))
    if len(words) <= letters:
        return words
    return words[: letters - 1].rstrip() + "…" if letters >= 4 else ""


def hatch(name: str, css: str, kind: int) -> Markup:
    """The definition of one of six patterns, so that nothing is told by colour alone."""
    strokes = (
        "M-2 2L2 -2M0 8L8 0M6 10L10 6",
        "M4 0V8",
        "M0 4H8",
        "M-2 6L2 10M0 0L8 8M6 -2L10 2",
        "M4 0V8M0 4H8",
        "M3 4h2",
    )
    return Markup(
        '<pattern id="{}" width="8" height="8" patternUnits="userSpaceOnUse">'
        '<rect class="{} wash" width="8" height="8"/><path class="{} stroke" d="{}"/></pattern>'
    ).format(name, css, css, strokes[kind % len(strokes)])


def drawing(
    name: str, width: float, height: float, title: str, desc: str, parts: Sequence[Markup], css: str = ""
) -> Markup:
    """A whole SVG with its text alternatives; *name* prefixes its ids and must be unique on the page.

    Its class is *css*, or *name* where none is given.
    """
    return Markup(
        '<svg class="{6}" viewBox="0 0 {1:.0f} {2:.0f}" role="img" aria-labelledby="{0}-title {0}-desc">'
        '<title id="{0}-title">{3}</title><desc id="{0}-desc">{4}</desc>\n{5}\n</svg>'
    ).format(name, width, height, one_line(title), one_line(desc), Markup("\n").join(parts), css or name)


def _stretches(xs: Floats, ys: Floats) -> Iterator[list[str]]:
    here: list[str] = []
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        if y == y:  # noqa: PLR0124 - NaN is the one value that differs from itself
            here.append(f"{x:.1f} {y:.1f}")
        elif here:
            yield here
            here = []
    if here:
        yield here


def _decades(low: float, high: float) -> list[float]:
    return [10.0**power for power in range(ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9) + 1)]


def _round_steps(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / max(1, most)
    if rough <= 0:
        return [low]
    magnitude = 10.0 ** floor(log10(rough))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough * (1 - 1e-9))
    return [index * step for index in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]
