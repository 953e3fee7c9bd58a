"""Every class of defects is caught in histories that are correct otherwise, and nothing legal alarms."""

from __future__ import annotations

import pytest

from harness.anomalies.stored import ANOMALIES
from harness.calibration import Kill, LeftOut, Legal
from harness.checkers.trial import Defect, Trial
from harness.history.operations import Operation, Poll, Send
from harness.planting.calibrate import DEFECTS, alone, of_history
from harness.planting.noise import NOISE
from harness.planting.told import Told
from harness.tests.anomalies.told import Story
from harness.tests.planting.furnished import world

OF_RUNS = {"a history's fence missing", "readers that stopped short"}
"""Only a run says whether a history is whole: ``test_stored`` plants them."""

UNSEEN = {"an absent attempt told as ok", "an aborted transaction told as committed"}
"""They need records without keys, which no later record of one excuses, and that nobody was handed."""

WORLDS = tuple(world(seed) for seed in range(3))
COMPACTED = tuple(world(seed, cleanup="compact") for seed in range(3))
OTHERS = (*(world(seed, cleanup="delete", skew_ns=3) for seed in range(3)), *COMPACTED)


def unseen(told: Told) -> Told:
    """The same without keys, and without readers of uncommitted records."""

    def bare(each: Operation) -> Operation | None:
        if isinstance(each, Poll) and told.readers[each.reader].isolation == "uncommitted":
            return None
        return each.model_copy(update={"key": None}) if isinstance(each, Send) else each

    return told.edited(bare)


def killed(told: Told, defect: Defect[Told], seed: int = 0) -> Kill | LeftOut:
    """What comes of planting it once."""
    return Trial(told, alone, seed, 1).kill(defect)


@pytest.mark.parametrize(
    "defect", [each for each in DEFECTS if each.name not in OF_RUNS], ids=lambda d: d.name
)
def test_every_class_is_caught_wherever_it_can_be_planted(defect: Defect[Told]) -> None:
    """By the check whose it is, in every simulated history that has a place for it, and some have."""
    worlds = [unseen(each) for each in WORLDS] if defect.name in UNSEEN else WORLDS
    found = [killed(told, defect) for told in (*worlds, *OTHERS)]
    kills = [each for each in found if isinstance(each, Kill)]

    assert [miss for each in kills for miss in each.missed] == []
    assert len(kills) > 0


@pytest.mark.parametrize("change", NOISE)
def test_no_legal_change_alarms(change: str) -> None:
    """Whatever cluster and clients may do without a defect: no check says worse of it."""
    found = [Trial(told, alone, 0, 1).legal(change, NOISE[change]) for told in (*WORLDS, *OTHERS)]
    made = [each for each in found if isinstance(each, Legal)]

    assert [each.alarms for each in made if each.alarms] == []
    assert len(made) > 0


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(100, 200))
def test_the_kill_rate_is_whole_on_a_hundred_histories(seed: int) -> None:
    """The same at length, each class planted three times."""
    for told in (
        world(seed, steps=20),
        world(seed, cleanup="compact"),
        world(seed, cleanup="delete", skew_ns=5),
    ):
        done = list(of_history(told.operations, seed=seed, times=3))

        assert [each.missed for each in done if isinstance(each, Kill) and each.missed] == []
        assert [each.alarms for each in done if isinstance(each, Legal) and each.alarms] == []


def test_every_check_has_a_class() -> None:
    """A check into which nothing is planted is not calibrated."""
    assert {each.checker for each in DEFECTS} == ANOMALIES | {"history_whole"}


def test_every_class_has_its_own_name() -> None:
    """No class hides another one of the same name, those of ledgers included."""
    names = [*(each.name for each in DEFECTS), *NOISE]

    assert len({*names}) == len(names)


def test_what_cannot_be_planted_is_named() -> None:
    """Every class is in the table: planted, or left out with the reason and its check."""
    story = Story().send(0, 0).poll(0, 1, (0, 0)).fence(1)
    done = list(of_history(story.operations, seed=1, times=1))
    left = {each.name: each for each in done if isinstance(each, LeftOut)}

    assert len(done) == len(DEFECTS) + len(NOISE)
    assert all(each.reason for each in left.values())
    assert left["a transaction torn"] == LeftOut(
        name="a transaction torn",
        reason="no committed transaction has two records",
        checker="torn_transaction",
    )


def test_what_the_settings_excuse_is_left_out_with_the_rule() -> None:
    """At-least-once may repeat: a planted copy would show nothing."""
    story = Story(at_least_once=True).send(0, 0).poll(0, 1, (0, 0)).fence(1)
    done = {
        each.name: each for each in of_history(story.operations, seed=1, times=1) if isinstance(each, LeftOut)
    }

    assert done["a record twice in its log"].reason == "its settings excuse it: at-least-once"


def test_a_history_that_proves_nothing_calibrates_nothing() -> None:
    """A check that says UNKNOWN of the history itself cannot show that it catches anything there."""
    story = Story().send(0, 0)
    done = {
        each.name: each for each in of_history(story.operations, seed=1, times=1) if isinstance(each, LeftOut)
    }

    assert done["a record handed to nobody"].reason == "lost says UNKNOWN of the run itself"


def test_equal_seeds_give_equal_tables() -> None:
    """The table follows from the history, the seed and how often."""
    operations = world(3).operations

    assert list(of_history(operations, seed=5, times=1)) == list(of_history(operations, seed=5, times=1))
