"""The kind platform on a real cluster: scenarios run unchanged, and nothing is left.

``tox -e kind`` runs these, as root beside Docker; no image is pulled. ``test_kind_faults`` has each fault.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.findings import RunDocument
from harness.stack.kind import cluster
from harness.tests.contract.loose import LOOSE
from harness.tests.source import ROOT
from harness.verdict import Kind, Verdict

RUN_S = 600
GUARANTEES = 12
"""Those of the pipeline's story."""

pytestmark = [pytest.mark.contract, pytest.mark.nightly]


def lacking() -> str:
    """Why there can be no cluster here; empty when there can."""
    missing = [program for program in ("docker", "kind") if shutil.which(program) is None]
    if missing or os.geteuid():
        return f"needs root and {', '.join(missing) or 'nothing else'}"
    up = subprocess.run(["docker", "version"], capture_output=True, check=False)
    return "" if up.returncode == 0 else "docker does not answer"


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[None]:
    """No cluster of ours before, none after."""
    assert lacking() == ""
    cluster.delete()
    yield
    cluster.delete()


def harness(*arguments: str, out: Path) -> subprocess.CompletedProcess[str]:
    """``harness run`` on kind, with budgets for a busy machine."""
    argv = [
        sys.executable,
        "-m",
        "harness",
        "run",
        *arguments,
        "--platform",
        "kind",
        *LOOSE,
        "--out",
        str(out),
    ]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=RUN_S, check=False)


def verdict(out: Path) -> dict[str, object]:
    """``run.json`` of the newest run."""
    newest = max(out.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    told: dict[str, object] = json.loads(newest.read_text())
    return told


def test_the_quickstart_passes_and_its_cluster_stays_when_asked(tmp_path: Path) -> None:
    """A pod is killed, another cut off from all, and every record is proven; --keep keeps the cluster."""
    done = harness("quickstart", "--keep", out=tmp_path)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert verdict(tmp_path)["platform"] == "kind"
    assert cluster.names() == [cluster.NAME]


def test_a_cluster_that_is_there_is_not_taken_unasked(tmp_path: Path) -> None:
    """Without --reuse the second run ends before it touches anything."""
    done = harness("quickstart", out=tmp_path)

    assert done.returncode == 254
    assert "there is a cluster edge-harness already" in done.stderr
    assert cluster.names() == [cluster.NAME]


def test_an_image_that_is_nowhere_is_named(tmp_path: Path) -> None:
    """A pod that cannot start is an error with the cluster's own words, and its namespace goes."""
    done = harness("quickstart", "--reuse", "--set", "images.kafka=edge-harness/kafka:none", out=tmp_path)

    assert done.returncode == 2
    assert "edge-harness/kafka:none" in done.stderr
    assert not namespaces() & {"edge-harness"}


def test_the_whole_pipeline_is_judged_and_nothing_is_left(tmp_path: Path) -> None:
    """Every hop is proven while a TaskManager and a broker are killed; then the cluster goes.

    A job that catches up for as long as it is measured leaves too few windows for a p99: on a busy machine
    a budget of time may be UNKNOWN, but no guarantee, and none is missed.
    """
    done = harness("pipeline", "--reuse", out=tmp_path)
    found = RunDocument.model_validate(verdict(tmp_path)).findings
    lacking = {(each.kind, each.verdict) for each in found if each.verdict is not Verdict.PASS}

    assert lacking <= {(Kind.BUDGET, Verdict.UNKNOWN)}, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.returncode == (2 if lacking else 0)
    assert sum(each.kind is Kind.GUARANTEE for each in found) == GUARANTEES
    assert not namespaces() & {"edge-harness"}
    cluster.delete()
    assert cluster.names() == []


def namespaces() -> set[str]:
    """What the cluster has."""
    kubectl = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "namespaces", "-o", "name"]
    argv = ["docker", "exec", f"{cluster.NAME}-control-plane", *kubectl]
    told = subprocess.run(argv, capture_output=True, text=True, check=True)
    return {line.removeprefix("namespace/") for line in told.stdout.split()}
