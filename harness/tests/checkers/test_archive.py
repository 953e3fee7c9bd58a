"""The archive checkers: short histories with the exact finding, a naive oracle, and planted defects."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import seeds
from harness.checkers.archive import CHECKS, COMPLETE, INTACT, SINGLE
from harness.checkers.archive_survey import survey
from harness.checkers.mutate import Change, Mutation
from harness.checkers.mutate_archive import DEFECTS, NOISE
from harness.findings import Finding
from harness.ledger.evidence import Evidence
from harness.model import PipelinePlanned
from harness.tests.checkers.build import WALL, at
from harness.tests.checkers.build_archive import Shelves
from harness.verdict import Verdict


def findings(evidence: Evidence) -> dict[str, Finding]:
    """The three findings by guarantee."""
    seen = survey(evidence)
    return {name: check(seen) for name, check in CHECKS.items()}


def held() -> Shelves:
    """Two partitions, a refused record, a marker between records, three objects."""
    told = Shelves().log(0, 0, 1, 2, 4, 5, 6, 7).log(0, 8, flaw="value").log(3, *range(10, 30))
    told.object("records/a", (0, 0, 3), (3, 10, 5))
    told.object("records/b", (3, 15, 10), (0, 4, 4))
    return told.object("records/c", (3, 25, 5))


def test_an_archive_that_holds_passes() -> None:
    """Every valid record once, in whole objects: all three guarantees hold, and say how much was compared."""
    found = findings(held().evidence())

    assert {Verdict.PASS} == {each.verdict for each in found.values()}
    assert {"valid inputs": 27, "archived": 27} == found[COMPLETE].compared
    assert "All 27 valid records of the source log lie in the archive." == found[COMPLETE].summary
    assert {"objects": 3, "lines": 27} == found[INTACT].compared


def test_the_objects_of_other_hops_are_none_of_the_archive() -> None:
    """A damaged object of the metrics bucket says nothing of the archive."""
    told = held().evidence()
    planned = PipelinePlanned(
        t=at(1), wall=WALL, source="orders", results="out", dead_letters="dlq", late="late",
        archive="s3://edge-archive/records", metrics_bucket="edge-metrics", window_ms=1_000,
        out_of_order_ms=500, dedup_ttl_ms=1_000, guarantee="exactly-once", parts=("source", "archive"),
    )  # fmt: skip
    other = held().object("metrics/torn", flaw="truncated gzip").evidence().objects

    found = findings(replace(told, events=(*told.events, planned), objects=other))

    assert {Verdict.PASS} == {each.verdict for each in found.values()}
    assert {"objects": 3, "lines": 27} == found[INTACT].compared


def test_a_hole_is_named_with_what_lies_around_it() -> None:
    """A record in no object is a violation; its witness names it, and the objects before and after it."""
    told = Shelves().log(0, 0, 1, 2).object("records/a", (0, 0, 1)).object("records/b", (0, 2, 1))
    found = findings(told.evidence())[COMPLETE]

    assert (Verdict.FAIL, 1) == (found.verdict, found.violations)
    (witness,) = found.witnesses
    assert ("1/0/101", 0, (1,)) == (witness.record, witness.partition, witness.offsets)
    assert (
        "offset 1 is in no object: after offset 0 (records/a line 1), before offset 2 (records/b line 1)"
        == witness.detail
    )


def test_a_hole_at_the_end_has_nothing_after_it() -> None:
    """The neighbours are sought in the record's own partition only."""
    told = Shelves().log(0, 0, 1).log(1, 0).object("records/a", (0, 0, 1), (1, 0, 1))
    (witness,) = findings(told.evidence())[COMPLETE].witnesses

    assert "offset 1 is in no object: after offset 0 (records/a line 1), nothing before it" == witness.detail


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (
            Shelves(complete=("source",), detail="the job runs"),
            "the archive was not read to its end (the job",
        ),
        (Shelves(complete=("archive",)), "the source log was not read to its end"),
    ],
)
def test_unseen_is_not_lost(told: Shelves, why: str) -> None:
    """While more may come, or the log is not known, nothing is said to be held; what is open is counted."""
    told.log(0, 0, 1).object("records/a", (0, 0, 1 if "archive" not in told.complete else 2))
    found = findings(told.evidence())[COMPLETE]

    assert (Verdict.UNKNOWN, 0) == (found.verdict, found.violations)
    assert why in found.summary


def test_a_record_in_an_unreadable_object_is_not_lost() -> None:
    """Records may lie in an object that could not be fetched: not proven, and no violation."""
    told = (
        Shelves().log(0, 0, 1).object("records/a", (0, 0, 1)).object("records/b", flaw="unreadable: timeout")
    )
    found = findings(told.evidence())

    assert {Verdict.UNKNOWN} == {each.verdict for each in found.values()}
    assert "Not proven: 1 valid record not seen in the archive, 1 object could not be read" in found[
        COMPLETE
    ].summary.replace("Not proven: 1 V", "Not proven: 1 v")


