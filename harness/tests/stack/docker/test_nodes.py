"""A container's service is started, found by its marks, and wiped only while it is down."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.errors import StackError
from harness.s3 import S3Client
from harness.stack.components import ObjectsDefinition
from harness.stack.docker import nodes as container_nodes
from harness.stack.docker.containers import Container, Recipe, Volume
from harness.stack.docker.nodes import ContainerNode, ContainerService, ContainerStore, far_end
from harness.stack.seams import HasDisk, Supervised, Wired


class FakeContainer(Container):
    """One that is as the test says, and counts its starts."""

    def __init__(self, *, runs: bool = True) -> None:
        super().__init__(Recipe("s", "kafka:1"), "edge-r1", {})
        self.runs, self.starts = runs, 0

    def start(self) -> None:
        """Count."""
        self.starts += 1

    def pid(self) -> int:
        """Of a process, or of none."""
        return 77 if self.runs else 0

    def log(self, lines: int | None = None) -> str:
        """Two lines."""
        return "one\ntwo\n"


@dataclass
class FakeProcess:
    """A process that lives or not."""

    pid: int
    alive: bool = True

    def is_alive(self) -> bool:
        """As set."""
        return self.alive


@dataclass
class Seen:
    """The process that carries the marks, if any."""

    found: list[int] = field(default_factory=list)
    made: list[FakeProcess] = field(default_factory=list)

    def main(self, node: str, run: str) -> int:
        """The next one."""
        assert (node, run) == ("broker-1", "r1")
        return self.found.pop(0) if self.found else 0

    def known(self, pid: int) -> FakeProcess:
        """It lives."""
        self.made.append(FakeProcess(pid))
        return self.made[-1]


@pytest.fixture(name="seen")
def _seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What is found among the processes of this machine."""
    made = Seen()
    monkeypatch.setattr(container_nodes, "main_process", made.main)
    monkeypatch.setattr(container_nodes, "KnownProcess", made.known)
    return made


def a_node(disk: Path = Path()) -> ContainerNode:
    """A broker's."""
    return ContainerNode(
        "broker-1", "broker", "198.18.0.11", (9092,), "abc", Volume("d", disk), far_end="veth7"
    )


def a_service(
    container: Container, disk: Path = Path(), prepare: Callable[[], None] = lambda: None
) -> ContainerService:
    """What runs there."""
    return ContainerService(a_node(disk), "r1", container, lambda _s: "it serves", prepare=prepare)


def test_a_node_has_a_cable_with_two_ends() -> None:
    """So that it can be slowed down both ways."""
    node = a_node()

    assert isinstance(node, Wired)
    assert (node.interface, node.cable) == ("eth0", "veth7")


def test_a_service_is_started_when_its_marks_are_seen(seen: Seen) -> None:
    """After what has to be done before each start; the first look may come too early."""
    seen.found = [0, 77]
    done: list[str] = []
    container = FakeContainer()
    service = a_service(container, prepare=lambda: done.append("prepared"))
    service.start()

    assert (container.starts, done, service.process.pid) == (1, ["prepared"], 77)
    assert isinstance(service, HasDisk)
    assert not isinstance(service, Supervised), "nobody starts it again by himself"


def test_a_container_that_somebody_else_started_is_noticed(seen: Seen) -> None:
    """A death that ended early is no death until the healing."""
    seen.found = [77]
    service = a_service(FakeContainer())
    service.start()
    seen.made[0].alive = False
    assert service.process.pid == 77
    seen.found = [78]

    assert service.process.pid == 78


def test_a_service_that_died_is_not_waited_for(seen: Seen) -> None:
    """Its last words are told at once; one that never ran says so."""
    seen.found = [77]
    service = a_service(FakeContainer())
    with pytest.raises(StackError, match="broker-1 was never started"):
        service.wait_ready(1.0)
    service.start()
    seen.made[0].alive = False

    with pytest.raises(StackError, match=r"broker-1 died: one \| two"):
        service.wait_listening(30.0)


def test_a_container_that_ends_at_once_is_told_with_its_last_words(seen: Seen) -> None:
    """Nobody waits for its marks any longer."""
    with pytest.raises(StackError, match=r"broker-1 ended at once: one \| two"):
        a_service(FakeContainer(runs=False)).start()


def test_a_disk_is_wiped_only_while_nobody_uses_it(seen: Seen, tmp_path: Path) -> None:
    """Everything on it, and not itself."""
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka/meta.properties").touch()
    (tmp_path / "file").touch()
    seen.found = [77]
    service = a_service(FakeContainer(), tmp_path)
    service.start()

    with pytest.raises(StackError, match="broker-1 runs"):
        service.wipe()
    seen.made[0].alive = False
    service.wipe()
    assert list(tmp_path.iterdir()) == []


def test_a_store_tells_how_clients_get_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its own port: what the harness reads is delayed by no fault of the proxy."""
    told: list[str] = []

    def connect(access: object, **_: object) -> S3Client | None:
        told.append(str(getattr(access, "endpoint", "")))
        return None

    monkeypatch.setattr(container_nodes, "connect", connect)
    monkeypatch.setattr(container_nodes, "prove_buckets", lambda name, *_: f"{name} serves")
    store = ContainerStore(a_node(), "r1", FakeContainer(), ObjectsDefinition(version="4", data_mb=64))

    assert store._ready(1.0) == "broker-1 serves"
    assert told == ["http://198.18.0.11:9000"]


@pytest.mark.parametrize(
    ("said", "found"),
    [('[{"link_index": 1}]', "lo"), ("[{}]", ""), ("", ""), ('[{"link_index": 999999}]', "")],
)
def test_the_far_end_of_a_cable_is_found_by_its_number(
    monkeypatch: pytest.MonkeyPatch, said: str, found: str
) -> None:
    """As the node's own end tells it; a cable that ends elsewhere is an error."""
    done = subprocess.CompletedProcess[str]([], 0, said, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)

    if found:
        assert far_end("broker-1") == found
    else:
        with pytest.raises(StackError, match="the cable of broker-1 does not end on this machine"):
            far_end("broker-1")
