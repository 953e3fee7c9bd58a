"""Time series for the timeline: the ledger's rows gathered into buckets of equal width.

Everything here is arithmetic on columns; nothing is judged. A record is counted
where the plan intended it, except the acknowledged rate, which shows when
acknowledgements arrived. Latency quantiles are weighted by records, and records
without a good outcome stay in at the latency they had when they were given up.
Instants are seconds of the run; an instant outside the run counts at its edge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

import numpy as np

from harness.findings import Unavailability
from harness.ledger.evidence import Attempts, Evidence, Floats, Ints
from harness.model import Outcome

_WIDTHS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_MOST_BUCKETS = 720
_ROWS_PER_BUCKET = 20
_LANE_CELLS = 180
_MOST_LANES = 32
_MOST_GAUGES = 4
LANE_LIMITS_MS = (10.0, 100.0, 1_000.0, 10_000.0)
"""A lane cell of class c is the c-th interval of these limits; the class after them is "not acknowledged"."""
LANE_TROUBLE = len(LANE_LIMITS_MS) + 2


@dataclass(frozen=True, eq=False, slots=True)
class Lanes:
    """Per partition (row) and cell of ``cell_s`` (column): 0 no record, else 1 + class, worst record first.

    ``left_out`` counts partitions that are not shown; the most troubled ones are.
    """

    partitions: tuple[int, ...]
    cell_s: float
    classes: Ints
    left_out: int


@dataclass(frozen=True, eq=False, slots=True)
class Gauge:
    """One probe of the harness itself over time, in the unit its name ends in."""

    name: str
    at_s: Floats
    value: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Series:
    """All lines of the timeline. Rates are records per second, latencies milliseconds (NaN: no record)."""

    end_s: float
    bucket_s: float
    at_s: Floats
    """The middle of each bucket."""
    attempted: Floats
    acknowledged: Floats
    troubled: Floats
    p50_ms: Floats
    p99_ms: Floats
    worst_ms: Floats
    send_error_ms: Floats
    load_s: tuple[float, float]
    """From the first to the last intended instant."""
    lanes: Lanes
    gauges: tuple[Gauge, ...]


def gather(evidence: Evidence, duration_s: float) -> Series | None:
    """The series of a run of *duration_s*, or None when no attempt was recorded."""
    attempts = evidence.attempts
    if attempts.rows == 0:
        return None
    end_s = max(duration_s, 1.0)
    width = bucket_width(end_s, attempts.rows)
    buckets = ceil(end_s / width - 1e-9)
    zero = evidence.started.t
    intended = _slots(attempts.t_intended, zero, width, buckets)
    done = _slots(attempts.t_done, zero, width, buckets)
    good = attempts.outcome == Outcome.OK
    late = _millis(attempts.t_done - attempts.t_intended)
    late_send = _millis(attempts.t_sent - attempts.t_intended)
    return Series(
        end_s=end_s,
        bucket_s=width,
        at_s=np.linspace(width / 2, (buckets - 0.5) * width, buckets, dtype=np.float64),
        attempted=_rates(intended, attempts.count, buckets, width),
        acknowledged=_rates(done[good], attempts.count[good], buckets, width),
        troubled=_rates(intended[~good], attempts.count[~good], buckets, width),
        p50_ms=quantile_per_bucket(intended, late, attempts.count, buckets, 0.5),
        p99_ms=quantile_per_bucket(intended, late, attempts.count, buckets, 0.99),
        worst_ms=quantile_per_bucket(intended, late, attempts.count, buckets, 1.0),
        send_error_ms=quantile_per_bucket(intended, late_send, attempts.count, buckets, 0.99),
        load_s=_span(attempts.t_intended, zero, end_s),
        lanes=_lanes(attempts, late, zero, end_s),
        gauges=_gauges(evidence, end_s),
    )


def bucket_width(end_s: float, rows: int) -> float:
    """A bucket's width in seconds: one second or finer as long as each holds some rows and all fit."""
    widest_useful = min(1.0, _ROWS_PER_BUCKET * end_s / rows)
    fitting = (w for w in _WIDTHS_S if w >= widest_useful and end_s / w <= _MOST_BUCKETS)
    return next(fitting, end_s / _MOST_BUCKETS)


