"""Lag: readers that are handed everything have none, whatever goes on; one that is handed nothing has."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.anomalies.judge import judge
from harness.findings import Finding
from harness.history.operations import History, Move, Operation, Poll, Send
from harness.history.table import tabulate
from harness.tests.anomalies.simulated import UNCOMMITTED, World

CHANCES = st.integers(0, 2**32).map(Random)


def lag(operations: Sequence[Operation]) -> Finding | None:
    """What is said of it where nothing may be old at all."""
    verdict = judge(tabulate(operations, History(fresh_ns=0)), len(operations))
    return next((each for each in verdict.findings if each.checker == "lag"), None)


@given(CHANCES)
@settings(max_examples=100)
def test_who_is_handed_all_that_is_visible_has_no_lag(chance: Random) -> None:
    """Open transactions, unknown outcomes, seeks and crashes: what a reader cannot see does not count."""
    found = lag(World(chance, eager=True).operations)

    assert found is not None
    assert found.violations == 0, found.witnesses


@given(CHANCES)
@settings(max_examples=100)
def test_who_is_handed_nothing_of_what_was_acknowledged_has_lag(chance: Random) -> None:
    """One poll of a reader that had kept up comes back empty, though it was asked for after the answer."""
    operations = World(chance, eager=True).operations
    numbers = [number for number, each in enumerate(operations) if _stalls(operations, number, each)]
    assume(numbers)
    number = chance.choice(numbers)
    poll = operations[number]
    assert isinstance(poll, Poll)
    empty = poll.model_copy(update={"position": (poll.position[0], poll.position[0]), "records": ()})
    found = lag([*operations[:number], empty, *operations[number + 1 :]])

    assert found is not None
    assert found.violations > 0


def _stalls(operations: Sequence[Operation], number: int, each: Operation) -> bool:
    """Whether it is a poll that joins on to another one, and hands out what was acknowledged before it."""
    if not (isinstance(each, Poll) and each.reader == UNCOMMITTED):
        return False
    earlier = (
        one
        for one in reversed(operations[:number])
        if isinstance(one, Poll | Move) and (one.reader, one.partition) == (UNCOMMITTED, each.partition)
    )
    acked = {
        one.offset
        for one in operations
        if isinstance(one, Send) and one.partition == each.partition and _acked_before(one, each.t[0])
    }
    return isinstance(next(earlier, None), Poll) and any(one.offset in acked for one in each.records)


def _acked_before(send: Send, instant: int) -> bool:
    return send.outcome == "ok" and send.t[1] is not None and send.t[1] < instant
