"""``no_hanging_transaction`` on what a run saw behind aborted transactions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checkers.compose import judge
from harness.checkers.transactions import check
from harness.findings import Finding
from harness.ledger.evidence import Evidence
from harness.model import TransactionSettled
from harness.tests.checkers.build import WALL, Story, at
from harness.verdict import Verdict


def seen(*ends: tuple[int, int], asked: str = "no_hanging_transaction") -> Evidence:
    """A run that watched a partition for each end and last stable offset."""
    base = Story(asked=(asked,)).evidence()
    looks = [
        TransactionSettled(
            t=at(30 + n), wall=WALL, topic="transactions", partition=n, end=end, stable=stable, watched_s=20.2
        )
        for n, (end, stable) in enumerate(ends)
    ]
    return replace(base, events=(*base.events[:-1], *looks, base.events[-1]))


def judged(*ends: tuple[int, int]) -> Finding:
    """The finding for these."""
    found = check(seen(*ends))
    assert found is not None
    return found


def test_a_log_that_holds_its_readers_back_breaks_it() -> None:
    """A last stable offset that stays below the end is one violation, with the place."""
    found = judged((4, 4), (5, 3))

    assert found.verdict is Verdict.FAIL
    assert found.violations == 1
    assert (found.witnesses[0].partition, found.witnesses[0].offsets) == (1, (3,))
    assert "ends at 5, and 20 s later its last stable offset is 3" in found.witnesses[0].detail


def test_readers_that_go_on_hold_it() -> None:
    """At the end of the log nothing is held back."""
    assert judged((4, 4), (5, 5)).verdict is Verdict.PASS


@pytest.mark.parametrize("ends", [(), ((0, 0),)])
def test_what_was_not_seen_is_not_proven(ends: tuple[tuple[int, int], ...]) -> None:
    """No transaction, or a partition that did not name its end, is no PASS."""
    assert judged(*ends).verdict is Verdict.UNKNOWN


def test_only_who_asks_is_answered() -> None:
    """A run that does not ask has no such finding; one that does has it in its document."""
    assert check(seen((5, 3), asked="no_loss")) is None
    document = judge(seen((5, 3)), harness_version="test")
    assert [f.verdict for f in document.findings if f.checker == "no_hanging_transaction"] == [Verdict.FAIL]
