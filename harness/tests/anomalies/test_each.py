"""Each anomaly is found, and what is legal raises no alarm."""

from __future__ import annotations

import pytest

from harness.anomalies.judge import ALWAYS, WHERE_TOLD
from harness.tests.anomalies import legal_progress, planted_progress
from harness.tests.anomalies.legal import LEGAL
from harness.tests.anomalies.planted import PLANTED, both
from harness.tests.anomalies.planted_presence import PRESENCE
from harness.tests.anomalies.told import Story
from harness.verdict import Verdict

FOUND = PLANTED | PRESENCE | planted_progress.PROGRESS
QUIET = LEGAL | legal_progress.PROGRESS


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


@pytest.mark.parametrize(
    "story",
    [
        both(Story()).poll(0, 2, (0, 0), (1, 1)),
        both(Story()).poll(0, 2, (0, 0), (1, 1)).fence(1),
        both(Story()).poll(0, 2, (0, 0), (1, 1)).fence(2, stable=1),
    ],
    ids=["none", "below what was handed out", "open"],
)
def test_without_a_fence_nothing_is_said_of_what_is_not_there(story: Story) -> None:
    """That no record is lost, there twice or made up is claimed of logs that were read to their end alone."""
    claims = ("duplicate_log", "phantom", "misrouted", "damaged", "aborted_read")
    found = [story.finding(name) for name in claims]

    assert {each.verdict for each in found if each is not None} == {Verdict.UNKNOWN}
    assert story.judged().verdict in {Verdict.UNKNOWN, Verdict.FAIL}


def test_a_record_that_may_have_expired_is_not_proven_lost() -> None:
    """Nobody knows where it lay, and the log does not begin at its beginning."""
    story = Story(cleanup="delete").send(0).send(1, 5).poll(1, 6, (5, 1)).fence(6, first=1)
    found = story.finding("lost")

    assert found is not None
    assert (found.verdict, found.violations) == (Verdict.UNKNOWN, 0)


def test_a_value_seen_before_its_tombstone_went_leaves_a_doubt() -> None:
    """A slow reader may see the one, and neither the other; nothing is claimed then."""
    story = Story(cleanup="compact").send(0, 0, key=1).send(1, 1, key=1, value=None)
    found = story.poll(0, 1, (0, 0)).poll(1, 2).fence(2).finding("latest_value")

    assert found is not None
    assert (found.verdict, found.violations) == (Verdict.UNKNOWN, 0)


def test_records_within_the_skew_of_clocks_are_not_compared() -> None:
    """Nobody knows which came first: the check has nothing to say."""
    story = Story(skew_ns=10**9).send(0, 5).send(0, 1, producer=2).poll(0, 6, (5, 0)).fence(6)

    assert story.finding("realtime_offset") is None


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


def test_one_reader_alone_cannot_disagree() -> None:
    """Only offsets that several readers were handed are compared; with one reader there is nothing to say."""
    alone = both(Story()).poll(0, 2, (0, 0), (1, 1))
    assert alone.finding("divergent_readers") is None

    found = alone.poll(0, 1, (0, 0), reader=8).finding("divergent_readers")
    assert found is not None
    assert found.compared["offsets of several readers"] == 1
