"""Disks of pods behind agents: which volume is a pod's disk, when it is none, and a fault on one."""

from __future__ import annotations

import errno
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.storage import DiskFault
from harness.stack.agents import remote_disk
from harness.stack.agents.agents import Agent
from harness.stack.agents.remote import Placed
from harness.stack.agents.remote_disk import RemoteClaims, RemoteDisk
from harness.stack.agents.serving import Serving, answered
from harness.stack.disks import DiskAt
from harness.tests.faults.fakes import FakeProcess, FakeService
from harness.tests.stack.agents.doubles import Double
from harness.tests.stack.agents.test_volumes import CSI, PV, UID, Node, node

__all__ = ["node"]
BROKER, CLAIM = "edge-kafka-0", "data-edge-kafka-0"


def volume(name: str, claim: str) -> dict[str, Any]:
    """A volume of a pod that a claim gives."""
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


@dataclass
class Cluster:
    """Stands in for ``Api``: one pod, with its volumes, mounted as said, and the volume of each claim."""

    namespace: str = "drill"
    volumes: list[dict[str, Any]] = field(default_factory=lambda: [volume("data", CLAIM), {"name": "config"}])
    mounted: tuple[str, ...] = ("data", "config")
    bound: dict[str, str] = field(default_factory=lambda: {CLAIM: PV})

    def find(self, _version: str, kind: str, name: str) -> dict[str, Any] | None:
        """As the API server has it."""
        if kind == "PersistentVolumeClaim":
            return {"spec": {"volumeName": self.bound[name]}} if name in self.bound else None
        assert (kind, name) == ("Pod", BROKER)
        containers = [{"name": "kafka", "volumeMounts": [{"name": each} for each in self.mounted]}]
        return {"spec": {"volumes": self.volumes, "containers": containers}}


@pytest.fixture
def double(tmp_path: Path) -> Double:
    """The agent's far end, with the real verbs."""
    return Double(tmp_path / "notes")


@pytest.fixture
def agent(double: Double) -> Agent:
    """The near end."""
    return Agent("worker-1", "edge-agent-1", double.open)


@pytest.fixture
def cluster() -> Cluster:
    """The cluster."""
    return Cluster()


@pytest.fixture
def claims(cluster: Cluster, agent: Agent) -> RemoteClaims:
    """The claims under test."""
    place = Placed(UID, "10.0.0.1", agent)
    return RemoteClaims(cluster, lambda _name: place)  # type: ignore[arg-type] # as far as it is used


def test_the_only_claim_of_a_pod_is_its_disk(node: Node, claims: RemoteClaims) -> None:
    """With the place that its agent tells, and its size; no claim is given another class."""
    disk = claims.of(BROKER)

    assert isinstance(disk, DiskAt)
    assert (disk.place, disk.whole, disk.probe(), disk.is_readable()) == (CSI, True, 0, True)
    assert disk.megabytes == os.statvfs(node.volume).f_blocks * os.statvfs(node.volume).f_frsize >> 20
    assert claims.storage_class == ""


@pytest.mark.parametrize(
    ("volumes", "mounted", "why"),
    [
        ([{"name": "data"}], ("data",), "it has no claim"),
        ([volume("data", CLAIM)], ("other",), "it has no claim"),
        ([volume("data", CLAIM), volume("more", "b")], ("data", "more"), "which of its 2 claims"),
    ],
)
def test_a_pod_without_a_disk_of_its_own_is_not_filled(
    claims: RemoteClaims, cluster: Cluster, volumes: list[dict[str, Any]], mounted: tuple[str, ...], why: str
) -> None:
    """It is not expressible, with the reason, before an agent is asked."""
    cluster.volumes, cluster.mounted = volumes, mounted

    with pytest.raises(NotExpressible, match=f"the disk of {BROKER} cannot be filled here: {why}"):
        claims.of(BROKER)


def test_a_claim_that_is_a_folder_of_its_node_is_not_filled(
    node: Node, claims: RemoteClaims, double: Double
) -> None:
    """In the words of the agent, which has touched nothing."""
    told = (node.folder / "1/mountinfo").read_text().replace(CSI, "/mnt/elsewhere")
    (node.folder / "1/mountinfo").write_text(told)

    with pytest.raises(NotExpressible, match=f"{PV} is not a file system of its own: it is a folder of its"):
        claims.of(BROKER)
    assert double.notes.read("fillers") == []


