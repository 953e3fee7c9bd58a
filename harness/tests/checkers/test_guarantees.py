"""The five record checkers on histories of a few rows, written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.checkers import duplicates, integrity, loss, order, phantoms
from harness.checkers.sequences import History, attempted_twice, history
from harness.errors import EvidenceError
from harness.findings import Finding
from harness.ledger.evidence import Evidence
from harness.model import Fence, FencePassed, LoadEnded, ReadState
from harness.tests.checkers.build import ALL, Story, at, complete_fence, without_events
from harness.verdict import Verdict

CHECKERS: dict[str, Callable[[Evidence, History], Finding]] = {
    each.NAME: each.check for each in (loss, duplicates, order, phantoms, integrity)
}


def judge(evidence: Evidence, name: str) -> Finding:
    """What one record checker says of *evidence*."""
    return CHECKERS[name](evidence, history(evidence))


def verdicts(evidence: Evidence) -> dict[str, str]:
    """What every record checker says that is not PASS."""
    said = {name: judge(evidence, name).verdict for name in CHECKERS}
    return {name: verdict.value for name, verdict in said.items() if verdict is not Verdict.PASS}


def ten_records(*, asked: tuple[str, ...] = ALL, allowed: int = 0) -> Story:
    """Ten acknowledged records that all came back."""
    return Story(asked=asked, allowed=allowed).acked(0, 10, offset=0).read(0, 10, offset=0).reserve(10)


def test_what_came_back_as_acknowledged_passes_everything() -> None:
    """Ten acknowledged records that came back once and in order break nothing."""
    assert {} == verdicts(ten_records().evidence())


def test_an_acknowledged_record_that_did_not_come_back_is_lost() -> None:
    """A hole in the reads of a fenced partition is a loss, named with its acknowledged offset."""
    story = Story().acked(0, 10, offset=0).read(0, 4, offset=0).read(5, 5, offset=5)
    found = judge(story.evidence(), "no_loss")

    assert (Verdict.FAIL, 1) == (found.verdict, found.violations)
    assert ["1/0/4"] == [witness.record for witness in found.witnesses]
    assert "acknowledged at offset 4, which was not read back" == found.witnesses[0].detail
    assert 1.0 == found.witnesses[0].at_s
    assert "1 of 10 acknowledged records lost." == found.summary


def test_a_loss_beyond_the_end_of_the_log_says_so() -> None:
    """A record acknowledged above the end offset was truncated away."""
    story = Story().acked(0, 10, offset=0).read(0, 8, offset=0)
    details = [witness.detail for witness in judge(story.evidence(), "no_loss").witnesses]

    assert ["acknowledged at offset 8, which lies beyond the end of the log (8)",
            "acknowledged at offset 9, which lies beyond the end of the log (8)"] == details  # fmt: skip


def test_a_lost_record_whose_place_was_taken_says_so() -> None:
    """A record overwritten by another one is lost, and its offset holds the other."""
    story = Story().acked(0, 1, offset=0).acked(0, 1, offset=0, producer=2).read(0, 1, offset=0, producer=2)
    found = judge(story.evidence(), "no_loss")

    assert ["acknowledged at offset 0, which holds another record"] == [w.detail for w in found.witnesses]


@pytest.mark.parametrize("read", [5, 6])
def test_an_undecided_record_may_or_may_not_exist(read: int) -> None:
    """An attempt that timed out breaks nothing whether or not its record came back."""
    story = Story().acked(0, 5, offset=0).undecided(5).read(0, read, offset=0)

    assert {} == verdicts(story.evidence())


def test_a_record_that_was_only_announced_is_undecided() -> None:
    """A killed worker leaves records without a row; below its announcement they are no phantoms."""
    story = Story().acked(0, 5, offset=0).reserve(8).read(0, 8, offset=0)

    assert {} == verdicts(story.evidence())


def test_a_record_above_every_announcement_is_a_phantom() -> None:
    """What nobody attempted nor announced is a phantom, even when its run began legally."""
    story = Story().acked(0, 5, offset=0).reserve(8).read(0, 9, offset=0)
    found = judge(story.evidence(), "no_phantoms")

    assert (Verdict.FAIL, 1) == (found.verdict, found.violations)
    assert ("1/0/8", (8,)) == (found.witnesses[0].record, found.witnesses[0].offsets)


def test_a_record_of_an_unknown_producer_is_a_phantom() -> None:
    """A producer that never existed has only phantoms."""
    story = ten_records().read(0, 3, offset=10, producer=9)
    found = judge(story.evidence(), "no_phantoms")

    assert {"no_phantoms": "FAIL"} == verdicts(story.evidence())
    assert 3 == found.violations


def test_a_refused_record_that_came_back_is_a_phantom() -> None:
    """An attempt that ended as refused must not exist."""
    story = Story().acked(0, 5, offset=0).failed(5).read(0, 6, offset=0)
    found = judge(story.evidence(), "no_phantoms")

    assert (Verdict.FAIL, 1) == (found.verdict, found.violations)
    assert "the attempt ended as refused, yet the record is there" == found.witnesses[0].detail


def test_a_record_refused_once_and_accepted_once_may_be_there() -> None:
    """Only a record whose every attempt was refused must not exist."""
    story = Story().failed(0, 3).acked(0, 3, offset=0).read(0, 3, offset=0)

    assert {} == verdicts(story.evidence())


def test_a_refused_record_that_did_not_come_back_is_nothing() -> None:
    """Refused and absent is how it should be."""
    story = Story().acked(0, 5, offset=0).failed(5).read(0, 5, offset=0)

    assert {} == verdicts(story.evidence())


def test_one_record_at_two_offsets_is_a_duplicate() -> None:
    """A second copy is a duplicate and, being later, no disorder."""
    story = ten_records().read(3, 2, offset=10)
    found = judge(story.evidence(), "no_duplicates")

    assert {"no_duplicates": "FAIL"} == verdicts(story.evidence())
    assert (2, (3, 10)) == (found.violations, found.witnesses[0].offsets)


def test_one_offset_read_twice_is_a_reread() -> None:
    """Reading a stretch of the log again, cut differently, is excused by name."""
    story = ten_records().read(3, 4, offset=3)
    found = judge(story.evidence(), "no_duplicates")

    assert {} == verdicts(story.evidence())
    assert {"re-reads of one offset": 4} == found.excused


def test_a_record_behind_a_later_one_is_out_of_order() -> None:
    """By offset a producer's sequences ascend; the one that lies behind is the witness."""
    story = Story().acked(0, 1, offset=1).acked(1, 1, offset=0).read(1, 1, offset=0).read(0, 1, offset=1)
    found = judge(story.evidence(), "order_per_key")

    assert {"order_per_key": "FAIL"} == verdicts(story.evidence())
    assert ["1/0/0"] == [witness.record for witness in found.witnesses]


