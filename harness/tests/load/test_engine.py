"""The engine against a broker: it starts, ends in time whatever happens, and its numbers are the ledger's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from harness.clock import MONOTONIC, seconds_between
from harness.errors import LoadError
from harness.ledger import schema, tables
from harness.load import status
from harness.load.engine import LoadEngine, LoadTotals
from harness.load.plan import LoadPlan
from harness.tests.mock_cluster import PARTITIONS, MockProcess, mock_process
from harness.waiting import NotYet, wait_for

pytestmark = pytest.mark.contract


@pytest.fixture
def broker() -> Iterator[MockProcess]:
    """A broker that a test may stop."""
    with mock_process() as made:
        yield made


def planned(broker: MockProcess, root: Path, **changes: object) -> LoadPlan:
    """A small plan whose folders exist."""
    for name in ("ledger", "samples", "logs"):
        (root / name).mkdir()
    plain: dict[str, object] = {
        "run_id": "run-1",
        "topic": "orders",
        "partitions": PARTITIONS,
        "bootstrap": broker.bootstrap,
        "ledger": root / "ledger",
        "samples": root / "samples",
        "rate": 2_000.0,
    }
    return LoadPlan.model_validate(plain | changes)


@pytest.fixture
def engines() -> Iterator[list[LoadEngine]]:
    """Engines that end with the test, however it ends."""
    made: list[LoadEngine] = []
    yield made
    for engine in made:
        engine.abort()


def started(engines: list[LoadEngine], plan: LoadPlan, root: Path) -> LoadEngine:
    """An engine that is sending."""
    engine = LoadEngine(plan, enter=list, folder=root / "work", logs=root / "logs")
    engines.append(engine)
    engine.start()
    return engine


def wait_attempted(engine: LoadEngine, records: int) -> None:
    """Return when the engine has attempted so many records."""

    def observe() -> None:
        if (seen := engine.progress().attempted) < records:
            raise NotYet(f"{seen} attempted")

    wait_for(observe, what="the load", seconds=10)


def ledger(root: Path) -> pa.Table:
    """The attempts as stored."""
    table, cut = tables.read(root / "ledger", "attempts", schema.ATTEMPTS)
    assert not cut
    return table


def by_outcome(table: pa.Table) -> tuple[int, int, int]:
    """Records that are ok, fail, unknown."""
    rows = table.select(["outcome", "count"]).to_pylist()
    ok, fail, unknown = (sum(row["count"] for row in rows if row["outcome"] == code) for code in range(3))
    return ok, fail, unknown


def batches(table: pa.Table) -> set[tuple[int, ...]]:
    """What Locust counts: one key per batch."""
    names = ["producer", "partition", "t_intended", "t_sent"]
    return {tuple(row.values()) for row in table.select(names).to_pylist()}


def agree(totals: LoadTotals, table: pa.Table) -> None:
    """Assert that Locust's totals are those of the ledger."""
    assert (totals.ok, totals.fail, totals.unknown) == by_outcome(table)
    assert totals.attempted == sum(by_outcome(table))
    assert totals.locust_requests == len(batches(table))
    assert totals.locust_failures == len(batches(table.filter(pc.field("outcome") != 0)))


def test_locust_and_ledger_agree(broker: MockProcess, engines: list[LoadEngine], tmp_path: Path) -> None:
    """A load of two processes ends clean: every record ok, dense, announced, counted alike by Locust."""
    engine = started(engines, planned(broker, tmp_path, producers=3, processes=2), tmp_path)
    wait_attempted(engine, 2_000)
    assert engine.is_alive()
    totals = engine.stop(drain_seconds=5)
    table = ledger(tmp_path)

    assert (totals.clean, totals.detail, totals.fail, totals.unknown) == (True, "", 0, 0)
    agree(totals, table)
    assert {0, 1, 2} == set(table.column("producer").to_pylist())
    assert not engine.is_alive()
    expected = 2_000 * seconds_between(totals.first_t, totals.last_t)
    assert expected == pytest.approx(totals.attempted, abs=60)
    announced, _ = tables.read(tmp_path / "ledger", "announced", schema.ANNOUNCED)
    until: dict[tuple[int, int], int] = {}
    for row in announced.to_pylist():
        pair = row["producer"], row["partition"]
        until[pair] = max(until.get(pair, 0), row["until_seq"])
    for pair, sequences in dense(table).items():
        assert list(range(len(sequences))) == sequences
        assert sequences[-1] < until[pair]


