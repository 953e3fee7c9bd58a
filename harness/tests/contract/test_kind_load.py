"""The load on a real cluster: from Locust in pods, and through NodePorts from outside.

A cluster that is there is used and stays there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.compute as pc
import pytest

from harness.findings import RunDocument
from harness.ledger import schema, tables
from harness.model import Event, LoadEnded, LoadPlanned, Phase, PhaseEntered
from harness.rundir import RunDirectory
from harness.stack.kind import cluster
from harness.stack.kubernetes.pods import main_process
from harness.tests.contract.loose import LOOSE
from harness.tests.contract.test_kind import RUN_S, lacking
from harness.tests.source import ROOT
from harness.waiting import NotYet, wait_for

pytestmark = [pytest.mark.contract, pytest.mark.nightly]

WORKERS = ("--load-workers", "2")


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[None]:
    """A cluster for all tests of this file; it goes if it was not there before."""
    assert lacking() == ""
    before = cluster.NAME in cluster.names()
    yield
    if not before:
        cluster.delete()


@contextmanager
def running(out: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The quickstart, while it runs; it has ended by itself when the block is left."""
    argv = ["harness", "run", "quickstart", *arguments, "--platform", "kind", "--reuse", "--keep", *LOOSE]
    with subprocess.Popen(
        [sys.executable, "-m", *argv, "--out", str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        said, _ = process.communicate(timeout=RUN_S)
        assert any(out.iterdir()), said[-3000:]


def stored(out: Path) -> tuple[RunDirectory, RunDocument, list[Event]]:
    """The one run in *out*."""
    (root,) = out.iterdir()
    directory = RunDirectory.open(root)
    return directory, directory.read_document(), directory.read_events()


def wait_steady(out: Path) -> str:
    """Return the run's id when its load is steady."""

    def observe() -> str:
        for events in out.glob("*/events.jsonl"):
            entered = [e for e in RunDirectory(events.parent).read_events() if isinstance(e, PhaseEntered)]
            if any(event.phase is Phase.STEADY for event in entered):
                return events.parent.name
        raise NotYet("no steady phase")

    return wait_for(observe, what="the load to be steady", seconds=RUN_S, every=0.2)


def test_a_load_from_pods_is_judged_like_any_other(tmp_path: Path) -> None:
    """The quickstart passes, with ledger and samples of both workers; Locust's master agrees with it."""
    with running(tmp_path, *WORKERS) as process:
        pass
    directory, document, events = stored(tmp_path)

    assert (process.returncode, document.verdict) == (0, "PASS")
    (planned,) = (event for event in events if isinstance(event, LoadPlanned))
    assert planned.processes == len(WORKERS)
    attempts, _ = tables.read(directory.ledger, "attempts", schema.ATTEMPTS)
    assert set(range(planned.producers)) <= set(pc.unique(attempts["producer"]).to_pylist())
    samples, _ = tables.read(directory.samples, "samples", schema.SAMPLES)
    assert {"load-0", "load-1"} <= set(pc.unique(samples["source"]).to_pylist())
    agreed = next(finding for finding in document.findings if finding.checker == "ledger_whole")
    assert agreed.compared["locust requests"] == agreed.compared["batches"] > 0


def test_a_worker_that_is_killed_ends_the_run_in_doubt(tmp_path: Path) -> None:
    """The report names it; nothing is called lost or false because of it, and nothing passes."""
    with running(tmp_path, *WORKERS) as process:
        run = wait_steady(tmp_path)
        os.kill(main_process("edge-load-1", run), signal.SIGKILL)
    _, document, events = stored(tmp_path)

    assert (process.returncode, document.verdict) == (2, "UNKNOWN")
    (ended,) = (event for event in events if isinstance(event, LoadEnded))
    assert not ended.clean
    assert "load worker 1 (edge-load-1) was lost" in ended.detail
    assert "edge-load-1" in next(f for f in document.findings if f.checker == "ledger_whole").summary
    assert [finding.checker for finding in document.findings if finding.verdict == "FAIL"] == []


def test_a_load_from_outside_comes_in_through_the_nodes_ports(tmp_path: Path) -> None:
    """Its clients know the nodes' ports only, and the brokers' outer listeners have their connections."""
    with running(tmp_path, "--set", "load.through=nodeport") as process:
        run = wait_steady(tmp_path)
        brokers = [main_process(f"edge-kafka-{number}", run) for number in range(3)]
        connections = [established(pid, 9094) for pid in brokers]
    _, document, events = stored(tmp_path)

    assert (process.returncode, document.verdict) == (0, "PASS")
    assert all(connections), connections
    (planned,) = (event for event in events if isinstance(event, LoadPlanned))
    begin = planned.client["bootstrap.servers"].split(",")
    assert [address.rpartition(":")[2] for address in begin] == ["31092", "31093", "31094"]


def established(pid: int, port: int) -> int:
    """How many connections to *port* there are in the network of *pid*."""
    rows = [line.split() for table in ("tcp", "tcp6") for line in _lines(pid, table)]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def _lines(pid: int, table: str) -> list[str]:
    return Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
