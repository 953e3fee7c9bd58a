"""How fast, and in how much memory, ten million records are judged from their ledger.

The ledger is synthetic: 12 partitions, 4 producers, batches of 100 (and, to show
what many short rows cost, of 10), reads cut at other places than the
batches, and planted defects that must all be found. What is timed, in processor
seconds of all threads, is what ``harness verify`` does for records: reading the
Parquet files and checking loss, duplicates, order, phantoms and integrity. It
runs in a child process, so its peak memory is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.benchmarks.figures import Figure
from harness.checkers import duplicates, integrity, loss, order, phantoms
from harness.checkers.sequences import history
from harness.ledger import schema
from harness.ledger.evidence import load
from harness.model import Budgets, Fence, FencePassed, Guarantee, LoadEnded, RunStarted
from harness.rundir import EventLog, RunDirectory

RECORDS = 10_000_000
LEAST_RATE = 10.0
MOST_MB = 300.0
PARTITIONS = 12
PRODUCERS = 4
BATCH = 100
SMALL_BATCH = 10
"""Ten times the rows: shown without a bound, for the rows themselves then outweigh the records."""
READ_RUN = 130
WALL = "2026-01-01T00:00:00.000Z"

PLANTED = {"no_loss": 3, "no_duplicates": 2, "order_per_key": 2, "no_phantoms": 1, "integrity": 1}
"""Violations each checker must report; a lost record in three was read back corrupt."""


def measure() -> list[Figure]:
    """Judge both ledgers; raises AssertionError when a planted defect is not found exactly."""
    return [figure for batch in (BATCH, SMALL_BATCH) for figure in _figures(batch)]


def _figures(batch: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        write_ledger(RunDirectory.create(Path(folder), "synthetic"), batch)
        told = subprocess.run(
            [sys.executable, "-m", __name__, str(Path(folder) / "synthetic")],
            check=True,
            capture_output=True,
            text=True,
        )
    result: dict[str, float] = json.loads(told.stdout)
    rate, peak = RECORDS / result["seconds"] / 1e6, result["peak_mb"]
    bound = batch == BATCH
    how = f"{batch} records a batch, read from Parquet, all planted defects found"
    return [
        Figure(
            name="checking 10⁷ records: records per core-second",
            measured=f"{rate:.1f} M",
            to_reach=f"≥ {LEAST_RATE:g} M" if bound else "",
            reached=rate >= LEAST_RATE if bound else None,
            detail=how,
        ),
        Figure(
            name="checking 10⁷ records: peak memory of the process",
            measured=f"{peak:.0f} MB",
            to_reach=f"≤ {MOST_MB:g} MB" if bound else "",
            reached=peak <= MOST_MB if bound else None,
            detail=how,
        ),
    ]


def judge_records(directory: RunDirectory) -> dict[str, float]:
    """Load and check the stored run; returns the seconds, the peak MB and the violations found."""
    start = time.process_time()
    evidence = load(directory)
    sets = history(evidence)
    found = [each.check(evidence, sets) for each in (loss, duplicates, order, phantoms, integrity)]
    seconds = time.process_time() - start
    assert {f.checker: f.violations for f in found} == PLANTED
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mb": peak}


def write_ledger(directory: RunDirectory, batch: int) -> None:
    """Store a run of RECORDS records in batches of *batch*, with the defects of PLANTED."""
    each = RECORDS // (PARTITIONS * PRODUCERS) // batch
    ends = [PRODUCERS * each * batch] * PARTITIONS
    _write(directory, "attempts", schema.ATTEMPTS, _attempts(each, batch))
    reads = _plant(_reads(each, batch), each * batch, ends)
    _write(directory, "reads", schema.READS, reads)
    lanes = [(producer, partition) for partition in range(PARTITIONS) for producer in range(PRODUCERS)]
    producer, partition = (np.asarray(column) for column in zip(*lanes, strict=True))
    announced = {"producer": producer, "partition": partition, "until_seq": np.full(len(lanes), each * batch)}
    _write(directory, "announced", schema.ANNOUNCED, announced)
    _write_events(directory, ends)


def _attempts(each: int, batch: int) -> dict[str, np.ndarray]:
    """Batch k of every producer and partition in turn; a partition's producers alternate in its log."""
    turn = np.arange(each * PRODUCERS * PARTITIONS)
    partition, producer, index = (
        turn % PARTITIONS,
        turn // PARTITIONS % PRODUCERS,
        turn // PARTITIONS // PRODUCERS,
    )
    intended = 1_000_000_000 + turn * 10_000
    return {
        "producer": producer,
        "partition": partition,
        "first_seq": index * batch,
        "count": np.full(len(turn), batch),
        "t_intended": intended,
        "t_sent": intended + 1_000,
        "t_done": intended + 4_000_000,
        "outcome": np.zeros(len(turn), np.int8),
        "base_offset": (index * PRODUCERS + producer) * batch,
        "bytes": np.full(len(turn), 100 * batch),
        "error": np.full(len(turn), ""),
    }