def dense(table: pa.Table) -> dict[tuple[int, int], list[int]]:
    """All sequences per producer and partition, sorted."""
    found: dict[tuple[int, int], list[int]] = {}
    for row in table.to_pylist():
        sequences = range(row["first_seq"], row["first_seq"] + row["count"])
        found.setdefault((row["producer"], row["partition"]), []).extend(sequences)
    return {pair: sorted(sequences) for pair, sequences in found.items()}


def test_samples_tell_the_send_time_error(
    broker: MockProcess, engines: list[LoadEngine], tmp_path: Path
) -> None:
    """A run leaves the send-time error of every worker among the samples."""
    engine = started(engines, planned(broker, tmp_path), tmp_path)
    wait_attempted(engine, 500)
    engine.stop(drain_seconds=5)
    samples, _ = tables.read(tmp_path / "samples", "samples", schema.SAMPLES)
    found = {(row["source"], row["name"]) for row in samples.to_pylist()}

    assert {("load-0", name) for name in ("send_error_ms_p99", "send_error_ms_max", "open_records")} == found


def test_saturation_is_bounded_by_what_is_in_flight(
    broker: MockProcess, engines: list[LoadEngine], tmp_path: Path
) -> None:
    """A load of rate 0 sends while there is room, and no further when no broker answers."""
    plan = planned(broker, tmp_path, rate=0, producers=1, batch=50, in_flight=400)
    engine = started(engines, plan, tmp_path)
    wait_attempted(engine, 1_000)
    broker.process.send_signal(signal.SIGSTOP)

    settled_t = MONOTONIC.now() + 200_000_000

    def observe() -> None:
        seen = status.read(status.status_path(tmp_path / "work", 0))
        if seen is None or seen.t < settled_t:
            raise NotYet("no state since the broker froze")

    wait_for(observe, what="a full flight", seconds=5)
    totals = engine.abort()

    # A last batch of 50 goes out while fewer than 400 records are in flight.
    assert 400 <= totals.unknown < 450
    agree(totals, ledger(tmp_path))


def test_abort_is_quick_when_no_broker_answers(
    broker: MockProcess, engines: list[LoadEngine], tmp_path: Path
) -> None:
    """With the broker frozen an abort takes at most 5 s, and what was open is unknown in a whole ledger."""
    engine = started(engines, planned(broker, tmp_path), tmp_path)
    wait_attempted(engine, 500)
    broker.process.send_signal(signal.SIGSTOP)
    wait_attempted(engine, engine.progress().attempted + 1_000)
    begin = MONOTONIC.now()
    totals = engine.abort()

    assert seconds_between(begin, MONOTONIC.now()) < 5
    assert totals.clean
    assert totals.unknown > 0
    assert totals.locust_failures > 0
    agree(totals, ledger(tmp_path))


def test_killed_worker_is_reported_and_leaves_its_ledger(
    broker: MockProcess, engines: list[LoadEngine], tmp_path: Path
) -> None:
    """A worker that is killed makes the load unclean; the other goes on, and every kept row is announced."""
    engine = started(engines, planned(broker, tmp_path, processes=2), tmp_path)
    wait_attempted(engine, 2_000)
    os.kill(engine.pids[0], signal.SIGKILL)
    wait_attempted(engine, engine.progress().attempted + 500)

    assert not engine.is_alive()
    totals = engine.stop(drain_seconds=5)
    table, _ = tables.read(tmp_path / "ledger", "attempts", schema.ATTEMPTS)
    assert (totals.clean, totals.detail) == (False, "load worker 0 was killed by signal 9")
    assert {0, 1} == set(table.column("producer").to_pylist())


def test_sigterm_ends_a_worker_in_order(
    broker: MockProcess, engines: list[LoadEngine], tmp_path: Path
) -> None:
    """A worker that gets SIGTERM drains, closes its ledger and ends with code 0."""
    engine = started(engines, planned(broker, tmp_path), tmp_path)
    wait_attempted(engine, 500)
    os.kill(engine.pids[0], signal.SIGTERM)

    def observe() -> None:
        if engine.is_alive():
            raise NotYet("it runs")

    wait_for(observe, what="the worker's end", seconds=5)
    totals = engine.stop(drain_seconds=0)
    assert totals.clean
    agree(totals, ledger(tmp_path))


