"""The four concerns of a pipeline on runs whose numbers are known by construction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checkers.compose import judge
from harness.checkers.load import starvation
from harness.checkers.monitoring import CONCERNS, check
from harness.checkers.timeline import timeline
from harness.findings import Finding
from harness.ledger import schema
from harness.ledger.evidence import Evidence, Inputs, Placed, Results, Samples, empty
from harness.model import Budgets, Event, HopRead, NotExecuted, Outcome, Phase, PipelinePlanned
from harness.tests.checkers.build import WALL, Story, at
from harness.verdict import Kind, Verdict

WINDOW_MS, DISORDER_MS = 1000, 500
ZERO_MS = round(datetime.fromisoformat(WALL).timestamp() * 1000)
KEYS, PER_WINDOW = 40, 10
LOAD_S, ENDS_S = 20, 30


@dataclass
class Edge:
    """A pipeline behind a load of 20 s at 400 records per second, undisturbed unless told otherwise."""

    budgets: Budgets = field(default_factory=Budgets)
    delay_ms: int = 800
    """From the end of a window to the append of its results."""
    slow_from_s: int = LOAD_S
    """From this second on a window's results come ten seconds later."""
    dead: int = 0
    late: int = 0
    fault: bool = False
    sent_late_s: float = 0.0
    unread: tuple[str, ...] = ()
    empty: bool = False
    """Nothing of the source log was read back."""
    samples: list[tuple[float, str, str, float]] = field(default_factory=list)
    left_out: str = ""

    def evidence(self) -> Evidence:
        """The run."""
        story = Story(budgets=self.budgets, rate=400.0, ends_s=ENDS_S)
        story.phases = [(Phase.STEADY, 0.0), (Phase.DRAIN, LOAD_S), (Phase.VERIFY, ENDS_S - 2)]
        for tick in range(LOAD_S * 20):
            intended = tick / 20
            story.attempt(
                Outcome.OK, tick * 20, 20, offset=tick * 20, intended=intended, late=self.sent_late_s
            ).read(tick * 20, 20, offset=tick * 20)
        if self.fault:
            story.fault(1, "kill", 10.0, 15.0)
        base = story.evidence()
        return replace(
            base,
            events=(base.events[0], *self._events(), *base.events[1:]),
            inputs=_inputs(0 if self.empty else LOAD_S * 400),
            results=self._results(),
            placed=_placed(self.dead, self.late),
            samples=_samples(self.samples),
        )

    def _events(self) -> list[Event]:
        planned = PipelinePlanned(
            t=at(0),
            wall=WALL,
            source="orders",
            results="edge-out",
            dead_letters="edge-dlq",
            late="edge-late",
            archive="",
            metrics_bucket="",
            window_ms=WINDOW_MS,
            out_of_order_ms=DISORDER_MS,
            dedup_ttl_ms=120_000,
            guarantee="exactly-once",
            parts=("source", "results"),
        )
        read: list[Event] = [
            HopRead(t=at(0), wall=WALL, hop=hop, complete=hop not in self.unread)
            for hop in ("source", "results", "dead-letters", "late")
        ]
        if self.left_out:
            read.append(NotExecuted(t=at(0), wall=WALL, part=self.left_out, reason="no binary"))
        return [planned, *read]

    def _results(self) -> Results:
        window = np.repeat(np.arange(LOAD_S), KEYS)
        rows = empty(Results, schema.RESULTS)
        later = np.where(window >= self.slow_from_s, 10_000, 0)
        columns = {name: np.zeros(len(window), np.int64) for name in schema.RESULTS.names}
        start = ZERO_MS + window * WINDOW_MS
        columns |= {
            "window_ms": start,
            "count": np.full(len(window), PER_WINDOW),
            "appended_ms": start + WINDOW_MS + self.delay_ms + later,
        }
        return replace(rows, **columns)


def _inputs(number: int) -> Inputs:
    columns = {name: np.zeros(number, np.int64) for name in schema.INPUTS.names if name != "flaw"}
    return Inputs(**columns, flaw=np.full(number, "", np.object_))


def _placed(dead: int, late: int) -> Placed:
    """The first records are dead, the next ones late."""
    words = np.array(["dead"] * dead + ["late"] * late, np.object_)
    many = len(words)
    return Placed(words, np.full(many, "value", np.object_), np.zeros(many, np.int64), np.arange(many))


def _samples(rows: list[tuple[float, str, str, float]]) -> Samples:
    t, source, name, value = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Samples(
        np.array([at(s) for s in t], np.int64),
        np.array(source, np.object_),
        np.array(name, np.object_),
        np.array(value, np.float64),
    )


def found(edge: Edge, name: str) -> Finding | None:
    """What the concern *name* says of a run."""
    told = edge.evidence()
    return check(name, told, timeline(told), starved=starvation(told))


def verdict(edge: Edge, name: str) -> Verdict:
    """Its verdict."""
    finding = found(edge, name)
    assert finding is not None
    return finding.verdict


