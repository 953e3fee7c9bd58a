"""Histories of a simulated cluster: no check alarms at any, and each defect planted into one is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.anomalies.judge import HistoryVerdict, judge
from harness.history.operations import Commit, Delivered, Operation, Poll, Send, Transaction
from harness.history.table import tabulate
from harness.tests.anomalies.simulated import COMMITTED, LAST_COMMITTED, MEMBER, World
from harness.verdict import Verdict

SEEDS = st.integers(0, 2**32)
Where: TypeAlias = tuple[int, int]
"""A partition and an offset."""


def chance_of(seed: int) -> Random:
    """The same for the same seed."""
    return Random(seed)  # noqa: S311 - it makes histories, no secrets


def judged(operations: Sequence[Operation]) -> HistoryVerdict:
    """What all checks say."""
    return judge(tabulate(operations), len(operations))


def violated(operations: Sequence[Operation]) -> set[str]:
    """The checks that found something."""
    return {each.checker for each in judged(operations).findings if each.violations}


def handed(operations: Sequence[Operation], reader: int) -> dict[Where, Delivered]:
    """What *reader* was handed, by partition and offset."""
    polls = (each for each in operations if isinstance(each, Poll) and each.reader == reader)
    return {(poll.partition, one.offset): one for poll in polls for one in poll.records}


def without(operations: Sequence[Operation], where: Where) -> list[Operation]:
    """As if nobody had been handed what lies at *where*."""
    return _changed(operations, lambda poll: _kept(poll, where))


def _kept(poll: Poll, where: Where) -> tuple[Delivered, ...]:
    return tuple(one for one in poll.records if (poll.partition, one.offset) != where)


def _changed(
    operations: Sequence[Operation], change: Callable[[Poll], tuple[Delivered, ...]]
) -> list[Operation]:
    return [
        each.model_copy(update={"records": change(each)}) if isinstance(each, Poll) else each
        for each in operations
    ]


def _sends(operations: Sequence[Operation]) -> dict[tuple[int, int, int], Send]:
    sent = (each for each in operations if isinstance(each, Send))
    return {(each.producer, each.partition, each.sequence): each for each in sent}


def _pick(chance: Random, found: Sequence[Where]) -> Where:
    assume(found)
    return chance.choice(sorted(found))


def _acked(operations: Sequence[Operation], *, in_transaction: bool) -> list[Where]:
    """Where the last reader of committed records found those attempted once, and acknowledged."""
    names = Counter(
        (one.producer, one.partition, one.sequence) for one in operations if isinstance(one, Send)
    )
    sends, seen = _sends(operations), handed(operations, LAST_COMMITTED)
    named = {where: (one.producer, where[0], one.sequence) for where, one in seen.items()}
    return [
        where
        for where, name in named.items()
        if names[name] == 1
        and sends[name].outcome == "ok"
        and bool(sends[name].transaction) == in_transaction
    ]


def lose(operations: list[Operation], chance: Random) -> list[Operation]:
    """An acknowledged record vanishes from its log."""
    return without(operations, _pick(chance, _acked(operations, in_transaction=False)))


def tear(operations: list[Operation], chance: Random) -> list[Operation]:
    """One record of a committed transaction vanishes, and others of it stay."""
    sends, seen = _sends(operations), handed(operations, LAST_COMMITTED)
    names = [sends[one.producer, where[0], one.sequence].transaction for where, one in seen.items()]
    torn = [
        where
        for where, name in zip(seen, names, strict=True)
        if name and names.count(name) > 1 and where in _acked(operations, in_transaction=True)
    ]
    return without(operations, _pick(chance, torn))


def invent(operations: list[Operation], chance: Random) -> list[Operation]:
    """In the place of a record there is one that nobody sent."""
    return _replaced(operations, chance, lambda one: one.model_copy(update={"sequence": 10**6}))


def damage(operations: list[Operation], chance: Random) -> list[Operation]:
    """A record's checksum is wrong."""
    return _replaced(operations, chance, lambda one: one.model_copy(update={"whole": False}))