def test_frozen_worker_is_killed_in_time(
    broker: MockProcess, engines: list[LoadEngine], tmp_path: Path
) -> None:
    """A worker that cannot follow the order is killed, and the totals say so."""
    engine = started(engines, planned(broker, tmp_path), tmp_path)
    os.kill(engine.pids[0], signal.SIGSTOP)
    begin = MONOTONIC.now()
    totals = engine.abort()

    assert seconds_between(begin, MONOTONIC.now()) < 5
    assert (totals.clean, totals.detail) == (False, "load worker 0 did not end in time and was killed")


FULL = """
import errno, os, sys
from pathlib import Path
from harness.load import books, session, users
from harness.rundir import unwritable

owner, name = {{"books": (books.Books, "keep_up"), "session": (session.Session, "attempt")}}["{part}"]
first = getattr(owner, name)

def full(self, *_):
    raise unwritable(Path("attempts"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

def once(self, *given):
    setattr(owner, name, full)
    return first(self, *given)

setattr(owner, name, once)
os._exit(users.main(sys.argv[1:]))
"""
"""A worker whose disk is full as soon as it sends: what keeps its books notices, or what sends."""


@pytest.mark.parametrize("part", ["books", "session"])
def test_a_full_disk_ends_a_worker_in_one_sentence(
    broker: MockProcess, engines: list[LoadEngine], tmp_path: Path, part: str
) -> None:
    """What cannot be written down is not sent any more, and who reads why reads no traceback."""
    plan = planned(broker, tmp_path)

    def full(argv: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", FULL.format(part=part), *argv[-3:]]

    engines.append(LoadEngine(plan, enter=full, folder=tmp_path / "work", logs=tmp_path / "logs"))
    engines[0].start()
    wait_for(lambda: _ended(engines[0]), what="the worker's end", seconds=10)

    assert engines[0].trouble() == (
        "load worker 0 ended: cannot write attempts: No space left on device. "
        "Fix: free space there, or choose another folder with --out"
    )


def _ended(engine: LoadEngine) -> None:
    if engine.is_alive():
        raise NotYet("it sends")


def test_second_load_of_one_name_is_refused(
    broker: MockProcess, engines: list[LoadEngine], tmp_path: Path
) -> None:
    """A load must not overwrite the ledger of an earlier one of the same name."""
    plan = planned(broker, tmp_path)
    started(engines, plan, tmp_path).stop(drain_seconds=2)
    with pytest.raises(LoadError, match="a load of this name ran already"):
        started(engines, plan, tmp_path)


def test_wrong_topic_ends_the_start_with_the_reason(
    broker: MockProcess, engines: list[LoadEngine], tmp_path: Path
) -> None:
    """A worker that cannot start says why in the error, and none is left running."""
    plan = planned(broker, tmp_path, partitions=PARTITIONS + 1)
    with pytest.raises(LoadError, match="has 4 partitions, the plan says 5"):
        started(engines, plan, tmp_path)
    assert not engines[0].is_alive()


def test_workers_die_with_the_harness(broker: MockProcess, tmp_path: Path) -> None:
    """When the process that started a load is killed, its workers end at once, a frozen one too."""
    plan = planned(broker, tmp_path)
    (tmp_path / "given.json").write_text(plan.model_dump_json())
    script = (
        "import sys; from pathlib import Path\n"
        "from harness.load.engine import LoadEngine; from harness.load.plan import LoadPlan\n"
        "root = Path(sys.argv[1]); plan = LoadPlan.model_validate_json((root / 'given.json').read_bytes())\n"
        "engine = LoadEngine(plan, enter=list, folder=root / 'work', logs=root / 'logs'); engine.start()\n"
        "print(*engine.pids, flush=True); sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        worker = int(harness.stdout.readline())
        os.kill(worker, signal.SIGSTOP)
        harness.kill()

    def observe() -> None:
        if Path(f"/proc/{worker}").exists() and " Z " not in Path(f"/proc/{worker}/stat").read_text():
            raise NotYet("it runs")

    wait_for(observe, what="the worker's end", seconds=3)
