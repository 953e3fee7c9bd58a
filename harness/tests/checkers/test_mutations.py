"""Every planted defect is caught by its checker, and legal noise alarms none."""

from __future__ import annotations

import pytest

from harness import seeds
from harness.checkers.compose import judge
from harness.checkers.mutate import DEFECTS, NOISE, Change, Mutation
from harness.findings import Finding
from harness.ledger.evidence import Evidence
from harness.tests.checkers.build import passing_evidence
from harness.verdict import Kind, Verdict


@pytest.fixture(scope="module")
def passing() -> Evidence:
    """A whole run in which nothing broke."""
    return passing_evidence()


def findings(evidence: Evidence) -> dict[str, Finding]:
    """The findings of a run by checker."""
    return {found.checker: found for found in judge(evidence, harness_version="test").findings}


def test_the_run_the_defects_are_planted_in_passes(passing: Evidence) -> None:
    """Without a mutation everything is PASS, so every alarm below has one cause."""
    assert {Verdict.PASS} == {found.verdict for found in findings(passing).values()}


@pytest.mark.parametrize("draw", range(3))
@pytest.mark.parametrize("mutation", DEFECTS, ids=lambda mutation: mutation.name)
def test_a_planted_defect_is_caught(mutation: Mutation, draw: int, passing: Evidence) -> None:
    """Wherever it is planted, the checker named for a defect says so."""
    chance = seeds.stream(draw, mutation.name)
    found = findings(mutation.apply(passing, chance))[mutation.caught_by]

    assert mutation.verdict is found.verdict


@pytest.mark.parametrize("mutation", [m for m in DEFECTS if m.verdict is Verdict.FAIL], ids=lambda m: m.name)
def test_a_broken_guarantee_names_its_records(mutation: Mutation, passing: Evidence) -> None:
    """A FAIL carries at least one witness that says which record, or which offset."""
    found = findings(mutation.apply(passing, seeds.stream(1, mutation.name)))[mutation.caught_by]

    assert all(witness.record or witness.offsets for witness in found.witnesses)
    assert min(found.violations, 32) == len(found.witnesses)


@pytest.mark.parametrize("draw", range(3))
@pytest.mark.parametrize(("name", "change"), NOISE.items(), ids=list(NOISE))
def test_legal_noise_alarms_nobody(name: str, change: Change, draw: int, passing: Evidence) -> None:
    """What a sound pipeline may do leaves every guarantee held."""
    noisy = findings(change(passing, seeds.stream(draw, name)))
    alarmed = {
        f.checker: f.summary
        for f in noisy.values()
        if f.kind is Kind.GUARANTEE and f.verdict is not Verdict.PASS
    }

    assert {} == alarmed
