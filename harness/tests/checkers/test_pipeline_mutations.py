"""Every planted defect of a pipeline is caught by its checker, the record named, and noise alarms none."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from harness import seeds
from harness.checkers.compose import judge
from harness.checkers.mutate_pipeline import (
    DEFECTS,
    NOISE,
    PipelineMutation,
    leave_unread,
    lose_window,
)
from harness.findings import Finding
from harness.ledger.evidence import Evidence
from harness.tests.checkers.build_pipeline import HOPS, passing_pipeline
from harness.verdict import Verdict


@pytest.fixture(scope="module")
def passing() -> Evidence:
    """A whole run in which nothing broke."""
    return passing_pipeline()


def findings(evidence: Evidence) -> dict[str, Finding]:
    """The findings about the pipeline's results."""
    judged = judge(evidence, harness_version="test").findings
    return {found.checker: found for found in judged if found.checker in HOPS}


def test_the_run_the_defects_are_planted_in_passes(passing: Evidence) -> None:
    """Without a mutation everything is PASS, so every alarm below has one cause."""
    assert dict.fromkeys(HOPS, Verdict.PASS) == {
        name: found.verdict for name, found in findings(passing).items()
    }


@pytest.mark.parametrize("draw", range(4))
@pytest.mark.parametrize("mutation", DEFECTS, ids=lambda mutation: mutation.name)
def test_a_planted_defect_is_caught(mutation: PipelineMutation, draw: int, passing: Evidence) -> None:
    """Wherever it is planted, the checker named for a defect says so, and names the record it is about."""
    planted = mutation.apply(passing, seeds.stream(draw, mutation.name))
    found = findings(planted.evidence)[mutation.caught_by]
    told = " ".join(f"{witness.record} {witness.detail}" for witness in found.witnesses).replace(",", " ")

    assert mutation.verdict is found.verdict
    assert not planted.record or mutation.verdict is not Verdict.FAIL or planted.record in told.split()


@pytest.mark.parametrize(
    "mutation",
    [m for m in DEFECTS if m.verdict is Verdict.FAIL and "line" not in m.name],
    ids=lambda m: m.name,
)
def test_a_broken_guarantee_has_witnesses(mutation: PipelineMutation, passing: Evidence) -> None:
    """A FAIL carries at least one witness that says which record, or which offset."""
    planted = mutation.apply(passing, seeds.stream(1, mutation.name))
    found = findings(planted.evidence)[mutation.caught_by]

    assert found.witnesses
    assert all(witness.record or witness.offsets for witness in found.witnesses)


@pytest.mark.parametrize("draw", range(3))
@pytest.mark.parametrize(("name", "change"), NOISE.items(), ids=list(NOISE))
def test_legal_noise_alarms_nobody(
    name: str, change: Callable[[Evidence, random.Random], Evidence], draw: int, passing: Evidence
) -> None:
    """What a sound pipeline may do leaves every guarantee held."""
    noisy = findings(change(passing, seeds.stream(draw, name)))
    alarmed = {f.checker: f.summary for f in noisy.values() if f.verdict is not Verdict.PASS}

    assert {} == alarmed


def test_a_lost_window_is_not_lost_state(passing: Evidence) -> None:
    """Totals that grew by exactly what a window without a result held were kept: only the result is lost."""
    for draw in range(10):
        found = findings(lose_window(passing, seeds.stream(draw, "lost")).evidence)

        assert found["state_kept"].verdict is Verdict.PASS
        assert found["results_exact"].violations == 1


def test_an_open_window_at_the_end_is_not_lost(passing: Evidence) -> None:
    """A run that ended early may lack results: nothing is lost, nothing is proven."""
    unread = leave_unread("results", lose_window)(passing, seeds.stream(1, "open")).evidence
    found = findings(unread)

    assert {name: one.violations for name, one in found.items()} == dict.fromkeys(HOPS, 0)
    assert {one.verdict for one in found.values()} == {Verdict.UNKNOWN}
    assert "1 window without a result" in found["results_exact"].summary


def test_the_hop_that_did_it_is_told(passing: Evidence) -> None:
    """A record that a window lacks is told at the results, not at the source."""
    planted = DEFECTS[0].apply(passing, seeds.stream(1, "hop"))
    source, results = judge(planted.evidence, harness_version="test").hops

    assert (source.hop, source.lost, source.repeated) == ("source", 0, 0)
    assert (results.hop, results.complete, results.lost, results.repeated) == ("results", True, 1, 0)
    assert planted.record in results.detail