LAG = [(19.0, "edge-processor", "lag_records", 8000.0), (27.0, "edge-processor", "lag_records", 120.0)]
COST = [(5.0, "broker-1", "rss_mb", 400.0), (5.0, "taskmanager-1", "rss_mb", 700.0)]
COST += [(5.0, "broker-1", "cpu_percent", 30.0), (5.0, "taskmanager-1", "cpu_percent", 90.0)]
COST += [(5.0, "host", "cpu_percent", 100.0), (5.0, "orders/3", "lag_records", 1.0)]
ERRORS = [(1.0, "vector-1", "errors_total", 0.0), (9.0, "vector-1", "errors_total", 40.0)]

KEPT = [
    ("processing_latency", Edge(Budgets(result_p99_ms=800))),
    ("throughput", Edge(Budgets(throughput_share=0.8))),
    ("throughput", Edge(Budgets(lag_records=120), samples=LAG)),
    ("error_rate", Edge(Budgets(error_share=0.01), dead=80)),
    ("error_rate", Edge(Budgets(error_share=0.015), dead=80, samples=ERRORS)),
    ("error_rate", Edge(Budgets(late_share=0.05), late=400)),
    ("error_rate", Edge(Budgets(late_share=0.0), dead=800)),
    ("resource_utilisation", Edge(Budgets(rss_mb=1100, cpu_percent=120), samples=COST)),
]
MISSED = [
    ("processing_latency", Edge(Budgets(result_p99_ms=799))),
    ("throughput", Edge(Budgets(throughput_share=0.8), slow_from_s=15)),
    ("throughput", Edge(Budgets(lag_records=119), samples=LAG)),
    ("error_rate", Edge(Budgets(error_share=0.01), dead=81)),
    ("error_rate", Edge(Budgets(error_share=0.01), dead=41, samples=ERRORS)),
    ("error_rate", Edge(Budgets(late_share=0.05), late=401)),
    ("error_rate", Edge(Budgets(late_share=0.05, error_share=0.01), late=401, dead=80)),
    ("resource_utilisation", Edge(Budgets(rss_mb=1099), samples=COST)),
    ("resource_utilisation", Edge(Budgets(cpu_percent=119), samples=COST)),
]
BLIND = [
    ("processing_latency", Edge(Budgets(result_p99_ms=99_000))),
    ("throughput", Edge(Budgets(throughput_share=0.8, lag_records=10))),
    ("throughput", Edge(Budgets(lag_records=10))),
    ("error_rate", Edge(Budgets(error_share=0.01), unread=("dead-letters",))),
    ("error_rate", Edge(Budgets(error_share=0.01), dead=4000, unread=("source",))),
    ("error_rate", Edge(Budgets(late_share=0.05), unread=("late",))),
    ("error_rate", Edge(Budgets(late_share=0.05), late=4000, unread=("source",))),
    ("error_rate", Edge(Budgets(late_share=0.05), empty=True)),
    ("resource_utilisation", Edge(Budgets(rss_mb=1))),
]


@pytest.mark.parametrize(("name", "edge"), KEPT)
def test_a_budget_that_is_just_kept_passes(name: str, edge: Edge) -> None:
    """At the limit itself nothing is missed, and the limit and the evidence are told."""
    finding = found(edge, name)

    assert finding is not None
    assert (finding.verdict, finding.kind, finding.violations) == (Verdict.PASS, Kind.BUDGET, 0)
    assert finding.limit.startswith(("≤", "≥"))
    assert any(finding.compared.values())


@pytest.mark.parametrize(("name", "edge"), MISSED)
def test_a_budget_that_is_just_missed_fails(name: str, edge: Edge) -> None:
    """One millisecond, record, megabyte or percent too much is a miss."""
    finding = found(edge, name)

    assert finding is not None
    assert (finding.verdict, finding.violations) == (Verdict.FAIL, 1)


@pytest.mark.parametrize(("name", "edge"), BLIND)
def test_a_budget_without_its_evidence_is_unknown(name: str, edge: Edge) -> None:
    """What was not measured, or not read to the end, keeps no budget."""
    finding = found(edge, name)

    assert finding is not None
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.summary.startswith("Not proven: ")


@pytest.mark.parametrize("name", CONCERNS)
def test_without_a_budget_a_number_is_shown_and_not_judged(name: str) -> None:
    """The slowest, fullest and most faulty run passes where nobody asked for more, and says so."""
    finding = found(Edge(delay_ms=90_000, dead=4000, samples=[*LAG, *COST, *ERRORS]), name)

    assert finding is None or finding.verdict is Verdict.PASS
    assert finding is None or finding.limit == "no budget: shown, not judged"


def test_what_nobody_asked_for_and_nobody_knows_is_not_told() -> None:
    """Without a budget a summary holds the numbers that there are, and no word of the others."""
    finding = found(Edge(samples=LAG, slow_from_s=LOAD_S), "throughput")
    without = found(Edge(), "throughput")

    assert finding is not None
    assert without is not None
    assert "behind when the drain ended" in finding.summary
    assert "behind" not in without.summary


