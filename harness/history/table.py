"""Operations become columns: names are numbered, and what is absent becomes ``NONE``."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import TypeVar, cast

import numpy as np

from harness.errors import BadInput
from harness.history.claims import (
    Impossible,
    check_commit,
    check_end,
    check_fence,
    check_poll,
    check_send,
)
from harness.history.columns import (
    NEVER,
    NONE,
    WHYS,
    Columns,
    Commits,
    Deliveries,
    Ends,
    Fences,
    Inputs,
    Moves,
    Names,
    Polls,
    Readers,
    Sends,
)
from harness.history.lines import HELP
from harness.history.numbers import Numbers
from harness.history.operations import (
    Commit,
    Delivered,
    End,
    Fence,
    History,
    Move,
    Operation,
    Poll,
    Reader,
    Send,
    Transaction,
)
from harness.model import Outcome

T = TypeVar("T")
Row = tuple[int, ...]

_OUTCOMES: dict[End, int] = {"ok": Outcome.OK, "fail": Outcome.FAIL, "unknown": Outcome.UNKNOWN}


def tabulate(
    operations: Iterable[Operation], settings: History | None = None, *, numbers: Iterable[int] | None = None
) -> Columns:
    """*operations* as columns, under *settings* if given, else under those of the first one.

    *numbers* are those of their lines, for the witnesses; one after the other from 1 unless given.

    Raises:
        BadInput: one of them cannot be, or something is told twice that can be so only once.
    """
    writing = _Writing()
    for number, operation in zip(numbers or itertools.count(1), operations, strict=False):
        try:
            writing.add(number - 1, operation)
        except Impossible as error:
            raise BadInput(f"line {number}", why=str(error), fix=HELP) from error
    return writing.columns(settings)


class _Writing:
    """The rows so far."""

    def __init__(self) -> None:
        self.settings: History | None = None
        self.logs, self.readers = Numbers("partitions"), Numbers("readers")
        self.transactions, self.writers = Numbers("transactions", NEVER), Numbers("writers")
        self.groups = Numbers("groups")
        self.rows: defaultdict[type, list[Row]] = defaultdict(list)
        self.told: set[tuple[str, int]] = set()
        kinds = {Send: self._send, Poll: self._poll, Move: self._move, Transaction: self._end}
        others = {Commit: self._commit, Fence: self._fence, Reader: self._reader, History: self._settings}
        # Each method takes its own kind; that the keys say so is more than a type checker can see.
        self.write = cast(dict[type[Operation], Callable[[int, Operation], None]], kinds | others)

    def add(self, op: int, operation: Operation) -> None:
        self.write[type(operation)](op, operation)

    def columns(self, settings: History | None) -> Columns:
        logs = cast("tuple[tuple[str, int], ...]", tuple(self.logs.known))
        readers = cast("tuple[int, ...]", tuple(self.readers.known))
        return Columns(
            settings or self.settings or History(),
            Names(logs, _words(self.transactions), _words(self.writers), _words(self.groups), readers),
            sends=self._table(Sends),
            polls=self._table(Polls),
            deliveries=self._table(Deliveries),
            moves=self._table(Moves),
            ends=self._table(Ends),
            inputs=self._table(Inputs),
            commits=self._table(Commits),
            fences=self._table(Fences),
            readers=self._table(Readers),
        )

    def _table(self, shape: type[T]) -> T:
        rows, names = self.rows[shape], [each.name for each in fields(shape)]  # type: ignore[arg-type]
        values = np.asarray(rows, np.int64).reshape(len(rows), len(names))
        return shape(*(np.ascontiguousarray(values[:, place]) for place in range(len(names))))

    def _once(self, what: str, number: int, said: str) -> None:
        """Remember that it was told.

        Raises:
            Impossible: it was so before.
        """
        if (what, number) in self.told:
            raise Impossible(what, said)
        self.told.add((what, number))

    def _settings(self, _: int, settings: History) -> None:
        if self.settings or self.rows:
            raise Impossible("op", "settings are given again, or late: they stand in the first line only")
        self.settings = settings

    def _move(self, op: int, move: Move) -> None:
        reader = self.readers.of(move.reader)
        self.rows[Moves].append((op, reader, self._log(move), move.t, WHYS.index(move.why)))

    def _fence(self, op: int, fence: Fence) -> None:
        check_fence(fence)
        log = self._log(fence)
        self._once("partition", log, "its end is told before")
        self.rows[Fences].append((op, log, fence.first, fence.end, fence.stable))

    def _log(self, at: Send | Poll | Move | Commit | Fence) -> int:
        return self.logs.of((at.topic, at.partition))

    def _send(self, op: int, send: Send) -> None:
        check_send(send)
        row = (
            op,
            send.producer,
            self._log(send),
            send.sequence,
            *_instants(send.t),
            _OUTCOMES[send.outcome],
            _or_none(send.offset),
            _or_none(send.epoch),
            self.transactions.named(send.transaction),
            _or_none(send.key),
            send.value or 0,
            int(send.value is None),
        )
        self.rows[Sends].append(row)

    def _poll(self, op: int, poll: Poll) -> None:
        check_poll(poll)
        log, row, reader = self._log(poll), len(self.rows[Polls]), self.readers.of(poll.reader)
        number = self.transactions.named(poll.transaction)
        self.rows[Polls].append((op, reader, log, *poll.t, *poll.position, number))
        self.rows[Deliveries] += [self._delivery(row, log, record) for record in poll.records]

    def _delivery(self, row: int, log: int, record: Delivered) -> Row:
        sent_to = self.logs.of(record.sent_to) if record.sent_to else log
        epoch = _or_none(record.epoch)
        return (row, log, record.offset, record.producer, record.sequence, epoch, sent_to, int(record.whole))

    def _end(self, op: int, end: Transaction) -> None:
        check_end(end)
        number = self.transactions.of(end.transaction)
        self._once("transaction", number, f"{end.transaction} has ended before")
        commits, outcome = int(end.end == "commit"), _OUTCOMES[end.outcome]
        writer, records = self.writers.named(end.writer), _or_none(end.records)
        times = _instants(end.t)
        self.rows[Ends].append((op, number, writer, end.incarnation, *times, commits, outcome, records))
        for each in end.consumed:
            log = self.logs.of((each.topic, each.partition))
            self.rows[Inputs].append((op, number, self.groups.of(each.group), log, each.first, each.until))

    def _commit(self, op: int, commit: Commit) -> None:
        check_commit(commit)
        group, log, times = self.groups.of(commit.group), self._log(commit), _instants(commit.t)
        reader, ended = self.readers.of(commit.reader), _OUTCOMES[commit.outcome]
        row = (op, group, reader, log, *times, commit.offset, ended, _or_none(commit.durable))
        self.rows[Commits].append(row)

    def _reader(self, _: int, reader: Reader) -> None:
        number = self.readers.of(reader.reader)
        self._once("reader", number, f"{reader.reader} is told of before")
        committed, subscribed = reader.isolation == "committed", reader.mode == "subscribe"
        group = self.groups.named(reader.group)
        self.rows[Readers].append((number, int(committed), int(subscribed), group))


def _words(numbers: Numbers) -> tuple[str, ...]:
    return tuple(str(name) for name in numbers.known)


def _or_none(value: int | None) -> int:
    return NONE if value is None else value


def _instants(t: tuple[int, int | None]) -> tuple[int, int]:
    invoked, done = t
    return invoked, NEVER if done is None else done