def test_order_binds_one_producer_and_one_partition_only() -> None:
    """Two producers, and two partitions of one producer, may interleave as they like."""
    story = Story(partitions=2)
    story.acked(0, 1, offset=1).acked(0, 1, offset=0, producer=2).acked(0, 1, offset=0, partition=1)
    story.read(0, 1, offset=0, producer=2).read(0, 1, offset=1).read(0, 1, offset=0, partition=1)

    assert {} == verdicts(story.evidence())


def test_the_lanes_of_two_producers_never_run_into_each_other() -> None:
    """A producer's disorder is seen although its run continues another one's in the log."""
    story = Story().acked(0, 5, offset=-1).acked(0, 6, offset=-1, producer=2)
    story.read(5, 1, offset=3, producer=2).read(0, 5, offset=5).read(0, 5, offset=10, producer=2)

    assert 5 == judge(story.evidence(), "order_per_key").violations


def test_order_looks_at_first_copies() -> None:
    """When the copy that came first is in order, a duplicate before later records is no disorder."""
    story = Story().acked(0, 4, offset=-1).read(0, 2, offset=0).read(1, 1, offset=2).read(2, 2, offset=3)

    assert {"no_duplicates": "FAIL"} == verdicts(story.evidence())


def test_an_acknowledged_offset_is_held_to() -> None:
    """A record found elsewhere than where it was acknowledged breaks the broker's word on order."""
    story = Story().acked(0, 5, offset=0).acked(5, 2, offset=9).read(0, 7, offset=0)
    found = judge(story.evidence(), "order_per_key")

    assert (Verdict.FAIL, 2) == (found.verdict, found.violations)
    assert "acknowledged at offset 9, found elsewhere" == found.witnesses[0].detail
    assert {"order_per_key": "FAIL"} == verdicts(story.evidence())


