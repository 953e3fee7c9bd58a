"""Agents in a cluster that is made of dictionaries: one on each node, privileged, owned, and gone after."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.signals import Death, Pause
from harness.faults.starve import Starvation
from harness.stack.agents import agent_pods
from harness.stack.agents.agent_pods import LABEL, BlindNode, ThroughAgents
from harness.stack.agents.remote import RemoteNode
from harness.stack.kubernetes.pods import PodService
from harness.stack.kubernetes.pods_seen import PodSeen
from harness.tests.stack.agents.doubles import Double, Exec

RUN = "20261126-1200-quickstart-4f2a"
WORDS = 'pods "edge-agent-4f2a-1" is forbidden: violates PodSecurity "baseline:latest": hostPID=true'


@dataclass
class Cluster:
    """Stands in for ``Api``."""

    double: Double
    refuses: str = ""
    namespace: str = "drill"
    seen: dict[str, PodSeen] = field(default_factory=dict)
    made: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Keep it, or refuse."""
        if self.refuses:
            raise StackError("the API server did not create Pod edge-agent-4f2a-1", why=self.refuses)
        self.made.append(manifest)
        return manifest

    def wait_ready(self, names: Sequence[str], _seconds: float) -> None:
        """They are."""

    def exec(self, _pod: str, _argv: Sequence[str]) -> Exec:
        """A stream to the agent."""
        return self.double.open()

    def pods(self) -> dict[str, PodSeen]:
        """As they are."""
        return self.seen

    def labelled(self, _kind: tuple[str, str], label: str) -> list[str]:
        """The agents."""
        assert label == f"{LABEL}={RUN}"
        return [each["metadata"]["name"] for each in self.made]

    def delete(self, _version: str, _kind: str, name: str) -> None:
        """Note it."""
        self.deleted.append(name)


def pod(name: str, machine: str, *, address: str = "10.0.0.1", uid: str = "u-1") -> PodSeen:
    """A pod that is ready."""
    return PodSeen(name, address, machine, True, 0, "", uid=uid)  # noqa: FBT003 - ready


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Two pods on two nodes."""
    made = Cluster(Double(tmp_path))
    made.seen = {
        "edge-kafka-0": pod("edge-kafka-0", "worker"),
        "edge-kafka-1": pod("edge-kafka-1", "worker2"),
    }
    return made


@pytest.fixture
def grip(cluster: Cluster) -> ThroughAgents:
    """The grip under test."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "edge-run", "uid": "j-1"}
    return ThroughAgents(cluster, RUN, "harness:1", "10.0.0.9", owner, 3600)  # type: ignore[arg-type] # as used


def test_one_agent_stands_on_each_node_and_goes(cluster: Cluster, grip: ThroughAgents) -> None:
    """On that very node, seeing its processes, owned by the run's Job, with a deadline of its own."""
    with grip.hold(cluster.seen):
        assert isinstance(grip.node("edge-kafka-0", "broker", (9092,)), RemoteNode)
        specs = [each["spec"] for each in cluster.made]
        assert [spec["nodeName"] for spec in specs] == ["worker", "worker2"]
        assert all(spec["hostPID"] and spec["hostNetwork"] for spec in specs)
        assert all(spec["activeDeadlineSeconds"] == 3600 for spec in specs)
        assert all(each["metadata"]["ownerReferences"][0]["uid"] == "j-1" for each in cluster.made)
        assert not cluster.deleted

    assert cluster.deleted == ["edge-agent-4f2a-1", "edge-agent-4f2a-2"]


def test_a_pod_that_moved_is_followed_with_an_agent_of_its_own(cluster: Cluster, grip: ThroughAgents) -> None:
    """Another pod of the name, on a node where none of ours was."""
    with grip.hold({"edge-kafka-0": cluster.seen["edge-kafka-0"]}):
        node = grip.node("edge-kafka-0", "broker", (9092,))
        assert node.address == "10.0.0.1"
        cluster.seen["edge-kafka-0"] = pod("edge-kafka-0", "worker3", address="10.0.0.3", uid="u-2")
        with pytest.raises(FaultError):
            node.can_connect("10.0.0.2", 9092, seconds=0.1)  # neither pod is real
        cluster.double.found = []
        node.main()

        assert node.address == "10.0.0.3"
        assert [each["spec"]["nodeName"] for each in cluster.made] == ["worker", "worker3"]


@pytest.fixture
def blind(cluster: Cluster, grip: ThroughAgents) -> PodService:
    """A broker in a cluster that allows no privileged pod."""
    cluster.refuses = WORDS
    with grip.hold(cluster.seen):
        node = grip.node("edge-kafka-0", "broker", (9092,))
    assert isinstance(node, BlindNode)
    return PodService(node, lambda _s: "it serves", lambda _n: "")


def test_where_privileged_pods_are_refused_signals_are_not_expressible(blind: PodService) -> None:
    """In the words of the refusal, and before anything is done; the pod still counts as alive."""
    services = {"edge-kafka-0": blind}
    for make in (
        lambda: Death(services, signal.SIGKILL, 5, 5),
        lambda: Pause(services, 5),
        lambda: Starvation(services, 0.5, 5),
    ):
        with pytest.raises(NotExpressible) as refused:
            make()
        assert "edge-kafka-0" in refused.value.what
    assert blind.process.is_alive()
    assert not blind.process.is_stopped()
    assert 'violates PodSecurity "baseline:latest"' in str(getattr(blind.process, "unreached", ""))


def test_where_privileged_pods_are_refused_no_packet_is_cut(blind: PodService) -> None:
    """A cut has a command to show before it is made: there is none."""
    with pytest.raises(NotExpressible, match=r"nft is not expressible here, .*: .*violates PodSecurity"):
        blind.node.enter(["nft", "-f", "-"])


def test_whether_a_pod_listens_is_seen_without_an_agent(cluster: Cluster, grip: ThroughAgents) -> None:
    """From the harness's own pod; what the pod itself can reach nobody can tell."""
    cluster.refuses = WORDS
    with socket.create_server(("127.0.0.1", 0)) as listening, grip.hold(cluster.seen):
        port = listening.getsockname()[1]
        cluster.seen["edge-kafka-0"] = pod("edge-kafka-0", "worker", address="127.0.0.1")
        node = grip.node("edge-kafka-0", "broker", (port,))
        assert node.can_connect("127.0.0.1", port, seconds=1)
        assert not node.can_connect("127.0.0.2", port, seconds=1)


def test_a_right_that_is_missing_is_no_refusal_of_privileged_pods(
    cluster: Cluster, grip: ThroughAgents
) -> None:
    """It is an error: the user's Role lacks something."""
    cluster.refuses = 'pods is forbidden: User "u" cannot create resource "pods"'

    with pytest.raises(StackError), grip.hold(cluster.seen):
        pass


def test_the_clusters_names_and_server_are_known_without_any_right(
    grip: ThroughAgents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pod is told of them."""
    monkeypatch.setattr(agent_pods, "_name_servers", lambda: ["10.96.0.10"])
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")

    assert [(each.name, each.address) for each in grip.beside()] == [
        ("dns", "10.96.0.10"),
        ("api", "10.96.0.1"),
    ]