def test_a_repeated_record_is_shown_in_both_places() -> None:
    """A record in two objects is one violation, whose witness names both lines."""
    told = Shelves().log(0, 0, 1).object("records/a", (0, 0, 2)).object("records/b", (0, 1, 1))
    found = findings(told.evidence())[SINGLE]

    assert (Verdict.FAIL, 1) == (found.verdict, found.violations)
    assert ("2 times: offset 1 (records/a line 2); offset 1 (records/b line 1)",) == tuple(
        witness.detail for witness in found.witnesses
    )


def test_repeats_have_a_budget() -> None:
    """What the scenario allows is excused, and one more is not."""
    told = Shelves(allowed=2).log(0, 0, 1, 2).object("records/a", (0, 0, 3)).object("records/b", (0, 0, 2))
    assert Verdict.PASS is findings(told.evidence())[SINGLE].verdict

    told.object("records/c", (0, 2, 1))
    assert Verdict.FAIL is findings(told.evidence())[SINGLE].verdict


def test_damage_and_strangers_are_told_apart() -> None:
    """A torn object, a record that had to be refused and a place without a record: each with its reason."""
    told = Shelves().log(0, 0).log(0, 1, flaw="checksum")
    told.object("records/a", (0, 0, 2), (0, 9, 1), flaw="torn line: line 4")
    found = findings(told.evidence())[INTACT]

    assert (Verdict.FAIL, 3) == (found.verdict, found.violations)
    assert [
        "edge-archive/records/a, 100 bytes: torn line: line 4",
        "the job had to refuse it (checksum): offset 1 (records/a line 2)",
        "no record of the load lies there in the log: offset 9 (records/a line 3)",
    ] == [witness.detail for witness in found.witnesses]


def test_nothing_is_known_of_places_beyond_an_incomplete_reading() -> None:
    """The log was not read that far: what the archive holds there is no phantom."""
    told = Shelves(complete=("archive",)).log(0, 0, 1).object("records/a", (0, 0, 5))

    assert 0 == findings(told.evidence())[INTACT].violations


def test_no_evidence_proves_nothing() -> None:
    """Without inputs and objects no guarantee is said to hold."""
    assert {Verdict.UNKNOWN} == {each.verdict for each in findings(Shelves().evidence()).values()}


def test_a_guarantee_nobody_asked_for_is_shown_and_not_judged() -> None:
    """A repeat in a run that promised none is excused by name."""
    told = Shelves(asked=()).log(0, 0).object("records/a", (0, 0, 1)).object("records/b", (0, 0, 1))
    found = findings(told.evidence())[SINGLE]

    assert (Verdict.PASS, {"not asked for by the scenario": 1}) == (found.verdict, found.excused)


places = st.sets(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=20)
pieces = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10), st.integers(1, 4)), max_size=12)


@given(valid=places, refused=places, runs=pieces)
def test_the_intervals_agree_with_sets(
    valid: set[tuple[int, int]], refused: set[tuple[int, int]], runs: list[tuple[int, int, int]]
) -> None:
    """Missing, repeated and phantom records are what counting one by one finds."""
    told = Shelves()
    for partition, offset in sorted(valid | refused):
        told.log(partition, offset, flaw="" if (partition, offset) in valid else "value")
    for number, run in enumerate(runs):
        told.object(f"records/{number}", run)
    lines = [(p, o) for p, first, count in runs for o in range(first, first + count)]
    seen = survey(told.evidence())

    assert len(valid - set(lines)) == seen.missing.count()
    assert len({line for line in lines if lines.count(line) > 1}) == seen.repeated.count()
    assert len(set(lines) - valid) == seen.phantoms.count()


@pytest.mark.parametrize("draw", range(3))
@pytest.mark.parametrize("mutation", DEFECTS, ids=lambda mutation: mutation.name)
def test_a_planted_defect_is_caught(mutation: Mutation, draw: int) -> None:
    """Wherever it is planted, the checker named for a defect says so, with a witness."""
    chance = seeds.stream(draw, mutation.name)
    found = findings(mutation.apply(held().evidence(), chance))[mutation.caught_by]

    assert mutation.verdict is found.verdict
    assert min(found.violations, 32) == len(found.witnesses)


@pytest.mark.parametrize("draw", range(3))
@pytest.mark.parametrize(("name", "change"), NOISE.items(), ids=list(NOISE))
def test_legal_noise_alarms_nobody(name: str, change: Change, draw: int) -> None:
    """What a sound file sink may do leaves every guarantee held."""
    noisy = findings(change(held().evidence(), seeds.stream(draw, name)))

    assert {} == {f.checker: f.summary for f in noisy.values() if f.verdict is not Verdict.PASS}
