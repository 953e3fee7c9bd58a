"""The whole judgement: from evidence to one document, live or stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.checkers.compose import judge
from harness.errors import EvidenceError, ExitCode
from harness.findings import RunDocument
from harness.ledger.evidence import Evidence, load
from harness.model import (
    Aborted,
    Event,
    FencePassed,
    HopRead,
    JobStarted,
    LoadPlanned,
    PhaseEntered,
    RunEnded,
    RunStarted,
)
from harness.rundir import RunDirectory
from harness.tests.checkers.build import (
    WALL,
    Story,
    at,
    passing_evidence,
    passing_story,
    without_events,
    write,
)
from harness.tests.checkers.build_pipeline import Job, evidence_of, passing_log, worked
from harness.verdict import Verdict


def judged(evidence: Evidence) -> RunDocument:
    """The document of *evidence*."""
    return judge(evidence, harness_version="test")


def with_event(evidence: Evidence, event: Event) -> Evidence:
    """*evidence* in which *event* happened last, before the end."""
    return replace(evidence, events=(*evidence.events[:-1], event, *evidence.events[-1:]))


def test_a_sound_run_passes() -> None:
    """A run in which nothing broke is PASS with exit code 0 and says what it proved."""
    document = judged(passing_evidence())

    assert (Verdict.PASS, ExitCode.PASS) == (document.verdict, document.exit_code)
    assert (
        "All 15,200 acknowledged records came back exactly once and in order through kill the leader of "
        "orders/0; slowest return to service 8.7 s, expected ≤ 11.0 s "
        "(outages shorter than 1.1 s are not seen)."
    ) == document.sentence
    assert 45.0 == document.duration_s
    assert (15.0, 25.0) == document.phases["disturb"]


def test_judging_a_stored_run_gives_the_same_document(tmp_path: Path) -> None:
    """The document is a function of the run directory alone."""
    directory = RunDirectory.create(tmp_path, "by-hand")
    write(passing_evidence(), directory)

    assert judged(passing_evidence()) == judged(load(directory))


def test_a_lost_record_is_a_broken_guarantee() -> None:
    """One lost record ends in exit code 1 and is the sentence."""
    story = passing_story()
    story.reads.pop(10)
    document = judged(story.evidence())

    assert (Verdict.FAIL, ExitCode.GUARANTEE_BROKEN) == (document.verdict, document.exit_code)
    assert (
        "10 of 15,200 acknowledged records lost (faults: kill the leader of orders/0)." == document.sentence
    )


def test_a_missed_budget_has_its_own_exit_code() -> None:
    """Guarantees held and a recovery too slow is exit code 3."""
    story = passing_story()
    story.budgets = story.budgets.model_copy(update={"recovery_s": 5.0})
    document = judged(story.evidence())

    assert (Verdict.FAIL, ExitCode.BUDGET_MISSED) == (document.verdict, document.exit_code)
    assert document.sentence.startswith("Every guarantee held, but a budget was missed: Too slow: ")


def test_a_fault_without_proof_of_healing_is_unsafe() -> None:
    """A fault that may still be in force outranks everything."""
    evidence = passing_evidence()
    journal = tuple(entry for entry in evidence.journal if entry.step != "healing-proven")
    document = judged(replace(evidence, journal=journal))

    assert (Verdict.UNSAFE, ExitCode.FAULT_LEFT_BEHIND) == (document.verdict, document.exit_code)
    assert document.sentence.startswith("A fault may be left behind: ")


def test_a_withdrawn_proof_of_healing_counts_as_none() -> None:
    """The last word of the journal about the healing is the one that holds."""
    evidence = passing_evidence()
    doubt = evidence.journal[-1].model_copy(update={"step": "healing-unproven", "t": at(30)})
    document = judged(replace(evidence, journal=(*evidence.journal, doubt)))

    assert Verdict.UNSAFE is document.verdict


def test_a_disturbed_run_without_a_journal_is_unknown() -> None:
    """A run that entered its disturbed phase must name its faults."""
    document = judged(replace(passing_evidence(), journal=()))

    assert (Verdict.UNKNOWN, ExitCode.UNKNOWN) == (document.verdict, document.exit_code)


@pytest.mark.parametrize(("started_s", "found"), [(20.0, []), (10.0, [Verdict.UNKNOWN])])
def test_an_upgrade_of_the_job_is_a_disturbance_without_a_fault(
    started_s: float, found: list[Verdict]
) -> None:
    """Its phase of disturbance holds the job's new start, and needs no fault; one without either does."""
    quiet = replace(passing_evidence(), journal=())
    started = JobStarted(
        t=at(started_s), wall=WALL, job_id="2", jar="edge", jar_sha256="", main="edge.Main", arguments=()
    )
    events = sorted((*quiet.events, started), key=lambda event: event.t)
    document = judged(replace(quiet, events=tuple(events)))

    assert [each.verdict for each in document.findings if each.checker == "faults_observed"] == found


def test_a_user_who_aborts_gets_130() -> None:
    """An abort by the user is exit code 130 and proves nothing."""
    aborted = Aborted(t=at(44), wall=WALL, reason="Ctrl-C", by_user=True)
    document = judged(with_event(passing_evidence(), aborted))

    assert (Verdict.UNKNOWN, ExitCode.ABORTED) == (document.verdict, document.exit_code)
    assert "Nothing was proven: the run was ended early (Ctrl-C)." == document.sentence


