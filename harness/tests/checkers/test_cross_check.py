"""The second count in SQL: it agrees with the checkers, and a defect in either of them shows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from harness.checkers import cross_check, duplicates, integrity, loss, order, phantoms
from harness.checkers.compose import judge
from harness.checkers.mutate import DEFECTS, Mutation
from harness.checkers.sequences import history
from harness.checkers.spans import Spans
from harness.findings import Finding
from harness.ledger.evidence import Evidence
from harness.model import Outcome
from harness.oracle.recount import recount
from harness.oracle.statements import DOUBLED, LATE, LOST, MOVED, REFUSED, STRANGE_PLACES, Statements
from harness.oracle.tally import MOST_RECORDS, Recount, Tally
from harness.rundir import RunDirectory
from harness.seeds import stream
from harness.tests.checkers.build import Story, passing_evidence, write
from harness.tests.checkers.histories import ANYHOW, BROKEN, LEGAL, Batch, Reading, batches, evidence_of
from harness.verdict import Verdict

CHECKERS = (loss, duplicates, order, phantoms, integrity)
EVERY_FATE = LEGAL * 2 + BROKEN


def found(evidence: Evidence) -> list[Finding]:
    """What the five record checkers say."""
    sets = history(evidence)
    return [each.check(evidence, sets) for each in CHECKERS]


def agreement(drawn: list[Batch], reading: Reading) -> Finding:
    """The finding of the cross-check about a grown history."""
    evidence = evidence_of(drawn, reading)
    return cross_check.check(evidence, found(evidence), recount)


@settings(max_examples=100, deadline=None)
@given(batches(EVERY_FATE), ANYHOW)
def test_both_counts_agree_on_any_history(drawn: list[Batch], reading: Reading) -> None:
    """Whatever was attempted, lost, repeated, damaged or left unread, both counts and witnesses are equal."""
    said = agreement(drawn, reading)

    assert (said.verdict is Verdict.PASS) or said.compared["records"] == 0, said.summary


@pytest.mark.nightly
@settings(max_examples=5_000, deadline=None)
@given(batches(EVERY_FATE), ANYHOW)
def test_both_counts_agree_on_five_thousand_histories(drawn: list[Batch], reading: Reading) -> None:
    """The same, on five thousand histories in a night."""
    said = agreement(drawn, reading)

    assert (said.verdict is Verdict.PASS) or said.compared["records"] == 0, said.summary


@settings(max_examples=50, deadline=None)
@given(batches(EVERY_FATE), ANYHOW)
def test_the_parts_of_a_count_agree(drawn: list[Batch], reading: Reading) -> None:
    """Late and moved records, strangers and refused ones, are counted alike each by itself."""
    evidence = evidence_of(drawn, reading)
    sets = history(evidence)
    late = order._late(order._first_copies(sets), sets.lanes)
    moved = (Spans(sets.placed.low, sets.placed.high) & sets.seen) - sets.located
    parts = recount(evidence).parts

    assert late.count() == parts["late"].count
    assert moved.count() == parts["moved"].count
    assert phantoms._distinct(sets.strange) == parts["strange"].count
    assert (sets.failed & sets.seen).count() == parts["refused"].count


@pytest.mark.parametrize("mutation", DEFECTS, ids=lambda mutation: mutation.name)
def test_both_counts_agree_on_every_planted_defect(mutation: Mutation) -> None:
    """A whole run with one thing wrong is counted alike."""
    evidence = mutation.apply(passing_evidence(), stream(5, mutation.name))
    said = cross_check.check(evidence, found(evidence), recount)

    assert said.verdict is Verdict.PASS or not evidence.reads.count.sum()


def everything_wrong() -> Evidence:
    """A history with each defect in it."""
    drawn = [Batch(0, 1, 4, fate) for fate in ("fine", *BROKEN)]
    return evidence_of([*drawn, Batch(1, 2, 3, "fine")], Reading())


WRONG_SQL = {
    "no_loss": Statements(lost=LOST.replace("WHERE a.ok", "WHERE a.ok AND a.seq % 2 = 0")),
    "no_duplicates": Statements(doubled=DOUBLED.replace("copies > 1", "copies > 2")),
    "order_per_key, late": Statements(late=LATE.replace("reached > seq", "reached > seq + 1")),
    "order_per_key, moved": Statements(moved=MOVED.replace("t.told)", "t.told - 1)")),
    "no_phantoms, strange": Statements(strange_places=STRANGE_PLACES + " LIMIT 1"),
    "no_phantoms, refused": Statements(refused=REFUSED.replace("WHERE a.refused", "WHERE NOT a.refused")),
    "integrity": Statements(damaged='SELECT 0 AS partition, 0 AS "offset"'),
}


@pytest.mark.parametrize(("checker", "wrong"), WRONG_SQL.items(), ids=list(WRONG_SQL))
def test_a_defect_in_the_sql_shows(checker: str, wrong: Statements) -> None:
    """A statement that is wrong makes its count differ, and both numbers are told."""
    evidence = everything_wrong()
    said = cross_check.check(evidence, found(evidence), lambda given: recount(given, wrong))

    assert said.verdict is Verdict.UNKNOWN
    assert said.violations == 1
    assert f"two ways of counting differ: {checker.partition(',')[0]} " in said.summary
    assert " in SQL (first " in said.summary


WRONG_CHECKERS: dict[str, Callable[[Evidence], Evidence]] = {
    "no_loss": lambda e: replace(e, attempts=replace(e.attempts, outcome=_first_unknown(e))),
    "no_duplicates": lambda e: replace(e, reads=replace(e.reads, first_offset=e.reads.first_offset * 0)),
    "order_per_key": lambda e: replace(
        e, attempts=replace(e.attempts, base_offset=e.attempts.base_offset * 0)
    ),
    "no_phantoms": lambda e: replace(e, announced=replace(e.announced, until_seq=e.announced.until_seq * 0)),
    "integrity": lambda e: replace(e, reads=replace(e.reads, state=e.reads.state * 0 + 1)),
}


def _first_unknown(evidence: Evidence) -> np.ndarray:
    lost = np.flatnonzero(evidence.attempts.base_offset < 0)
    outcome = evidence.attempts.outcome.copy()
    outcome[lost] = int(Outcome.UNKNOWN)
    return outcome


@pytest.mark.parametrize("checker", WRONG_CHECKERS)
def test_a_defect_in_a_checker_shows(checker: str) -> None:
    """A checker that looked at another ledger than there is makes its count differ."""
    evidence = evidence_of(
        [
            Batch(0, 1, 4, "fine"),
            Batch(0, 1, 4, "lost"),
            Batch(0, 1, 4, "announced"),
            Batch(0, 2, 3, "doubled"),
        ],
        Reading(),
    )
    blind = {one.checker: one for one in found(WRONG_CHECKERS[checker](evidence))}
    findings = [blind[checker] if one.checker == checker else one for one in found(evidence)]
    said = cross_check.check(evidence, findings, recount)

    assert (said.verdict, said.violations) == (Verdict.UNKNOWN, 1)
    assert f"{checker} {blind[checker].violations:,}, and " in said.summary


def test_equal_numbers_of_other_records_differ() -> None:
    """One record lost is not another record lost: the smallest witnesses are compared too."""
    evidence = evidence_of([Batch(0, 1, 2, "lost"), Batch(0, 1, 2, "fine")], Reading())
    tallies = recount(evidence).tallies | {"no_loss": Tally(2, ("1/0/2", "1/0/3"))}
    said = cross_check.check(evidence, found(evidence), lambda _: Recount(4, tallies, {}))

    assert said.verdict is Verdict.UNKNOWN
    assert "no_loss 2, and 2 in SQL (first 1/0/0, and 1/0/2)" in said.summary


def test_a_ledger_too_large_is_not_proven() -> None:
    """What cannot be counted again is UNKNOWN with the number, and nothing is counted."""
    story = Story().acked(0, MOST_RECORDS + 1, offset=0)
    said = cross_check.check(story.evidence(), [], recount)

    assert said.verdict is Verdict.UNKNOWN
    assert said.summary == (
        "Not proven: 10,000,001 records are too many to count them again (10,000,000 at the most)."
    )


def test_nothing_to_count_is_not_proven() -> None:
    """An empty ledger agrees with nobody."""
    assert cross_check.check(Story().evidence(), [], recount).verdict is Verdict.UNKNOWN


def test_a_checker_that_failed_is_a_difference() -> None:
    """A count that there is in SQL alone is told."""
    evidence = evidence_of([Batch(0, 1, 2, "fine")], Reading())
    said = cross_check.check(evidence, found(evidence)[1:], recount)

    assert "no_loss was not counted at all, and 0 in SQL" in said.summary


def test_a_second_count_that_fails_is_not_proven() -> None:
    """An error in the second count is UNKNOWN and hides no other finding."""

    def breaks(_: Evidence) -> Recount:
        raise ValueError("no such table")

    document = judge(passing_evidence(), harness_version="test", second=breaks)
    last = document.findings[-1]

    assert (last.checker, last.verdict, document.exit_code) == ("cross_check", Verdict.UNKNOWN, 2)
    assert "no such table" in last.summary


def test_verify_counts_again_when_asked(tmp_path: Path) -> None:
    """`verify --cross-check` adds the finding to run.json; without it there is none."""
    directory = RunDirectory.create(tmp_path, "stored")
    write(passing_evidence(), directory)
    for flags, expected in (([], []), (["--cross-check"], [("PASS", 5)])):
        argv = [sys.executable, "-m", "harness", "verify", str(directory.root), *flags]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        findings = directory.read_document().findings
        told = [(f.verdict.value, f.compared["checks"]) for f in findings if f.checker == "cross_check"]

        assert (done.returncode, done.stderr, told) == (0, "", expected)
