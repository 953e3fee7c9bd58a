"""A load whose Locust is distributed: real master and workers as processes here, a double for the broker.

What a pod adds is a network of its own; ``harness/tests/contract/test_kind_load.py`` has that.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import LoadError, StackError
from harness.ledger import schema, tables
from harness.load.fleet import Fleet
from harness.load.plan import LoadPlan
from harness.stack.seams import LoadPods
from harness.tests.load.test_engine import agree, dense, ledger, planned
from harness.tests.mock_cluster import MockProcess, mock_process
from harness.waiting import NotYet, wait_for
from harness.web import post_bytes

pytestmark = pytest.mark.contract

WORKERS = 2


@dataclass
class Crew:
    """A master and two workers as processes on this machine, asked over loopback."""

    ports: dict[str, int]
    locust: int
    running: dict[str, subprocess.Popen[bytes]]

    @property
    def pods(self) -> LoadPods:
        """As the platform gives them."""
        workers = tuple(f"load-{number}" for number in range(WORKERS))
        return LoadPods("master", workers, f"127.0.0.1:{self.locust}", self.ask)

    def ask(self, pod: str, path: str, body: bytes, seconds: float) -> bytes:
        """Over loopback."""
        return post_bytes(f"http://127.0.0.1:{self.ports[pod]}{path}", seconds, body)

    def start(self, name: str) -> None:
        """Start one, and return when it answers."""
        role = ["master", str(self.ports[name]), str(self.locust)] if name == "master" else ["worker"]
        argv = [sys.executable, "-m", "harness.load.pod", *role]
        self.running[name] = subprocess.Popen(argv if name == "master" else [*argv, str(self.ports[name])])

    def end(self, name: str) -> None:
        """Kill one."""
        self.running[name].kill()
        self.running[name].wait()

    def wait_answering(self, name: str) -> None:
        """Return when it answers."""

        def observe() -> None:
            self.ask(name, "/pull", b"{}", 1.0)

        wait_for(observe, what=name, seconds=90, retry_on=(StackError,))


def free_ports(count: int) -> list[int]:
    """Ports that nobody has."""
    with ExitStack() as held:
        bound = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in bound:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in bound]


@pytest.fixture
def crew() -> Iterator[Crew]:
    """All three, killed in the end."""
    names = ["master", *(f"load-{number}" for number in range(WORKERS))]
    locust, *ports = free_ports(len(names) + 1)
    made = Crew(dict(zip(names, ports, strict=True)), locust, {})
    with ExitStack() as ends:
        for name in names:
            made.start(name)
        for name in names:
            ends.callback(made.end, name)
            made.wait_answering(name)
        yield made


@pytest.fixture
def broker() -> Iterator[MockProcess]:
    """A broker of a test's own."""
    with mock_process() as made:
        yield made


def plan_of(broker: MockProcess, root: Path) -> LoadPlan:
    """Four producers on two workers."""
    return planned(broker, root, producers=4, processes=WORKERS)


def wait_ok(fleet: Fleet, records: int) -> None:
    """Return when so many records are acknowledged."""

    def observe() -> None:
        if trouble := fleet.trouble():
            raise AssertionError(trouble)
        if (seen := fleet.progress().ok) < records:
            raise NotYet(f"{seen} ok")

    wait_for(observe, what="the load", seconds=20)


def all_announced_here(root: Path, number: int) -> None:
    """Assert that whatever a worker attempted, as its own files say, is announced in the copy at home."""
    sent, _ = tables.read_streams([root / f"pods/ledger/attempts-load-{number}.arrow"], schema.ATTEMPTS)
    announced, _ = tables.read_streams([root / f"ledger/announced-load-{number}.arrow"], schema.ANNOUNCED)
    until: dict[tuple[int, int], int] = {}
    for row in announced.to_pylist():
        pair = row["producer"], row["partition"]
        until[pair] = max(until.get(pair, 0), row["until_seq"])
    assert sent.num_rows
    for pair, sequences in dense(sent).items():
        assert sequences[-1] < until[pair]


