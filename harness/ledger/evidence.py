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
from harness.ledger import schema, tables
from harness.model import Event, JournalEntry, RunStarted
from harness.rundir import RunDirectory

E = TypeVar("E")
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.object_]
"""Strings; equal ones may be one object."""


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
class Samples:
    """The ``samples`` of every probe."""

    t: Ints
    source: Words
    name: Words
    value: Floats


@dataclass(frozen=True, eq=False)
class Inputs:
    """The ``inputs`` table: the source log's records, in log order."""

    partition: Ints
    offset: Ints
    producer: Ints
    sequence: Ints
    key: Ints
    event_ms: Ints
    value: Ints
    flaw: Words


@dataclass(frozen=True, eq=False)
class Archive:
    """The ``archive`` table: runs of archived records."""

    object: Ints
    first_line: Ints
    partition: Ints
    first_offset: Ints
    count: Ints


@dataclass(frozen=True, eq=False)
class Objects:
    """The ``objects`` table: every object of the archive."""

    object: Ints
    bucket: Words
    name: Words
    bytes: Ints
    lines: Ints
    flaw: Words


def none_of(shape: type[E], columns_of: pa.Schema) -> E:
    """A *shape* without rows."""
    return columns(shape, columns_of.empty_table())


@dataclass(frozen=True)
class Evidence:
    """One run, as stored."""

    events: tuple[Event, ...]
    journal: tuple[JournalEntry, ...]
    attempts: Attempts
    announced: Announced
    reads: Reads
    samples: Samples
    tail_cut: bool = False
    inputs: Inputs = field(default_factory=lambda: none_of(Inputs, schema.INPUTS))
    archive: Archive = field(default_factory=lambda: none_of(Archive, schema.ARCHIVE))
    objects: Objects = field(default_factory=lambda: none_of(Objects, schema.OBJECTS))

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
        EvidenceError: a file is damaged beyond its tail, or of another version.
    """
    attempts, cut_attempts = tables.read(directory.ledger, "attempts", schema.ATTEMPTS)
    announced, cut_announced = tables.read(directory.ledger, "announced", schema.ANNOUNCED)
    reads, cut_reads = tables.read(directory.ledger, "reads", schema.READS)
    samples, _ = tables.read(directory.samples, "samples", schema.SAMPLES)
    inputs, cut_inputs = tables.read(directory.ledger, "inputs", schema.INPUTS)
    archive, cut_archive = tables.read(directory.ledger, "archive", schema.ARCHIVE)
    objects, cut_objects = tables.read(directory.ledger, "objects", schema.OBJECTS)
    return Evidence(
        events=tuple(directory.read_events()),
        journal=tuple(directory.read_journal()),
        attempts=columns(Attempts, attempts),
        announced=columns(Announced, announced),
        reads=columns(Reads, reads),
        samples=columns(Samples, samples),
        tail_cut=any((cut_attempts, cut_announced, cut_reads, cut_inputs, cut_archive, cut_objects)),
        inputs=columns(Inputs, inputs),
        archive=columns(Archive, archive),
        objects=columns(Objects, objects),
    )


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
