"""Availability, recovery, latency and load on runs whose right answers are known by construction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.checkers import availability, latency, load, recovery
from harness.checkers.compose import judge
from harness.checkers.timeline import SAMPLES_FOR_P50, SAMPLES_FOR_P99, SAMPLES_FOR_P999, quantile, timeline
from harness.findings import Finding, Recovery
from harness.ledger.evidence import Evidence
from harness.model import Budgets, LoadEnded, Outcome, Phase, RecoveryExpected
from harness.tests.checkers.build import WALL, Story, at, passing_story
from harness.verdict import Verdict

STEP = 0.1


def run(
    outages: dict[int, list[tuple[float, float]]], *, ends_s: float = 60.0, budgets: Budgets | None = None
) -> Story:
    """One producer, a batch to each of two partitions every 0.1 s; in an outage it waits for its end."""
    story = Story(partitions=2, rate=20.0, ends_s=ends_s + 5, budgets=budgets or Budgets())
    story.phases = [(Phase.STEADY, 0.0), (Phase.DISTURB, 15.0), (Phase.DRAIN, ends_s)]
    for tick in range(round(ends_s / STEP)):
        intended = round(tick * STEP, 3)
        for partition in (0, 1):
            until = next((b for a, b in outages.get(partition, []) if a <= intended < b), intended)
            took = until - intended + 0.005
            story.attempt(Outcome.OK, tick, partition=partition, offset=tick, intended=intended, took=took)
            story.read(tick, offset=tick, partition=partition)
    return story


def recovered(evidence: Evidence) -> tuple[Recovery, ...]:
    """The recoveries of a run."""
    time = timeline(evidence)
    return recovery.recoveries(evidence, time, availability.windows(evidence, time))


def finding(evidence: Evidence, name: str) -> Finding:
    """The finding *name* of the whole judgement."""
    return next(f for f in judge(evidence, harness_version="test").findings if f.checker == name)


def test_a_stall_is_a_window_of_late_attempts() -> None:
    """An outage of 8 s shows as a window up to the last attempt that was late by its threshold."""
    evidence = run({1: [(20.0, 28.0)]}).evidence()
    (window,) = availability.windows(evidence, timeline(evidence))

    assert (1, 20.0) == (window.partition, window.from_s)
    assert 27.0 == pytest.approx(window.to_s, abs=2 * STEP)
    assert window.attempts == pytest.approx(70, abs=2)


def test_a_hiccup_below_the_threshold_is_no_outage() -> None:
    """Less than a second is latency, not unavailability."""
    evidence = run({0: [(20.0, 20.9)]}).evidence()

    assert () == availability.windows(evidence, timeline(evidence))


def test_a_failed_attempt_is_unavailability_at_once() -> None:
    """One refused attempt is a window of one interval."""
    story = run({})
    row = list(story.attempts[400])
    row[7] = int(Outcome.FAIL)
    story.attempts[400] = tuple(row)
    evidence = story.evidence()
    (window,) = availability.windows(evidence, timeline(evidence))

    assert 1 == window.attempts
    assert STEP == pytest.approx(window.to_s - window.from_s)


def test_attempts_that_never_end_well_reach_beyond_the_last_one() -> None:
    """An outage until the end of the load is closed one interval after the last attempt."""
    evidence = run({0: [(50.0, 70.0)]}).evidence()
    (window,) = availability.windows(evidence, timeline(evidence))

    assert 60.0 == pytest.approx(window.to_s, abs=STEP)


def test_recovery_is_that_of_the_worst_partition() -> None:
    """Partition 1 came back after 8 s, partition 0 after 3: the fault cost 8 s."""
    story = run({0: [(20.0, 23.0)], 1: [(20.5, 28.0)]}).fault(1, "kill", 20.0, 35.0)
    (one,) = recovered(story.evidence())

    assert 1 == one.worst_partition
    assert 0.0 == one.detected_s
    assert 8.0 == pytest.approx(one.first_ack_s, abs=2 * STEP)
    assert (11.0, 0.0, 0.0) == (one.expected_s, one.steady_s, one.drained_s)


def test_recovery_counts_from_a_send_after_the_outage() -> None:
    """The completion of what was sent during the outage is no first ack; the next send is."""
    story = run({0: [(20.0, 23.0)]}).fault(1, "kill", 20.0, 35.0)
    (one,) = recovered(story.evidence())

    assert one.first_ack_s is not None
    assert 3.0 <= one.first_ack_s <= 3.0 + 2 * STEP


def test_a_story_may_ask_for_a_recovery_of_its_own() -> None:
    """What a story expects after a fault judges that fault, instead of the run's budget."""
    evidence = run({0: [(20.0, 23.0)]}).fault(1, "kill", 20.0, 35.0).evidence()
    asked = RecoveryExpected(t=at(36.0), wall=WALL, within_s=2.0)
    strict = replace(evidence, events=(*evidence.events[:-1], asked, evidence.events[-1]))

    assert Verdict.PASS is finding(evidence, "recovery").verdict
    assert Verdict.FAIL is finding(strict, "recovery").verdict
    assert 2.0 == recovered(strict)[0].budget_s