def misroute(operations: list[Operation], chance: Random) -> list[Operation]:
    """A record's payload names another partition."""
    return _replaced(operations, chance, lambda one: one.model_copy(update={"sent_to": ("", 77)}))


def _replaced(
    operations: list[Operation], chance: Random, change: Callable[[Delivered], Delivered]
) -> list[Operation]:
    where = _pick(chance, list(handed(operations, LAST_COMMITTED)))
    return _changed(
        operations,
        lambda poll: tuple(
            change(one) if (poll.partition, one.offset) == where else one for one in poll.records
        ),
    )


def swap(operations: list[Operation], chance: Random) -> list[Operation]:
    """Two acknowledged records change places in their log."""
    acked = _acked(operations, in_transaction=False)
    pairs = [(a, b) for a in acked for b in acked if a[0] == b[0] and a[1] < b[1]]
    assume(pairs)
    one, other = chance.choice(pairs)
    held = handed(operations, LAST_COMMITTED)
    now = {one: held[other], other: held[one]}

    def placed(poll: Poll, old: Delivered) -> Delivered:
        new = now.get((poll.partition, old.offset))
        return new.model_copy(update={"offset": old.offset}) if new else old

    return _changed(operations, lambda poll: tuple(placed(poll, old) for old in poll.records))


def refuse(operations: list[Operation], chance: Random) -> list[Operation]:
    """What a reader of committed records was handed belongs to a transaction that was given up."""
    names = _transactions_seen(operations)
    assume(names)
    name = chance.choice(sorted(names))
    return [
        each.model_copy(update={"end": "abort", "outcome": "ok", "t": (each.t[0], each.t[1] or each.t[0])})
        if isinstance(each, Transaction) and each.transaction == name
        else each
        for each in operations
    ]


def skip(operations: list[Operation], chance: Random) -> list[Operation]:
    """One poll of one reader passes over a record that others were handed."""
    polls = [
        number
        for number, each in enumerate(operations)
        if isinstance(each, Poll) and each.reader == COMMITTED and len(each.records) > 2
    ]
    number = _one(chance, polls)
    poll = operations[number]
    assert isinstance(poll, Poll)
    return _with(operations, number, records=(*poll.records[:1], *poll.records[2:]))


def repeat(operations: list[Operation], chance: Random) -> list[Operation]:
    """A record that was attempted once lies at two offsets: at its own, and behind the end of the log."""
    partition, offset = _pick(chance, _acked(operations, in_transaction=False))
    again = handed(operations, LAST_COMMITTED)[partition, offset]

    def longer(each: Operation) -> Operation:
        if not (isinstance(each, Poll) and each.reader == LAST_COMMITTED and each.partition == partition):
            return each
        first, end = each.position
        copy = again.model_copy(update={"offset": end})
        return each.model_copy(update={"position": (first, end + 1), "records": (*each.records, copy)})

    return [longer(each) for each in operations]


def early(operations: list[Operation], chance: Random) -> list[Operation]:
    """What readers of committed records were handed is committed only long after."""
    seen = _transactions_seen(operations)
    done = [
        number
        for number, each in enumerate(operations)
        if isinstance(each, Transaction) and each.transaction in seen
    ]
    return _with(operations, _one(chance, done), t=(10**9, 10**9 + 1))


def late(operations: list[Operation], chance: Random) -> list[Operation]:
    """A record is sent only long after readers were handed it."""
    acked = _acked(operations, in_transaction=False)
    seen = handed(operations, LAST_COMMITTED)
    names = {(seen[where].producer, where[0], seen[where].sequence) for where in acked}
    sent = [
        number
        for number, each in enumerate(operations)
        if isinstance(each, Send) and (each.producer, each.partition, each.sequence) in names
    ]
    return _with(operations, _one(chance, sent), t=(10**9, 10**9 + 1))


