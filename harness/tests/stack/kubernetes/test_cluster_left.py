"""What a dead run's operators leave in a cluster: freed, removed, and nothing else touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.stack.kubernetes import cluster_left, reconciliation
from harness.tests.stack.kubectled import Kubectl

ROLE, DEFINITION = "clusterrole.rbac.authorization.k8s.io/strimzi", "crd/kafkas.kafka.strimzi.io"


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    """A cluster that answers."""
    return Kubectl(tmp_path / "docker", monkeypatch)


def test_what_carries_our_label_is_removed_at_once(kubectl: Kubectl) -> None:
    """It is asked for by the label, and only what was found is deleted; nothing found is nothing done."""
    kubectl.wide = [ROLE, DEFINITION]
    cluster_left.remove("edge-harness")
    cluster_left.remove("edge-harness")

    assert kubectl.wide == []
    asked, deleted, again = kubectl.told()
    assert "-l app.kubernetes.io/managed-by=edge-harness" in asked
    assert deleted == f"delete --ignore-not-found {ROLE} {DEFINITION}"
    assert again == asked


def test_a_resource_that_waits_for_its_operator_is_freed(kubectl: Kubectl) -> None:
    """Of the kinds that the cluster knows, in the run's namespace, and before the namespace goes."""
    kubectl.held = {"flinkdeployments.flink.apache.org": ["flinkdeployment/edge-processing"]}
    cluster_left.free("edge-harness/edge")

    assert kubectl.held == {"flinkdeployments.flink.apache.org": []}
    assert all(line.startswith("--namespace edge ") for line in kubectl.told()[1:])
    assert not any("kafkatopics" in line for line in kubectl.told())


def test_a_cluster_that_goes_as_a_whole_is_not_asked(kubectl: Kubectl) -> None:
    """Nothing waits in it."""
    cluster_left.free("edge-harness")

    assert not kubectl.held


def test_where_there_is_no_docker_nothing_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Looking fails for nobody; removing says what it could not."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert cluster_left.wide("edge-harness") == []
    assert reconciliation.paused("edge-harness/edge") == []
    with pytest.raises(OSError, match="docker"):
        cluster_left.free("edge-harness/edge")


def test_a_cluster_that_knows_no_kafka_has_none_paused(kubectl: Kubectl) -> None:
    """Its answer that it has no such kind is no failure."""
    kubectl.kafkas = None

    assert reconciliation.paused("edge-harness") == []


def test_a_kafka_that_is_gone_needs_no_resuming(kubectl: Kubectl) -> None:
    """It went with its namespace meanwhile."""
    kubectl.kafkas = {}
    reconciliation.resume_of(reconciliation.Paused("edge-harness", "edge", "edge-kafka"))

    assert kubectl.kafkas == {}


@pytest.mark.parametrize(
    "note", [{}, {"do": "start-machine"}, {"do": "resume-reconciliation", "cluster": "--all"}]
)
def test_a_note_about_something_else_names_no_kafka(note: dict[str, str]) -> None:
    """Nothing from a journal becomes a word of a command unless it is a name."""
    assert reconciliation.noted(note) is None
