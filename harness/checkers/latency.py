"""Latency from the intended instant to the outcome: per phase, and before, during and after each fault.

Quantiles weigh each batch by its records. The number of *batches* decides
whether a quantile can be told at all: the records of a batch share one
measurement. Attempts without an answer are kept, censored: they rank above
every answer and show the longest wait of the run as their lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from harness.checkers.disturbances import Disturbance
from harness.checkers.load import timed_verdict
from harness.checkers.timeline import (
    SAMPLES_FOR_P50,
    SAMPLES_FOR_P99,
    SAMPLES_FOR_P999,
    Mask,
    Timeline,
    Window,
    millis,
    phases,
    quantile,
)
from harness.clock import NANOS_PER_SECOND
from harness.findings import Finding, LatencyRow
from harness.ledger.evidence import Evidence, Ints
from harness.verdict import Kind

BEFORE_S = 10
"""How far "before" reaches back from a fault's injection."""

_MOVING = ("steady", "disturb", "recover", "drain")


def rows(evidence: Evidence, time: Timeline) -> dict[str, LatencyRow]:
    """Latency by name: the phases that saw attempts, "before", "during", "after", and each fault's own.

    A phase that was entered several times is one row. The fault's own rows are named
    "1. NAME: before", "… during", "… after" and exist when there is more than one fault.
    """
    found = {name: _row(time, _intended_in(time, _windows(evidence, name))) for name in _MOVING}
    spans = [(fault, _around(time, fault)) for fault in time.faults if fault.injected_t is not None]
    for index, moment in enumerate(("before", "during", "after")):
        masks = [around[index] for _, around in spans]
        found[moment] = _row(time, np.logical_or.reduce(masks) if masks else np.zeros(len(time.ok), np.bool_))
        if len(spans) > 1:
            found |= {f"{fault.label}: {moment}": _row(time, around[index]) for fault, around in spans}
    return {name: row for name, row in found.items() if row.count}


def check(evidence: Evidence, time: Timeline, *, starved: str) -> Finding | None:
    """Hold the steady p99 against its budget; None without a budget.

    *starved* says how the harness itself was late, if it was: then a miss is UNKNOWN.
    """
    budget = evidence.started.budgets.latency_p99_ms
    if budget is None:
        return None
    attempts = time.within(time.steady)
    measured = millis(time.steady_p99)
    missed = measured is not None and measured > budget
    return Finding(
        checker="latency_p99",
        kind=Kind.BUDGET,
        verdict=timed_verdict(known=measured is not None, missed=missed, starved=starved),
        summary=_summary(measured, budget, starved if missed else ""),
        compared={"batches": attempts.stop - attempts.start},
        violations=int(missed),
        limit=f"≤ {budget:g} ms",
    )


def _summary(measured: float | None, budget: float, starved: str) -> str:
    if measured is None:
        return f"Not proven: the steady phase has fewer than {SAMPLES_FOR_P99} batches, too few for a p99."
    said = f"Steady p99 is {measured:,.1f} ms against a budget of {budget:g} ms"
    return f"Not proven: {said}, but {starved}." if starved else f"{said}."


def _around(time: Timeline, fault: Disturbance) -> tuple[Mask, Mask, Mask]:
    """The attempts before, during and after a fault; "after" ends where the next fault begins.

    What was sent before and still waited when the fault struck was hit by it: it counts as during.
    """
    start = fault.injected_t or 0
    end = fault.healed_t or time.end
    others = [other for other in time.faults if other is not fault and other.injected_t is not None]
    following = min((t for o in others if (t := o.injected_t or 0) >= end), default=time.end)
    healed_before = max((t for o in others if (t := o.healed_t or 0) <= start), default=0)
    earlier = _intended_in(time, [(max(healed_before, start - BEFORE_S * NANOS_PER_SECOND), start)])
    hit = earlier & (time.done > start)
    during = _intended_in(time, [(start, end)]) | hit
    return earlier & ~hit, during, _intended_in(time, [(end, max(end, following))])


def _windows(evidence: Evidence, name: str) -> list[Window]:
    return [window for phase, window in phases(evidence) if phase == name]


def _intended_in(time: Timeline, windows: Iterable[Window]) -> Mask:
    chosen = np.zeros(len(time.intended), np.bool_)
    for window in windows:
        chosen[time.within(window)] = True
    return chosen


def _row(time: Timeline, chosen: Mask) -> LatencyRow:
    waited, count = time.waited[chosen], time.count[chosen]
    return LatencyRow(
        count=int(count.sum()),
        p50_ms=_millis_at(waited, count, 0.5, SAMPLES_FOR_P50),
        p99_ms=_millis_at(waited, count, 0.99, SAMPLES_FOR_P99),
        p999_ms=_millis_at(waited, count, 0.999, SAMPLES_FOR_P999),
        max_ms=millis(int(waited.max())) if len(waited) else None,
        censored=int(count[~time.ok[chosen]].sum()),
    )


def _millis_at(waited: Ints, count: Ints, share: float, samples: int) -> float | None:
    return millis(quantile(waited, count, share, samples))