def _reads(each: int, batch: int) -> dict[str, np.ndarray]:
    """The log, partition by partition, each batch cut in two where a fetch ended."""
    blocks = np.arange(each * PRODUCERS)
    cuts = np.arange(0, each * PRODUCERS * batch, READ_RUN)
    starts = np.unique(np.concatenate((blocks * batch, cuts)))
    block = starts // batch
    rows = {
        "producer": block % PRODUCERS,
        "first_seq": block // PRODUCERS * batch + starts % batch,
        "count": np.diff(np.append(starts, each * PRODUCERS * batch)),
        "first_offset": starts,
    }
    tiled = {name: np.tile(values, PARTITIONS) for name, values in rows.items()}
    total = len(tiled["count"])
    tiled["partition"] = np.repeat(np.arange(PARTITIONS), len(starts))
    return tiled | {"state": np.zeros(total, np.int8), "detail": np.full(total, "")}


def _plant(reads: dict[str, np.ndarray], lane: int, ends: list[int]) -> dict[str, np.ndarray]:
    """The defects of PLANTED: two records dropped, one corrupt, two doubled, a pair swapped, a phantom."""
    single = np.flatnonzero(reads["count"] >= 2)
    lost, corrupt, swap = (int(single[len(single) * k // 7]) for k in (2, 3, 4))
    doubled = int(single[len(single) * 5 // 7])
    rows = [
        _shortened(reads, lost, 2),
        _shortened(reads, corrupt, 1),
        _shortened(reads, swap, 2),
        _tail(reads, corrupt, 1) | {"state": np.asarray([1], np.int8)},
        *_swapped(reads, swap),
        _tail(reads, doubled, 2) | {"first_offset": np.asarray([ends[int(reads["partition"][doubled])]])},
        _tail(reads, 0, 1) | {"first_seq": np.asarray([lane + 5]), "first_offset": np.asarray([ends[0] + 9])},
    ]
    kept = np.delete(np.arange(len(reads["count"])), [lost, corrupt, swap])
    return {
        name: np.concatenate([values[kept], *(row[name] for row in rows)]) for name, values in reads.items()
    }


def _swapped(reads: dict[str, np.ndarray], row: int) -> list[dict[str, np.ndarray]]:
    last, before = _tail(reads, row, 1), _tail(reads, row, 2) | {"count": np.asarray([1])}
    return [
        last | {"first_offset": before["first_offset"]},
        before | {"first_offset": last["first_offset"]},
    ]


def _shortened(reads: dict[str, np.ndarray], row: int, by: int) -> dict[str, np.ndarray]:
    one = {name: values[row : row + 1] for name, values in reads.items()}
    return one | {"count": one["count"] - by}


def _tail(reads: dict[str, np.ndarray], row: int, count: int) -> dict[str, np.ndarray]:
    one = {name: values[row : row + 1] for name, values in reads.items()}
    skip = one["count"] - count
    moved = {name: one[name] + skip for name in ("first_seq", "first_offset")}
    return one | moved | {"count": np.asarray([count])}


def _write(directory: RunDirectory, name: str, columns: pa.Schema, rows: dict[str, np.ndarray]) -> None:
    arrays = [pa.array(rows[field.name]).cast(field.type) for field in columns]
    pq.write_table(pa.table(arrays, schema=columns), directory.ledger / f"{name}.parquet", compression="zstd")


def _write_events(directory: RunDirectory, ends: list[int]) -> None:
    log = EventLog(directory)
    log.append(_started(directory.run_id))
    log.append(
        LoadEnded(t=2, wall=WALL, first_t=0, last_t=1, locust_requests=0, locust_failures=0, clean=True)
    )
    log.append(FencePassed(t=3, wall=WALL, fences=tuple(_fence(p, end + 20) for p, end in enumerate(ends))))
    log.close()


def _started(run_id: str) -> RunStarted:
    return RunStarted(
        t=0,
        wall=WALL,
        run_id=run_id,
        scenario="benchmark",
        title="",
        platform="none",
        stack="none",
        seed=0,
        guarantees=(
            Guarantee(name="no_loss"),
            Guarantee(name="no_duplicates"),
            Guarantee(name="order_per_key"),
        ),
        budgets=Budgets(),
        command=(),
    )


def _fence(partition: int, end: int) -> Fence:
    return Fence(
        partition=partition,
        first_offset=0,
        end_offset=end,
        committed_end_offset=end,
        sentinel_offset=end,
        position=end + 1,
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(judge_records(RunDirectory.open(Path(sys.argv[1])))))
