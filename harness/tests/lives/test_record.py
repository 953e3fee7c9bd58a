"""The life of a record on histories whose right answer is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import cli
from harness.bundle import fixtures
from harness.errors import BadInput
from harness.ledger.evidence import Archive, Evidence, Objects
from harness.lives.find import find
from harness.lives.names import parse
from harness.lives.steps import Step
from harness.model import Outcome, PipelinePlanned
from harness.rundir import RunDirectory
from harness.tests.checkers.build import Story
from harness.tests.checkers.build_pipeline import Job, evidence_of, passing_log, planned, worked

GOLDEN = fixtures() / "golden" / "acks_one_loses"
LOST = "0/0/840"


def told(evidence: Evidence, record: str) -> dict[str, Step]:
    """The steps of a record by hop; of two the last."""
    return {step.hop: step for step in find(evidence, parse(record)).steps}


def test_a_record_that_was_kept_is_told_from_plan_to_log() -> None:
    """Due at 1 s, sent 0.3 ms later, acknowledged and read back at one offset."""
    story = Story().attempt(Outcome.OK, 0, 10, offset=40, intended=1.0, took=0.004, late=0.0003)
    found = told(story.read(0, 10, offset=40).evidence(), "1/0/7")

    assert ["planned", "sent", "acknowledged", "read back"] == list(found)
    assert (1.0, "0.3 ms after it was due") == (found["planned"].at_s, found["sent"].said)
    assert "offset 47: it must exist" in found["acknowledged"].said
    assert "partition 0, offset 47, whole" == found["read back"].said


def test_a_lost_record_names_who_lies_in_its_place() -> None:
    """Acknowledged at an offset where somebody else lies, and read nowhere though all was read."""
    evidence = (
        Story().acked(0, 5, offset=0).acked(0, 5, offset=0, producer=2).read(0, 5, offset=0, producer=2)
    )
    found = told(evidence.evidence(), "1/0/3")

    assert "though partition 0 was read from 0 to 5" == found["not read back"].said
    assert "at offset 3 lies 2/0/3" == found["in its place"].said


def test_what_was_not_read_through_is_not_called_lost() -> None:
    """Without a fence the record may lie there unseen, and the life says so."""
    story = Story(fenced=False).acked(0, 5, offset=0)

    assert "it may lie there unseen" in told(story.evidence(), "1/0/3")["not read back"].said


@pytest.mark.parametrize(
    ("outcome", "hop", "said"),
    [
        (Outcome.FAIL, "refused", "must not exist: nope"),
        (Outcome.UNKNOWN, "unanswered", "may exist or not: nope"),
    ],
)
def test_what_was_refused_or_never_answered_says_what_that_means(
    outcome: Outcome, hop: str, said: str
) -> None:
    """Each outcome says what must hold of the record, and the client's error."""
    assert said in told(Story().attempt(outcome, 0, error="nope").evidence(), "1/0/0")[hop].said


def test_a_copy_is_a_second_place() -> None:
    """A record that lies at two offsets is read back twice."""
    evidence = Story().acked(0, offset=0).read(0, offset=0).read(0, offset=1).evidence()
    found = [step.said for step in find(evidence, parse("1/0/0")).steps if step.hop == "read back"]

    assert ["partition 0, offset 0, whole", "partition 0, offset 1, whole"] == found


def test_a_phantom_was_never_planned() -> None:
    """A record that came back without an attempt is told as that."""
    evidence = Story().acked(0, offset=0).read(0, offset=0).read(77, offset=1, producer=5).evidence()

    assert ["not planned", "read back"] == list(told(evidence, "5/0/77"))


def test_what_a_dead_worker_announced_may_exist() -> None:
    """An announced sequence without an outcome is no unknown record."""
    evidence = Story().acked(0, offset=0).reserve(50).evidence()

    assert "announced it and kept no outcome" in told(evidence, "1/0/30")["planned"].said


def test_the_faults_in_force_stand_beside_each_instant() -> None:
    """Sent within a fault, answered after it: only the first names it."""
    story = Story().attempt(Outcome.OK, 0, intended=20.0, took=15.0, offset=0).fault(1, "kill", 19.0, 30.0)
    found = told(story.read(0, offset=0).evidence(), "1/0/0")

    assert ("1. kill broker-1",) == found["planned"].in_force == found["sent"].in_force
    assert () == found["acknowledged"].in_force


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("9/0/0", "its producers are 1"),
        ("1/7/0", "producer 1 wrote to the partitions 0"),
        ("1/0/50", "attempted sequences up to 4 in partition 0"),
    ],
)
def test_an_unknown_record_says_which_there_are(record: str, why: str) -> None:
    """One clear error, with the nearest that exists."""
    evidence = Story().acked(0, 5, offset=0).read(0, 5, offset=0).evidence()

    with pytest.raises(BadInput, match=why):
        find(evidence, parse(record))


