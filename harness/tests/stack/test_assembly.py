"""From a definition to services, without booting: ports by role, disks by node, who starts first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness import bundle
from harness.stack.assembly import Assembly
from harness.stack.booted import BootedStack
from harness.stack.definition import read_definition
from harness.stack.flink.files import read_config
from harness.stack.java import find_java
from harness.stack.kafka.admin import KafkaAdmin
from harness.stack.parts import NO_PARTS, Parts
from harness.stack.seams import LoggedService, Node
from harness.stack.service import NodeService
from harness.stack.software import Software
from harness.stack.waves import _waves
from harness.tests.faults.fakes import FakeNode, FakeProcess, FakeService

STACKS = bundle.fixtures() / "stacks"
HA = {"flink.high_availability": "true"}


class LoggedFake(FakeService):
    """A service that says nothing and listens at once."""

    def wait_listening(self, seconds: float) -> None:
        """At once."""

    def log_tail(self, lines: int = 5) -> str:
        """Nothing."""
        return ""


class Assembled:
    """An assembly whose disks are folders, and which remembers how large each was to be."""

    def __init__(self, folder: Path, settings: Mapping[str, str], parts: Parts = NO_PARTS) -> None:
        self.sizes: dict[str, int] = {}
        self._folder = folder
        (folder / "logs").mkdir()
        jars: dict[str, tuple[Path, ...]] = {"flink": (Path("/f.jar"),), "flink-s3": (), "kafka": ()}
        self.assembly = Assembly(
            read_definition(STACKS, "edge", settings),
            STACKS / "edge",
            Software(find_java(), jars),
            parts,
            folder / "logs",
            {"HARNESS_RUN": "run-1"},
            disk=self._disk,
        )

    def flink(self) -> dict[str, NodeService]:
        """Flink's services."""
        rest = self.assembly.rest()
        assert rest is not None
        return self.assembly.flink(self.assembly.nodes(), rest)

    def told(self, node: str) -> dict[str, str]:
        """The configuration that was written for *node*."""
        return read_config(self._folder / "logs" / node / "flink-conf.yaml")

    def _disk(self, node: str, megabytes: int) -> Path:
        self.sizes[node] = megabytes
        place = self._folder / "disks" / node
        place.mkdir(parents=True)
        return place


@pytest.mark.parametrize(
    ("node", "ports"),
    [
        ("broker-2", (9092, 9093)),
        ("jobmanager-1", (8081, 6123, 6124, 9249)),
        ("taskmanager-2", (6122, 6121, 9249)),
        ("s3-1", (9000,)),
        ("load-1", ()),
        ("vector-1", ()),
        ("zookeeper-1", ()),
    ],
)
def test_a_node_listens_where_its_role_does(tmp_path: Path, node: str, ports: tuple[int, ...]) -> None:
    """A node whose service is not run, for want of a binary or of its use, listens nowhere."""
    assert Assembled(tmp_path, {}).assembly.nodes()[node].ports == ports


def test_what_is_executed_listens(tmp_path: Path) -> None:
    """With a binary the agent serves its API and its metrics; with high availability ZooKeeper runs."""
    nodes = Assembled(tmp_path, HA, Parts(vector=Path("/usr/bin/vector"))).assembly.nodes()

    assert (nodes["vector-1"].ports, nodes["zookeeper-1"].ports) == ((8686, 9598), (2181,))


def test_ports_that_were_set_are_those_of_the_nodes(tmp_path: Path) -> None:
    """The same setting reaches the service and whoever connects to it."""
    assembly = Assembled(tmp_path, {"flink.rest_port": "8090", "objects.port": "9100"}).assembly
    rest = assembly.rest()

    assert rest is not None
    assert rest.urls == ("http://198.18.0.31:8090",)
    assert assembly.nodes()["jobmanager-1"].ports[0] == 8090
    assert assembly.nodes()["s3-1"].ports == (9100,)


def test_a_page_moves_with_its_node(tmp_path: Path) -> None:
    """Where pods have no names that stay, a TaskManager's page is where its node is at the moment."""
    assembled = Assembled(tmp_path, {})
    moving: dict[str, Node] = dict(assembled.assembly.nodes())
    rest = assembled.assembly.rest(moving)
    fixed = assembled.assembly.rest()
    assert rest is not None
    assert fixed is not None
    assert dict(rest.pages) == dict(fixed.pages)
    moving["taskmanager-1"] = FakeNode("taskmanager-1", "taskmanager", "198.18.0.99")

    assert rest.pages["taskmanager-1"] == "http://198.18.0.99:9249/metrics"
    assert fixed.pages["taskmanager-1"] != rest.pages["taskmanager-1"]
    assert list(rest.pages) == ["taskmanager-1", "taskmanager-2"]


