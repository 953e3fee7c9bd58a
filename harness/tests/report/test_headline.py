"""The verdict in words, and documents that contradict themselves."""

from __future__ import annotations

import pytest
from hypothesis import given

from harness.errors import EvidenceError, ExitCode
from harness.findings import RunDocument
from harness.report.headline import expectation, fault_verdict, headline, troubles
from harness.tests.report.build import KILL, broken, document, finding
from harness.tests.report.generated import documents, unhurried
from harness.verdict import Kind, Verdict

MISSED = finding("latency_p99", "Too slow.", Kind.BUDGET, Verdict.FAIL, batches=9)
UNSEEN = finding("no_loss", "Not all was read.", verdict=Verdict.UNKNOWN, read=0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "PASS"),
        ({"verdict": "FAIL", "exit_code": 1}, "FAIL"),
        ({"verdict": "UNKNOWN", "exit_code": 2}, "UNKNOWN"),
        ({"verdict": "FAIL", "exit_code": 3, "findings": [MISSED]}, "BUDGET MISSED"),
        ({"verdict": "UNSAFE", "exit_code": 4}, "UNSAFE"),
        ({"verdict": "PASS", "exit_code": 130}, "ABORTED"),
    ],
)
def test_the_word_of_each_exit(changes: dict[str, object], expected: str) -> None:
    """Every exit code has its word."""
    assert expected == headline(document(**changes)).word


@pytest.mark.parametrize(
    "changes",
    [
        {"findings": [broken().findings[0]]},
        {"findings": [UNSEEN]},
        {"findings": []},
        {"findings": [finding("no_loss", "All there.", read=0)]},
        {"faults": [KILL.model_copy(update={"healing_proven_at": None})]},
        {"faults": [KILL.model_copy(update={"effect_proven_at": None})]},
        {"exit_code": 0, "verdict": "FAIL"},
        {"exit_code": 3, "verdict": "PASS"},
        {"exit_code": 3, "verdict": "FAIL", "findings": [MISSED, UNSEEN]},
        {"exit_code": 0, "verdict": "UNKNOWN"},
        {"exit_code": 2, "verdict": "UNKNOWN", "findings": [broken().findings[0]]},
        {"exit_code": 2, "verdict": "FAIL", "findings": [broken().findings[0]]},
        {"exit_code": 130, "verdict": "PASS", "findings": [UNSEEN]},
    ],
)
def test_a_verdict_milder_than_its_parts_is_refused(changes: dict[str, object]) -> None:
    """A document that would show a pass its parts do not bear is an error, never a pass."""
    with pytest.raises(EvidenceError, match="contradicts itself"):
        headline(document(**changes))


@unhurried
@given(documents())
def test_a_document_by_the_rules_is_accepted(generated: RunDocument) -> None:
    """Whatever the parts are, a verdict computed by the rules of the lattice is shown."""
    top = headline(generated)

    assert generated.exit_code == top.exit_code
    assert (top.word == "PASS") == (generated.exit_code == ExitCode.PASS)


@unhurried
@given(documents())
def test_troubles_are_exactly_what_keeps_from_passing(generated: RunDocument) -> None:
    """A run without trouble is the only one whose verdict is PASS."""
    assert (generated.verdict is Verdict.PASS) == (not troubles(generated) and bool(generated.findings))


def test_the_worst_trouble_comes_first() -> None:
    """A fault left behind outranks a broken guarantee, that one what is unproven, a missed budget is last."""
    left = KILL.model_copy(update={"healing_proven_at": None})
    lost = broken().findings[0]
    found = troubles(document(findings=[MISSED, UNSEEN, lost], faults=[left], verdict="UNSAFE", exit_code=4))

    assert [t.name for t in found] == ["1. kill broker-2", lost.checker, UNSEEN.checker, MISSED.checker]


def test_a_fault_that_was_only_planned_may_be_in_force() -> None:
    """Without a proof of healing a planned fault is unsafe, with one it is unknown."""
    planned = KILL.model_copy(update={"injected_at": None, "healing_proven_at": None})
    healed = KILL.model_copy(update={"injected_at": None})

    assert [fault_verdict(planned)[0], fault_verdict(healed)[0]] == [Verdict.UNSAFE, Verdict.UNKNOWN]


def test_a_scenario_that_is_meant_to_break() -> None:
    """It is said whether it broke, and the verdict is not softened."""
    did, did_not = broken(expect="broken"), document(expect="broken")

    assert "and it did: no_loss" in expectation(did)
    assert "none was seen to break" in expectation(did_not)
    assert (headline(did).word, expectation(broken())) == ("FAIL", "")
