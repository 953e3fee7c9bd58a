"""What a recovery may claim: outages too short to be seen, and baselines too restless to measure against."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checkers import availability, recovery
from harness.checkers.compose import judge
from harness.checkers.timeline import timeline
from harness.findings import Finding, Recovery
from harness.ledger.evidence import Evidence
from harness.model import Budgets, Outcome, Phase
from harness.tests.checkers.build import Story, at
from harness.verdict import Verdict

STEP = 0.1
STRUCK, HEALED, ENDS = 35.0, 45.0, 60.0


def run(
    away: float = 0.0,
    *,
    base: float = 0.005,
    late_half: float = 0.0,
    budget: float | None = None,
    apart: float = 3.0,
) -> Story:
    """A batch to each of two partitions every 0.1 s, answered after *base* seconds.

    From 35 s on partition 0 is *away* for so long while a broker is killed; in the second half of the
    baseline answers take *late_half* longer.
    """
    story = Story(
        partitions=2, rate=20.0, ends_s=ENDS + 10, budgets=Budgets(recovery_s=budget, baseline_apart=apart)
    )
    story.phases = [(Phase.STEADY, 0.0), (Phase.DISTURB, STRUCK), (Phase.DRAIN, ENDS)]
    for tick in range(round(ENDS / STEP)):
        intended = round(tick * STEP, 3)
        slow = base + (late_half if STRUCK / 2 <= intended < STRUCK else 0.0)
        for partition in (0, 1):
            stalled = partition == 0 and STRUCK <= intended < STRUCK + away
            took = max(slow, STRUCK + away - intended) if stalled else slow
            story.attempt(Outcome.OK, tick, partition=partition, offset=tick, intended=intended, took=took)
            story.read(tick, offset=tick, partition=partition)
    return story.fault(1, "kill", STRUCK, HEALED)


def recoveries_of(evidence: Evidence) -> tuple[Recovery, ...]:
    """The recovery of each fault."""
    time = timeline(evidence)
    return recovery.recoveries(evidence, time, availability.windows(evidence, time))


def recovered(evidence: Evidence) -> Recovery:
    """The one recovery of a run."""
    (one,) = recoveries_of(evidence)
    return one


def finding(evidence: Evidence) -> Finding:
    """What the whole judgement says of the recovery."""
    return next(f for f in judge(evidence, harness_version="test").findings if f.checker == "recovery")


def test_an_outage_below_the_resolution_is_bounded_not_claimed() -> None:
    """On a machine whose p99 is 0.6 s, five seconds away are nothing late: the figure is a bound."""
    one = recovered(run(5.0, base=0.6).evidence())

    assert one.detected_s is None
    assert one.first_ack_s is not None
    assert one.first_ack_s < 0.2
    assert 6.1 == pytest.approx(one.resolution_s, abs=0.01)
    assert 5.0 <= (one.at_most_s or 0.0) <= 5.0 + 2 * STEP
    assert not one.is_exact
    assert "at most 5.1 s" == one.measured


def test_an_outage_above_the_resolution_is_told_as_it_was() -> None:
    """With a p99 of 5 ms the same five seconds are measured, and the resolution stands beside them."""
    one = recovered(run(5.0).evidence())

    assert one.is_exact
    assert one.first_ack_s == one.at_most_s == pytest.approx(5.0, abs=2 * STEP)
    assert "outages shorter than 1.1 s are not seen" == one.unseen


def test_the_sentence_and_the_finding_say_the_resolution() -> None:
    """Whoever reads only the sentence learns below which length nothing is seen."""
    evidence = run(5.0, base=0.6).evidence()
    sentence = judge(evidence, harness_version="test").sentence

    for said in (sentence, finding(evidence).summary):
        assert "at most 5.1 s" in said
        assert "outages shorter than 6.1 s are not seen" in said
        assert " 0.0 s" not in said


@pytest.mark.parametrize(
    ("away", "base", "verdict"),
    [
        (5.0, 0.6, Verdict.UNKNOWN),
        (2.0, 0.6, Verdict.PASS),
        (5.0, 0.005, Verdict.FAIL),
        (2.0, 0.005, Verdict.PASS),
    ],
)
def test_a_budget_is_kept_only_if_the_unseen_kept_it_too(away: float, base: float, verdict: Verdict) -> None:
    """A budget of 3 s: an unseen outage of 5 s proves nothing, one of 2 s keeps it, a seen one is judged."""
    assert verdict is finding(run(away, base=base, budget=3.0).evidence()).verdict


@given(
    away=st.floats(0.0, 9.0).map(lambda s: round(s, 2)),
    base=st.sampled_from([0.005, 0.2, 0.6, 0.9]),
)
@settings(max_examples=25, deadline=None)
def test_the_bound_is_never_below_the_truth(away: float, base: float) -> None:
    """Whatever the outage and the baseline, what is claimed is at least as long as what happened."""
    one = recovered(run(away, base=base).evidence())

    assert one.first_ack_s is not None
    claimed = one.first_ack_s if one.is_exact else one.at_most_s
    assert (claimed or 0.0) >= away - STEP


def test_what_the_next_fault_delays_is_no_evidence_of_this_one() -> None:
    """Attempts in flight when a second broker dies are late by that one; the first recovery stands."""
    story = run(8.0, base=0.6)
    second, back = 47.0, 55.0
    for number, attempt in enumerate(story.attempts):
        if at(second - 0.6) <= int(attempt[4]) < at(back):
            story.attempts[number] = (*attempt[:6], max(int(attempt[6]), at(back)), *attempt[7:])
    one, _ = recoveries_of(story.fault(2, "kill", second, 53.0).evidence())

    assert one.first_ack_s is not None
    assert one.first_ack_s == pytest.approx(8.0, abs=0.2)


def test_what_the_first_fault_delays_is_no_part_of_the_baseline() -> None:
    """Attempts that a broker's death caught under way neither coarsen the measure nor shake it."""
    story = run(8.0)
    for number, attempt in enumerate(story.attempts):
        if at(STRUCK - 0.5) <= int(attempt[4]) < at(STRUCK):
            story.attempts[number] = (*attempt[:6], at(STRUCK + 8.0), *attempt[7:])
    one = recovered(story.evidence())

    assert one.unsure == ""
    assert one.resolution_s == pytest.approx(1.1, abs=0.02)
    assert one.first_ack_s == pytest.approx(8.0, abs=0.6)


