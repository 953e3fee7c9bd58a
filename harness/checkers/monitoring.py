"""The four concerns of whoever operates a pipeline, each measured and held against its budgets.

* ``processing_latency``: from the end of a window to Kafka's append of its result, at p99
  over the windows whose time was up while nothing was disturbed. With an exactly-once sink a
  reader sees the result only after the next checkpoint, which is not in this number.
* ``throughput``: the rate at which records came through the job, into a result or put aside,
  against the rate at which they were produced, from the first record to the last result; and
  how far the job's consumer group was behind when the drain ended.
* ``error_rate``: dead letters and errors of components, per record of the source log; and the share of
  its valid records that came after their window had closed, which are kept aside and in no result.
* ``resource_utilisation``: memory of all nodes together at its peak, and their mean CPU
  while nothing was disturbed.

A number without a budget is shown, not judged. A miss that the harness's own
lateness may have made is UNKNOWN; bad records and memory have no such excuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from harness.checkers.accounts import DEAD, LATE, codes, complete
from harness.checkers.guarantees import sentence
from harness.checkers.timeline import SAMPLES_FOR_P99, Timeline, Window, phases, quantile
from harness.clock import NANOS_PER_SECOND
from harness.findings import Finding
from harness.ledger.evidence import Evidence, Floats, Ints
from harness.model import Budgets, LoadEnded, NotExecuted, Outcome, Phase, PipelinePlanned
from harness.verdict import Kind, Verdict

_NOT_NODES = ("host", "harness")


@dataclass(frozen=True, slots=True)
class Measure:
    """One number beside its budget.

    Args:
        value: None when it cannot be told; ``said`` then says why.
        missed: whether it breaks its budget.
        limit: the budget in words; empty when there is none.
        timed: whether a starved harness may have made it.
        doubt: why a number that keeps its budget may still be too good, if it may.
    """

    value: float | None
    said: str
    missed: bool = False
    limit: str = ""
    timed: bool = True
    doubt: str = ""

    @property
    def judged(self) -> bool:
        """Whether it has a budget."""
        return bool(self.limit)

    def verdict(self, starved: str) -> Verdict:
        """What it says; without a budget, nothing bad."""
        if not self.judged:
            return Verdict.PASS
        if self.missed:
            return Verdict.UNKNOWN if self.timed and starved else Verdict.FAIL
        return Verdict.UNKNOWN if self.value is None or self.doubt else Verdict.PASS


@dataclass(frozen=True, slots=True)
class _Run:
    """What the four concerns are measured on."""

    evidence: Evidence
    planned: PipelinePlanned
    time: Timeline

    @property
    def budgets(self) -> Budgets:
        """What the scenario or the stack asks for."""
        return self.evidence.started.budgets


Measured = tuple[list[Measure], dict[str, int]]
"""The numbers of a concern, and how much evidence they were made from."""


def check(name: str, evidence: Evidence, time: Timeline, *, starved: str) -> Finding | None:
    """The finding of the concern *name*; None without a pipeline, or with neither budget nor number."""
    planned = evidence.last(PipelinePlanned)
    if planned is None:
        return None
    measures, compared = CONCERNS[name](_Run(evidence, planned, time))
    judged = [one for one in measures if one.judged]
    if not judged and all(one.value is None for one in measures):
        return None
    verdict = max((one.verdict(starved) for one in measures), key=lambda each: each.rank)
    if not any(compared.values()):
        verdict = max(verdict, Verdict.UNKNOWN, key=lambda each: each.rank)
    return Finding(
        checker=name,
        kind=Kind.BUDGET,
        verdict=verdict,
        summary=_summary(measures, verdict, starved),
        compared=compared,
        violations=sum(one.missed for one in judged),
        limit=", ".join(one.limit for one in judged) or "no budget: shown, not judged",
    )


def _summary(measures: list[Measure], verdict: Verdict, starved: str) -> str:
    said = "; ".join(one.said for one in measures if one.judged or one.value is not None)
    if verdict is not Verdict.UNKNOWN:
        return sentence([said])
    doubts = [one.doubt for one in measures if one.judged and one.doubt]
    excused = starved if any(one.judged and one.missed and one.timed for one in measures) else ""
    return f"Not proven: {', but '.join(part for part in [said, *doubts, excused] if part)}."


def _at_most(value: float | None, budget: float | None, unit: str) -> tuple[bool, str]:
    limit = "" if budget is None else f"≤ {budget:,g}{unit}"
    return value is not None and budget is not None and value > budget, limit


def _latency(run: _Run) -> Measured:
    budget, results = run.budgets.result_p99_ms, run.evidence.results
    ends_ms = results.window_ms + run.planned.window_ms
    start, end = (_wall_ms(run.evidence, t) for t in run.time.steady)
    # A window that ended just before a fault would be hit by it: its time has to be up before.
    patience = run.planned.out_of_order_ms + (budget or 0.0)
    calm = (ends_ms >= start) & (ends_ms + patience <= end)
    waited = np.maximum(results.appended_ms - ends_ms, 0)[calm]
    p99 = quantile(waited, np.ones_like(waited), 0.99, SAMPLES_FOR_P99)
    missed, limit = _at_most(p99, budget, " ms")
    steady_s = (patience + 2 * run.planned.window_ms) / 1000
    said = f"fewer than {SAMPLES_FOR_P99} results are of undisturbed windows, too few for a p99"
    said += f": hold steady for {steady_s:g} s or longer"
    if p99 is not None:
        said = f"results were appended {p99:,} ms after the end of their window at p99"
    return [Measure(p99, said, missed, limit)], {"results": int(calm.sum())}


def _throughput(run: _Run) -> Measured:
    evidence = run.evidence
    through = int(evidence.results.count.sum()) + len(evidence.placed.offset)
    produced = int(evidence.attempts.count[evidence.attempts.outcome == Outcome.OK].sum())
    compared = {"records through": through, "records produced": produced}
    return [_share(evidence, through, produced), _lag(evidence)], compared


def _share(evidence: Evidence, through: int, produced: int) -> Measure:
    budget = evidence.started.budgets.throughput_share
    limit = "" if budget is None else f"≥ {budget:.0%} of the produced rate"
    ends = [event for event in evidence.events if isinstance(event, LoadEnded)]
    if not (ends and through and produced):
        return Measure(None, "no record is known to have come through", limit=limit)
    first, last = min(end.first_t for end in ends), max(end.last_t for end in ends)
    appended = _instant(evidence, int(evidence.results.appended_ms.max(initial=0)))
    sending, taken = max(last - first, 1), max(appended - first, last - first, 1)
    share = min(through, produced) / produced * sending / taken
    rates = [count * NANOS_PER_SECOND / spent for count, spent in ((through, taken), (produced, sending))]
    missed = budget is not None and share < budget
    said = f"{rates[0]:,.0f} of {rates[1]:,.0f} records per second came through ({share:.1%})"
    doubt = complete(evidence, "results") if missed else ""
    return Measure(share, said, missed and not doubt, limit, doubt=doubt)


def _lag(evidence: Evidence) -> Measure:
    budget = evidence.started.budgets.lag_records
    samples = evidence.samples
    drains = [window for phase, window in phases(evidence) if phase is Phase.DRAIN]
    low, high = drains[-1] if drains else (0, 0)
    whole = np.array([("/" not in str(source)) for source in samples.source], dtype=np.bool_)
    rows = np.flatnonzero((samples.name == "lag_records") & whole & (samples.t >= low) & (samples.t < high))
    if not len(rows):
        _, limit = _at_most(None, budget, " records behind")
        return Measure(None, "how far the job was behind in the end is not known", limit=limit)
    lag = int(samples.value[rows[np.argmax(samples.t[rows])]])
    missed, limit = _at_most(lag, budget, " records behind")
    return Measure(lag, f"the job was {lag:,} records behind when the drain ended", missed, limit)


def _errors(run: _Run) -> Measured:
    failures, samples = _risen(run.evidence, "errors_total")
    compared = {"records": len(run.evidence.inputs.offset), "samples of errors": samples}
    return [_failed(run.evidence, failures, samples), _late(run.evidence)], compared


def _failed(evidence: Evidence, failures: int, samples: int) -> Measure:
    budget = evidence.started.budgets.error_share
    records, dead = len(evidence.inputs.offset), int((evidence.placed.place == DEAD).sum())
    limit = "" if budget is None else f"≤ {budget:.3%} of the records"
    if not records:
        return Measure(None, "no record of the source log was read", limit=limit, timed=False)
    share = (dead + failures) / records
    said = (
        f"{dead:,} dead letters and {failures:,} errors of components for {records:,} records ({share:.3%})"
    )
    hops = [e.part for e in evidence.events if isinstance(e, NotExecuted) and not e.part.startswith("fault:")]
    if hops and not samples:
        said += ", without those of the part that was not executed"
    return _of_records(evidence, share, budget, hop="dead-letters", said=said, limit=limit)


def _late(evidence: Evidence) -> Measure:
    budget, placed = evidence.started.budgets.late_share, evidence.placed
    valid, rows = int((evidence.inputs.flaw == "").sum()), placed.place == LATE
    # A sink without transactions may set one aside twice; it is one record all the same.
    late = len(np.unique(codes(placed.partition[rows], placed.offset[rows])))
    limit = "" if budget is None else f"≤ {budget:.3%} late"
    if not valid:
        return Measure(None, "no valid record of the source log was read", limit=limit, timed=False)
    said = f"{late:,} of {valid:,} valid records were late ({late / valid:.3%})"
    return _of_records(evidence, late / valid, budget, hop="late", said=said, limit=limit)


def _of_records(
    evidence: Evidence, share: float, budget: float | None, *, hop: str, said: str, limit: str
) -> Measure:
    """A share of the source log's records that lie at *hop*; an unread rest of either may change it."""
    too_much = budget is not None and share > budget
    doubt = complete(evidence, "source" if too_much else hop)
    return Measure(share, said, too_much and not doubt, limit, timed=False, doubt=doubt)