def test_service_that_is_back_for_a_moment_is_not_back() -> None:
    """Two outages half a second apart are one window; two that are five apart are two."""
    moment = run({0: [(20.0, 24.0), (24.5, 29.0)]}).evidence()
    spell = run({0: [(20.0, 24.0), (29.0, 33.0)]}).evidence()

    assert 1 == len(availability.windows(moment, timeline(moment)))
    assert 2 == len(availability.windows(spell, timeline(spell)))


def test_what_was_under_way_when_a_fault_struck_counts_as_during() -> None:
    """Attempts sent just before the fault and answered after it do not spoil the row of what was before."""
    evidence = run({0: [(19.9, 25.0)]}).fault(1, "kill", 20.0, 30.0).evidence()
    rows = latency.rows(evidence, timeline(evidence))

    assert rows["before"].max_ms is not None
    assert rows["before"].max_ms < 1_000
    assert rows["during"].max_ms == pytest.approx(5_100, abs=100)


def test_the_warm_up_is_no_measurement_of_the_harness() -> None:
    """Lateness before the steady phase starves nobody; the same lateness after it does."""
    story = run({}, budgets=Budgets(send_error_p99_ms=20.0))
    story.phases = [(Phase.PREPARE, 0.0), (Phase.STEADY, 20.0), (Phase.DRAIN, 60.0)]
    evidence = story.evidence()
    rows = evidence.attempts
    early = rows.t_intended < at(20.0)
    late = np.where(early, rows.t_intended + 500_000_000, rows.t_sent)
    always = replace(evidence, attempts=replace(rows, t_sent=rows.t_intended + 500_000_000))
    warming = replace(evidence, attempts=replace(rows, t_sent=late))

    assert "" == load.starvation(warming)
    assert "starved" in load.starvation(always)


def test_a_flapping_service_is_not_back() -> None:
    """Half a second of service between two stalls does not end the outage; ten seconds do."""
    flapping = run({0: [(20.0, 24.0), (24.5, 29.0)]}).fault(1, "kill", 20.0, 40.0)
    lasting = run({0: [(20.0, 24.0), (34.0, 36.0)]}).fault(1, "kill", 20.0, 40.0)

    assert 9.0 == pytest.approx(recovered(flapping.evidence())[0].first_ack_s, abs=2 * STEP)
    assert 4.0 == pytest.approx(recovered(lasting.evidence())[0].first_ack_s, abs=2 * STEP)


def test_a_fault_nobody_noticed_has_no_detection() -> None:
    """A fault without any late attempt was detected never and cost one send."""
    (one,) = recovered(run({}).fault(1, "kill", 20.0, 30.0).evidence())

    assert one.detected_s is None
    assert 0.0 == pytest.approx(one.first_ack_s, abs=2 * STEP)


def test_steady_is_sustained_not_a_first_crossing() -> None:
    """A stall two seconds after the healing moves the steady state behind it."""
    story = run({0: [(32.0, 36.0)]}).fault(1, "kill", 20.0, 30.0)
    (one,) = recovered(story.evidence())

    assert 6.0 == pytest.approx(one.steady_s, abs=0.5)


def test_what_is_never_reached_is_censored() -> None:
    """A partition that never came back has no first ack, no steady state, and fails its budget."""
    story = run({0: [(20.0, 100.0)], 1: [(20.0, 25.0)]}).fault(1, "kill", 20.0, 30.0)
    (one,) = recovered(story.evidence())

    assert (None, None, 0) == (one.first_ack_s, one.steady_s, one.worst_partition)
    assert 70.0 == pytest.approx(one.drained_s, abs=0.1)
    assert Verdict.FAIL is finding(story.evidence(), "recovery").verdict


