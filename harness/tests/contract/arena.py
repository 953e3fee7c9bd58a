"""A small real stack for the contract tests of faults: three TCP servers instead of three brokers.

The network, the processes and the enclosure are the local platform's own; only
the brokers are replaced, so that a test takes a second and not a minute.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.errors import StackError
from harness.stack.delays import UNTRIED, Delays
from harness.stack.namespaces.disks import make_disk
from harness.stack.namespaces.netns import NamespaceNode, Observer, build_network
from harness.stack.process import NamespacedProcess
from harness.stack.seams import Node, Service
from harness.waiting import NotYet, wait_for

PORT = 9092
BROKERS = ("broker-1", "broker-2", "broker-3")

# Echoes whatever it is sent, and wakes up a hundred times a second like a broker's timers do.
# What it is sent it keeps on its disk, and ends when its disk fails it, like a broker.
SERVER = """
import select, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
kept = open(sys.argv[2], "ab", buffering=0)
server = socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=64)
clients = []
while True:
    for ready in select.select([server, *clients], [], [], 0.01)[0]:
        if ready is server:
            clients.append(server.accept()[0])
            continue
        try:
            data = ready.recv(4096)
            ready.sendall(data)
        except OSError:
            data = b""
        if not data:
            clients.remove(ready)
            ready.close()
        kept.write(data)
"""
DISK_MB = 16


class EchoService:
    """One echo server; see ``harness.stack.seams.Service``."""

    def __init__(self, node: NamespaceNode, environment: Mapping[str, str], folder: Path) -> None:
        self._node, self._environment, self._folder = node, environment, folder
        self.wiped = 0
        self.disk = make_disk(node.name, DISK_MB)
        self.start()

    @property
    def process(self) -> NamespacedProcess:
        """The present process."""
        return self._process

    def start(self) -> None:
        """Start it."""
        self._process = NamespacedProcess.start(
            self._node.enter([]),
            [sys.executable, "-S", "-c", SERVER, str(PORT), str(self.disk / "kept")],
            environment={**self._environment, "HARNESS_NODE": self._node.name},
            log=self._folder / f"{self._node.name}.log",
        )

    def wait_ready(self, seconds: float) -> str:
        """Wait until it answers."""
        wait_for(self._observe, what=f"{self._node.name} listening", seconds=seconds, every=0.01)
        return "it answers"

    def wipe(self) -> None:
        """Count the wipe; there is no data."""
        assert not self._process.is_alive()
        self.wiped += 1

    def _observe(self) -> None:
        if not self._process.is_alive():
            raise StackError("it died")
        if not self._node.can_connect("127.0.0.1", PORT, seconds=0.2):
            raise NotYet("no connection")


class FixedRoles:
    """Roles that never move: broker-1 leads orders/0, broker-2 controls."""

    def brokers(self) -> tuple[str, ...]:
        """All three."""
        return BROKERS

    def leader(self, topic: str, partition: int) -> str:
        """The partitions go round."""
        return BROKERS[partition % 3]

    def replicas(self, topic: str, partition: int) -> tuple[str, ...]:
        """All three, the leader first."""
        leader = self.leader(topic, partition)
        return (leader, *(name for name in BROKERS if name != leader))

    def in_sync(self, topic: str, partition: int) -> tuple[str, ...]:
        """All three."""
        return self.replicas(topic, partition)

    def led_by(self, topic: str, node: str) -> tuple[int, ...]:
        """Every third partition."""
        return tuple(range(BROKERS.index(node), 6, 3))

    def controller(self) -> str:
        """The second."""
        return "broker-2"

    def coordinator(self, group: str) -> str:
        """The third."""
        return "broker-3"


class Arena:
    """Three echo servers, one load node and the observer; see ``harness.stack.seams.Stack``."""

    bootstrap = ""

    def __init__(self, run: str, folder: Path, delays: Delays = UNTRIED) -> None:
        self.logs, self.delays = folder, delays
        environment = dict(os.environ) | {"HARNESS_RUN": run, "HARNESS_DIR": str(folder)}
        brokers = [
            NamespaceNode(name, "broker", f"198.18.0.{n}", (PORT,)) for n, name in enumerate(BROKERS, 1)
        ]
        load = NamespaceNode("load-1", "load", "198.18.0.11")
        observer = Observer("198.18.0.254")
        build_network(observer, [*brokers, load], prefix=24)
        self._services = {node.name: EchoService(node, environment, folder) for node in brokers}
        self._nodes: dict[str, Node] = {node.name: node for node in [*brokers, load]} | {
            observer.name: observer
        }
        for service in self._services.values():
            service.wait_ready(10)

    def replace_node(self, node: Node) -> None:
        """Put *node* in the place of the one of the same name."""
        self._nodes[node.name] = node

    @property
    def nodes(self) -> Mapping[str, Node]:
        """All five."""
        return self._nodes

    @property
    def services(self) -> Mapping[str, Service]:
        """The three servers."""
        return self._services

    @property
    def roles(self) -> FixedRoles:
        """Fixed."""
        return FixedRoles()
