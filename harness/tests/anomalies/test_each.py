"""Each anomaly is found, and what is legal raises no alarm."""

from __future__ import annotations

import pytest

from harness.anomalies.judge import ALWAYS, WHERE_TOLD
from harness.tests.anomalies import legal_progress, planted_progress
from harness.tests.anomalies.legal import LEGAL
from harness.tests.anomalies.planted import PLANTED, both
from harness.tests.anomalies.told import Story
from harness.verdict import Verdict

FOUND, QUIET = PLANTED | planted_progress.PROGRESS, LEGAL | legal_progress.PROGRESS


@pytest.mark.parametrize("name", FOUND)
def test_an_anomaly_is_found_and_named(name: str) -> None:
    """The check whose it is names it, and no other that has nothing to do with it."""
    telling, expected = FOUND[name]
    assert telling().violations() == expected


@pytest.mark.parametrize("name", QUIET)
def test_what_is_legal_raises_no_alarm(name: str) -> None:
    """A history that some correct cluster can produce has no violation."""
    assert QUIET[name]().violations() == {}


def test_every_check_has_a_planted_anomaly() -> None:
    """A check that cannot fail is a defect."""
    caught = {checker for _, expected in PLANTED.values() for checker in expected}
    assert caught == {check.__name__ for check in (*ALWAYS, *WHERE_TOLD)}


def test_unseen_is_not_lost() -> None:
    """A due record that nobody read for makes the verdict UNKNOWN, not FAIL."""
    found = both(Story()).poll(0, 1, (0, 0)).finding("lost")

    assert found is not None
    assert (found.verdict, found.violations) == (Verdict.UNKNOWN, 0)


def test_an_empty_history_proves_nothing() -> None:
    """Zero evidence is UNKNOWN."""
    assert Story().judged().verdict is Verdict.UNKNOWN


def test_a_witness_names_record_offset_and_line() -> None:
    """Enough to look it up: the record's id, where it lay, the line of its last attempt."""
    found = both(Story()).poll(0, 2, (0, 0)).fence(2).finding("lost")

    assert found is not None
    (witness,) = found.witnesses
    assert (witness.record, witness.offsets) == ("1/0/1", (1,))
    assert witness.detail.endswith("line 3")


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"idempotent": False}, "producers without idempotence"),
        ({"at_least_once": True}, "at-least-once"),
    ],
)
def test_duplicates_are_excused_where_the_settings_permit_them(
    settings: dict[str, object], rule: str
) -> None:
    """They are counted by the rule that permits them, and shown."""
    found = Story(**settings).send(0, 0).poll(0, 2, (0, 0), (1, 0)).fence(2).finding("duplicate_log")

    assert found is not None
    assert (found.verdict, found.excused) == (Verdict.PASS, {rule: 1})
