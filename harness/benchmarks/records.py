"""How fast, in how much memory and from how many bytes the engine judges single records.

``python -m harness.benchmarks.records [RECORDS] [TIMES]`` makes the folders in the user's cache (once;
minutes for 10⁸), judges each three times by ``harness verify --records``, and prints the figures of the
best. All of it is measured in one run and on two processes: seconds, processor seconds of all processes,
their memory together (what they share is counted once), and how this compares to a plain ``np.argsort``
of the same row groups' 64-bit ids in one process, which any machine can be held against.

With TIMES the partitions are linked so many times over under further numbers, and judged once: 10⁹
records that are all decoded, mapped and judged, in the room of 10⁸.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq

from harness.benchmarks.figures import Figure, table
from harness.benchmarks.records_made import Asked, cached, planted
from harness.engine.folder import CONTEXT, SCHEMAS, Side, read_context

RECORDS = 100_000_000
REPEATS = 3
BYTES: dict[Side, float] = {"produce": 8.0, "consume": 6.0}
BOUNDS = {RECORDS: (8.0, 400.0), 10 * RECORDS: (90.0, 1000.0)}
MOST_TRANSACTIONS = 10.0
_SAMPLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Cost:
    """What one judgement took."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    load: float


def measure(records: int = RECORDS, times: int = 1) -> list[Figure]:
    """Judge both folders; raises AssertionError when a planted defect is not counted exactly."""
    plain, within = Asked(records), Asked(records, transactions=True)
    figures = [_size(cached(plain), side, records) for side in SCHEMAS]
    figures += _judged("records", plain, times)
    return figures + (_judged("records in transactions", within, 1) if times == 1 else [])


def _size(folder: Path, side: Side, records: int) -> Figure:
    stored = sum(path.stat().st_size for path in (folder / side).rglob("*.parquet"))
    each = stored / records
    return Figure(
        name=f"room of {records:,} records, {side} history",
        measured=f"{each:.2f} B a record",
        to_reach=f"≤ {BYTES[side]:g} B",
        reached=each <= BYTES[side],
        detail=f"{stored / 1e6:.0f} MB in partitioned Parquet, instants jittered",
    )


def _judged(what: str, asked: Asked, times: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = _linked(cached(asked), Path(scratch), asked.partitions, times)
        repeats = REPEATS if times == 1 else 1
        best = min((_judge(folder, asked, times) for _ in range(repeats)), key=lambda cost: cost.seconds)
        sort = times * _argsort_seconds(cached(asked))  # of the linked folders there is one of each
    records = asked.records * times
    bounds = (MOST_TRANSACTIONS, None) if asked.transactions else BOUNDS.get(records, (None, None))
    how = (
        f"best of {repeats}, 2 processes, {best.cpu_seconds:.1f} processor seconds, "
        f"{2 * records / best.cpu_seconds / 1e6:.1f} M rows a core-second, load average {best.load:.0f}"
    )
    name, ratio = f"judging {records:,} {what}", best.cpu_seconds / sort
    alone = f"argsort of 64-bit ids already in memory: {sort:.1f} processor seconds"
    return [
        _bound(name, best.seconds, bounds[0], "s", how),
        _bound(f"{name}: memory of all processes", best.peak_mb, bounds[1], "MB", "shared counted once"),
        Figure(f"{name}: against np.argsort", f"{ratio:.1f} times its processor seconds", "", None, alone),
    ]


def _bound(name: str, measured: float, most: float | None, unit: str, how: str) -> Figure:
    to_reach = "" if most is None else f"≤ {most:g} {unit}"
    reached = None if most is None else measured <= most
    return Figure(name, f"{measured:.1f} {unit}", to_reach, reached, how)


def _judge(folder: Path, asked: Asked, times: int) -> Cost:
    """One run of the command, in a process of its own; its findings have to be what was planted."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "harness", "verify", "--records", str(folder), "--json"]
    with tempfile.TemporaryFile("w+") as said:
        judge = subprocess.Popen(command, stdout=said)
        cpu, peak = _watched(judge)
        seconds = time.perf_counter() - begin
        said.seek(0)
        document = json.load(said)
    wanted = Counter({name: number * times for name, number in planted(asked).violations().items()})
    assert dict(wanted) == {f["checker"]: f["violations"] for f in document["findings"]}
    return Cost(seconds, cpu, peak, os.getloadavg()[0])


def _watched(judge: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Processor seconds of *judge* and all its processes, and the peak of their memory together, in MB."""
    spent: dict[int, float] = {}
    peak = 0.0
    while judge.poll() is None:
        memory = 0.0
        for each in _family(judge.pid):
            try:
                times = each.cpu_times()
                spent[each.pid] = times.user + times.system
                memory += each.memory_full_info().pss / 1e6
            except psutil.Error:
                continue
        peak = max(peak, memory)
        try:
            judge.wait(_SAMPLE_S)
        except subprocess.TimeoutExpired:
            continue
    return sum(spent.values()), peak


def _family(pid: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def _argsort_seconds(folder: Path) -> float:
    """Processor seconds of sorting every row group's ids, and nothing else."""
    spent = 0.0
    for path in sorted(folder.rglob("*.parquet")):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            read = file.read_row_group(group, columns=["producer", "sequence"])
            producer, sequence = (read.column(name).to_numpy() for name in ("producer", "sequence"))
            ids = (producer.astype(np.int64) << 40) | sequence
            begin = time.thread_time()
            np.argsort(ids)
            spent += time.thread_time() - begin
    return spent


def _linked(folder: Path, scratch: Path, partitions: int, times: int) -> Path:
    """The folder with every partition linked *times* over, each time under a number of its own."""
    if times == 1:
        return folder
    context = read_context(folder)
    fences = []
    for turn in range(times):
        for fence in context.fences:
            number = turn * partitions + fence.partition
            fences.append(fence.model_copy(update={"partition": number}))
            for side in SCHEMAS:
                (scratch / side).mkdir(exist_ok=True)
                link = scratch / side / f"partition={number}"
                link.symlink_to(folder / side / f"partition={fence.partition}")
    wider = context.model_copy(update={"fences": tuple(fences), "partitions": times * partitions})
    (scratch / CONTEXT).write_text(wider.model_dump_json())
    return scratch


if __name__ == "__main__":
    asked_for = [int(float(word)) for word in sys.argv[1:]]
    sys.stdout.write(table(measure(*asked_for)))
