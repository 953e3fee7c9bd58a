"""What steady is: sustained, of a calm that was measured, and behind a job for a checkpoint interval."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checkers import recovery
from harness.checkers.timeline import timeline
from harness.findings import Unavailability
from harness.ledger.evidence import Evidence
from harness.model import EnvironmentSeen, Phase
from harness.tests.checkers.build import at
from harness.tests.checkers.build_pipeline import planned as planned_pipeline
from harness.tests.checkers.test_times import finding, recovered, run
from harness.verdict import Verdict


def test_steady_needs_the_rate_of_the_baseline() -> None:
    """Half the records on time for six seconds are not a steady state."""
    story = run({}).fault(1, "kill", 20.0, 30.0)
    sparse = range(300, 360, 2)
    story.attempts = [row for row in story.attempts if row[2] not in sparse]
    (one,) = recovered(story.evidence())

    assert 6.0 == pytest.approx(one.steady_s, abs=0.75)


def test_steady_lies_in_no_partitions_outage() -> None:
    """However small the share of a partition that is down, its outage is not steady."""
    evidence = run({}).fault(1, "kill", 20.0, 30.0).evidence()
    time = timeline(evidence)
    down = Unavailability(partition=7, from_s=30.5, to_s=34.5, attempts=1)
    (one,) = recovery.recoveries(evidence, time, (down,))

    assert 4.5 == one.steady_s


@pytest.mark.parametrize("calm_s", [0.0, 1.0, 1.9])
def test_a_baseline_that_hardly_was_proves_no_recovery(calm_s: float) -> None:
    """With less than two undisturbed seconds before the first fault nobody knows what steady was."""
    story = run({0: [(20.0, 23.0)]}).fault(1, "kill", 20.0, 35.0)
    story.phases = [(Phase.PREPARE, 0.0), (Phase.STEADY, 20.0 - calm_s), (Phase.DISTURB, 20.0)]
    found = finding(story.evidence(), "recovery")

    assert Verdict.UNKNOWN is found.verdict
    assert f"the baseline is too short: {calm_s:.1f} s undisturbed" in found.summary


@pytest.mark.parametrize("calm_s", [2.5, 5.0, 8.0])
def test_a_baseline_of_a_few_seconds_is_enough(calm_s: float) -> None:
    """Legal: what the quick scenarios hold steady for is judged."""
    story = run({0: [(20.0, 23.0)]}).fault(1, "kill", 20.0, 35.0)
    story.phases = [(Phase.PREPARE, 0.0), (Phase.STEADY, 20.0 - calm_s), (Phase.DISTURB, 20.0)]
    (one,) = recovered(story.evidence())

    assert ("", 0.0) == (one.unsure, one.steady_s)
    assert Verdict.PASS is finding(story.evidence(), "recovery").verdict


def test_a_baseline_without_a_record_proves_no_recovery() -> None:
    """Ten seconds in which nothing was sent are no measurement of the calm."""
    story = run({}).fault(1, "kill", 20.0, 35.0)
    story.attempts = [row for row in story.attempts if int(row[4]) >= at(20.0)]

    assert "the baseline is empty" in finding(story.evidence(), "recovery").summary


def behind_a_job(evidence: Evidence, **checkpointing: str) -> Evidence:
    """The same run with a job behind its topic whose cluster was told this of checkpoints."""
    told = {f"flink.execution.checkpointing.{key.replace('_', '-')}": v for key, v in checkpointing.items()}
    events = [
        e.model_copy(update={"effective": e.effective | told}) if isinstance(e, EnvironmentSeen) else e
        for e in evidence.events
    ]
    return replace(evidence, events=(*events[:-1], planned_pipeline(), events[-1]))


@pytest.mark.parametrize(
    ("told", "steady_s"),
    [
        ({"interval": "2s"}, 0.0),
        ({"interval": "8s"}, 9.0),
        ({"interval": "1s", "min_pause": "8000"}, 9.0),
        ({"min_pause": "8s"}, 0.0),
        ({}, 0.0),
    ],
)
def test_steady_lasts_for_a_checkpoint_interval(told: dict[str, str], steady_s: float) -> None:
    """Four good seconds before the next stall are half a cycle of a job that commits every eight."""
    evidence = run({0: [(34.0, 39.0)]}).fault(1, "kill", 20.0, 30.0).evidence()
    (one,) = recovered(behind_a_job(evidence, **told))
    (alone,) = recovered(evidence)

    assert steady_s == pytest.approx(one.steady_s, abs=0.5)
    assert 0.0 == alone.steady_s