def quantile_per_bucket(slots: Ints, values: Floats, weights: Ints, buckets: int, quantile: float) -> Floats:
    """The weighted *quantile* of *values* in each bucket, NaN where a bucket is empty.

    It is the smallest value with at least that share of the weight at or below it.
    """
    order = np.lexsort((values, slots))
    sorted_values, reached = values[order], np.cumsum(weights[order])
    total = np.bincount(slots, weights=weights, minlength=buckets)
    before = np.cumsum(total) - total
    needed = before + np.maximum(np.ceil(total * quantile - 1e-9), 1)
    found = np.minimum(np.searchsorted(reached, needed), len(values) - 1)
    return np.where(total > 0, sorted_values[found], np.nan)


def unavailable_steps(windows: Iterable[Unavailability]) -> list[tuple[float, int]]:
    """How many partitions are unavailable from each instant on; overlaps of one partition count once."""
    marks = [mark for w in windows for mark in ((w.from_s, 1, w.partition), (w.to_s, -1, w.partition))]
    open_windows: dict[int, int] = {}
    steps: dict[float, int] = {}
    for at, change, partition in sorted(marks):
        open_windows[partition] = open_windows.get(partition, 0) + change
        steps[at] = sum(depth > 0 for depth in open_windows.values())
    return sorted(steps.items())


def _slots(instants: Ints, zero: int, width: float, buckets: int) -> Ints:
    slots = ((instants - zero) / (width * 1e9)).astype(np.int64)
    return np.clip(slots, 0, buckets - 1)


def _rates(slots: Ints, counts: Ints, buckets: int, width: float) -> Floats:
    return np.bincount(slots, weights=counts, minlength=buckets) / width


def _millis(nanos: Ints) -> Floats:
    return np.maximum(nanos, 0) / 1e6


def _span(instants: Ints, zero: int, end_s: float) -> tuple[float, float]:
    low, high = ((int(edge) - zero) / 1e9 for edge in (instants.min(), instants.max()))
    return min(max(low, 0.0), end_s), min(max(high, 0.0), end_s)


def _lanes(attempts: Attempts, late_ms: Floats, zero: int, end_s: float) -> Lanes:
    partitions, lane = np.unique(attempts.partition, return_inverse=True)
    # A cell that rarely holds a batch would make a calm partition look like a bar code.
    cells = max(1, min(_LANE_CELLS, attempts.rows // (2 * len(partitions))))
    cell_s = end_s / cells
    classes = np.zeros((len(partitions), cells), dtype=np.int64)
    worst = 1 + np.searchsorted(LANE_LIMITS_MS, late_ms, side="right")
    worst[attempts.outcome != Outcome.OK] = LANE_TROUBLE
    np.maximum.at(classes, (lane, _slots(attempts.t_intended, zero, cell_s, cells)), worst)
    shown = np.sort(np.argsort(-classes.sum(axis=1), kind="stable")[:_MOST_LANES])
    names = tuple(int(p) for p in partitions[shown])
    return Lanes(names, cell_s, classes[shown], len(partitions) - len(shown))


def _gauges(evidence: Evidence, end_s: float) -> tuple[Gauge, ...]:
    samples = evidence.samples
    own = samples.source == "harness"
    names = sorted({str(name) for name in samples.name[own]})
    found = []
    for name in names[:_MOST_GAUGES]:
        chosen = own & (samples.name == name) & np.isfinite(samples.value)
        at = np.clip((samples.t[chosen] - evidence.started.t) / 1e9, 0, end_s)
        order = np.argsort(at, kind="stable")
        found.append(Gauge(name, at[order], samples.value[chosen][order]))
    return tuple(gauge for gauge in found if len(gauge.at_s))
