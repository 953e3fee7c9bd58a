"""A stack without processes: roles that a test sets, nodes that do nothing."""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import StackError
from harness.stack.seams import Node, Service

BROKERS = ("broker-1", "broker-2", "broker-3")


@dataclass
class FakeNode:
    """A name and an address."""

    name: str
    role: str
    address: str
    ports: tuple[int, ...] = ()
    interface: str = "eth0"
    cable: str = "edge9"

    def open_socket(self, kind: socket.SocketKind) -> socket.socket:
        """In the test's own network."""
        return socket.socket(socket.AF_INET, kind)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Behind a prefix that names the node."""
        return ["enter", self.name, *argv]

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        """Always."""
        return True


@dataclass
class FakeProcess:
    """A process that remembers its signals."""

    pid: int
    start_ticks: int = 7
    alive: bool = True
    stopped: bool = False
    ends_on: signal.Signals = signal.SIGKILL
    sent: list[signal.Signals] = field(default_factory=list)

    def pids(self) -> tuple[int, ...]:
        """It started nothing."""
        return (self.pid,)

    def is_alive(self) -> bool:
        """As set."""
        return self.alive

    def is_stopped(self) -> bool:
        """As set."""
        return self.stopped

    def send(self, number: signal.Signals) -> None:
        """Remember it, and end when it is the signal that ends it."""
        self.sent.append(number)
        self.alive = self.alive and number is not self.ends_on

    def wait_gone(self, seconds: float) -> None:
        """Fail while it is alive."""
        if self.alive:
            raise StackError("it still runs")


@dataclass
class FakeService:
    """A service that counts its starts."""

    process: FakeProcess
    starts: int = 0
    disk: Path = Path("/nonexistent")
    control: Path = Path("/nonexistent/control")
    stats: Path = Path("/nonexistent/stats")

    def start(self) -> None:
        """A new process."""
        self.starts += 1
        self.process = FakeProcess(self.process.pid + 100)

    def wait_ready(self, seconds: float) -> str:
        """At once."""
        return "ready"

    def wipe(self) -> None:
        """Nothing."""


@dataclass
class FakeRoles:
    """broker-N leads partition N-1 of everything; who controls is set by the test."""

    controls: str = "broker-2"

    def brokers(self) -> tuple[str, ...]:
        """All three."""
        return BROKERS

    def leader(self, topic: str, partition: int) -> str:
        """They go round."""
        return BROKERS[partition % 3]

    def replicas(self, topic: str, partition: int) -> tuple[str, ...]:
        """All three, the leader first."""
        leader = self.leader(topic, partition)
        return (leader, *(name for name in BROKERS if name != leader))

    def in_sync(self, topic: str, partition: int) -> tuple[str, ...]:
        """All three, by name."""
        return BROKERS

    def led_by(self, topic: str, node: str) -> tuple[int, ...]:
        """Two each."""
        first = BROKERS.index(node)
        return (first, first + 3)

    def controller(self) -> str:
        """As set; empty: the quorum has no leader."""
        if not self.controls:
            raise StackError("the quorum has no leader")
        return self.controls

    def coordinator(self, group: str) -> str:
        """The third."""
        return "broker-3"


class FakeStack:
    """Three brokers, one load node, the observer."""

    bootstrap = ""
    logs = Path()

    def __init__(self) -> None:
        self.roles = FakeRoles()
        brokers = [FakeNode(name, "broker", f"198.18.0.{n}", (9092,)) for n, name in enumerate(BROKERS, 1)]
        others = [FakeNode("load-1", "load", "198.18.0.11"), FakeNode("observer", "observer", "198.18.0.254")]
        self.nodes: Mapping[str, Node] = {node.name: node for node in [*brokers, *others]}
        self.fakes = {name: FakeService(FakeProcess(n)) for n, name in enumerate(BROKERS, 1)}
        self.services: Mapping[str, Service] = self.fakes


class PipelineStack(FakeStack):
    """The same with what lies behind Kafka."""

    def __init__(self) -> None:
        super().__init__()
        behind = [
            FakeNode("jobmanager-1", "jobmanager", "198.18.0.31", (8081,)),
            FakeNode("taskmanager-1", "taskmanager", "198.18.0.41", (9249,)),
            FakeNode("taskmanager-2", "taskmanager", "198.18.0.42", (9249,)),
            FakeNode("s3-1", "s3", "198.18.0.61", (9000,)),
        ]
        self.nodes = {**self.nodes, **{node.name: node for node in behind}}
        self.fakes |= {node.name: FakeService(FakeProcess(10 + n)) for n, node in enumerate(behind)}
        self.services = self.fakes
