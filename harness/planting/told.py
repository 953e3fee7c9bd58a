"""A history that defects are planted into: what lies where, who was handed it, and small changes of it.

Nothing here is a defect by itself. A record is *sure* when it was attempted once, acknowledged where it
lies, and belongs to no transaction or to one whose commit was granted: every check has to miss it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

from harness.history.operations import (
    Commit,
    Delivered,
    Fence,
    History,
    Move,
    Operation,
    Poll,
    Reader,
    Send,
    Transaction,
)

Log: TypeAlias = tuple[str, int]
Name: TypeAlias = tuple[int, str, int, int]
"""A record: producer, topic, partition, sequence."""

Edit: TypeAlias = Callable[[Operation], Operation | None]


class Place(NamedTuple):
    """An offset of a log."""

    topic: str
    partition: int
    offset: int

    @property
    def log(self) -> Log:
        """The log alone."""
        return self.topic, self.partition


class Told:
    """A history and what it tells; it is never changed, every change gives another one."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.operations = tuple(operations)

    @property
    def settings(self) -> History:
        """Those of the first line."""
        first = self.operations[0] if self.operations else None
        return first if isinstance(first, History) else History()

    @cached_property
    def polls(self) -> dict[int, Poll]:
        """By the index of the operation."""
        return {at: each for at, each in enumerate(self.operations) if isinstance(each, Poll)}

    @cached_property
    def sends(self) -> dict[Name, list[int]]:
        """The attempts at each record, by their indices."""
        found: defaultdict[Name, list[int]] = defaultdict(list)
        for at, each in enumerate(self.operations):
            if isinstance(each, Send):
                found[each.producer, each.topic, each.partition, each.sequence].append(at)
        return dict(found)

    @cached_property
    def ends(self) -> dict[str, int]:
        """The end of each transaction."""
        every = enumerate(self.operations)
        return {each.transaction: at for at, each in every if isinstance(each, Transaction)}

    @cached_property
    def fences(self) -> dict[Log, int]:
        """The fence of each log."""
        every = enumerate(self.operations)
        return {(each.topic, each.partition): at for at, each in every if isinstance(each, Fence)}

    @cached_property
    def readers(self) -> dict[int, Reader]:
        """How everybody reads who polled."""
        told = {each.reader: each for each in self.operations if isinstance(each, Reader)}
        return {poll.reader: Reader(reader=poll.reader) for poll in self.polls.values()} | told

    @cached_property
    def handed(self) -> dict[Place, list[int]]:
        """The polls that handed out what lies at each place."""
        found: defaultdict[Place, list[int]] = defaultdict(list)
        for at, poll in self.polls.items():
            for one in poll.records:
                found[Place(poll.topic, poll.partition, one.offset)].append(at)
        return dict(found)

    @cached_property
    def names(self) -> dict[Place, Name]:
        """The record at each place where all who were handed one agree on it."""
        found: defaultdict[Place, set[Name]] = defaultdict(set)
        for poll in self.polls.values():
            for one in poll.records:
                place = Place(poll.topic, poll.partition, one.offset)
                found[place].add((one.producer, *(one.sent_to or place.log), one.sequence))
        return {place: names.pop() for place, names in found.items() if len(names) == 1}

    @cached_property
    def sure(self) -> dict[Place, int]:
        """The one attempt at each record that certainly lies at its place, and nowhere else."""
        found = {}
        for place, name in self.names.items():
            at = self.sends.get(name, [])
            if len(at) == 1 and self._is_sure(self.send(at[0]), place):
                found[place] = at[0]
        return found

    def _is_sure(self, send: Send, place: Place) -> bool:
        acked = send.outcome == "ok" and send.offset == place.offset
        return acked and (not send.transaction or send.transaction in self.committed)

    @cached_property
    def committed(self) -> frozenset[str]:
        """Transactions whose commit was granted."""
        ends = (self.end(name) for name in self.ends)
        return frozenset(e.transaction for e in ends if e.end == "commit" and e.outcome == "ok")

    @cached_property
    def shown(self) -> frozenset[str]:
        """Transactions of which somebody was handed a record."""
        sends = (self.send(at) for name in self.names.values() for at in self.sends.get(name, []))
        return frozenset(send.transaction for send in sends if send.transaction)

    @cached_property
    def kept(self) -> list[Place]:
        """Places of sure records that no setting permits to vanish."""
        return sorted(place for place in self.sure if not self._may_go(place))

    def _may_go(self, place: Place) -> bool:
        send = self.sent(place)
        if self.settings.cleanup != "compact" or send.key is None:
            return False
        return send.value is None or self.newest.get((*place.log, send.key), -1) > place.offset

    @cached_property
    def newest(self) -> dict[tuple[str, int, int], int]:
        """The highest place at which a record of each key was handed out, by log and key."""
        found: dict[tuple[str, int, int], int] = {}
        for place, name in self.names.items():
            for at in self.sends.get(name, []):
                if (key := self.send(at).key) is not None:
                    found[*place.log, key] = max(found.get((*place.log, key), -1), place.offset)
        return found

    @cached_property
    def last_looks(self) -> frozenset[int]:
        """Polls that began after every attempt at their log."""
        last: dict[Log, int] = {}
        for each in self.operations:
            if isinstance(each, Send):
                log = each.topic, each.partition
                last[log] = max(last.get(log, -1), each.t[0])
        skew = self.settings.skew_ns
        return frozenset(
            at
            for at, poll in self.polls.items()
            if poll.t[0] > last.get((poll.topic, poll.partition), -1) + skew
        )

    def looked_through(self, log: Log) -> bool:
        """Whether the last looks cover *log* from its start through its fence."""
        if log not in self.fences:
            return False
        fence = self.fence(log)
        looks = (self.polls[at] for at in self.last_looks)
        ways = sorted(poll.position for poll in looks if (poll.topic, poll.partition) == log)
        stood = fence.first
        for start, end in ways:
            if start > stood:
                break
            stood = max(stood, end)
        return stood >= fence.end

    @cached_property
    def late(self) -> int:
        """An instant after everything, whatever clocks differ by."""
        return (
            max((t for each in self.operations for t in _instants(each)), default=0)
            + self.settings.skew_ns
            + 1
        )

    @property
    def stranger(self) -> int:
        """A number that no client has."""
        return 1 + max((each for one in self.operations if (each := client(one)) is not None), default=0)

    def send(self, at: int) -> Send:
        """The attempt there."""
        found = self.operations[at]
        assert isinstance(found, Send)
        return found

    def sent(self, place: Place) -> Send:
        """The attempt at the sure record there."""
        return self.send(self.sure[place])

    def end(self, transaction: str) -> Transaction:
        """How a transaction ended."""
        found = self.operations[self.ends[transaction]]
        assert isinstance(found, Transaction)
        return found

    def fence(self, log: Log) -> Fence:
        """The fence of a log."""
        found = self.operations[self.fences[log]]
        assert isinstance(found, Fence)
        return found

    def shows_committed(self, at: int) -> bool:
        """Whether that poll is one of a reader of committed records."""
        return self.readers[self.polls[at].reader].isolation == "committed"

    def record(self, place: Place) -> Delivered:
        """What was handed out there, whole."""
        poll = self.polls[self.handed[place][0]]
        return next(one for one in poll.records if one.offset == place.offset)

    def of_log(self, log: Log) -> Iterator[int]:
        """The polls of one log."""
        return (at for at, poll in self.polls.items() if (poll.topic, poll.partition) == log)

    def changed(self, at: int, **change: object) -> Told:
        """With other fields at one operation."""
        return self.replaced({at: [self.operations[at].model_copy(update=change)]})

    def replaced(self, others: dict[int, list[Operation]]) -> Told:
        """With others, or none, in the place of some operations."""
        return Told(one for at, each in enumerate(self.operations) for one in others.get(at, [each]))

    def edited(self, edit: Edit) -> Told:
        """With every operation changed, or left out."""
        return Told(one for each in self.operations if (one := edit(each)) is not None)

    def joined(self, *more: Operation) -> Told:
        """With more at its end."""
        return Told((*self.operations, *more))

    def handing(
        self,
        place: Place,
        change: Callable[[Delivered], Iterable[Delivered]],
        polls: Container[int] | None = None,
    ) -> Told:
        """With what was handed out at *place* changed, by all polls or by some."""
        others: dict[int, list[Operation]] = {}
        for at in self.handed.get(place, []):
            if polls is None or at in polls:
                told = [
                    change(one) if one.offset == place.offset else (one,) for one in self.polls[at].records
                ]
                records = tuple(new for each in told for new in each)
                others[at] = [self.polls[at].model_copy(update={"records": records})]
        return self.replaced(others)

    def withheld(self, places: Iterable[Place], polls: Container[int] | None = None) -> Told:
        """As if those polls, or all, had handed out nothing at *places*."""
        told = self
        for place in places:
            told = told.handing(place, lambda _: (), polls)
        return told


def client(operation: Operation) -> int | None:
    """The number of the client that did it."""
    match operation:
        case Send():
            return operation.producer
        case Poll() | Move() | Commit() | Reader():
            return operation.reader
        case _:
            return None


def moved_in_time(operation: Operation, by: int) -> Operation:
    """The same, so much later."""
    match operation:
        case Move():
            return operation.model_copy(update={"t": operation.t + by})
        case Send() | Poll() | Commit() | Transaction():
            begun, done = operation.t
            return operation.model_copy(update={"t": (begun + by, None if done is None else done + by)})
        case _:
            return operation


def clipped(poll: Poll, low: int, high: int) -> Poll:
    """A poll whose way is cut to [low, high)."""
    first, end = (min(max(each, low), high) for each in poll.position)
    records = tuple(one for one in poll.records if low <= one.offset < high)
    return poll.model_copy(update={"position": (first, end), "records": records})


def _instants(operation: Operation) -> Sequence[int]:
    match operation:
        case Move():
            return (operation.t,)
        case Send() | Poll() | Commit() | Transaction():
            return [each for each in operation.t if each is not None]
        case _:
            return ()
