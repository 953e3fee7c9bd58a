"""When the witnesses were meant to be sent: looked up afterwards, so that no verdict has to read instants.

There are at most a few hundred witnesses, and the statistics of the row groups say where each may lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from harness.engine.blocks import BLOCK, column, opened
from harness.engine.folder import Context, Part
from harness.findings import Finding, Witness
from harness.ledger.evidence import Ints

Record = tuple[int, int, int]
"""Producer, partition, sequence."""


def dated(findings: Sequence[Finding], context: Context, parts: Sequence[Part]) -> tuple[Finding, ...]:
    """The findings, with the instant of each witness that is an attempted record."""
    wanted = {record for each in findings for witness in each.witnesses if (record := _record(witness))}
    at = {record: us for part in parts for record, us in _found(part, wanted)}
    return tuple(
        each.model_copy(update={"witnesses": tuple(_dated(w, at, context.zero_us) for w in each.witnesses)})
        for each in findings
    )


def _record(witness: Witness) -> Record | None:
    """What to look up: only an attempted record was given an instant, if not yet the right one."""
    if witness.at_s is None:
        return None
    producer, partition, sequence = (int(number) for number in witness.record.split("/"))
    return producer, partition, sequence


def _dated(witness: Witness, at: dict[Record, int], zero_us: int) -> Witness:
    record = _record(witness)
    if record is None or record not in at:
        return witness
    return witness.model_copy(update={"at_s": (at[record] - zero_us) / 1e6})


def _found(part: Part, wanted: Iterable[Record]) -> Iterator[tuple[Record, int]]:
    left = {record for record in wanted if record[1] == part.partition}
    for path in part.produce:
        for record, us in _in_file(path, left):
            left.discard(record)
            yield record, us
        if not left:
            return


def _in_file(path: Path, wanted: set[Record]) -> Iterator[tuple[Record, int]]:
    left = set(wanted)
    with opened(path, "produce") as file:
        for group in range(file.num_row_groups):
            near = {record for record in left if _may_hold(file, group, record[2])}
            if not near:
                continue
            for record, us in _in_group(file, path, group, near):
                left.discard(record)
                yield record, us


def _in_group(
    file: pq.ParquetFile, path: Path, group: int, near: set[Record]
) -> Iterator[tuple[Record, int]]:
    names = ["producer", "sequence", "intended_us"]
    for batch in file.iter_batches(BLOCK, row_groups=[group], columns=names, use_threads=False):
        producer, sequence, us = (column(batch.column(name), name, path) for name in names)
        for record in sorted(near):
            rows: Ints = np.flatnonzero((sequence == record[2]) & (producer == record[0]))
            if len(rows):
                near.discard(record)
                yield record, int(us[rows[0]])


def _may_hold(file: pq.ParquetFile, group: int, sequence: int) -> bool:
    stored = file.metadata.row_group(group)
    places = {stored.column(place).path_in_schema: place for place in range(stored.num_columns)}
    seen = stored.column(places["sequence"]).statistics
    return seen is None or not seen.has_min_max or seen.min <= sequence <= seen.max
