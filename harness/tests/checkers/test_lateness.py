"""``none_late``: judged for whoever asks, from what the job set aside."""

from __future__ import annotations

from harness.checkers.compose import judge
from harness.findings import Finding
from harness.ledger.evidence import Evidence
from harness.tests.checkers.build_pipeline import (
    ALL_HOPS,
    Arrived,
    Hop,
    Job,
    evidence_of,
    passing_log,
    worked,
)
from harness.verdict import Verdict


def found_in(evidence: Evidence) -> Finding | None:
    """The finding of ``none_late``, if there is one."""
    findings = judge(evidence, harness_version="test").findings
    return next((each for each in findings if each.checker == "none_late"), None)


def a_run(records: list[Arrived], whole: tuple[Hop, ...] = ALL_HOPS) -> Evidence:
    """A run of a sound job whose scenario asks that nothing be late."""
    return evidence_of(records, worked(records, Job()), asked=("none_late",), whole=whole)


def punctual() -> list[Arrived]:
    """The passing log without those that its producers sent late."""
    records = passing_log()
    newest = 0
    kept = []
    for record in records:
        newest = max(newest, record.event_ms)
        if record.flaw or record.event_ms > newest - 1_000:
            kept.append(record)
    return kept


def test_a_late_record_breaks_it_and_is_named() -> None:
    """Each sound record that the job set aside as late is a violation, with its id and its offset."""
    found = found_in(a_run(passing_log()))

    assert found is not None
    assert found.verdict is Verdict.FAIL
    assert found.violations > 0
    assert all(witness.record and witness.offsets for witness in found.witnesses)


def test_it_holds_when_no_record_is_late() -> None:
    """Disorder within the job's bound makes nobody late; poisoned records are none of its business."""
    found = found_in(a_run(punctual()))

    assert found is not None
    assert found.verdict is Verdict.PASS
    assert found.violations == 0


def test_late_records_that_were_not_read_prove_nothing() -> None:
    """With the late records unread none is known to be late, and that is no PASS."""
    unread = tuple(hop for hop in ALL_HOPS if hop != "late")
    found = found_in(a_run(punctual(), unread))

    assert found is not None
    assert found.verdict is Verdict.UNKNOWN


def test_nobody_asked_nobody_is_told() -> None:
    """Being late is no loss: a run that does not ask for it has no such finding."""
    records = passing_log()

    assert found_in(evidence_of(records, worked(records, Job()))) is None
