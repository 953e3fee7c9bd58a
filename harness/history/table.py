"""Operations become columns: names are numbered, and what is absent becomes ``NONE``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TypeVar, cast

import numpy as np

from harness.errors import BadInput
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


def tabulate(operations: Sequence[Operation], settings: History | None = None) -> Columns:
    """*operations* as columns, under *settings* if given, else under those of the first one.

    Raises:
        BadInput: something is told twice that can be so only once, or does not fit together.
    """
    told = [each for each in operations if isinstance(each, History)]
    writing = _Writing()
    for index, operation in enumerate(operations):
        writing.add(index, operation)
    return writing.columns(settings or (told[0] if told else History()))


class _Numbers:
    """Names in the order in which they came."""

    def __init__(self) -> None:
        self.known: dict[object, int] = {}

    def of(self, name: object) -> int:
        return self.known.setdefault(name, len(self.known))

    def named(self, name: str) -> int:
        """The number of a name; ``NONE`` for none."""
        return self.of(name) if name else NONE


class _Writing:
    """The rows so far."""

    def __init__(self) -> None:
        self.logs, self.transactions, self.writers, self.groups = (_Numbers() for _ in range(4))
        self.rows: defaultdict[type, list[Row]] = defaultdict(list)
        self.ended: set[int] = set()
        self.told: set[int] = set()

    def add(self, op: int, operation: Operation) -> None:
        kinds = {Send: self._send, Poll: self._poll, Move: self._move, Transaction: self._end}
        others = {Commit: self._commit, Fence: self._fence, Reader: self._reader, History: self._settings}
        # Each method takes its own kind; that the keys say so is more than a type checker can see.
        write = cast(Callable[[int, Operation], None], (kinds | others)[type(operation)])
        write(op, operation)

    def columns(self, settings: History) -> Columns:
        named = (_words(each) for each in (self.transactions, self.writers, self.groups))
        logs = cast("tuple[tuple[str, int], ...]", tuple(self.logs.known))
        return Columns(
            settings,
            Names(logs, *named),
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

    def _settings(self, op: int, _: History) -> None:
        if op:
            raise BadInput(f"line {op + 1} gives settings again", fix="they stand in the first line only")

    def _move(self, op: int, move: Move) -> None:
        self.rows[Moves].append((op, move.reader, self._log(move), move.t, WHYS.index(move.why)))

    def _fence(self, op: int, fence: Fence) -> None:
        self.rows[Fences].append((op, self._log(fence), fence.first, fence.end, fence.stable))

    def _log(self, at: Send | Poll | Move | Commit | Fence) -> int:
        return self.logs.of((at.topic, at.partition))

    def _send(self, op: int, send: Send) -> None:
        row = (
            op,
            send.producer,
            self._log(send),
            send.sequence,
            *_instants(op, send.t),
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
        start, end = poll.position
        if end < start:
            raise BadInput(f"line {op + 1}: the position went back from {start} to {end} within one poll")
        log, row = self._log(poll), len(self.rows[Polls])
        number = self.transactions.named(poll.transaction)
        self.rows[Polls].append((op, poll.reader, log, *_instants(op, poll.t), start, end, number))
        self.rows[Deliveries] += [self._delivery(row, log, record) for record in poll.records]

    def _delivery(self, row: int, log: int, record: Delivered) -> Row:
        sent_to = self.logs.of(record.sent_to) if record.sent_to else log
        epoch = _or_none(record.epoch)
        return (row, log, record.offset, record.producer, record.sequence, epoch, sent_to, int(record.whole))

    def _end(self, op: int, end: Transaction) -> None:
        number = self.transactions.of(end.transaction)
        if number in self.ended:
            raise BadInput(f"line {op + 1}: the transaction {end.transaction} has ended before")
        self.ended.add(number)
        commits, outcome = int(end.end == "commit"), _OUTCOMES[end.outcome]
        writer, records = self.writers.named(end.writer), _or_none(end.records)
        times = _instants(op, end.t)
        self.rows[Ends].append((op, number, writer, end.incarnation, *times, commits, outcome, records))
        for each in end.consumed:
            log = self.logs.of((each.topic, each.partition))
            self.rows[Inputs].append((op, number, self.groups.of(each.group), log, each.first, each.until))

    def _commit(self, op: int, commit: Commit) -> None:
        group, log, times = self.groups.of(commit.group), self._log(commit), _instants(op, commit.t)
        ended = _OUTCOMES[commit.outcome]
        row = (op, group, commit.reader, log, *times, commit.offset, ended, _or_none(commit.durable))
        self.rows[Commits].append(row)

    def _reader(self, op: int, reader: Reader) -> None:
        if reader.reader in self.told:
            raise BadInput(f"line {op + 1}: the reader {reader.reader} is told of twice")
        self.told.add(reader.reader)
        committed, subscribed = reader.isolation == "committed", reader.mode == "subscribe"
        group = self.groups.named(reader.group)
        self.rows[Readers].append((reader.reader, int(committed), int(subscribed), group))


def _words(numbers: _Numbers) -> tuple[str, ...]:
    return tuple(str(name) for name in numbers.known)


def _or_none(value: int | None) -> int:
    return NONE if value is None else value


def _instants(op: int, t: tuple[int, int | None]) -> tuple[int, int]:
    invoked, done = t
    if done is not None and done < invoked:
        raise BadInput(f"line {op + 1}: it was done at {done}, before it was invoked at {invoked}")
    return invoked, NEVER if done is None else done