def test_a_load_that_ended_too_early_leaves_recovery_unknown() -> None:
    """When nobody attempted anything for as long as the budget, nothing was measured."""
    story = run({0: [(20.0, 100.0)]}, ends_s=30.0).fault(1, "kill", 20.0, 29.0)

    assert Verdict.UNKNOWN is finding(story.evidence(), "recovery").verdict


def test_faults_that_overlap_start_the_clock_together() -> None:
    """Of two overlapping faults the clocks from the healing start at the later healing."""
    story = run({0: [(20.0, 38.0)], 1: [(20.0, 38.0)]})
    story.fault(1, "kill", 20.0, 30.0).fault(2, "kill", 22.0, 37.0)
    first, second = recovered(story.evidence())

    assert 1.0 == pytest.approx(first.steady_s, abs=0.5)
    assert first.drained_s == second.drained_s == pytest.approx(1.0, abs=0.1)
    assert first.expected_s == pytest.approx(37.1 - 20.0 + 3.0)


def test_a_miss_by_a_starved_harness_is_unknown() -> None:
    """When the harness itself sent late, a missed budget says nothing about the stack."""
    slow = run({0: [(20.0, 50.0)]}, budgets=Budgets(recovery_s=5.0)).fault(1, "kill", 20.0, 30.0)
    late = slow.evidence()
    sent = late.attempts.t_intended + 50_000_000
    starved = replace(
        late, attempts=replace(late.attempts, t_sent=np.minimum(sent, late.attempts.t_done + 10**9))
    )

    assert Verdict.FAIL is finding(late, "recovery").verdict
    assert Verdict.UNKNOWN is finding(starved, "recovery").verdict
    assert "starved" in finding(starved, "recovery").summary


@pytest.mark.parametrize(("budget", "verdict"), [(10.0, Verdict.PASS), (4.0, Verdict.FAIL)])
def test_steady_p99_is_held_against_its_budget(budget: float, verdict: Verdict) -> None:
    """Batches of 5 ms keep a budget of 10 ms and miss one of 4 ms."""
    story = run({}, budgets=Budgets(latency_p99_ms=budget)).fault(1, "kill", 20.0, 30.0)
    story.phases = [(Phase.STEADY, 0.0), (Phase.DISTURB, 20.0)]

    assert verdict is finding(story.evidence(), "latency_p99").verdict


def test_too_few_batches_leave_the_p99_unknown() -> None:
    """A steady phase of 2 s at ten batches a second cannot tell a p99."""
    story = run({}, budgets=Budgets(latency_p99_ms=10.0)).fault(1, "kill", 2.0, 3.0)

    assert Verdict.UNKNOWN is finding(story.evidence(), "latency_p99").verdict


def test_failed_attempts_enter_latency_as_the_longest_wait() -> None:
    """A quick refusal never flatters a percentile: it ranks above every answer."""
    story = Story()
    for tick in range(400):
        story.attempt(Outcome.OK, tick, intended=tick * 0.01, took=0.005)
    for tick in range(400, 420):
        story.attempt(Outcome.FAIL, tick, intended=tick * 0.01, took=0.0)
    evidence = story.evidence()
    row = latency.rows(evidence, timeline(evidence))["steady"]

    assert (420, 20) == (row.count, row.censored)
    assert (5.0, 5.0, 5.0) == (row.p50_ms, row.p99_ms, row.max_ms)
    longer = story.attempt(Outcome.UNKNOWN, 420, intended=4.2, took=8.0).evidence()
    assert 8000.0 == latency.rows(longer, timeline(longer))["steady"].p99_ms


def test_latency_is_told_before_during_and_after_each_fault() -> None:
    """Stalls appear during their fault, and "after" ends where the next fault begins."""
    story = run({0: [(20.0, 25.0)], 1: [(40.0, 43.0)]})
    story.fault(1, "kill", 20.0, 30.0).fault(2, "kill", 40.0, 45.0)
    evidence = story.evidence()
    rows = latency.rows(evidence, timeline(evidence))

    assert 5005.0 == rows["1. kill broker-1: during"].max_ms
    assert 5.0 == rows["1. kill broker-1: after"].max_ms
    assert 3005.0 == rows["2. kill broker-2: during"].max_ms
    assert 5005.0 == rows["during"].max_ms
    assert (200, 200) == (rows["1. kill broker-1: before"].count, rows["1. kill broker-1: after"].count)