def _resources(run: _Run) -> Measured:
    budgets, evidence = run.budgets, run.evidence
    _, memory = _whole_stack(evidence, "rss_mb")
    instants, cpu = _whole_stack(evidence, "cpu_percent")
    calm = cpu[_inside(instants, run.time.steady)]
    peak = float(memory.max()) if len(memory) else None
    mean = float(calm.mean()) if len(calm) else None
    used, too_much = _at_most(peak, budgets.rss_mb, " MB")
    busy, too_busy = _at_most(mean, budgets.cpu_percent, " % CPU")
    told = (
        "memory of the nodes was not measured" if peak is None else f"all nodes took {peak:,.0f} MB at most"
    )
    spent = "their CPU was not" if mean is None else f"{mean:,.0f} % of a core on average while undisturbed"
    measures = [Measure(peak, told, used, too_much, timed=False), Measure(mean, spent, busy, too_busy)]
    return measures, {"samples": len(memory)}


CONCERNS: Mapping[str, Callable[[_Run], Measured]] = {
    "processing_latency": _latency,
    "throughput": _throughput,
    "error_rate": _errors,
    "resource_utilisation": _resources,
}


def _risen(evidence: Evidence, name: str) -> tuple[int, int]:
    """By how much the counters *name* rose in all, and how many samples say so; a fall is a new beginning."""
    samples, risen = evidence.samples, 0.0
    rows = np.flatnonzero(samples.name == name)
    for source in set(samples.source[rows].tolist()):
        own = rows[samples.source[rows] == source]
        steps = np.diff(samples.value[own[np.argsort(samples.t[own], kind="stable")]], prepend=0.0)
        risen += float(steps[steps > 0].sum())
    return round(risen), len(rows)


def _whole_stack(evidence: Evidence, name: str) -> tuple[Ints, Floats]:
    """The sum of *name* over all nodes at each instant at which they were sampled together."""
    samples = evidence.samples
    rows = np.flatnonzero((samples.name == name) & ~np.isin(samples.source.astype(str), _NOT_NODES))
    instants, slots = np.unique(samples.t[rows], return_inverse=True)
    sums: Floats = np.bincount(slots, weights=samples.value[rows], minlength=len(instants)).astype(np.float64)
    return instants, sums


def _inside(instants: Ints, window: Window) -> np.typing.NDArray[np.bool_]:
    return (instants >= window[0]) & (instants < window[1])


def _wall_ms(evidence: Evidence, t: int) -> float:
    """The wall clock at the monotonic instant *t*: Kafka's own times know no other clock.

    It is taken from the label of the run's first event, so a wall clock that is set while a run
    goes on moves what is measured by as much.
    """
    started = evidence.started
    return datetime.fromisoformat(started.wall).timestamp() * 1000 + (t - started.t) / 1e6


def _instant(evidence: Evidence, wall_ms: int) -> int:
    started = evidence.started
    return started.t + round((wall_ms - _wall_ms(evidence, started.t)) * 1e6)
