"""Row groups of record histories, streamed from Parquet as blocks of rows: bounded memory whatever the file.

Only the columns that a verdict rests on are read. A column of which the row group's own statistics
say that it holds one value is not read either: outcomes and states nearly always do.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.engine.folder import OPTIONAL, SCHEMAS, Side
from harness.engine.runs import Runs, Whole, chosen, same
from harness.errors import BadInput, EvidenceError
from harness.ledger.bounds import NUMBER, OUTCOMES, PLACE, PLACE_OR_NONE, STATES, Bounds, outside
from harness.model import ReadState

BLOCK = 1 << 17
"""Rows at a time: few enough that a block's columns stay in a core's cache from one step to the next."""

_JUDGED: dict[Side, tuple[str, ...]] = {
    "produce": ("producer", "sequence", "offset", "outcome", "transaction"),
    "consume": ("producer", "sequence", "offset", "state"),
}
_MARK: dict[Side, str] = {"produce": "outcome", "consume": "state"}
_BOUNDS: dict[Side, Bounds] = {
    "produce": {
        "producer": NUMBER,
        "sequence": PLACE,
        "offset": PLACE_OR_NONE,
        "outcome": OUTCOMES,
        "transaction": PLACE_OR_NONE,
    },
    "consume": {"state": STATES, "producer": NUMBER, "sequence": PLACE, "offset": PLACE},
}
_FORMAT = "docs/reference/ledger-at-scale.md says what each column may hold"


def opened(path: Path, side: Side) -> pq.ParquetFile:
    """The file at *path*, if it is one of *side*.

    Raises:
        EvidenceError: it is damaged.
        BadInput: it lacks a column, or has one of another type.
    """
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise EvidenceError(
            f"{path} cannot be read", why=str(error).splitlines()[0], fix="restore the file"
        ) from error
    for field in SCHEMAS[side]:
        _require(path, file.schema_arrow, field)
    return file


def blocks(path: Path, side: Side, partition: int) -> Iterator[Runs]:
    """The rows of the file at *path*, at most ``BLOCK`` at a time, each row as a run of one.

    Raises:
        EvidenceError: the file is damaged.
        BadInput: it is of another schema.
    """
    with opened(path, side) as file:
        for group in range(file.num_row_groups):
            yield from _group(file, path, side, partition, group)


def require_in_range(runs: Runs, path: Path, side: Side) -> None:
    """Hold the runs of some rows of the file at *path* against what its columns may hold.

    A run begins with its first row's values and is never joined with a row of other codes, so what any row
    holds shows in its run; and runs are few.

    Raises:
        BadInput: a value is out of range.
    """
    named = runs if side == "produce" else _intact(runs)
    columns = {
        "offset": runs.first_offset,
        _MARK[side]: runs.mark,
        "producer": named.producer,
        "sequence": named.first_seq,
        "transaction": runs.transaction,
    }
    if wrong := outside(columns, _BOUNDS[side]):
        raise BadInput(f"{path} cannot be judged", why=wrong, fix=_FORMAT)


def _intact(runs: Runs) -> Runs:
    """Those that were read intact: what a damaged record says of itself may be anything."""
    return runs if not runs.mark.any() else chosen(runs, np.flatnonzero(runs.mark == ReadState.GOOD))


def _group(file: pq.ParquetFile, path: Path, side: Side, partition: int, group: int) -> Iterator[Runs]:
    constant = {name: _constant(file, group, name) for name in _JUDGED[side]}
    wanted = [name for name, value in constant.items() if value is None]
    batches = file.iter_batches(BLOCK, row_groups=[group], columns=wanted, use_threads=False)
    try:
        for batch in batches:
            columns: dict[str, Whole] = {
                name: same(value, batch.num_rows) for name, value in constant.items() if value is not None
            }
            columns |= {name: column(batch.column(name), name, path) for name in wanted}
            yield _rows(columns, side, partition, batch.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise EvidenceError(f"{path} cannot be read", why=str(error).splitlines()[0]) from error


def column(values: pa.Array, name: str, path: Path) -> Whole:
    """A column of integers as an array, without a copy.

    Raises:
        BadInput: there is a null in it.
    """
    if values.null_count:
        raise BadInput(f"{path} cannot be judged", why=f"{name} holds {values.null_count} nulls", fix=_FORMAT)
    array: Whole = values.to_numpy(zero_copy_only=True)
    return array


def _rows(columns: dict[str, Whole], side: Side, partition: int, rows: int) -> Runs:
    # Producers and marks stay as narrow as they are: they are only compared.
    return Runs(
        partition=same(partition, rows),
        producer=columns["producer"],
        first_seq=columns["sequence"].astype(np.int64, copy=False),
        count=same(1, rows),
        first_offset=columns["offset"].astype(np.int64, copy=False),
        mark=columns[_MARK[side]],
        transaction=columns.get("transaction", same(-1, rows)),
        lone=side == "consume",
    )


def _constant(file: pq.ParquetFile, group: int, name: str) -> int | None:
    """The one value of a column in a row group, if its statistics prove it."""
    if file.schema_arrow.get_field_index(name) < 0:
        return OPTIONAL[name]
    stored = file.metadata.row_group(group)
    places = {stored.column(place).path_in_schema: place for place in range(stored.num_columns)}
    seen = stored.column(places[name]).statistics
    if seen is None or not seen.has_min_max or seen.null_count or seen.min != seen.max:
        return None
    return int(seen.min)


def _require(path: Path, found: pa.Schema, field: pa.Field) -> None:
    place = found.get_field_index(field.name)
    if place < 0:
        if field.name in OPTIONAL:
            return
        raise BadInput(f"{path} cannot be judged", why=f"it has no column {field.name}", fix=_FORMAT)
    if not pa.types.is_signed_integer(found.field(place).type):
        kind = found.field(place).type
        raise BadInput(
            f"{path} cannot be judged", why=f"{field.name} is {kind}", fix=f"write it as {field.type}"
        )