@pytest.mark.parametrize(
    "written",
    ["", "1", "1/2", "1//2/3", "x/orders/0/1", "1/orders/0", "-1/0/0", "a/b/c", "1/0/٣", f"1/0/{'9' * 30}"],
)
def test_an_impossible_record_is_bad_input(written: str) -> None:
    """What is neither form is refused, with both."""
    with pytest.raises(BadInput, match="is not a record"):
        parse(written)


@given(st.integers(0, 59), st.lists(st.integers(1, 9), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_every_attempted_record_is_found_at_its_offset(sequence: int, sizes: list[int]) -> None:
    """However the records were cut into batches, each is acknowledged where the naive count says."""
    story, first = Story(), 0
    for size in sizes:
        story.acked(first, size, offset=first * 2).read(first, size, offset=first * 2)
        first += size
    batch = max((sum(sizes[:n]) for n in range(len(sizes)) if sum(sizes[:n]) <= sequence), default=0)
    if sequence >= first:
        with pytest.raises(BadInput):
            find(story.evidence(), parse(f"1/0/{sequence}"))
        return
    assert (
        f"offset {batch * 2 + sequence - batch}"
        in told(story.evidence(), f"1/0/{sequence}")["acknowledged"].said
    )


def test_the_pipeline_is_told_to_the_result() -> None:
    """A record that the job forgot is in a window whose result counts one too few."""
    records = passing_log()
    whole, short = (
        evidence_of(records, worked(records, Job(lost=lost))) for lost in (frozenset(), frozenset({4}))
    )
    name = f"{records[4].producer}/{records[4].partition}/{records[4].sequence}"
    counted = told(whole, name)["result"].said.split("counts ")[1]
    number = int(counted.split(" of ")[0])

    assert counted == f"{number} of {number} records"
    assert f"counts {number - 1} of {number} records" in told(short, name)["result"].said
    assert "the job has to take it" in told(whole, name)["input"].said


@pytest.mark.parametrize(("hop", "flaw"), [("late", False), ("dead", True)])
def test_what_was_set_aside_is_in_no_window(hop: str, flaw: bool) -> None:  # noqa: FBT001 - pytest
    """Late and refused records end where the job put them, with its word for it."""
    records = passing_log()
    job = worked(records, Job())
    partition, offset = job.late[0] if hop == "late" else job.dead[0][:2]
    record = [one for one in records if one.partition == partition][offset]
    found = told(evidence_of(records, job), f"{record.producer}/{record.partition}/{record.sequence}")

    assert "set aside by the job" in found[hop].said
    assert "window" not in found
    assert flaw == ("refuse" in found["input"].said)


def test_hops_that_were_not_executed_are_not_silent() -> None:
    """A run without an archive says so instead of ending early."""
    records = passing_log()
    found = told(evidence_of(records, worked(records, Job())), "0/0/0")

    assert "not executed" in found["archive"].said


def test_the_archive_is_told_to_the_line() -> None:
    """A record is the third line of its object; one that no object holds is said to be missing."""
    records = passing_log()
    base = evidence_of(records, worked(records, Job()))
    parts = {"parts": ("source", "results", "archive"), "archive": "s3://b/records"}
    plan = planned().model_copy(update=parts)
    numbers = [np.asarray([value]) for value in (0, 1, 0, 0, 5)]
    words = [np.asarray([value], np.object_) for value in ("b", "records/part-1.gz", "")]
    evidence = replace(
        base,
        events=tuple(plan if isinstance(e, PipelinePlanned) else e for e in base.events),
        archive=Archive(*numbers),
        objects=Objects(numbers[0], words[0], words[1], numbers[1], numbers[4], words[2]),
    )
    names = [f"{one.producer}/0/{one.sequence}" for one in records if one.partition == 0]

    assert "line 3 of records/part-1.gz" == told(evidence, names[2])["archive"].said
    assert "no object holds offset 7 of partition 0" == told(evidence, names[7])["not archived"].said


def test_the_golden_loss_is_explained() -> None:
    """A lost record of the stored run: acknowledged while cut off, and another in its place."""
    arguments = ["explain", str(GOLDEN), LOST]
    text = CliRunner().invoke(cli.commands, arguments, standalone_mode=False).output
    steps = json.loads(
        CliRunner().invoke(cli.commands, [*arguments, "--json"], standalone_mode=False).output
    )["steps"]

    assert "acknowledged   3.8 ms after it was due, offset 3361: it must exist" in text
    assert "in force: 1. partition leader_of(orders, 0) from brokers" in text
    assert ["planned", "sent", "acknowledged", "not read back", "in its place"] == [s["hop"] for s in steps]


def test_the_page_tells_the_first_witnesses() -> None:
    """The golden page has three lives and the command for the others; it stays below 200 kB."""
    page = RunDirectory.open(GOLDEN).report.read_text()

    assert 3 == page.count("<summary>The life of ")
    assert f"harness explain reports/{RunDirectory.open(GOLDEN).read_document().run_id} {LOST}" in page
    assert len(page) < 200_000