def test_an_abort_by_the_harness_is_unknown() -> None:
    """A vacuity guard that did not hold ends in exit code 2 with its reason."""
    aborted = Aborted(t=at(44), wall=WALL, reason="the cut was not observed", by_user=False)
    document = judged(with_event(passing_evidence(), aborted))

    assert ExitCode.UNKNOWN == document.exit_code
    assert "Not proven: The run was aborted: the cut was not observed." == document.sentence


def test_a_run_without_an_end_is_unknown() -> None:
    """A harness that died leaves no end, and no PASS."""
    document = judged(without_events(passing_evidence(), RunEnded))

    assert ExitCode.UNKNOWN == document.exit_code


def test_the_unproven_is_said_before_the_slow() -> None:
    """With a budget missed and something unproven, the sentence names what decides the exit code."""
    story = passing_story()
    story.budgets = story.budgets.model_copy(update={"recovery_s": 5.0})
    document = judged(without_events(story.evidence(), RunEnded))

    assert ExitCode.UNKNOWN == document.exit_code
    assert "Not proven: The harness died: the run has no end." == document.sentence


def test_a_run_without_records_is_unknown() -> None:
    """Zero records prove nothing, whatever else went well."""
    document = judged(Story().evidence())

    assert ExitCode.UNKNOWN == document.exit_code
    assert "Not proven: no record was acknowledged." == document.sentence


def test_a_run_without_a_load_is_unknown() -> None:
    """A run that planned no load has compared nothing."""
    assert ExitCode.UNKNOWN == judged(without_events(Story(asked=()).evidence(), LoadPlanned)).exit_code


def test_a_checker_that_raises_is_unknown_and_hides_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A ledger that cannot be right makes the records UNKNOWN while the times are still judged."""
    evidence = passing_evidence()
    broken = np.where(np.arange(evidence.attempts.rows) == 7, -1, evidence.attempts.first_seq)
    document = judged(replace(evidence, attempts=replace(evidence.attempts, first_seq=broken)))
    found = {finding.checker: finding for finding in document.findings}

    assert Verdict.UNKNOWN is found["ledger_readable"].verdict
    assert "attempts.first_seq is -1" in found["ledger_readable"].summary
    assert Verdict.PASS is found["recovery"].verdict
    assert "checker failed" in caplog.text


def test_a_run_that_never_began_cannot_be_judged() -> None:
    """Without its first event there is nothing to write a document about."""
    with pytest.raises(EvidenceError, match="no beginning"):
        judged(without_events(passing_evidence(), RunStarted))


def test_every_pass_compared_something() -> None:
    """No finding of a passing run is PASS over zero evidence."""
    assert [] == [f.checker for f in judged(passing_evidence()).findings if not any(f.compared.values())]


def test_a_run_that_died_before_its_first_phase_is_judged() -> None:
    """There is nothing but a beginning: the verdict is UNKNOWN, and nothing breaks on the way."""
    document = judged(without_events(passing_evidence(), PhaseEntered, RunEnded))

    assert document.verdict is Verdict.UNKNOWN
    assert document.phases == {}


def test_every_finding_says_what_it_rests_on() -> None:
    """How far what it judges was read, and the digest of the settings, which are those of the whole run."""
    document = judged(passing_evidence())
    told = {each.checker: (each.fence, each.covered_pct) for each in document.findings}

    assert told["no_loss"] == told["no_duplicates"] == told["integrity"] == ("complete", 100)
    assert told["recovery"] == (None, None)
    assert len({each.config_digest for each in document.findings} | {None}) == 2


def test_other_settings_have_another_digest() -> None:
    """What was asked for belongs to the settings under which a run was judged."""
    asked = (("no_loss", "integrity"), ("no_loss", "integrity"), ("no_loss",))
    runs = [judged(Story(asked=each).acked(0, 5, offset=0).evidence()) for each in asked]
    digests = [each.findings[0].config_digest for each in runs]

    assert digests[0] == digests[1] != digests[2]


def test_what_was_not_read_is_told() -> None:
    """Of ten acknowledged records four came back, and no fence says where the log ended: 40 %."""
    evidence = Story(fenced=False).acked(0, 10, offset=0).read(0, 4, offset=0).evidence()
    found = judged(evidence).findings[0]

    assert (found.checker, found.verdict) == ("no_loss", Verdict.UNKNOWN)
    assert (found.fence, found.covered_pct) == ("none", 40)


def test_what_was_deleted_before_the_reading_was_not_looked_for() -> None:
    """The log begins at offset 3 and was read through: of ten acknowledged records three are not covered."""
    evidence = Story().acked(0, 10, offset=0).read(3, 7, offset=3).evidence()
    events = tuple(_beginning_at(3, each) for each in evidence.events)
    found = judged(replace(evidence, events=events)).findings[0]

    assert (found.verdict, found.fence, found.covered_pct) == (Verdict.UNKNOWN, "complete", 70)


def _beginning_at(first: int, event: Event) -> Event:
    if not isinstance(event, FencePassed):
        return event
    fences = tuple(each.model_copy(update={"first_offset": first}) for each in event.fences)
    return event.model_copy(update={"fences": fences})


def test_what_lies_behind_the_topic_says_which_hops_were_read() -> None:
    """All four that the windows rest on; with one of them not read to its end in places only; none at all."""
    records = passing_log()
    whole = evidence_of(records, worked(records, Job()))
    told = [
        {each.checker: each.fence for each in judged(replace(whole, events=events)).findings}["results_exact"]
        for events in (
            whole.events,
            tuple(e for e in whole.events if not isinstance(e, HopRead) or e.hop != "late"),
            tuple(e for e in whole.events if not isinstance(e, HopRead)),
        )
    ]

    assert told == ["complete", "partial", "none"]
