"""Everything a checker may look at, loaded from one run directory.

The columns are numpy arrays of equal length, one entry per ledger row. Loading
prefers Parquet and falls back to the Arrow streams of a run that died; a cut
tail is dropped and remembered in ``tail_cut``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.errors import EvidenceError
from harness.journal_entry import JournalEntry
from harness.ledger import bounds, schema, tables
from harness.model import Event, FencePassed, HopRead, LoadEnded, RunStarted
from harness.rundir import RunDirectory

E = TypeVar("E")
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.object_]
"""Strings; equal ones may be one object."""

_OF_HOP = {
    "source": ("inputs",),
    "results": ("results",),
    "dead-letters": ("placed",),
    "late": ("placed",),
    "archive": ("archive", "objects"),
    "metrics": ("objects", "scrapes"),
}
"""The tables of each hop that was read."""


@dataclass(frozen=True, eq=False)
class Attempts:
    """The ``attempts`` table; see ``harness.ledger.schema`` for the columns."""

    producer: Ints
    partition: Ints
    first_seq: Ints
    count: Ints
    t_intended: Ints
    t_sent: Ints
    t_done: Ints
    outcome: Ints
    base_offset: Ints
    bytes: Ints
    error: Words

    @property
    def rows(self) -> int:
        """How many rows (batches) there are."""
        return len(self.producer)


@dataclass(frozen=True, eq=False)
class Reads:
    """The ``reads`` table."""

    partition: Ints
    producer: Ints
    first_seq: Ints
    count: Ints
    first_offset: Ints
    state: Ints
    detail: Words


@dataclass(frozen=True, eq=False)
class Announced:
    """The ``announced`` table."""

    producer: Ints
    partition: Ints
    until_seq: Ints


@dataclass(frozen=True, eq=False)
class Inputs:
    """The ``inputs`` table."""

    partition: Ints
    offset: Ints
    producer: Ints
    sequence: Ints
    key: Ints
    event_ms: Ints
    value: Ints
    flaw: Words


@dataclass(frozen=True, eq=False)
class Results:
    """The ``results`` table."""

    partition: Ints
    offset: Ints
    key: Ints
    window_ms: Ints
    count: Ints
    sum: Ints
    min: Ints
    max: Ints
    fingerprint: Ints
    total_count: Ints
    total_sum: Ints
    made_ms: Ints
    appended_ms: Ints


@dataclass(frozen=True, eq=False)
class Placed:
    """The ``placed`` table."""

    place: Words
    reason: Words
    partition: Ints
    offset: Ints


@dataclass(frozen=True, eq=False)
class Archive:
    """The ``archive`` table."""

    object: Ints
    first_line: Ints
    partition: Ints
    first_offset: Ints
    count: Ints


@dataclass(frozen=True, eq=False)
class Objects:
    """The ``objects`` table."""

    object: Ints
    bucket: Words
    name: Words
    bytes: Ints
    lines: Ints
    flaw: Words


@dataclass(frozen=True, eq=False)
class Samples:
    """The ``samples`` of every probe."""

    t: Ints
    source: Words
    name: Words
    value: Floats


@dataclass(frozen=True, eq=False)
class Scrapes:
    """The ``scrapes`` table."""

    t_ms: Ints
    instance: Words
    events: Ints
    shaped: Ints
    refused: Ints
    repeated: Ints
    object: Ints


@dataclass(frozen=True)
class Evidence:
    """One run, as stored."""

    events: tuple[Event, ...]
    journal: tuple[JournalEntry, ...]
    attempts: Attempts
    announced: Announced
    reads: Reads
    samples: Samples
    inputs: Inputs = field(default_factory=lambda: empty(Inputs, schema.INPUTS))
    results: Results = field(default_factory=lambda: empty(Results, schema.RESULTS))
    placed: Placed = field(default_factory=lambda: empty(Placed, schema.PLACED))
    archive: Archive = field(default_factory=lambda: empty(Archive, schema.ARCHIVE))
    objects: Objects = field(default_factory=lambda: empty(Objects, schema.OBJECTS))
    scrapes: Scrapes = field(default_factory=lambda: empty(Scrapes, schema.SCRAPES))
    tail_cut: bool = False

    @cached_property
    def started(self) -> RunStarted:
        """What was asked for; its instant is the run's zero."""
        first = self.events[0] if self.events else None
        if not isinstance(first, RunStarted):
            raise EvidenceError("the run has no beginning", why="events.jsonl does not open with it")
        return first

    def last(self, kind: type[E]) -> E | None:
        """The last event of type *kind*, or None."""
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)

    def seconds(self, t: int) -> float:
        """The monotonic instant *t* as seconds since the run started."""
        return (t - self.started.t) / 1e9


