"""Counts the violations of a history a second time, with DuckDB.

It shares the reading of the file with the checks of anomalies and nothing else: names are numbered, tables
made, and every claim stated anew. It counts what ``history_statements.CLAIMS`` names, and no other check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from harness.history.operations import (
    Commit,
    Fence,
    History,
    Move,
    Operation,
    Poll,
    Reader,
    Send,
    Transaction,
)
from harness.oracle.database import Database, answer, opened
from harness.oracle.history_statements import CLAIMS, TABLES
from harness.oracle.tally import Recount, Tally

_WHOLE, _TEXT, _FLAG = pa.int64(), pa.string(), pa.bool_()
_SHAPES = {
    "settings": {"cleanup": _TEXT, "skew_ns": _WHOLE, "idempotent": _FLAG, "at_least_once": _FLAG},
    "logs": {"log": _WHOLE},
    "sends": {
        "op": _WHOLE, "log": _WHOLE, "producer": _WHOLE, "seq": _WHOLE, "invoked": _WHOLE, "outcome": _TEXT,
        "offset": _WHOLE, "transaction": _TEXT, "key": _WHOLE, "tombstone": _FLAG,
    },
    "polls": {
        "op": _WHOLE, "log": _WHOLE, "committed": _FLAG, "start": _WHOLE, "stop": _WHOLE, "invoked": _WHOLE,
    },
    "got": {
        "op": _WHOLE, "log": _WHOLE, "offset": _WHOLE, "producer": _WHOLE, "seq": _WHOLE, "sent_to": _WHOLE,
        "whole": _FLAG,
    },
    "ends": {"transaction": _TEXT, "commits": _FLAG, "outcome": _TEXT, "records": _WHOLE},
    "fences": {"op": _WHOLE, "log": _WHOLE, "first": _WHOLE, "stop": _WHOLE, "stable": _WHOLE},
}  # fmt: skip

Row = tuple[object, ...]


def recount_history(
    operations: Sequence[Operation], settings: History | None = None, claims: dict[str, str] | None = None
) -> Recount:
    """Count every violation in *operations* that there is a claim for, under *settings* or their own."""
    told = [each for each in operations if isinstance(each, History)]
    writing = _Writing(settings or (told[0] if told else History()), operations)
    with opened(writing.tables()) as database:
        for statement in TABLES:
            database.execute(statement)
        wanted = claims or CLAIMS
        tallies = {name: _tally(database, claim, writing.names) for name, claim in wanted.items()}
    return Recount(writing.size, tallies, {})


def _tally(database: Database, claim: str, logs: Sequence[tuple[str, int]]) -> Tally:
    count, rows = answer(database, claim, "log, producer, seq")
    return Tally(count, tuple(_name(row, logs) for row in rows), ordered=False)


def _name(row: Sequence[int | None], logs: Sequence[tuple[str, int]]) -> str:
    """As witnesses name a record; nothing where there is none."""
    log, producer, seq = row
    if log is None:
        return ""
    topic, partition = logs[log]
    return f"{producer}/{topic}/{partition}/{seq}" if topic else f"{producer}/{partition}/{seq}"


class _Writing:
    """The rows of every table."""

    def __init__(self, settings: History, operations: Iterable[Operation]) -> None:
        self._logs: dict[tuple[str, int], int] = {}
        self._rows: dict[str, list[Row]] = {name: [] for name in _SHAPES}
        self._rows["settings"].append(
            (settings.cleanup, settings.skew_ns, settings.idempotent, settings.at_least_once)
        )
        every = list(operations)
        self._uncommitted = {
            each.reader for each in every if isinstance(each, Reader) and each.isolation == "uncommitted"
        }
        for op, operation in enumerate(every):
            self._add(op, operation)
        self._rows["logs"] = [(log,) for log in self._logs.values()]

    @property
    def names(self) -> list[tuple[str, int]]:
        """The log of each number."""
        return list(self._logs)

    @property
    def size(self) -> int:
        """The larger of what was attempted and what was handed out."""
        return max(len(self._rows["sends"]), len(self._rows["got"]))

    def tables(self) -> dict[str, pa.Table]:
        """All of them."""
        return {name: pa.table(dict(self._columns(name))) for name in _SHAPES}

    def _columns(self, name: str) -> Iterator[tuple[str, pa.Array]]:
        for place, (column, kind) in enumerate(_SHAPES[name].items()):
            yield column, pa.array([row[place] for row in self._rows[name]], kind)

    def _log(self, topic: str, partition: int) -> int:
        return self._logs.setdefault((topic, partition), len(self._logs))

    def _add(self, op: int, told: Operation) -> None:
        match told:
            case Send():
                self._send(op, told)
            case Poll():
                self._poll(op, told)
            case Transaction():
                row = (told.transaction, told.end == "commit", told.outcome, told.records)
                self._rows["ends"].append(row)
                for each in told.consumed:
                    self._log(each.topic, each.partition)
            case Fence():
                log = self._log(told.topic, told.partition)
                self._rows["fences"].append((op, log, told.first, told.end, told.stable))
            case Move() | Commit():
                self._log(told.topic, told.partition)
            case _:
                pass

    def _send(self, op: int, send: Send) -> None:
        log = self._log(send.topic, send.partition)
        named = (op, log, send.producer, send.sequence, send.t[0], send.outcome, send.offset)
        row = (*named, send.transaction or None, send.key, send.value is None)
        self._rows["sends"].append(row)

    def _poll(self, op: int, poll: Poll) -> None:
        log, (start, stop) = self._log(poll.topic, poll.partition), poll.position
        committed = poll.reader not in self._uncommitted
        self._rows["polls"].append((op, log, committed, start, stop, poll.t[0]))
        for one in poll.records:
            sent_to = self._log(*one.sent_to) if one.sent_to else log
            self._rows["got"].append((op, log, one.offset, one.producer, one.sequence, sent_to, one.whole))
