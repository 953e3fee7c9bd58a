"""The ledger's tables: what a batch is, and how a reader's findings are stored.

Three tables, each an Arrow IPC stream per writer while the run goes on
(``ledger/attempts-3.arrow``) and one Parquet file after (``ledger/attempts.parquet``).

``attempts``  one row per batch, or per run of equal outcome inside a batch that ended mixed.
              The records are (producer, partition, first_seq … first_seq+count-1). Offsets are
              base_offset + (seq - first_seq) when base_offset ≥ 0, else unknown.
``announced`` one row per reservation: before a producer attempts sequences of a partition up to
              ``until_seq`` (exclusive) it writes this row. A worker that is killed leaves attempts
              without a row; they lie below the announcement and count as *unknown*, never phantom.
``reads``     one row per run of records that came back with consecutive offsets *and* consecutive
              sequences of one producer. ``state`` is a ``ReadState``; rows that are not GOOD hold one
              record each, with producer and first_seq as far as they could be parsed, else -1.

All instants are CLOCK_MONOTONIC nanoseconds. ``t_intended`` is when the plan wanted the batch
sent, ``t_sent`` when it was handed to the client, ``t_done`` when its outcome was known.
"""

from __future__ import annotations

import pyarrow as pa

ATTEMPTS = pa.schema(
    [
        ("producer", pa.int32()),
        ("partition", pa.int32()),
        ("first_seq", pa.int64()),
        ("count", pa.int32()),
        ("t_intended", pa.int64()),
        ("t_sent", pa.int64()),
        ("t_done", pa.int64()),
        ("outcome", pa.int8()),
        ("base_offset", pa.int64()),
        ("bytes", pa.int32()),
        ("error", pa.string()),
    ]
)

ANNOUNCED = pa.schema([("producer", pa.int32()), ("partition", pa.int32()), ("until_seq", pa.int64())])

READS = pa.schema(
    [
        ("partition", pa.int32()),
        ("producer", pa.int32()),
        ("first_seq", pa.int64()),
        ("count", pa.int32()),
        ("first_offset", pa.int64()),
        ("state", pa.int8()),
        ("detail", pa.string()),
    ]
)

SAMPLES = pa.schema(
    [("t", pa.int64()), ("source", pa.string()), ("name", pa.string()), ("value", pa.float64())]
)
"""Probe samples in long form: ``source`` is a node or "harness", ``value`` in the unit the name ends in."""