def load(directory: RunDirectory) -> Evidence:
    """Read the evidence of the run in *directory*.

    Raises:
        EvidenceError: a file is damaged beyond its tail, of another version, or missing though the run's
            events say that it was written.
    """
    cuts = []
    events = tuple(directory.read_events())
    _require_stored(directory, events)

    def read(shape: type[E], name: str, columns_of: pa.Schema) -> E:
        table, cut = tables.read(directory.ledger, name, columns_of)
        cuts.append(cut)
        if wrong := _nulls(table):
            raise _impossible(directory, name, wrong)
        found = columns(shape, table)
        if wrong := bounds.in_table(name, vars(found)):
            raise _impossible(directory, name, wrong)
        return found

    samples, _ = tables.read(directory.samples, "samples", schema.SAMPLES)
    return Evidence(
        events=events,
        journal=tuple(directory.read_journal()),
        attempts=read(Attempts, "attempts", schema.ATTEMPTS),
        announced=read(Announced, "announced", schema.ANNOUNCED),
        reads=read(Reads, "reads", schema.READS),
        samples=columns(Samples, samples),
        inputs=read(Inputs, "inputs", schema.INPUTS),
        results=read(Results, "results", schema.RESULTS),
        placed=read(Placed, "placed", schema.PLACED),
        archive=read(Archive, "archive", schema.ARCHIVE),
        objects=read(Objects, "objects", schema.OBJECTS),
        scrapes=read(Scrapes, "scrapes", schema.SCRAPES),
        tail_cut=any(cuts),
    )


def _require_stored(directory: RunDirectory, events: tuple[Event, ...]) -> None:
    """That nothing was read back must not be concluded from a file that somebody took away."""
    for event in events:
        told, names = _written(event)
        for name in names:
            if not tables.stored(directory.ledger, name):
                missing = directory.ledger / f"{name}.parquet"
                raise EvidenceError(
                    f"{missing} is missing", why=f"the run's events say that {told}", fix="restore the file"
                )


def _written(event: Event) -> tuple[str, tuple[str, ...]]:
    """What *event* says of the ledger, and the tables that there must be then."""
    if isinstance(event, LoadEnded):
        return "the load ended", ("attempts", "announced")
    if isinstance(event, FencePassed):
        return "the topic was read through its fence", ("reads",)
    if isinstance(event, HopRead) and event.complete:
        return f"the hop {event.hop} was read whole", _OF_HOP[event.hop]
    return "", ()


def _nulls(table: pa.Table) -> str:
    holding = (name for name in table.column_names if table.column(name).null_count)
    return next((f"{name} holds nulls" for name in holding), "")


def _impossible(directory: RunDirectory, name: str, wrong: str) -> EvidenceError:
    files = tables.stored(directory.ledger, name)
    place = files[0] if len(files) == 1 else directory.ledger / f"{name}-*.arrow"
    return EvidenceError(f"{place} cannot be judged", why=wrong, fix="restore the file")


def empty(shape: type[E], schema_: pa.Schema) -> E:
    """A *shape* without a row, for a run that has no such table."""
    return columns(shape, schema_.empty_table())


def columns(shape: type[E], table: pa.Table) -> E:
    """The columns of *table* as a *shape*, whose fields carry the same names; integers widened."""
    return shape(**{name: _column(table.column(name)) for name in table.column_names})


def _column(column: pa.ChunkedArray) -> npt.NDArray[np.generic]:
    if pa.types.is_string(column.type):
        return _words(column)
    values: npt.NDArray[np.generic] = column.to_numpy()
    return values if values.dtype.kind == "f" else values.astype(np.int64, copy=False)


def _words(column: pa.ChunkedArray) -> Words:
    """Strings as objects that equal rows share: one long error text costs its length once."""
    coded = column.combine_chunks().dictionary_encode()
    distinct: Words = np.asarray(coded.dictionary.to_pylist() or [""], dtype=np.object_)
    rows: Words = distinct[coded.indices.to_numpy()]
    return rows
