"""The checks of anomalies and the ledger's own checkers agree about the same ledger."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given, settings

from harness.anomalies.judge import judge
from harness.anomalies.unfolded import unfolded
from harness.checkers import duplicates, integrity, loss, order, phantoms
from harness.checkers.sequences import history
from harness.history.operations import Send
from harness.history.table import tabulate
from harness.ledger.evidence import Evidence
from harness.model import EnvironmentSeen, LoadPlanned, ReadState
from harness.tests.checkers.build import Story, passing_evidence
from harness.tests.checkers.histories import (
    ANYHOW,
    BROKEN,
    LEGAL,
    WHOLE,
    Batch,
    Reading,
    batches,
    evidence_of,
)
from harness.verdict import Verdict

ONCE = tuple(fate for fate in BROKEN if not fate.startswith("retried"))
"""What the ledger's checkers take for granted: no id is attempted twice."""


IN_PLACE = ("lost", "refused there", "phantom")
"""Without a fence the ledger proves no loss; a wrong acknowledgement proves one where somebody read there."""


def ledger(evidence: Evidence) -> dict[str, int]:
    """The violations that the ledger's own checkers count."""
    sets = history(evidence)
    found = [each.check(evidence, sets) for each in (loss, duplicates, order, phantoms, integrity)]
    return {each.checker: each.violations for each in found}


def anomalies(evidence: Evidence) -> dict[str, int]:
    """Those that the checks of histories count."""
    operations = unfolded(evidence)
    return {each.checker: each.violations for each in judge(tabulate(operations), len(operations)).findings}


def any_of(found: dict[str, int], *names: str) -> bool:
    """Whether one of these found anything."""
    return any(found.get(name, 0) for name in names)


@settings(max_examples=100, deadline=None)
@example([Batch(0, 1, 2, "holed"), Batch(0, 1, 1, "fine")], Reading(again=0, in_runs=False))
@example([Batch(0, 1, 1, "lost"), Batch(0, 1, 1, "misplaced")], Reading(again=0, in_runs=False))
@given(batches(LEGAL * 2 + ONCE), WHOLE)
def test_both_agree_on_what_is_lost_repeated_or_made_up(drawn: list[Batch], reading: Reading) -> None:
    """Of a log read to its end: as many lost records, and the same kinds of trouble."""
    evidence = evidence_of(drawn, reading)
    own, other = ledger(evidence), anomalies(evidence)

    assert other["lost"] == own["no_loss"]
    assert any_of(other, "duplicate_log") == any_of(own, "no_duplicates")
    assert any_of(other, "phantom", "aborted_read") == any_of(own, "no_phantoms")
    if not own["no_duplicates"]:  # the first of several copies may lie before what was sent earlier
        disordered = any_of(other, "nonmono_send", "ack_offset_mismatch")
        assert disordered >= any_of(own, "order_per_key")
        if not own["no_loss"]:  # two may be acknowledged at one place when one is lost
            assert disordered == any_of(own, "order_per_key")


# A record came back from where the sentinel of a fence lies: that is the fence of another reading.
@settings(max_examples=60, deadline=None)
@example([Batch(0, 1, 3, "fine")], Reading(again=0, start=(2, 0, 0), fences=("other", "whole", "whole")))
@given(batches(LEGAL * 2 + IN_PLACE), ANYHOW)
def test_nothing_is_lost_that_the_ledger_does_not_prove(drawn: list[Batch], reading: Reading) -> None:
    """However the log was read, an unfolded ledger proves no more than its fences do."""
    evidence = evidence_of(drawn, reading)
    own, other = ledger(evidence), anomalies(evidence)

    if (evidence.reads.state == ReadState.GOOD).all():  # one that came back damaged is lost as well
        assert other["lost"] <= own["no_loss"]
    damaged = bool((evidence.reads.state == ReadState.CORRUPT).any())
    misrouted = bool((evidence.reads.state == ReadState.MISROUTED).any())
    assert (any_of(other, "damaged"), any_of(other, "misrouted")) == (damaged, misrouted)


@settings(max_examples=40, deadline=None)
@given(batches(LEGAL), WHOLE)
def test_a_sound_ledger_has_no_anomaly(drawn: list[Batch], reading: Reading) -> None:
    """What is legal, of announced and undecided attempts too, is none in other words either."""
    assert not any(anomalies(evidence_of(drawn, reading)).values())


def test_a_passing_run_passes_as_a_history() -> None:
    """Every record is due, covered and there; the fence is complete."""
    operations = unfolded(passing_evidence())
    verdict = judge(tabulate(operations), len(operations))

    assert verdict.verdict is Verdict.PASS
    assert (verdict.fence, verdict.covered_percent) == ("complete", 100)


def test_a_lost_row_leaves_attempts_without_an_answer() -> None:
    """What was announced and has no row may exist: found, it is no phantom."""
    story = Story(partitions=1)
    story.reserve(3)
    story.read(0, 2, offset=0)
    sends = [each for each in unfolded(story.evidence()) if isinstance(each, Send)]

    assert [(each.sequence, each.outcome, each.t[1]) for each in sends] == [
        (n, "unknown", None) for n in range(3)
    ]
    assert not any_of(anomalies(story.evidence()), "phantom")


def test_settings_come_from_the_run() -> None:
    """What the clients and the topic were told decides what is excused."""
    evidence = passing_evidence()
    events = []
    for event in evidence.events:
        if isinstance(event, LoadPlanned):
            event = event.model_copy(update={"client": {"acks": "1", "enable.idempotence": "false"}})  # noqa: PLW2901
        if isinstance(event, EnvironmentSeen):
            told = {"topic.unclean.leader.election.enable": "true", "topic.cleanup.policy": "compact"}
            event = event.model_copy(update={"effective": told})  # noqa: PLW2901
        events.append(event)
    first = unfolded(replace(evidence, events=tuple(events)))[0]

    assert first.model_dump(exclude={"op", "version"}, exclude_defaults=True) == {
        "acks": "1",
        "idempotent": False,
        "unclean_election": True,
        "cleanup": "compact",
    }