def test_a_claim_without_a_volume_is_an_error(claims: RemoteClaims, cluster: Cluster) -> None:
    """Of the cluster's, not of the platform's."""
    cluster.bound = {}

    with pytest.raises(StackError, match=f"claim {CLAIM} of {BROKER} has no volume"):
        claims.of(BROKER)


def test_a_pod_that_is_nowhere_is_waited_for(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for ever."""
    monkeypatch.setattr(remote_disk, "_PLACED_S", 0.05)
    nowhere = RemoteClaims(cluster, lambda _name: None)  # type: ignore[arg-type] # as far as it is used

    with pytest.raises(StackError, match="there is no pod of that name"):
        nowhere.of(BROKER)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch, double: Double) -> None:
    """Writes are refused while a process of ours holds the room, as by the kernel."""
    write = os.write

    def refuse(file: int, data: bytes) -> int:
        held = double.serving._volumes._is_full(PV)
        # The agent's own streams go on; a file without a name is nobody's but the probe's.
        if held and stat.S_ISREG(os.fstat(file).st_mode) and os.fstat(file).st_nlink == 0:
            raise OSError(errno.ENOSPC, "no room")
        return write(file, data)

    monkeypatch.setattr(os, "write", refuse)


def fault(disk: RemoteDisk) -> DiskFault:
    """The mechanism on it."""
    service = FakeService(FakeProcess(1))
    return DiskFault({BROKER: service}, {BROKER: disk}, read_only=False, ready_seconds=1)


@pytest.mark.usefixtures("node", "full")
def test_a_full_disk_is_proven_and_healed_by_its_agent(claims: RemoteClaims, double: Double) -> None:
    """Held, seen, given back, and seen again; healing twice is healing once."""
    made = fault(claims.of(BROKER))
    made.inject()
    landed, still = made.landed(), made.still()
    made.heal()
    made.heal()
    healed = made.healed()

    assert (True, True, True) == (landed.ok, still.ok, healed.ok), (landed, still, healed)
    assert f"{BROKER}: a write fails with ENOSPC, reading goes on" == landed.words
    assert len(double.notes.read("fillers")) == 1
    assert ({"do": "restore-disk", "node": BROKER, "place": CSI, "by": "agent"},) == made.undo
    assert f"fill {CSI} on worker-1" in made.commands[0]
    assert "kubectl --namespace drill exec edge-agent-1 -- python3" in made.undo_commands[0]


@pytest.mark.usefixtures("node", "full")
def test_a_disk_that_its_agent_gave_back_is_not_held(claims: RemoteClaims, double: Double) -> None:
    """An agent that was started again holds nothing: the fault says that it ended, and heals all the same."""
    made = fault(claims.of(BROKER))
    made.inject()
    double.serving._volumes.free(PV)
    double.serving = Serving(double.notes)

    assert made.still().words == f"the disk of {BROKER} is whole"
    made.heal()
    assert made.healed().ok


@pytest.mark.usefixtures("node", "full")
def test_a_disk_is_not_filled_twice(claims: RemoteClaims) -> None:
    """The first healing would heal both."""
    first, second = fault(claims.of(BROKER)), fault(claims.of(BROKER))
    first.inject()

    with pytest.raises(FaultError, match=f"the disk of {BROKER} is not whole"):
        second.inject()
    second.heal()
    assert first.still().ok
    first.heal()


@pytest.mark.usefixtures("node")
def test_a_disk_is_freed_where_it_was_filled(
    cluster: Cluster, agent: Agent, double: Double, tmp_path: Path
) -> None:
    """Also when another pod of the name has come, on another node, meanwhile."""
    places = [Placed(UID, "10.0.0.1", agent)]
    claims = RemoteClaims(cluster, lambda _name: places[-1])  # type: ignore[arg-type] # as far as it is used
    disk = claims.of(BROKER)
    disk.fill()
    there = Double(tmp_path / "there")
    places.append(Placed("another", "10.0.0.2", Agent("worker-2", "edge-agent-2", there.open)))
    disk.restore()

    asked = json.dumps({"id": 1, "do": "volume", "pod": UID, "volume": PV})
    assert answered(double.serving, asked)["whole"] is True
    assert there.opened == 0
