"""The attempts as they were meant to happen: by intended instant, with what was late or lost.

Everything about time is measured from the intended instant (open loop), so a
stalled client cannot hide a stall. An attempt that did not end ``ok`` never got
an answer: it counts as later than every answer of the run, never as dropped.

Invariant: the columns are ordered by ``intended``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from harness.checkers.disturbances import Disturbance, disturbances
from harness.clock import NANOS_PER_SECOND
from harness.ledger.evidence import Evidence, Ints
from harness.model import Outcome, Phase, PhaseEntered, RunEnded

Mask = npt.NDArray[np.bool_]
Window = tuple[int, int]

LATE_FLOOR_NS = NANOS_PER_SECOND
LATE_FACTOR = 10
"""An attempt is late beyond ten times the steady p99, and never below one second:
faster hiccups are latency, which has a budget of its own, not unavailability."""

SAMPLES_FOR_P99 = 299
SAMPLES_FOR_P999 = 2_995
SAMPLES_FOR_P50 = 5
"""The least n with 1 - q^n ≥ 0.95: fewer samples give no one-sided 95 % bound on the quantile."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """The attempts of a run in the order of their intended instants; instants in nanoseconds."""

    partition: Ints
    count: Ints
    intended: Ints
    sent: Ints
    done: Ints
    ok: Mask
    steady: Window
    """The undisturbed baseline: the steady phase, up to the first attempt that a fault can have delayed."""
    faults: tuple[Disturbance, ...]
    end: int

    @cached_property
    def waited(self) -> Ints:
        """Nanoseconds from the intended instant to the outcome; censored ones the run's longest."""
        took = self.done - self.intended
        longest = int(took.max(initial=0))
        return np.where(self.ok, took, longest)

    @cached_property
    def steady_p99(self) -> int | None:
        """The p99 of the baseline in nanoseconds; None without enough attempts."""
        return _p99(self, self.within(self.steady))

    @cached_property
    def late_after(self) -> int:
        """Beyond how many nanoseconds an attempt is late."""
        return lateness(self, self.within(self.steady))

    @cached_property
    def bad(self) -> Mask:
        """Which attempts failed, were never answered, or were late."""
        return ~self.ok | (self.done - self.intended > self.late_after)

    def within(self, window: Window) -> slice:
        """The rows intended in the half-open *window*."""
        low, high = np.searchsorted(self.intended, window)
        return slice(int(low), int(high))

    def partitions(self) -> list[int]:
        """Every partition that was attempted, ascending."""
        return [int(p) for p in np.unique(self.partition)]


def timeline(evidence: Evidence) -> Timeline:
    """The attempts of *evidence* by intended instant."""
    attempts = evidence.attempts
    order = np.argsort(attempts.t_intended, kind="stable")
    faults = disturbances(evidence)
    intended, done = attempts.t_intended[order], attempts.t_done[order]
    return Timeline(
        partition=attempts.partition[order],
        count=attempts.count[order],
        intended=intended,
        sent=attempts.t_sent[order],
        done=done,
        ok=attempts.outcome[order] == Outcome.OK,
        steady=_untouched(_baseline(evidence, faults), intended, done),
        faults=faults,
        end=_end(evidence),
    )


def lateness(time: Timeline, rows: slice) -> int:
    """Beyond how many nanoseconds an attempt is late, by the p99 of *rows*."""
    return max(LATE_FLOOR_NS, LATE_FACTOR * (_p99(time, rows) or 0))


def _p99(time: Timeline, rows: slice) -> int | None:
    return quantile(time.waited[rows], time.count[rows], 0.99, SAMPLES_FOR_P99)


def phases(evidence: Evidence) -> list[tuple[Phase, Window]]:
    """Every phase with its window, in order; the last one reaches to the end of the run.

    A run whose harness died at once has none.
    """
    entered = [event for event in evidence.events if isinstance(event, PhaseEntered)]
    ends = [event.t for event in entered[1:]] + [_end(evidence)] * bool(entered)
    return [(event.phase, (event.t, end)) for event, end in zip(entered, ends, strict=True)]


def quantile(values: Ints, weights: Ints, share: float, samples: int) -> int | None:
    """The weighted quantile of *values*, or None with fewer than *samples* of them."""
    if len(values) < samples or not int(weights.sum()):
        return None
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return int(values[order][np.searchsorted(reached, share * reached[-1])])


def millis(nanos: int | None) -> float | None:
    """Nanoseconds as milliseconds, to the microsecond."""
    return None if nanos is None else round(nanos / 1e6, 3)


def _baseline(evidence: Evidence, faults: tuple[Disturbance, ...]) -> Window:
    hits = [fault.injected_t for fault in faults if fault.injected_t is not None]
    first_hit = min(hits, default=_end(evidence))
    steady = [window for phase, window in phases(evidence) if phase is Phase.STEADY]
    start, end = steady[0] if steady else (evidence.started.t, first_hit)
    return start, max(start, min(end, first_hit))


def _untouched(window: Window, intended: Ints, done: Ints) -> Window:
    """*window* without what was under way at its end: what the fault then delays is no measure of the calm.

    An attempt that was late by then was late without the fault, and stays.
    """
    start, end = window
    under_way = (intended > end - LATE_FLOOR_NS) & (intended < end) & (done > end)
    return start, max(start, int(intended[under_way].min(initial=end)))


def _end(evidence: Evidence) -> int:
    """The run's last instant: its own end, or for a run that died the last thing known of it."""
    ended = evidence.last(RunEnded)
    if ended:
        return ended.t
    done = int(evidence.attempts.t_done.max(initial=0))
    return max(done, *(event.t for event in evidence.events), *(entry.t for entry in evidence.journal), 0)
