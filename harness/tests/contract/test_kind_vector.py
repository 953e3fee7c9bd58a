"""The metrics agent in a real cluster, where there is a Vector; where there is none, that this is told.

As root beside Docker and kind, like ``test_kind``; a cluster that was not there before is deleted after.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.stack.kind import cluster
from harness.stack.vector.component import find_vector
from harness.tests.contract.test_kind import harness, lacking, namespaces, verdict

pytestmark = [pytest.mark.contract, pytest.mark.nightly]

HERE = find_vector("vector") is not None
MISSING = (
    "there is no 'vector' in PATH; give it with --set vector.binary=PATH, or an image of it with "
    "--set images.vector=NAME"
)


REFUSED = """
[sources.page]
type = "prometheus_scrape"
endpoints = ["http://${JOBMANAGER_1}:9249/metrics"]
[sinks.bucket]
type = "aws_s3"
inputs = ["page"]
bucket = "no-such-bucket"
region = "us-east-1"
endpoint = "${S3_ENDPOINT}"
encoding.codec = "json"
"""


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[None]:
    """A cluster; one that was made for this is deleted after."""
    assert lacking() == ""
    found = cluster.NAME in cluster.names()
    yield
    if not found:
        cluster.delete()


def told(out: Path, *arguments: str) -> tuple[int, str, dict[str, object]]:
    """Exit code, output and ``run.json`` of a run in the cluster, which stays."""
    done = harness(*arguments, "--reuse", "--keep", out=out)
    return done.returncode, done.stdout + done.stderr, verdict(out) if any(out.glob("*/run.json")) else {}


def metrics_finding(run: dict[str, object]) -> list[tuple[object, object]]:
    """The verdict on the metrics hop, and what it found missing: a scenario that did not ask excuses that."""
    findings = run["findings"]
    assert isinstance(findings, list)
    return [(one["verdict"], one["violations"]) for one in findings if one["checker"] == "metrics_complete"]


def test_the_pipeline_is_judged_with_its_metrics_or_says_why_not(tmp_path: Path) -> None:
    """With a Vector its hop is proven like every other; without one all else is, and the reason is told."""
    code, said, run = told(tmp_path, "pipeline")

    assert code == 0, said[-3000:]
    if HERE:
        assert metrics_finding(run) == [("PASS", 0)]
        assert "not_executed" not in run
    else:
        assert metrics_finding(run) == []
        assert run["not_executed"] == [{"part": "metrics", "reason": MISSING}]
        assert f"not executed metrics: {MISSING}" in said


@pytest.mark.parametrize("name", ["vector_killed", "metrics_wait_for_the_object_store"])
def test_what_the_agent_scraped_outlives_a_fault_or_is_not_proven(tmp_path: Path, name: str) -> None:
    """Killed, or cut off from the store, it sends from its claim; without a Vector nothing is claimed."""
    code, said, run = told(tmp_path, name)

    assert code == (0 if HERE else 2), said[-3000:]
    assert metrics_finding(run) == [("PASS", 0) if HERE else ("UNKNOWN", 0)]
    assert HERE or MISSING in said


def test_what_vector_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    """A bucket that is not there is bad input before any load, and nothing is left in the cluster."""
    config = tmp_path / "vector.toml"
    config.write_text(REFUSED)
    code, said, _ = told(tmp_path, "pipeline", "--set", f"vector.config={config}")

    if HERE:
        assert code == 254, said[-3000:]
        assert f"vector refuses {config}: " in said
        assert 'Unknown bucket: "no-such-bucket"' in said
    else:
        assert code == 0, said[-3000:]
    assert not namespaces() & {"edge-harness"}
