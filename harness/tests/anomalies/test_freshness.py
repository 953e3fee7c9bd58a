"""Lag: readers that are handed all that is visible have none; what is kept from them for long is found."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.anomalies.judge import judge
from harness.findings import Finding
from harness.history.operations import Commit, History, Move, Operation, Poll, Send, Transaction
from harness.history.table import tabulate
from harness.tests.anomalies.simulated import UNCOMMITTED, World

CHANCES = st.integers(0, 2**32).map(Random)


def lag(operations: Sequence[Operation], fresh: int = 0) -> Finding | None:
    """What is said of it where nothing may wait for longer than *fresh*; of no group: its one stops."""
    told = [each for each in operations if not isinstance(each, Commit)]
    verdict = judge(tabulate(told, History(fresh_ns=fresh)), len(told))
    return next((each for each in verdict.findings if each.checker == "lag"), None)


@given(CHANCES)
@settings(max_examples=100)
def test_who_is_handed_all_that_is_visible_has_no_lag(chance: Random) -> None:
    """Nothing waits for longer than transactions lie open and polls last, whatever is unknown or crashes."""
    world = World(chance, eager=True)
    found = lag(world.operations, world.held + _longest_poll(world.operations))

    assert found is not None
    assert found.violations == 0, found.witnesses


@given(CHANCES)
@settings(max_examples=100)
def test_a_transaction_that_lies_open_for_long_holds_back_what_is_above_it(chance: Random) -> None:
    """Whatever else goes on: its commit is asked for long after a plain record was acknowledged above it."""
    world = World(chance, eager=True)
    numbers = [number for number, each in enumerate(world.operations) if _holds(world.operations, each)]
    assume(numbers)
    number, long = chance.choice(numbers), 10**6
    late = world.operations[number].model_copy(
        update={"t": (world.tick() + 2 * long, world.tick() + 3 * long)}
    )
    found = lag([*world.operations[:number], late, *world.operations[number + 1 :]], long)

    assert found is not None
    assert found.violations > 0


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


def _longest_poll(operations: Sequence[Operation]) -> int:
    return max(
        each.t[1] - each.t[0] for each in operations if isinstance(each, Poll) and each.t[1] is not None
    )


def _holds(operations: Sequence[Operation], end: Operation) -> bool:
    """Whether it is the commit of a transaction of which a record lies below an acknowledged plain one."""
    if not (isinstance(end, Transaction) and end.end == "commit" and end.outcome == "ok"):
        return False
    acked = [each for each in operations if isinstance(each, Send) and each.outcome == "ok"]
    mine = {(one.partition, one.offset or 0) for one in acked if one.transaction == end.transaction}
    plain = {(one.partition, one.offset or 0) for one in acked if not one.transaction}
    return any(log == other and offset < above for log, offset in mine for other, above in plain)


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