@pytest.mark.parametrize(
    ("share", "samples"), [(0.5, SAMPLES_FOR_P50), (0.99, SAMPLES_FOR_P99), (0.999, SAMPLES_FOR_P999)]
)
def test_the_sample_sizes_are_the_least_that_bound_the_quantile(share: float, samples: int) -> None:
    """With n samples the largest exceeds the quantile with 95 % confidence; with n - 1 it does not."""
    assert 1 - share**samples >= 0.95
    assert 1 - share ** (samples - 1) < 0.95


def test_quantiles_weigh_batches_by_their_records() -> None:
    """Nine records at 1 and one at 9: the median is 1, the p95 is 9."""
    values, weights = np.asarray([9, 1]), np.asarray([1, 9])

    assert (1, 9) == (quantile(values, weights, 0.5, 1), quantile(values, weights, 0.95, 1))
    assert quantile(values, weights, 0.5, 3) is None


def test_a_load_below_its_plan_is_a_missed_budget() -> None:
    """Twenty records a second of forty asked for fail the load's budget."""
    story = run({})
    story.rate = 40.0
    evidence = story.evidence()
    reached = load.reached(evidence)

    assert reached is not None
    assert 40.0 == reached.asked_per_s
    assert 20.0 == pytest.approx(reached.reached_per_s, rel=0.01)
    assert Verdict.FAIL is finding(evidence, "load_reached").verdict


def locust_counted(evidence: Evidence, requests: int, failures: int) -> Evidence:
    """*evidence* with other totals from Locust."""
    totals = {"locust_requests": requests, "locust_failures": failures}
    events = [e.model_copy(update=totals) if isinstance(e, LoadEnded) else e for e in evidence.events]
    return replace(evidence, events=tuple(events))


def test_a_batch_that_ended_mixed_is_one_request() -> None:
    """Two rows of one batch are one request to Locust, and one failure."""
    story = Story().attempt(Outcome.OK, 0, 4, offset=0).attempt(Outcome.UNKNOWN, 4, 6)
    evidence = story.read(0, 4, offset=0).evidence()

    assert Verdict.PASS is finding(locust_counted(evidence, 1, 1), "ledger_whole").verdict
    assert Verdict.UNKNOWN is finding(locust_counted(evidence, 2, 1), "ledger_whole").verdict
    assert Verdict.UNKNOWN is finding(locust_counted(evidence, 1, 0), "ledger_whole").verdict


def test_batches_that_do_not_touch_are_two_requests() -> None:
    """Rows of one instant are one batch only when their sequences continue."""
    evidence = Story().attempt(Outcome.OK, 0, 4).attempt(Outcome.OK, 5, 4).evidence()

    assert Verdict.PASS is finding(locust_counted(evidence, 2, 0), "ledger_whole").verdict


def test_an_id_used_twice_leaves_the_ledger_in_doubt() -> None:
    """A ledger that attempts an id twice cannot be trusted, even when the totals agree."""
    evidence = Story().attempt(Outcome.OK, 0, 4).attempt(Outcome.OK, 3, 4, intended=2.0).evidence()

    assert "1 record attempted under an id already used." == finding(evidence, "ledger_whole").summary


def with_a_dead_worker(evidence: Evidence) -> Evidence:
    """The same run, but a worker of its load died."""
    events = [
        e.model_copy(update={"clean": False, "detail": "worker 2 died"}) if isinstance(e, LoadEnded) else e
        for e in evidence.events
    ]
    return replace(evidence, events=tuple(events))


def test_an_unclean_load_end_is_said_and_unknown() -> None:
    """A worker that died leaves the other facts standing and the ledger in doubt."""
    unclean = with_a_dead_worker(passing_story().evidence())

    assert Verdict.UNKNOWN is finding(unclean, "ledger_whole").verdict
    assert "worker 2 died" in finding(unclean, "ledger_whole").summary
    assert Verdict.PASS is finding(unclean, "no_loss").verdict


def test_a_load_that_lost_a_worker_proves_no_missed_budget() -> None:
    """What a dead worker did not send is not held against the stack."""
    story = run({})
    story.rate = 40.0
    missed = finding(with_a_dead_worker(story.evidence()), "load_reached")

    assert Verdict.UNKNOWN is missed.verdict
    assert "worker 2 died" in missed.summary
