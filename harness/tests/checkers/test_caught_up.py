"""The job's catching up, held against what the story allows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checkers import caught_up
from harness.ledger.evidence import Evidence
from harness.model import CaughtUp
from harness.tests.checkers.build import at, passing_evidence
from harness.verdict import Verdict


def _waited(*waits: tuple[float, float | None]) -> Evidence:
    found = passing_evidence()
    asked = tuple(CaughtUp(t=at(5), wall="", within_s=within, took_s=took) for within, took in waits)
    return replace(found, events=(*found.events, *asked))


@pytest.mark.parametrize(
    ("took", "expected"),
    [(3.0, Verdict.PASS), (10.0, Verdict.PASS), (10.1, Verdict.FAIL), (None, Verdict.FAIL)],
)
def test_a_wait_is_held_against_its_own_budget(took: float | None, expected: Verdict) -> None:
    """In time passes, too late fails, and never fails too."""
    found = caught_up.check(_waited((10.0, took)), starved="")

    assert found is not None
    assert found.verdict is expected


def test_one_miss_among_many_is_named() -> None:
    """Every wait counts, and the witness is the one that missed."""
    found = caught_up.check(_waited((10.0, 1.0), (2.0, 3.0), (10.0, 4.0)), starved="")

    assert found is not None
    assert (found.verdict, found.violations, found.compared) == (Verdict.FAIL, 1, {"waits": 3})
    assert [seen.detail for seen in found.witnesses] == ["3.0 s, allowed 2 s"]


def test_a_miss_of_a_starved_harness_is_not_proven() -> None:
    """When the harness itself was late, a miss says nothing about the job."""
    found = caught_up.check(_waited((2.0, 3.0)), starved="the harness itself was starved")

    assert found is not None
    assert found.verdict is Verdict.UNKNOWN


def test_a_story_that_asked_for_nothing_gets_no_finding() -> None:
    """There is nothing to hold against anything."""
    assert caught_up.check(passing_evidence(), starved="") is None