def test_what_was_late_before_the_fault_stays_in_the_baseline() -> None:
    """Attempts that had waited for three seconds when the fault struck were late without it."""
    story = run(8.0)
    for number, attempt in enumerate(story.attempts):
        if at(STRUCK - 3.0) <= int(attempt[4]) < at(STRUCK - 1.5):
            story.attempts[number] = (*attempt[:6], at(STRUCK + 8.0), *attempt[7:])

    assert "the baseline is unstable" in recovered(story.evidence()).unsure


def test_an_unstable_baseline_makes_every_recovery_unknown() -> None:
    """Answers that take 5 ms in one half of the baseline and 800 ms in the other measure nothing."""
    evidence = run(5.0, late_half=0.8, budget=30.0).evidence()
    found = finding(evidence)

    assert Verdict.UNKNOWN is found.verdict
    assert "the baseline is unstable" in found.summary
    assert "baseline is unstable" in recovered(evidence).unsure


def test_who_knows_that_the_machine_is_busy_may_say_how_far_apart_the_halves_may_be() -> None:
    """Then the budget is judged: the bound of what may have gone unseen covers the slower half as well."""
    evidence = run(5.0, late_half=0.8, budget=30.0, apart=30.0).evidence()

    assert (finding(evidence).verdict, recovered(evidence).unsure) == (Verdict.PASS, "")


def test_a_baseline_that_is_served_by_halves_is_unstable() -> None:
    """When a fifth of one half is refused before any fault, no recovery is a number."""
    story = run(5.0, budget=30.0)
    refused = [list(row) for row in story.attempts]
    for row in refused[:60]:
        row[7] = int(Outcome.FAIL)
    story.attempts = [tuple(row) for row in refused]

    assert Verdict.UNKNOWN is finding(story.evidence()).verdict


def test_a_calm_baseline_says_nothing_about_itself() -> None:
    """Halves that agree leave the verdict to the figures."""
    assert "" == recovered(run(5.0).evidence()).unsure
