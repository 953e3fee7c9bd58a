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

A stack with a pipeline behind the topic has six more, of what each hop held in the end:

``inputs``    one row per record of the source log, sentinels left out, by partition in log order: the id,
              key, event time and value it carries (-1 where it carries none), and whether the job may
              take it (``flaw`` is empty) or has to refuse it (what is wrong with it).
``results``   one row per window result, as read from the results topic.
``placed``    one row per record that the job put elsewhere than into a window: ``place`` is "late" or
              "dead", ``reason`` the job's own word.
``archive``   one row per run of archived records of one source partition: consecutive offsets and lines.
``objects``   one row per object of the archive or the metrics bucket, numbered in each: its size, lines, and
              what is wrong with it, if anything.
``scrapes``   one row per page of metrics and object of the metrics bucket that holds events of it.

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

INPUTS = pa.schema(
    [
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("producer", pa.int32()),
        ("sequence", pa.int64()),
        ("key", pa.int32()),
        ("event_ms", pa.int64()),
        ("value", pa.int64()),
        ("flaw", pa.string()),
    ]
)

RESULTS = pa.schema(
    [
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("key", pa.int32()),
        ("window_ms", pa.int64()),
        ("count", pa.int64()),
        ("sum", pa.int64()),
        ("min", pa.int64()),
        ("max", pa.int64()),
        ("fingerprint", pa.int64()),
        ("total_count", pa.int64()),
        ("total_sum", pa.int64()),
        ("made_ms", pa.int64()),
        ("appended_ms", pa.int64()),
    ]
)

PLACED = pa.schema(
    [
        ("place", pa.string()),
        ("reason", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
    ]
)

ARCHIVE = pa.schema(
    [
        ("object", pa.int32()),
        ("first_line", pa.int64()),
        ("partition", pa.int32()),
        ("first_offset", pa.int64()),
        ("count", pa.int64()),
    ]
)

OBJECTS = pa.schema(
    [
        ("object", pa.int32()),
        ("bucket", pa.string()),
        ("name", pa.string()),
        ("bytes", pa.int64()),
        ("lines", pa.int64()),
        ("flaw", pa.string()),
    ]
)

SCRAPES = pa.schema(
    [
        ("t_ms", pa.int64()),
        ("instance", pa.string()),
        ("events", pa.int64()),
        ("shaped", pa.int64()),
        ("refused", pa.int64()),
        ("repeated", pa.int64()),
        ("object", pa.int32()),
    ]
)

SAMPLES = pa.schema(
    [("t", pa.int64()), ("source", pa.string()), ("name", pa.string()), ("value", pa.float64())]
)
"""Probe samples in long form: ``source`` is a node or "harness", ``value`` in the unit the name ends in."""

LEADS_QUORUM = "leads_quorum"
"""The sample that is 1 for a broker that takes itself for the leader of the metadata quorum, else 0."""

BEHIND = {
    "inputs": INPUTS,
    "results": RESULTS,
    "placed": PLACED,
    "archive": ARCHIVE,
    "objects": OBJECTS,
    "scrapes": SCRAPES,
}
"""The tables of the hops behind the source topic, by name; a run without a pipeline has none of them."""
