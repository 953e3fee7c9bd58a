"""Probe samples as lines: chosen by name and source, merged per sample, with a gap wherever nobody knows.

All samples that a probe takes at once carry one instant, so summing over sources
sums what was seen together. A line that is not sampled for a while is
interrupted, never drawn through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.ledger.evidence import Evidence, Floats

_GAP_S = 4.0
"""Samples further apart than this are not joined: a node that was down has no value in between."""

Spans = tuple[tuple[float, float], ...]
Merge = Literal["sum", "max"]


@dataclass(frozen=True, eq=False, slots=True)
class Gauge:
    """One measured quantity over seconds of the run; NaN where nobody knows."""

    at_s: Floats
    value: Floats

    @property
    def known(self) -> bool:
        """Whether there is anything to draw."""
        return bool(np.isfinite(self.value).any())

    @property
    def peak(self) -> float:
        """The highest value; 0 when none is known."""
        return float(np.nanmax(self.value, initial=0.0))


class Gauges:
    """The samples of one run, by quantity."""

    def __init__(self, evidence: Evidence) -> None:
        samples = evidence.samples
        self._names = np.asarray(samples.name, dtype=str)
        self._sources = np.asarray(samples.source, dtype=str)
        self._values = samples.value
        self._at_s = np.maximum((samples.t - evidence.started.t) / 1e9, 0.0)

    def has(self, probe: str) -> bool:
        """Whether *probe* ran at all."""
        return bool((self._names == f"{probe}_ok").any())

    def sources(self, name: str) -> list[str]:
        """Everything that *name* was measured of, in the order of first sight."""
        return list(dict.fromkeys(self._sources[self._names == name].tolist()))

    def line(self, name: str, of: str | Callable[[str], bool], merge: Merge = "sum") -> Gauge:
        """*name* of one source, or merged over all that *of* chooses."""
        chosen = (self._names == name) & np.isfinite(self._values)
        wanted = [s for s in self.sources(name) if (s == of if isinstance(of, str) else of(s))]
        chosen &= np.isin(self._sources, wanted)
        at_s, slots = np.unique(self._at_s[chosen], return_inverse=True)
        value = np.zeros(len(at_s)) if merge == "sum" else np.full(len(at_s), -np.inf)
        (np.add if merge == "sum" else np.maximum).at(value, slots, self._values[chosen])
        return _interrupted(Gauge(at_s, value))

    def silent(self, probe: str) -> Spans:
        """The stretches in which *probe* got no answer, each up to its next sample."""
        chosen = self._names == f"{probe}_ok"
        order = np.argsort(self._at_s[chosen], kind="stable")
        at_s, ok = self._at_s[chosen][order], self._values[chosen][order] > 0
        ends = np.append(at_s[1:], at_s[-1:] + 1.0)
        edges = np.flatnonzero(np.diff(np.concatenate(([1], ok.astype(np.int8), [1]))))
        return tuple(
            (float(at_s[a]), float(ends[b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)
        )

    def rises(self, name: str, of: str | Callable[[str], bool]) -> Floats:
        """The instants at which the counter *name* was higher than before; one that falls began anew."""
        counted = self.line(name, of)
        known = np.isfinite(counted.value)
        at_s, value = counted.at_s[known], counted.value[known]
        rose: npt.NDArray[np.bool_] = np.diff(value, prepend=value[:1]) > 0
        return at_s[rose]


def _interrupted(gauge: Gauge) -> Gauge:
    """*gauge* with a NaN in every hole."""
    holes = np.flatnonzero(np.diff(gauge.at_s) > _GAP_S)
    at_s = np.insert(gauge.at_s, holes + 1, gauge.at_s[holes] + 0.001)
    return Gauge(at_s, np.insert(gauge.value, holes + 1, np.nan))
