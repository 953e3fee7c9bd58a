"""How fast an archive is read back from a real S3 server and judged against its source log.

Three million records of 12 partitions in gzip objects of 100,000 lines each, with planted defects that must
all be found. What is timed, in processor seconds of the reading process, is all that a run does for its
archive: fetching, unpacking, parsing, writing the tables, reading them again and the three
checkers. The server and its gate have processes of their own. Runs in an enclosure.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.benchmarks.figures import Figure
from harness.bundle import fixtures
from harness.checkers.archive import CHECKS
from harness.checkers.archive_survey import survey
from harness.ledger import schema
from harness.ledger.archive import read_archive
from harness.ledger.evidence import load
from harness.model import Budgets, Guarantee, HopRead, RunStarted
from harness.rundir import EventLog, RunDirectory
from harness.s3 import S3Client
from harness.stack.artifacts import ensure, read_lock
from harness.stack.definition import read_definition
from harness.stack.java import find_java
from harness.stack.namespaces.disks import make_disk
from harness.stack.namespaces.enclosure import keeper
from harness.stack.namespaces.netns import NamespaceNode, Observer, build_network
from harness.stack.objects.component import ObjectStore, StoreSoftware

RECORDS = 3_000_000
LINES = 100_000
PARTITIONS = 12
LEAST_RATE = 1.5
WALL = "2026-01-01T00:00:00.000Z"

BUCKET = "edge-archive"
PLANTED = {"archive_complete": 1, "archive_single": 1, "archive_intact": 1}
"""Record 17 of the last object is missing, its record 16 is there twice, and its last line is torn."""

_TRANSFERS = 20


def measure() -> list[Figure]:
    """Read and judge; raises when a planted defect is not found exactly."""
    stacks = fixtures() / "stacks"
    objects = read_definition(stacks, "edge", {}).objects
    assert objects
    ensure(read_lock(fixtures() / "locks", "s3proxy", objects.version))
    with tempfile.TemporaryDirectory(prefix="harness-benchmark-") as folder:
        subprocess.run(keeper([sys.executable, "-m", __name__, folder]), check=True)
        return [Figure(**one) for one in json.loads((Path(folder) / "figures.json").read_text())]


def _measure_inside(folder: Path) -> list[Figure]:
    store = _store(folder)
    start = time.monotonic()
    store.start()
    store.wait_ready(30)
    ready = time.monotonic() - start
    client = store.client(read_seconds=30)
    directory = RunDirectory.create(folder, "archive")
    for number, body in enumerate(_bodies()):
        client.put(BUCKET, f"records/part-{number:04d}.ndjson.gz", body)
    _write_source(directory)
    figures = [_checking(client, directory), _transfers(client)]
    store.process.send(signal.SIGKILL)
    return [Figure("object store, start to proven", f"{ready:.1f} s", "", None), *figures]


def _store(folder: Path) -> ObjectStore:
    stacks = fixtures() / "stacks"
    objects = read_definition(stacks, "edge", {}).objects
    assert objects
    jars = ensure(read_lock(fixtures() / "locks", "s3proxy", objects.version))
    software = StoreSoftware(find_java(), jars, stacks / "edge" / "logback.xml")
    node = NamespaceNode("s3-1", "s3", "198.18.0.61", (objects.port,))
    build_network(Observer("198.18.0.1"), [node], prefix=24)
    return ObjectStore(
        node,
        objects,
        software=software.with_archive(objects),
        disk=make_disk("s3-1", objects.data_mb),
        logs=folder,
        environment={},
    )


def _checking(client: S3Client, directory: RunDirectory) -> Figure:
    start, begin = time.process_time(), time.monotonic()
    counts = read_archive(client, BUCKET, "records/", directory)
    read = time.process_time() - start
    seen = survey(load(directory))
    found = {name: check(seen).violations for name, check in CHECKS.items()}
    seconds, wall = time.process_time() - start, time.monotonic() - begin
    assert found == PLANTED, found
    rate = counts.records / seconds / 1e6
    how = (
        f"{counts.records:,} records, {counts.bytes / 1e6:.0f} MB in {counts.objects} objects from S3Proxy, "
        f"read and judged; reading alone {counts.records / read / 1e6:.1f} M; {wall:.1f} s by the clock"
    )
    return Figure(
        name="archive check, NDJSON gzip from S3: records per core-second",
        measured=f"{rate:.1f} M",
        to_reach=f"≥ {LEAST_RATE:g} M",
        reached=rate >= LEAST_RATE,
        detail=how,
    )


def _transfers(client: S3Client) -> Figure:
    """What passes the gate, one reader with objects of 16 MB."""
    body = os.urandom(16 << 20)
    client.put(BUCKET, "transfer", body)
    client.get(BUCKET, "transfer")
    start = time.monotonic()
    for _ in range(_TRANSFERS):
        client.get(BUCKET, "transfer")
    rate = _TRANSFERS * len(body) / (time.monotonic() - start) / 1e6
    return Figure("object store through its gate, reading", f"{rate:.0f} MB/s", "", None, "one client")


def _bodies() -> Iterator[bytes]:
    """Objects in the order of the log; each holds a stretch of every partition, as a fetch does."""
    each = LINES // PARTITIONS
    for number in range(RECORDS // (each * PARTITIONS)):
        lines = [
            _line(partition, offset)
            for partition in range(PARTITIONS)
            for offset in range(number * each, (number + 1) * each)
        ]
        if number == RECORDS // (each * PARTITIONS) - 1:
            lines[17], lines[-1] = lines[16], lines[-1] + b'{"p":'
        yield gzip.compress(b"".join(lines), 4)


def _line(partition: int, offset: int) -> bytes:
    key, value = offset * 7919 % 1000, offset * 31 % 10_000
    return b'{"p":%d,"o":%d,"id":"%d/%d/%d","k":%d,"t":%d,"v":%d}\n' % (
        *(partition, offset, offset % 4, partition, offset // 4),
        *(key, 1_764_100_000_000 + offset, value),
    )


def _write_source(directory: RunDirectory) -> None:
    each = LINES // PARTITIONS
    log = RECORDS // (each * PARTITIONS) * each
    offset = np.tile(np.arange(log), PARTITIONS)
    columns = {
        "partition": np.repeat(np.arange(PARTITIONS), log),
        "offset": offset,
        "producer": offset % 4,
        "sequence": offset // 4,
        "key": offset * 7919 % 1000,
        "event_ms": 1_764_100_000_000 + offset,
        "value": offset * 31 % 10_000,
        "flaw": np.full(len(offset), ""),
    }
    arrays = [pa.array(columns[each.name]).cast(each.type) for each in schema.INPUTS]
    pq.write_table(pa.table(arrays, schema=schema.INPUTS), directory.ledger / "inputs.parquet")
    events = EventLog(directory)
    events.append(_started())
    for hop in ("source", "archive"):
        events.append(HopRead(t=1, wall=WALL, hop=hop, complete=True))
    events.close()


def _started() -> RunStarted:
    return RunStarted(
        t=0,
        wall=WALL,
        run_id="archive",
        scenario="benchmark",
        title="",
        platform="none",
        stack="none",
        seed=0,
        guarantees=tuple(Guarantee(name=name) for name in CHECKS),  # type: ignore[arg-type]
        budgets=Budgets(),
        command=(),
    )


if __name__ == "__main__":
    here = Path(sys.argv[1])
    (here / "figures.json").write_text(json.dumps([asdict(one) for one in _measure_inside(here)]))