def test_each_flink_node_has_a_disk_of_the_size_that_was_set(tmp_path: Path) -> None:
    """And its service says which, so that a fault can fill it."""
    assembled = Assembled(tmp_path, {"flink.data_mb": "99"})
    services = assembled.flink()

    assert assembled.sizes == {"jobmanager-1": 99, "taskmanager-1": 99, "taskmanager-2": 99}
    assert {name: service.disk.name for name, service in services.items()} == {
        name: name for name in assembled.sizes
    }


def test_zookeeper_starts_first_where_it_runs(tmp_path: Path) -> None:
    """Only with high availability; the order is that in which the processes are started."""
    assert list(Assembled(tmp_path, HA).flink()) == [
        *("zookeeper-1", "jobmanager-1", "taskmanager-1", "taskmanager-2")
    ]


def test_each_process_is_told_who_it_is(tmp_path: Path) -> None:
    """Its own address, name and disk, over what all of them share; also over what a user set."""
    assembled = Assembled(tmp_path, {"flink.config.taskmanager.host": "elsewhere"})
    assembled.flink()
    manager, worker = assembled.told("jobmanager-1"), assembled.told("taskmanager-2")

    assert (worker["taskmanager.host"], worker["taskmanager.resource-id"]) == ("198.18.0.42", "taskmanager-2")
    assert worker["jobmanager.rpc.address"] == manager["jobmanager.rpc.address"] == "198.18.0.31"
    assert worker["io.tmp.dirs"].endswith("disks/taskmanager-2")
    assert manager["web.upload.dir"].endswith("disks/jobmanager-1")
    assert "taskmanager.memory.task.heap.size" in worker


def test_a_stack_of_brokers_has_no_flink(tmp_path: Path) -> None:
    """Nothing is asked over REST, and nothing is kept in a store."""
    assembly = Assembly(
        read_definition(STACKS, "edge-kafka", {}),
        STACKS / "edge-kafka",
        Software(find_java(), {}),
        NO_PARTS,
        tmp_path,
        {},
    )
    nodes = assembly.nodes()

    assert (assembly.rest(), assembly.object_stores(nodes), assembly.agents(nodes)) == (None, {}, {})


def stack_of(**roles: str) -> BootedStack:
    """A stack with one service for each node: name → role; a dash is written as ``_``."""
    named = {name.replace("_", "-"): role for name, role in roles.items()}
    services: dict[str, LoggedService] = {name: LoggedFake(FakeProcess(n)) for n, name in enumerate(named, 1)}
    nodes = {name: FakeNode(name, role, "198.18.0.1") for name, role in named.items()}
    return BootedStack(nodes, services, KafkaAdmin({1: ("broker-1", "127.0.0.1")}, 1), Path())


def test_what_others_keep_their_state_in_starts_first() -> None:
    """Store and ZooKeeper, brokers beside them, then with whom others register, then the rest, in order."""
    stack = stack_of(
        broker_1="broker", jobmanager_1="jobmanager", s3_1="s3", zookeeper_1="zookeeper",
        taskmanager_1="taskmanager", broker_2="broker", vector_1="vector",
    )  # fmt: skip
    needed, beside, leading, later = _waves(stack)

    assert needed == ("s3-1", "zookeeper-1")
    assert beside == ("broker-1", "broker-2")
    assert leading == ("jobmanager-1",)
    assert later == ("taskmanager-1", "vector-1")


def test_no_service_is_left_out_of_the_waves() -> None:
    """Each is started once, whatever its role."""
    stack = stack_of(a="broker", b="s3", c="something-new")

    assert sorted(name for wave in _waves(stack) for name in wave) == ["a", "b", "c"]


def test_a_stack_tells_its_disks_and_its_live_processes() -> None:
    """What is dead has no pid to be measured by."""
    stack = stack_of(a="broker", b="s3")
    process = stack.services["b"].process
    assert isinstance(process, FakeProcess)
    process.alive = False

    assert stack.live_pids() == {"a": 1}
    assert sorted(stack.disks()) == ["a", "b"]