def test_without_a_pipeline_there_are_no_concerns() -> None:
    """A run of brokers alone is judged as it always was."""
    story = Story().acked(0, offset=0).read(0, offset=0)
    names = {finding.checker for finding in judge(story.evidence(), harness_version="test").findings}

    assert names & set(CONCERNS) == set()


def test_a_run_with_a_pipeline_has_them() -> None:
    """The whole judgement holds each concern that something is known of, once."""
    told = Edge(samples=[*LAG, *COST]).evidence()
    names = [finding.checker for finding in judge(told, harness_version="test").findings]

    assert [name for name in names if name in CONCERNS] == list(CONCERNS)


@pytest.mark.parametrize("name", ["processing_latency", "throughput"])
def test_a_starved_harness_misses_nothing(name: str) -> None:
    """When the harness itself sent late, a miss of time or rate says nothing of the stack."""
    slow = Edge(
        Budgets(result_p99_ms=10, throughput_share=0.99), slow_from_s=15, sent_late_s=0.2, samples=LAG
    )
    finding = found(slow, name)

    assert finding is not None
    assert finding.verdict is Verdict.UNKNOWN
    assert "starved" in finding.summary


def test_a_starved_harness_excuses_no_bad_record() -> None:
    """Dead letters and memory are what they are, however late the load was sent."""
    late = Edge(Budgets(error_share=0.01, rss_mb=1), dead=4000, sent_late_s=0.2, samples=COST)

    assert verdict(late, "error_rate") is Verdict.FAIL
    assert verdict(late, "resource_utilisation") is Verdict.FAIL


def test_windows_that_a_fault_hits_are_not_judged() -> None:
    """Results that waited for a killed TaskManager are no miss of the undisturbed p99, the rest is judged."""
    budgets = Budgets(result_p99_ms=2000)

    assert verdict(Edge(budgets, slow_from_s=8), "processing_latency") is Verdict.FAIL
    assert verdict(Edge(budgets, slow_from_s=8, fault=True), "processing_latency") is Verdict.UNKNOWN, (
        "too few"
    )
    told = Edge(Budgets(result_p99_ms=600), slow_from_s=9, fault=True, delay_ms=500)
    assert verdict(told, "processing_latency") is Verdict.PASS


def test_too_slow_is_unknown_while_results_may_be_unread() -> None:
    """A share that is too small because not everything was read is no miss."""
    told = Edge(Budgets(throughput_share=0.9), slow_from_s=10, unread=("results",), samples=LAG)

    assert verdict(told, "throughput") is Verdict.UNKNOWN


def test_one_late_record_is_one_however_often_it_was_set_aside() -> None:
    """A sink without transactions repeats after a failure: that makes no second record late."""
    told = Edge(Budgets(late_share=0.05), late=400).evidence()
    twice = Placed(
        *(
            np.concatenate([getattr(told.placed, name)] * 2)
            for name in ("place", "reason", "partition", "offset")
        )
    )
    told = replace(told, placed=twice)
    finding = check("error_rate", told, timeline(told), starved="")

    assert finding is not None
    assert finding.verdict is Verdict.PASS
    assert "400 of 8,000 valid records were late (5.000%)" in finding.summary


def test_only_valid_records_can_be_late() -> None:
    """Records that the job has to refuse are not among those of which a share is taken."""
    told = Edge(Budgets(late_share=0.05), late=399, dead=80).evidence()
    flaw = told.inputs.flaw.copy()
    flaw[:80] = "value"
    told = replace(told, inputs=replace(told.inputs, flaw=flaw))
    finding = check("error_rate", told, timeline(told), starved="")

    assert finding is not None
    assert finding.verdict is Verdict.FAIL, "399 are more than a twentieth of 7,920"


def test_too_short_a_calm_says_how_long_it_has_to_be() -> None:
    """What is unknown only because the story was in a hurry names the remedy."""
    finding = found(Edge(Budgets(result_p99_ms=99_000)), "processing_latency")

    assert finding is not None
    assert "hold steady for 101.5 s or longer" in finding.summary


def test_errors_count_across_restarts() -> None:
    """A counter that begins anew loses nothing: 40, then again 41, are 81 errors."""
    samples = [*ERRORS, (10.0, "vector-1", "errors_total", 0.0), (11.0, "vector-1", "errors_total", 41.0)]

    assert verdict(Edge(Budgets(error_share=0.01), samples=samples), "error_rate") is Verdict.FAIL
    assert verdict(Edge(Budgets(error_share=0.0102), samples=samples), "error_rate") is Verdict.PASS


def test_what_was_not_executed_is_named() -> None:
    """Where Vector did not run its errors are not among those that are counted, and the summary says so."""
    finding = found(Edge(left_out="metrics"), "error_rate")

    assert finding is not None
    assert "not executed" in finding.summary


@given(st.integers(0, 3000), st.integers(1, 3000))
def test_latency_fails_exactly_beyond_its_budget(delay_ms: int, budget_ms: int) -> None:
    """With every result equally late, the verdict is that of the comparison."""
    found_ = verdict(Edge(Budgets(result_p99_ms=budget_ms), delay_ms=delay_ms), "processing_latency")

    assert (found_ is Verdict.FAIL) == (delay_ms > budget_ms)
