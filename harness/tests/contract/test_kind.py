"""The kind platform on a real cluster: scenarios run unchanged, faults land and heal, and nothing is left.

``tox -e kind`` runs these, as root beside Docker; no image is pulled.
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

from harness.stack import cluster
from harness.tests.source import ROOT

LOOSE = ("budgets.latency_p99_ms=60000", "budgets.recovery_slack_s=60", "budgets.load_reached=0.5")
RUN_S = 600
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
    loose = [word for budget in LOOSE for word in ("--set", budget)]
    argv = [
        sys.executable,
        "-m",
        "harness",
        "run",
        *arguments,
        "--platform",
        "kind",
        *loose,
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
    """Every hop is proven while a TaskManager and a broker are killed; then the cluster goes."""
    done = harness("pipeline", "--reuse", out=tmp_path)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert not namespaces() & {"edge-harness"}
    cluster.delete()
    assert cluster.names() == []


def namespaces() -> set[str]:
    """What the cluster has."""
    kubectl = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "namespaces", "-o", "name"]
    argv = ["docker", "exec", f"{cluster.NAME}-control-plane", *kubectl]
    told = subprocess.run(argv, capture_output=True, text=True, check=True)
    return {line.removeprefix("namespace/") for line in told.stdout.split()}
