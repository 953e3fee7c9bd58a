"""How a verdict becomes a test result: only what a scenario expects passes."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.findings import Finding, NotExecutedPart, RunDocument, Witness
from harness.pytest_plugin import not_executed, unmet
from harness.scenario import Expect, Scenario, metrics_complete, no_anomaly, no_loss
from harness.tests.report.build import document
from harness.verdict import Kind, Verdict


def a_scenario(expect: Expect) -> Scenario:
    """A scenario that asks for no loss."""
    return Scenario(
        name="one",
        title="One.",
        path=Path("one.py"),
        story=lambda _run: None,
        stack="edge-kafka",
        guarantees=(no_loss(),),
        expect=expect,
        nightly=False,
    )


def a_run(verdict: Verdict, *findings: Finding) -> RunDocument:
    """A stored run with that verdict."""
    return document().model_copy(update={"verdict": verdict, "findings": findings})


def a_finding(checker: str, verdict: Verdict, *, witnesses: int = 1) -> Finding:
    """One finding about records."""
    seen = tuple(Witness(record=f"0/0/{number}") for number in range(witnesses))
    return Finding(checker=checker, kind=Kind.GUARANTEE, verdict=verdict, summary="It is so.", witnesses=seen)


LOST = a_finding("no_loss", Verdict.FAIL)
SLOW = a_finding("processing_latency", Verdict.FAIL).model_copy(update={"kind": Kind.BUDGET})


@pytest.mark.parametrize(
    ("expect", "run", "result"),
    [
        ("held", a_run(Verdict.PASS), "passes"),
        ("held", a_run(Verdict.UNKNOWN), "fails"),
        ("held", a_run(Verdict.FAIL, LOST), "fails"),
        ("held", a_run(Verdict.UNSAFE), "fails"),
        ("broken", a_run(Verdict.FAIL, LOST), "passes"),
        ("broken", a_run(Verdict.FAIL, a_finding("no_loss", Verdict.FAIL, witnesses=0)), "fails"),
        ("broken", a_run(Verdict.FAIL, a_finding("order_per_key", Verdict.FAIL)), "fails"),
        ("broken", a_run(Verdict.FAIL, SLOW), "fails"),
        ("broken", a_run(Verdict.FAIL, SLOW, LOST), "passes"),
        ("broken", a_run(Verdict.PASS), "fails"),
        ("broken", a_run(Verdict.UNKNOWN, LOST), "fails"),
        ("broken", a_run(Verdict.UNSAFE, LOST), "fails"),
    ],
)
def test_only_what_is_expected_passes(expect: Expect, run: RunDocument, result: str) -> None:
    """UNKNOWN and UNSAFE never pass; a break must be of what was asked for, with witness records.

    A missed budget is none: it neither makes a run broken enough nor hides what it broke.
    """
    assert ("fails" if unmet(a_scenario(expect), run) else "passes") == result


def test_a_workload_s_anomaly_is_what_was_asked_for() -> None:
    """Whichever workload shows it, it counts by its own name."""
    scenario = replace(a_scenario("broken"), guarantees=(no_anomaly("lost"),))
    found, other = (a_finding(f"transfers.{name}", Verdict.FAIL) for name in ("lost", "phantom"))

    assert not unmet(scenario, a_run(Verdict.FAIL, found))
    assert unmet(scenario, a_run(Verdict.FAIL, other))


@pytest.mark.parametrize(
    ("verdict", "part", "asked", "skipped"),
    [
        (Verdict.UNKNOWN, "metrics", True, True),
        (Verdict.UNKNOWN, "metrics", False, False),
        (Verdict.UNKNOWN, "fault: slow broker(1)", False, True),
        (Verdict.FAIL, "metrics", True, False),
    ],
)
def test_what_was_not_executed_is_skipped_and_never_passed(
    verdict: Verdict, part: str, *, asked: bool, skipped: bool
) -> None:
    """Only an undecided run lacks what a missing part would have told, and only when it was asked for."""
    scenario = replace(a_scenario("held"), guarantees=(metrics_complete(),) if asked else (no_loss(),))
    missing = (NotExecutedPart(part=part, reason="there is no such thing here"),)
    run = a_run(verdict).model_copy(update={"not_executed": missing})

    assert bool(not_executed(scenario, run)) is skipped
    assert unmet(scenario, run)
