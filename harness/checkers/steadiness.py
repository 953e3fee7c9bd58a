"""When the load as a whole was as good again as before the first fault, and stayed so.

The baseline is the undisturbed part of the steady phase. A baseline that is
itself unstable (its halves differ by more than the tolerance), or hardly there
(shorter than two seconds, or without a record), gives no answer; ``instability``
says so, and then no recovery of the run is a number.

Behind a job that takes checkpoints the window is at least as long as their
interval: transactions are committed once in it, so less of it shows half a cycle.
Invariant: a bucket is one second of *intended* instants; a record counts in
the second in which it was due, so a backlog that drains late cannot fill it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.checkers.timeline import LATE_FLOOR_NS, Timeline, Window, lateness
from harness.clock import NANOS_PER_SECOND
from harness.durations import milliseconds
from harness.findings import Unavailability
from harness.ledger.evidence import Evidence, Ints
from harness.model import EnvironmentSeen, PipelinePlanned

WINDOW_S = 3
SHORTEST_BASELINE_S = 2
CHECKPOINTS = ("flink.execution.checkpointing.interval", "flink.execution.checkpointing.min-pause")
"""As ``EnvironmentSeen.effective`` names them; the longer one is the least time between two checkpoints."""
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
    window = window_s(evidence)
    starts = np.arange(healed, until - window * NANOS_PER_SECOND + 1, STEP_NS, dtype=np.int64)
    good = np.ones(len(starts), np.bool_)
    for second in range(window):
        good &= _good(flow, starts + second * NANOS_PER_SECOND, rate)
    for outage in outages:
        good &= ~_meets(starts, window, evidence, outage)
    first = np.flatnonzero(good)
    return int(starts[first[0]]) - healed if len(first) else None


def window_s(evidence: Evidence) -> int:
    """How many seconds in a row have to be good, by the configuration that the run found."""
    seen = evidence.last(EnvironmentSeen)
    if seen is None or evidence.last(PipelinePlanned) is None or not seen.effective.get(CHECKPOINTS[0]):
        return WINDOW_S
    between_ms = max(milliseconds(seen.effective.get(name, "")) or 0 for name in CHECKPOINTS)
    return max(WINDOW_S, math.ceil(between_ms / 1000))


def instability(time: Timeline, apart: float) -> str:
    """Why the undisturbed baseline is none, or how its halves differ, in words; empty when they agree.

    They differ when one half was served less than 90 % as well as the other, or when what would count as
    late, measured in each alone, is *apart* times as much. A load whose plan changes is not unstable.
    """
    start, end = time.steady
    middle = (start + end) // 2
    if end - start < SHORTEST_BASELINE_S * NANOS_PER_SECOND:
        lasted = f"{(end - start) / NANOS_PER_SECOND:.1f} s"
        return f"the baseline is too short: {lasted} undisturbed, at least {SHORTEST_BASELINE_S} s are needed"
    if not time.count[time.within(time.steady)].sum():
        return "the baseline is empty: nothing was sent before the first fault"
    halves = [time.within((start, middle)), time.within((middle, end))]
    served = [_served(time, half) for half in halves]
    if min(served) < ENOUGH * max(served):
        return f"the baseline is unstable: {served[0]:.0%} and {served[1]:.0%} served in its halves"
    late = [lateness(time, half) for half in halves]
    if max(late) > apart * min(late):
        first, second = (each / NANOS_PER_SECOND for each in late)
        return f"the baseline is unstable: late is {first:.1f} s and {second:.1f} s by its halves"
    return ""


def _served(time: Timeline, half: slice) -> float:
    """Which share of the records due in *half* ended well and in time."""
    due = time.count[half]
    return float(due[~time.bad[half]].sum()) / max(1, int(due.sum())) if len(due) else 1.0


def _good(flow: Flow, start: Ints, rate: float) -> np.typing.NDArray[np.bool_]:
    end = start + NANOS_PER_SECOND
    due, ok, slow = (flow.between(sums, start, end) for sums in (flow.all, flow.ok, flow.slow))
    # Where a second begins between two batches is chance: one batch more or less is no change of rate.
    return (due > 0) & (ok >= ENOUGH * rate - flow.largest) & (slow <= SLOW_SHARE * due)


def _meets(
    starts: Ints, window: int, evidence: Evidence, outage: Unavailability
) -> np.typing.NDArray[np.bool_]:
    zero = evidence.started.t
    low, high = (zero + round(edge * NANOS_PER_SECOND) for edge in (outage.from_s, outage.to_s))
    return (starts < high) & (starts + window * NANOS_PER_SECOND > low)


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
    if end - start < SHORTEST_BASELINE_S * NANOS_PER_SECOND:
        return None
    middle = (start + end) // 2
    halves = flow.between(flow.ok, np.asarray([start, middle]), np.asarray([middle, end])).tolist()
    if not sum(halves) or min(halves) < ENOUGH * max(halves) - flow.largest:
        return None
    return float(sum(halves)) * NANOS_PER_SECOND / (end - start)
