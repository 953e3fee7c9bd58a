"""Schedules: drawn from a seed, saved, replayed, shrunk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.faults.schedule import Planned, Schedule, draw, shrunk
from harness.faults.selectors import broker, controller, leader_of
from harness.faults.spec import isolate, kill, pause

CHOICES = (kill(leader_of("orders", 0)), pause(controller()), isolate(broker(2)))


def _drawn(seed: int, count: int = 5) -> Schedule:
    return draw(seed, CHOICES, count=count, hold_seconds=(5, 20), rest_seconds=(10, 30))


@given(st.integers(0, 2**32 - 1))
def test_a_seed_gives_one_schedule(seed: int) -> None:
    """Equal seeds give equal schedules, whose faults neither overlap nor leave their ranges."""
    schedule = _drawn(seed)

    assert schedule == _drawn(seed)
    ends = [0.0] + [fault.at_seconds + fault.hold_seconds for fault in schedule.faults]
    rests = [fault.at_seconds - end for fault, end in zip(schedule.faults, ends, strict=False)]
    assert all(9.99 <= rest <= 30.01 for rest in rests)
    assert all(5 <= fault.hold_seconds <= 20 for fault in schedule.faults)


def test_the_drawn_schedule_is_pinned() -> None:
    """Seed 7 gives these faults for ever: a saved seed means the same on every version."""
    drawn = [(fault.at_seconds, fault.spec.name, fault.hold_seconds) for fault in _drawn(7, count=2).faults]

    assert [(17.77, "isolate broker(2)", 19.576), (60.547, "isolate broker(2)", 8.181)] == drawn


def test_another_seed_gives_another_schedule() -> None:
    """The seed matters."""
    assert _drawn(1) != _drawn(2)


def test_a_schedule_is_saved_and_replayed(tmp_path: Path) -> None:
    """A loaded schedule is equal to the saved one."""
    _drawn(3).save(tmp_path / "schedule.json")

    assert _drawn(3) == Schedule.load(tmp_path / "schedule.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot read the schedule"),
        ("[]", "this is not a schedule"),
        ('{"format": "edge-harness/schedule/2", "faults": []}', "this is not a schedule"),
        ('{"format": "edge-harness/schedule/1", "faults": 3}', "expected a list of faults but got 3"),
        ('{"format": "edge-harness/schedule/1", "faults": [{"at_seconds": 1}]}', "{'at_seconds': 1}"),
    ],
)
def test_a_file_that_is_no_schedule_is_bad_input(tmp_path: Path, text: str, words: str) -> None:
    """What cannot be read is shown in the message."""
    (tmp_path / "schedule.json").write_text(text)

    with pytest.raises(BadInput) as refused:
        Schedule.load(tmp_path / "schedule.json")
    assert words in refused.value.sentence()


def test_times_must_make_sense() -> None:
    """Negative, endless and unordered times are bad input."""
    with pytest.raises(BadInput, match="at_seconds=-1"):
        Planned(-1, CHOICES[0], 1)
    with pytest.raises(BadInput, match="hold_seconds=inf"):
        Planned(1, CHOICES[0], float("inf"))
    with pytest.raises(BadInput, match="order of their times"):
        Schedule((Planned(2, CHOICES[0], 1), Planned(1, CHOICES[1], 1)))


def test_shrinking_offers_smaller_schedules_of_the_same_faults() -> None:
    """Each half comes first, then the schedule without each single fault."""
    whole = _drawn(1, count=4)
    offered = list(shrunk(whole))

    assert [2, 2, 3, 3, 3, 3] == [len(schedule.faults) for schedule in offered]
    assert all(set(schedule.faults) < set(whole.faults) for schedule in offered)
    assert [] == list(shrunk(_drawn(1, count=1)))
