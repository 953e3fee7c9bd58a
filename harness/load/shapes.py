"""The shapes of a load: pure functions from seconds to a multiplier of the planned rate.

A shape is a curve of straight pieces. So its area (how much load was due up to an
instant) and the inverse (when a given amount is due) are exact formulas, and an
open-loop schedule needs no counting in small steps and accumulates no error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from harness.model import Frozen
from harness.seeds import stream

Floats = npt.NDArray[np.float64]
Knot = tuple[float, float]

_SINE_PIECES = 64
_BURST_WINDOWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A multiplier over time, straight between knots; ``areas`` is its integral up to each knot.

    After the last knot it repeats from the first, or stays at the last level.
    """

    times: Floats
    levels: Floats
    areas: Floats
    repeats: bool

    @classmethod
    def through(cls, knots: list[Knot], *, repeats: bool) -> Curve:
        """The curve through (seconds, multiplier) *knots*; the first is at 0, two at one time are a jump."""
        times, levels = np.asarray(knots, dtype=np.float64).T
        pieces = np.diff(times) * (levels[1:] + levels[:-1]) / 2
        return cls(times, levels, np.concatenate(([0.0], np.cumsum(pieces))), repeats)

    def multiplier(self, seconds: Floats) -> Floats:
        """The multiplier at each of *seconds* since the start."""
        if self.repeats:
            seconds = np.mod(seconds, self.times[-1])
        piece, slope = self._pieces(np.searchsorted(self.times, seconds, side="right") - 1)
        level: Floats = self.levels[piece] + slope * (seconds - self.times[piece])
        return level

    def area(self, seconds: Floats) -> Floats:
        """The integral of the multiplier up to each of *seconds*: seconds of load at multiplier 1."""
        rounds = np.floor(seconds / self.times[-1]) if self.repeats else np.zeros_like(seconds)
        seconds = seconds - rounds * self.times[-1]
        piece, slope = self._pieces(np.searchsorted(self.times, seconds, side="right") - 1)
        inside = seconds - self.times[piece]
        whole: Floats = rounds * self.areas[-1] + self.areas[piece]
        return whole + self.levels[piece] * inside + slope * inside**2 / 2

    def when(self, area: Floats) -> Floats:
        """The seconds at which each *area* is reached, infinity where it never is; inverse of ``area``."""
        rounds = np.floor(area / self.areas[-1]) if self.repeats else np.zeros_like(area)
        area = area - rounds * self.areas[-1]
        piece, slope = self._pieces(np.searchsorted(self.areas, area, side="right") - 1)
        level, left = self.levels[piece], area - self.areas[piece]
        # The root of slope/2·x² + level·x = left, in the form that cancels nothing when slope is small.
        sink = level + np.sqrt(np.maximum(level**2 + 2 * slope * left, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.where(left > 0, 2 * left / sink, 0.0)
        seconds: Floats = rounds * self.times[-1] + self.times[piece] + inside
        return seconds

    def _pieces(self, piece: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], Floats]:
        """The pieces, and their slopes; the one behind the last knot is level."""
        steps, rises = np.diff(self.times), np.diff(self.levels)
        slopes = np.divide(rises, steps, out=np.zeros_like(rises), where=steps > 0)
        return piece, np.append(slopes, 0.0)[piece]


class Constant(Frozen):
    """The planned rate, always."""

    kind: Literal["constant"] = "constant"

    def curve(self) -> Curve:
        """A level line at 1."""
        return Curve.through([(0, 1), (1, 1)], repeats=False)


class Ramp(Frozen):
    """From multiplier ``low`` to ``high`` within ``seconds``, then ``high``."""

    kind: Literal["ramp"] = "ramp"
    low: float = Field(default=0.0, ge=0)
    high: float = Field(default=1.0, gt=0)
    seconds: float = Field(gt=0)

    def curve(self) -> Curve:
        """One rising (or falling) piece."""
        return Curve.through([(0, self.low), (self.seconds, self.high)], repeats=False)


class Steps(Frozen):
    """Each of ``levels`` for ``seconds``, again and again."""

    kind: Literal["steps"] = "steps"
    levels: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1)
    seconds: float = Field(gt=0)

    def curve(self) -> Curve:
        """Level pieces with jumps between."""
        edges = [(index * self.seconds, (index + 1) * self.seconds) for index in range(len(self.levels))]
        knots = [(at, level) for pair, level in zip(edges, self.levels, strict=True) for at in pair]
        return Curve.through(knots, repeats=True)


class Sine(Frozen):
    """Between ``low`` and ``high`` and back within ``seconds``, starting in the middle, going up."""

    kind: Literal["sine"] = "sine"
    low: float = Field(ge=0)
    high: float = Field(gt=0)
    seconds: float = Field(gt=0)

    def curve(self) -> Curve:
        """The wave in straight pieces, close to it within 0.13 % of its height."""
        middle, swing = (self.high + self.low) / 2, (self.high - self.low) / 2
        turns = [index / _SINE_PIECES for index in range(_SINE_PIECES + 1)]
        knots = [(turn * self.seconds, middle + swing * math.sin(math.tau * turn)) for turn in turns]
        return Curve.through(knots, repeats=True)


class Burst(Frozen):
    """The planned rate, and ``factor`` times it for ``seconds`` once in every ``every`` seconds.

    Where in its window a burst falls is drawn from ``seed``; after 64 windows the pattern repeats.
    """

    kind: Literal["burst"] = "burst"
    factor: float = Field(gt=0)
    seconds: float = Field(gt=0)
    every: float = Field(gt=0)
    seed: int = 0

    def curve(self) -> Curve:
        """Level pieces with jumps up and down."""
        draw = stream(self.seed, "load/burst")
        length = min(self.seconds, self.every)
        knots: list[Knot] = [(0, 1)]
        for window in range(_BURST_WINDOWS):
            begin = window * self.every + draw.random() * (self.every - length)
            knots += [(begin, 1), (begin, self.factor), (begin + length, self.factor), (begin + length, 1)]
        return Curve.through([*knots, (_BURST_WINDOWS * self.every, 1)], repeats=True)


Shape = Annotated[Constant | Ramp | Steps | Sine | Burst, Field(discriminator="kind")]