def test_one_copy_at_the_acknowledged_offset_is_enough() -> None:
    """A duplicate elsewhere does not contradict the acknowledgement."""
    story = Story().acked(0, 1, offset=4).read(0, 1, offset=2).read(0, 1, offset=4)

    assert {"no_duplicates": "FAIL"} == verdicts(story.evidence())


@pytest.mark.parametrize("state", [ReadState.CORRUPT, ReadState.FOREIGN, ReadState.MISROUTED])
def test_a_damaged_record_breaks_integrity(state: ReadState) -> None:
    """Corrupt, foreign and misrouted records are named by their offset."""
    found = judge(ten_records().read(-1, 1, offset=10, producer=-1, state=state).evidence(), "integrity")

    assert (Verdict.FAIL, 1) == (found.verdict, found.violations)
    assert ((10,), "", state.name.lower()) == (
        found.witnesses[0].offsets,
        found.witnesses[0].record,
        found.witnesses[0].detail,
    )


def test_without_a_fence_nothing_is_proven() -> None:
    """Unseen is not lost: without a fence the missing record makes the run UNKNOWN."""
    story = Story(fenced=False).acked(0, 10, offset=0).read(0, 9, offset=0)

    assert dict.fromkeys(CHECKERS, "UNKNOWN") == verdicts(story.evidence())


def test_what_was_found_without_a_fence_is_still_a_violation() -> None:
    """A duplicate that was seen stays a duplicate, however incomplete the reading was."""
    story = Story(fenced=False).acked(0, 10, offset=0).read(0, 5, offset=0).read(4, 1, offset=20)

    assert "FAIL" == verdicts(story.evidence())["no_duplicates"]


def test_a_fence_passed_before_the_load_ended_proves_nothing() -> None:
    """Records could still be written after such a fence."""
    evidence = ten_records().evidence()
    late = [e.model_copy(update={"t": at(100)}) if isinstance(e, LoadEnded) else e for e in evidence.events]

    assert "UNKNOWN" == verdicts(replace(evidence, events=tuple(late)))["no_loss"]
    assert "UNKNOWN" == verdicts(without_events(evidence, LoadEnded))["no_loss"]


@pytest.mark.parametrize("end", [9, 4, 0])
def test_a_fence_that_was_read_beyond_is_of_another_reading(end: int) -> None:
    """A record in the place of the sentinel, or behind where the reader stood: who read it read elsewhere."""
    evidence = _fenced(ten_records().evidence(), complete_fence(0, end))

    assert dict.fromkeys(CHECKERS, "UNKNOWN") == verdicts(evidence)


def test_what_was_appended_before_the_sentinel_was_read_with_it() -> None:
    """Legal: a request on its way when the end was read lies between that end and the sentinel."""
    between = complete_fence(0, 10).model_copy(update={"end_offset": 8, "committed_end_offset": 8})

    assert {} == verdicts(_fenced(ten_records().evidence(), between))


def test_an_acknowledgement_beyond_the_end_is_a_loss() -> None:
    """A log that was truncated ends below what it acknowledged: that contradicts no fence."""
    story = Story().acked(0, 10, offset=0).read(0, 6, offset=0)
    found = judge(story.evidence(), "no_loss")

    assert (Verdict.FAIL, 4) == (found.verdict, found.violations)
    assert "beyond the end of the log (6)" in found.witnesses[0].detail


def _fenced(evidence: Evidence, fence: Fence) -> Evidence:
    """*evidence* with this fence instead of its own."""
    events = (e.model_copy(update={"fences": (fence,)}) if isinstance(e, FencePassed) else e
              for e in evidence.events)  # fmt: skip
    return replace(evidence, events=tuple(events))


