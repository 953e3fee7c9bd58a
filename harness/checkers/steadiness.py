"""When the load as a whole was as good again as before the first fault, and stayed so.

The baseline is the undisturbed part of the steady phase. A baseline that is
itself unstable (its halves differ by more than the tolerance) gives no answer.
Invariant: a bucket is one second of *intended* instants; a record counts in
the second in which it was due, so a backlog that drains late cannot fill it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.checkers.timeline import LATE_FLOOR_NS, Timeline, Window
from harness.clock import NANOS_PER_SECOND
from harness.findings import Unavailability
from harness.ledger.evidence import Evidence, Ints

WINDOW_S = 3
STEP_NS = NANOS_PER_SECOND // 4
ENOUGH = 0.9
SLOW_SHARE = 0.01
SLOW_FLOOR_NS = LATE_FLOOR_NS // 4
SLOW_FACTOR = 3
"""Without a latency budget, steady means a p99 within three times the baseline's, at least 250 ms."""


@dataclass(frozen=True, eq=False, slots=True)
class Flow:
    """Running sums over the attempts in the order of ``intended``, each with a leading zero."""

    intended: Ints
    all: Ints
    ok: Ints
    slow: Ints
    largest: int

    def between(self, sums: Ints, start: Ints, end: Ints) -> Ints:
        """The sum of what was intended in each half-open [start, end)."""
        low, high = np.searchsorted(self.intended, start), np.searchsorted(self.intended, end)
        return sums[high] - sums[low]


def steady_after(
    evidence: Evidence,
    time: Timeline,
    outages: tuple[Unavailability, ...],
    healed: int | None,
    until: int,
) -> int | None:
    """Nanoseconds from *healed* to the first sustained steady window before *until*, or None."""
    flow = _flow(time, _slow_after(evidence, time))
    rate = _baseline_rate(flow, time.steady)
    if healed is None or rate is None:
        return None
    starts = np.arange(healed, until - WINDOW_S * NANOS_PER_SECOND + 1, STEP_NS, dtype=np.int64)
    good = np.ones(len(starts), np.bool_)
    for second in range(WINDOW_S):
        good &= _good(flow, starts + second * NANOS_PER_SECOND, rate)
    for outage in outages:
        good &= ~_meets(starts, evidence, outage)
    first = np.flatnonzero(good)
    return int(starts[first[0]]) - healed if len(first) else None


def _good(flow: Flow, start: Ints, rate: float) -> np.typing.NDArray[np.bool_]:
    end = start + NANOS_PER_SECOND
    due, ok, slow = (flow.between(sums, start, end) for sums in (flow.all, flow.ok, flow.slow))
    # Where a second begins between two batches is chance: one batch more or less is no change of rate.
    return (due > 0) & (ok >= ENOUGH * rate - flow.largest) & (slow <= SLOW_SHARE * due)


def _meets(starts: Ints, evidence: Evidence, outage: Unavailability) -> np.typing.NDArray[np.bool_]:
    zero = evidence.started.t
    low, high = (zero + round(edge * NANOS_PER_SECOND) for edge in (outage.from_s, outage.to_s))
    return (starts < high) & (starts + WINDOW_S * NANOS_PER_SECOND > low)


def _slow_after(evidence: Evidence, time: Timeline) -> int:
    budget = evidence.started.budgets.latency_p99_ms
    if budget is not None:
        return round(budget * 1e6)
    return max(SLOW_FLOOR_NS, SLOW_FACTOR * (time.steady_p99 or 0))


def _flow(time: Timeline, slow_after: int) -> Flow:
    slow = ~time.ok | (time.done - time.intended > slow_after)
    return Flow(
        intended=time.intended,
        all=_running(time.count),
        ok=_running(np.where(time.ok, time.count, 0)),
        slow=_running(np.where(slow, time.count, 0)),
        largest=int(time.count.max(initial=0)),
    )


def _running(values: Ints) -> Ints:
    return np.concatenate(([0], np.cumsum(values)))


def _baseline_rate(flow: Flow, steady: Window) -> float | None:
    """Records per second that ended ok in the baseline; None when it is empty or unstable."""
    start, end = steady
    if end - start < 2 * NANOS_PER_SECOND:
        return None
    middle = (start + end) // 2
    halves = flow.between(flow.ok, np.asarray([start, middle]), np.asarray([middle, end])).tolist()
    if not sum(halves) or min(halves) < ENOUGH * max(halves) - flow.largest:
        return None
    return float(sum(halves)) * NANOS_PER_SECOND / (end - start)
