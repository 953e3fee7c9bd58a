"""Ledger tables on disk: Arrow IPC streams while running, one Parquet file after.

A stream is flushed per record batch; a reader keeps every whole batch and drops
a cut tail. Parquet replaces the streams only after it is synced, so at no
instant is a row in neither.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import EvidenceError
from harness.rundir import private, unwritable

Row = tuple[float | str, ...]

_FLUSH_ROWS = 512
_FLUSH_COLUMN_ROWS = 65_536


class TableWriter:
    """Appends rows to ``FOLDER/NAME-WRITER.arrow``. One thread writes."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema, *, writer: str = "0") -> None:
        # Arrow imports pandas for its first conversion. Writers convert in threads of their own: here it is
        # done once, before any two of them could do it at the same time.
        pa.array([""])
        self._schema = schema
        self._pending: list[Row] = []
        self._batches: list[pa.RecordBatch] = []
        self._waiting = 0
        path = folder / f"{name}-{writer}.arrow"
        try:
            self._file = open(path, "wb", opener=private)  # noqa: SIM115 - closed by close()
            self._stream = pa.ipc.new_stream(self._file, schema)
        except OSError as error:
            raise unwritable(path, error) from error
        self._path = path

    def add(self, *row: float | str) -> None:
        """Append one row, in the order of the schema; flushed every 512 rows."""
        self._pending.append(row)
        if len(self._pending) >= _FLUSH_ROWS:
            self.flush()

    def add_columns(self, *columns: npt.NDArray[np.int64] | pa.Array) -> None:
        """Append many rows at once, column by column in the order of the schema.

        They reach the kernel in batches of at least ``_FLUSH_COLUMN_ROWS`` rows, and with ``flush``.

        Raises:
            MissingAbility: the disk is full.
        """
        whole = [pa.array(c).cast(f.type) for c, f in zip(columns, self._schema, strict=True)]
        batch = pa.record_batch(whole, schema=self._schema)
        self._batches.append(batch)
        self._waiting += batch.num_rows
        if self._waiting >= _FLUSH_COLUMN_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hand every pending row to the kernel.

        Raises:
            MissingAbility: the disk is full.
        """
        batches = self._taken()
        try:
            for batch in batches:
                self._stream.write_batch(batch)
            if batches:
                self._file.flush()
        except OSError as error:
            raise unwritable(self._path, error) from error

    @property
    def written(self) -> int:
        """How many bytes of the file the kernel has."""
        return self._file.tell()

    def _taken(self) -> list[pa.RecordBatch]:
        """What is pending, as record batches that are no longer pending."""
        found: list[pa.RecordBatch] = []
        if self._batches:
            found += pa.Table.from_batches(self._batches).combine_chunks().to_batches()
        if self._pending:
            columns = zip(*self._pending, strict=True)
            arrays = [pa.array(c, type=f.type) for c, f in zip(columns, self._schema, strict=True)]
            found.append(pa.record_batch(arrays, schema=self._schema))
        self._pending, self._batches, self._waiting = [], [], 0
        return found

    def close(self) -> None:
        """Flush and end the stream."""
        self.flush()
        self._stream.close()
        self._file.close()


def read(folder: Path, name: str, schema: pa.Schema) -> tuple[pa.Table, bool]:
    """Table *name* of *folder* and whether a tail was cut; empty when nothing was written.

    Raises:
        EvidenceError: the file is not what it claims to be.
    """
    parquet = folder / f"{name}.parquet"
    if (files := stored(folder, name)) != [parquet]:
        return read_streams(files, schema)
    try:
        return pq.read_table(parquet).cast(schema), False
    except (OSError, pa.ArrowException, ValueError) as error:
        raise EvidenceError(
            f"{parquet} cannot be read", why=str(error).splitlines()[0], fix="restore the file"
        ) from error


def stored(folder: Path, name: str) -> list[Path]:
    """The files that table *name* of *folder* lies in; none when it was never begun."""
    parquet = folder / f"{name}.parquet"
    return [parquet] if parquet.exists() else sorted(folder.glob(f"{name}-*.arrow"))


def read_streams(paths: Iterable[Path], schema: pa.Schema) -> tuple[pa.Table, bool]:
    """The whole batches of several streams, and whether any tail was cut."""
    batches: list[pa.RecordBatch] = []
    cut = False
    for path in paths:
        found, whole = _whole_batches(path)
        batches += found
        cut = cut or not whole
    return pa.Table.from_batches(batches, schema=schema), cut


def seal(folder: Path, name: str, schema: pa.Schema) -> bool:
    """Turn the streams of table *name* into ``NAME.parquet``; returns whether a tail was cut.

    Raises:
        MissingAbility: the disk is full; the streams are still there.
    """
    streams = sorted(folder.glob(f"{name}-*.arrow"))
    table, cut = read_streams(streams, schema)
    final, part = folder / f"{name}.parquet", folder / f"{name}.parquet.part"
    try:
        with open(part, "wb", opener=private) as file:
            _write_parquet(table, file)
            os.fsync(file.fileno())
        part.replace(final)
    except OSError as error:
        raise unwritable(final, error) from error
    for stream in streams:
        stream.unlink()
    return cut


def _write_parquet(table: pa.Table, file: object) -> None:
    # Deltas shrink dense sequences and instants to almost nothing; a dictionary would hide them.
    whole = [f.name for f in table.schema if pa.types.is_integer(f.type) and f.type.bit_width >= 32]
    words = [f.name for f in table.schema if pa.types.is_string(f.type)]
    pq.write_table(
        table,
        file,
        compression="zstd",
        use_dictionary=words,
        column_encoding=dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
    )


def _whole_batches(path: Path) -> tuple[list[pa.RecordBatch], bool]:
    found: list[pa.RecordBatch] = []
    try:
        with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as stream:
            for batch in stream:
                found.append(batch)  # noqa: PERF402 - extend() would lose them when the tail is cut
    except (pa.ArrowInvalid, OSError, EOFError):
        return found, False
    return found, True