def ahead(operations: list[Operation], chance: Random) -> list[Operation]:
    """A member commits far beyond what it was handed."""
    commits = [
        number for number, each in enumerate(operations) if isinstance(each, Commit) and each.outcome == "ok"
    ]
    return _with(operations, _one(chance, commits), offset=10**6)


def withhold(operations: list[Operation], chance: Random) -> list[Operation]:
    """No member of a group is handed a record that others are, and the group goes on above it."""
    commits = [each for each in operations if isinstance(each, Commit)]
    stood = {each.partition: each.offset for each in commits if each.outcome == "ok"}
    for each in commits:  # one without an answer may take effect last
        if each.outcome == "unknown" and each.partition in stood:
            stood[each.partition] = min(stood[each.partition], each.offset)
    others = handed(operations, LAST_COMMITTED)
    mine = [
        where for where in handed(operations, MEMBER) if where in others and where[1] < stood.get(where[0], 0)
    ]
    where = _pick(chance, mine)
    return [
        each.model_copy(update={"records": _kept(each, where)})
        if isinstance(each, Poll) and each.reader == MEMBER
        else each
        for each in operations
    ]


def rewind(operations: list[Operation], chance: Random) -> list[Operation]:
    """A reader is handed once more what its poll before handed it, and nothing moved it."""
    polls = [
        number
        for number, each in enumerate(operations)
        if isinstance(each, Poll) and each.reader == COMMITTED and each.records
    ]
    number = _one(chance, polls)
    again = operations[number]
    assert isinstance(again, Poll)
    return [*operations[: number + 1], again, *operations[number + 1 :]]


def _transactions_seen(operations: Sequence[Operation]) -> set[str]:
    sends, seen = _sends(operations), handed(operations, LAST_COMMITTED)
    return {sends[one.producer, where[0], one.sequence].transaction for where, one in seen.items()} - {""}


def _one(chance: Random, numbers: Sequence[int]) -> int:
    assume(numbers)
    return chance.choice(numbers)


def _with(operations: list[Operation], number: int, **change: object) -> list[Operation]:
    changed = operations[number].model_copy(update=change)
    return [*operations[:number], changed, *operations[number + 1 :]]


DEFECTS: dict[str, tuple[Callable[[list[Operation], Random], list[Operation]], str]] = {
    "lose": (lose, "lost"),
    "tear": (tear, "torn_transaction"),
    "invent": (invent, "phantom"),
    "damage": (damage, "damaged"),
    "misroute": (misroute, "misrouted"),
    "swap": (swap, "ack_offset_mismatch"),
    "refuse": (refuse, "aborted_read"),
    "skip": (skip, "int_poll_skip"),
    "repeat": (repeat, "duplicate_log"),
    "early": (early, "precommitted_read"),
    "late": (late, "read_before_write"),
    "ahead": (ahead, "commit_ahead"),
    "withhold": (withhold, "left_behind"),
    "rewind": (rewind, "nonmono_poll"),
}


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_no_legal_history_raises_an_alarm(seed: int) -> None:
    """Clients overlap, crash, are left without answers and read what is still open: nothing is violated."""
    found = judged(World(chance_of(seed)).operations)

    assert {each.checker: each.summary for each in found.findings if each.violations} == {}
    assert found.verdict is Verdict.PASS


@pytest.mark.parametrize("defect", DEFECTS)
@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_each_defect_is_found_in_any_history(defect: str, seed: int) -> None:
    """The check whose it is names it, whatever else goes on in the history."""
    plant, checker = DEFECTS[defect]
    chance = chance_of(seed)

    assert checker in violated(plant(World(chance).operations, chance))


@pytest.mark.nightly
@given(SEEDS)
@settings(max_examples=10_000, deadline=None)
def test_no_legal_history_of_ten_thousand_raises_an_alarm(seed: int) -> None:
    """The same at length: the figure of the certification."""
    assert violated(World(chance_of(seed), steps=20, partitions=3).operations) == set()
