"""A lineage: when a session ends for good, the next one takes over and nothing of the old is lost."""

from __future__ import annotations

from harness.load.lineage import Lineage
from harness.load.plan import Slot
from harness.load.tally import Closed


class Told:
    """A life that remembers what it was told."""

    def __init__(self, producer: int) -> None:
        self.producer = producer
        self.fatal = ""
        self.open_records = 0
        self.told: list[str] = []

    def attempt(self, slot: Slot) -> list[Closed]:
        """Keep one record open per slot."""
        self.told.append(f"attempt {slot.partition}")
        self.open_records += 1
        return []

    def poll(self) -> list[Closed]:
        """Close one batch that carries the producer's number."""
        return [Closed(0, self.producer, 0, "")]

    def top_up(self) -> None:
        """Remember."""
        self.told.append("top up")

    def purge(self) -> None:
        """Remember."""
        self.told.append("purge")

    def abandon(self, error: str) -> list[Closed]:
        """Close everything."""
        return [Closed(0, self.producer, 0, error)] * self.open_records


def lineage() -> tuple[Lineage, list[Told]]:
    """A lineage and its lives, whose producers are 5, 8, 11, …."""
    lives: list[Told] = []

    def make(life: int) -> Told:
        lives.append(Told(5 + 3 * life))
        return lives[-1]

    return Lineage(make), lives


def test_one_life_while_it_lasts() -> None:
    """A session that works is used for every batch."""
    line, lives = lineage()
    line.attempt(Slot(1, 0))
    line.attempt(Slot(2, 1))

    assert [life.told for life in lives] == [["attempt 0", "attempt 1"]]


def test_a_dead_session_is_succeeded_by_a_new_incarnation() -> None:
    """After a fatal error the next batch goes to a new session with another number."""
    line, lives = lineage()
    line.attempt(Slot(1, 0))
    lives[0].fatal = "fenced"
    line.attempt(Slot(2, 1))
    line.attempt(Slot(3, 2))
    line.top_up()

    assert [life.producer for life in lives] == [5, 8]
    assert [life.told for life in lives] == [["attempt 0"], ["attempt 1", "attempt 2", "top up"]]


def test_outcomes_of_former_lives_are_still_collected() -> None:
    """Polling, purging and giving up reach every life."""
    line, lives = lineage()
    line.attempt(Slot(1, 0))
    lives[0].fatal = "fenced"
    line.attempt(Slot(2, 1))
    line.purge()

    assert line.open_records == 2
    assert [closed.t_intended for closed in line.poll()] == [5, 8]
    assert [closed.t_intended for closed in line.abandon("over")] == [5, 8]
    assert [life.told[-1] for life in lives] == ["purge", "purge"]
