"""Reads back what the job wrote to Kafka: window results, refused records, late records.

Each topic is read through a fence of its own, read_committed, for what an aborted transaction left
behind is not there for anybody. The fence's sentinel carries the key ``__fence__`` and is no result.

A line that is not what the job promises is counted as unreadable: it is neither passed over nor
guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import KafkaError, Message

from harness.ledger import schema
from harness.ledger.fence import Sentinel, Topic, offset_of, read_whole
from harness.ledger.tables import TableWriter
from harness.model import Fence
from harness.rundir import RunDirectory

FENCE_KEY = b"__fence__"
_SENTINEL = Sentinel(b"{}", FENCE_KEY)

_LIMIT = 1 << 63

Value = int | str
Field = tuple[str, type[int] | type[str]]
Table = list[tuple[Value, ...]]
Columns = Callable[[Table, Table], Table]
Place = Literal["late", "dead"]

_RESULT: tuple[Field, ...] = tuple(
    (name, int)
    for name in (
        *("key", "window", "count", "sum", "min", "max", "fingerprint"),
        *("total_count", "total_sum", "made_ms"),
    )
)
_PLACED: tuple[Field, ...] = (("reason", str), ("partition", int), ("offset", int))


@dataclass(frozen=True, slots=True)
class TopicRead:
    """What was read of one topic: the proof that it is whole, and ``counts`` for its ``HopRead``."""

    fences: tuple[Fence, ...]
    counts: dict[str, int]


def read_results(topic: Topic, *, directory: RunDirectory, seconds: float) -> TopicRead:
    """Read every window result of *topic* into the ``results`` table of *directory*.

    Raises:
        StackError: the topic was not read through within *seconds*; the rows so far are in the table.
    """
    with closing(TableWriter(directory.ledger, "results", schema.RESULTS, writer=topic.name)) as table:
        sink = _Lines(table, _RESULT, _as_results)
        fences = _read(topic, sink, seconds)
    return TopicRead(fences, {"results": sink.rows, "unreadable": sink.unreadable})


def read_placed(topic: Topic, place: Place, *, directory: RunDirectory, seconds: float) -> TopicRead:
    """Read every record that *topic* says was put to *place* into the ``placed`` table of *directory*.

    Raises:
        StackError: the topic was not read through within *seconds*; the rows so far are in the table.
    """
    with closing(TableWriter(directory.ledger, "placed", schema.PLACED, writer=topic.name)) as table:
        sink = _Lines(table, _PLACED, lambda told, _: [(place,) * len(told[0]), *told])
        fences = _read(topic, sink, seconds)
    return TopicRead(fences, {"records": sink.rows, "unreadable": sink.unreadable})


def _read(topic: Topic, sink: _Lines, seconds: float) -> tuple[Fence, ...]:
    return read_whole(
        topic,
        sink,
        sentinel=lambda partition: _SENTINEL,  # noqa: ARG005 - the same in every partition
        isolation="read_committed",
        seconds=seconds,
    )


class _Lines:
    """The lines of one topic, to rows of one table.

    Args:
        fields: the fields that a line must have, in the order in which *columns* takes their values.
        columns: the table's columns from each line's values and where it lies: partition, offset, timestamp.
    """

    def __init__(self, table: TableWriter, fields: tuple[Field, ...], columns: Columns) -> None:
        self._table, self._fields, self._columns = table, fields, columns
        self.rows = 0
        self.unreadable = 0

    def take(self, partition: int, messages: list[Message]) -> None:
        """Parse and write the records of one partition."""
        values: list[tuple[Value, ...]] = []
        places: list[tuple[int, int, int]] = []
        for message in messages:
            if message.key() == FENCE_KEY:
                continue
            if (found := _values(message.value(), self._fields)) is None:
                self.unreadable += 1
                continue
            values.append(found)
            places.append((partition, offset_of(message), message.timestamp()[1]))
        self.rows += len(values)
        if values:
            told, lies = list(zip(*values, strict=True)), list(zip(*places, strict=True))
            self._table.add_columns(*self._columns(told, lies))

    def take_unsound(self, partition: int, message: Message, error: KafkaError) -> None:  # noqa: ARG002
        """A batch whose own checksum fails cannot be read; any other error passes or ends at the deadline."""
        if error.code() == KafkaError._BAD_MSG:  # noqa: SLF001 - the client's own name
            self.unreadable += 1


def _values(raw: bytes | None, fields: tuple[Field, ...]) -> tuple[Value, ...] | None:
    """The values of *fields* in the JSON object *raw*; None unless all are there, each of its kind."""
    try:
        line = json.loads(raw or b"")
        values = tuple(line[name] for name, _ in fields)
    except (ValueError, KeyError, TypeError):
        return None
    # bool is an int to Python; a number too large for the ledger is no number of the job's.
    for value, (_, kind) in zip(values, fields, strict=True):
        if type(value) is not kind or (isinstance(value, int) and not -_LIMIT <= value < _LIMIT):
            return None
    return values


def _as_results(told: Table, lies: Table) -> Table:
    partition, offset, appended_ms = lies
    return [partition, offset, *told, appended_ms]