def test_the_ledger_of_every_worker_comes_home_and_locust_agrees(
    crew: Crew, broker: MockProcess, tmp_path: Path
) -> None:
    """Every record is ok and dense; the master's own totals are the ledger's; each worker has its part."""
    fleet = Fleet(plan_of(broker, tmp_path), crew.pods, inside=tmp_path / "pods")
    fleet.start()
    wait_ok(fleet, 4_000)
    totals = fleet.stop(drain_seconds=5)
    table = ledger(tmp_path)

    assert (totals.clean, totals.detail, totals.fail, totals.unknown) == (True, "", 0, 0)
    agree(totals, table)
    for number in range(WORKERS):
        own, _ = tables.read_streams([tmp_path / f"ledger/attempts-load-{number}.arrow"], schema.ATTEMPTS)
        assert {number, number + WORKERS} == set(own.column("producer").to_pylist())
        copy, original = (tmp_path / place / f"ledger/attempts-load-{number}.arrow" for place in ("", "pods"))
        assert copy.read_bytes() == original.read_bytes()
        assert (tmp_path / f"samples/samples-load-{number}.arrow").stat().st_size
    for sequences in dense(table).values():
        assert list(range(len(sequences))) == sequences


def test_a_worker_that_dies_is_told_and_its_tail_is_below_what_was_announced(
    crew: Crew, broker: MockProcess, tmp_path: Path
) -> None:
    """Killed and started again, it stays out; the rest ends, and nothing that it sent can be a phantom."""
    fleet = Fleet(plan_of(broker, tmp_path), crew.pods, inside=tmp_path / "pods")
    fleet.start()
    wait_ok(fleet, 4_000)
    crew.end("load-1")
    crew.start("load-1")

    def observe() -> str:
        if not (trouble := fleet.trouble()):
            raise NotYet("nothing")
        return trouble

    said = wait_for(observe, what="the death to be seen", seconds=20)
    totals = fleet.stop(drain_seconds=5)

    assert said == "load worker 1 (load-1) was lost: its process died and was started again"
    assert not totals.clean
    assert said in totals.detail
    all_announced_here(tmp_path, 1)


def test_a_load_that_nobody_hears_of_sends_no_more_than_was_announced_at_home(
    crew: Crew, broker: MockProcess, tmp_path: Path
) -> None:
    """While no pull comes through, a worker sends its reserve, then waits: no record of it is a phantom."""
    deaf = False

    def ask(pod: str, path: str, body: bytes, seconds: float) -> bytes:
        if deaf and path == "/pull":
            raise StackError("the network is cut")
        return crew.ask(pod, path, body, seconds)

    pods = crew.pods
    fleet = Fleet(
        plan_of(broker, tmp_path),
        LoadPods(pods.master, pods.workers, pods.reached_at, ask),
        inside=tmp_path / "pods",
    )
    fleet.start()
    wait_ok(fleet, 2_000)
    deaf = True

    def observe() -> str:
        if not (trouble := fleet.trouble()):
            raise NotYet("nothing")
        return trouble

    said = wait_for(observe, what="the silence to be noticed", seconds=30)
    fleet.abort()

    assert "the network is cut" in said
    for number in range(WORKERS):
        all_announced_here(tmp_path, number)


def test_a_plan_that_cannot_be_kept_is_told_in_one_sentence(
    crew: Crew, broker: MockProcess, tmp_path: Path
) -> None:
    """What a worker says of its topic is what the error says."""
    plan = plan_of(broker, tmp_path).model_copy(update={"partitions": 7, "keys": 70})
    fleet = Fleet(plan, crew.pods, inside=tmp_path / "pods")

    with pytest.raises(LoadError, match="has 4 partitions, the plan says 7"):
        fleet.start()