def test_one_unfenced_partition_leaves_the_loss_in_another_a_loss() -> None:
    """A proven loss is FAIL although another partition was not read to its end."""
    story = Story(partitions=2).acked(0, 2, offset=0).read(0, 1, offset=0)
    evidence = story.evidence()
    partly = [
        e.model_copy(update={"fences": e.fences[:1]}) if isinstance(e, FencePassed) else e
        for e in evidence.events
    ]

    assert "FAIL" == verdicts(replace(evidence, events=tuple(partly)))["no_loss"]


def test_records_below_the_start_of_the_log_are_unseen_not_lost() -> None:
    """What retention deleted before the reading began cannot be called lost."""
    story = Story().acked(0, 10, offset=0).read(4, 6, offset=4)
    evidence = story.evidence()
    deleted = Fence(
        partition=0, first_offset=4, end_offset=10, committed_end_offset=10, sentinel_offset=10, position=11
    )
    events = [
        e.model_copy(update={"fences": (deleted,)}) if isinstance(e, FencePassed) else e
        for e in evidence.events
    ]
    found = judge(replace(evidence, events=tuple(events)), "no_loss")

    assert (Verdict.UNKNOWN, 0) == (found.verdict, found.violations)


def test_a_cut_ledger_makes_unread_offsets_unknown() -> None:
    """When the tail of the ledger was cut, a record may have been read; when every offset is there, not."""
    torn = Story().acked(0, 10, offset=0).read(0, 4, offset=0).read(5, 5, offset=5).evidence()
    whole = Story().acked(0, 10, offset=0).read(0, 8, offset=0).evidence()

    assert "UNKNOWN" == verdicts(replace(torn, tail_cut=True))["no_loss"]
    assert "FAIL" == verdicts(replace(whole, tail_cut=True))["no_loss"]


def test_nothing_acknowledged_proves_nothing() -> None:
    """Zero evidence is UNKNOWN for every guarantee."""
    assert dict.fromkeys(CHECKERS, "UNKNOWN") == verdicts(Story().evidence())


def test_a_violation_nobody_asked_about_is_shown_and_excused() -> None:
    """A duplicate in a run that asked only for no_loss is counted, witnessed, and not judged."""
    found = judge(ten_records(asked=("no_loss",)).read(3, 1, offset=10).evidence(), "no_duplicates")

    assert (Verdict.PASS, 1, 1) == (found.verdict, found.violations, len(found.witnesses))
    assert {"not asked for by the scenario": 1} == found.excused


def test_phantoms_and_damage_are_judged_unasked() -> None:
    """No configuration permits a phantom or a corrupt record."""
    story = ten_records(asked=()).read(0, 1, offset=10, producer=9)
    story.read(-1, 1, offset=11, producer=-1, state=ReadState.CORRUPT)

    assert {"no_phantoms": "FAIL", "integrity": "FAIL"} == verdicts(story.evidence())


@pytest.mark.parametrize(("copies", "verdict"), [(2, Verdict.PASS), (3, Verdict.FAIL)])
def test_as_many_violations_as_allowed_are_excused(copies: int, verdict: Verdict) -> None:
    """The tolerance is a number of records: one more fails."""
    found = judge(ten_records(allowed=2).read(0, copies, offset=10).evidence(), "no_duplicates")

    assert verdict is found.verdict
    assert copies == found.violations


def test_a_finding_keeps_the_smallest_witnesses() -> None:
    """Of a hundred lost records the first 32 are named."""
    found = judge(Story().acked(0, 101, offset=0).read(100, 1, offset=100).evidence(), "no_loss")

    assert (100, 32) == (found.violations, len(found.witnesses))
    assert [f"1/0/{n}" for n in range(32)] == [witness.record for witness in found.witnesses]


def test_an_id_attempted_twice_is_noticed() -> None:
    """Two rows for one id are a defect of the harness, and counted."""
    assert 2 == attempted_twice(Story().acked(0, 5, offset=0).acked(3, 2, offset=5).evidence())


def test_an_impossible_row_is_refused() -> None:
    """A ledger with a negative sequence is not judged at all."""
    with pytest.raises(EvidenceError, match=r"attempts\.first_seq is -3"):
        history(Story().acked(-3, 5, offset=0).evidence())
