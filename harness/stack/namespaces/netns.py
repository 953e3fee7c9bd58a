"""Nodes as network namespaces on one bridge inside the enclosure.

Addresses come from 198.18.0.0/15, the range that RFC 2544 sets aside for
benchmarks, so none can be a stranger's. The harness itself stands on the bridge
and is a node too, the ``observer``.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StackError
from harness.stack.namespaces import syscalls

BRIDGE = "edge0"
NAMED = Path("/run/netns")
_HOST_BITS = 0x1FFFF
"""Of 198.18.0.0/15."""


@dataclass(frozen=True)
class NamespaceNode:
    """A node with a network namespace of its own; see ``harness.stack.seams.Node``."""

    name: str
    role: str
    address: str
    ports: tuple[int, ...] = ()

    def enter(self, argv: Sequence[str]) -> list[str]:
        """*argv* behind the prefix that puts it into the node's network."""
        return ["nsenter", f"--net={NAMED / self.name}", "--", *argv]

    @property
    def interface(self) -> str:
        """Its own end of its cable."""
        return "eth0"

    @property
    def cable(self) -> str:
        """The bridge's end of its cable: the address within the benchmark range makes it unique."""
        return f"edge{int(ipaddress.IPv4Address(self.address)) & _HOST_BITS}"

    def open_socket(self, kind: socket.SocketKind) -> socket.socket:
        """A socket in the node's network: it belongs for good to the one in which it was made."""
        with inside(NAMED / self.name):
            return socket.socket(socket.AF_INET, kind)

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        """Whether a TCP connection from this node completes in time."""
        return connects(self.open_socket(socket.SOCK_STREAM), address, port, seconds)


@dataclass(frozen=True)
class Observer:
    """Where the harness itself stands: the bridge's own end."""

    address: str
    name: str = "observer"
    role: str = "observer"
    ports: tuple[int, ...] = ()
    interface: str = ""
    cable: str = ""

    def enter(self, argv: Sequence[str]) -> list[str]:
        """*argv* itself: the harness is already there."""
        return list(argv)

    def open_socket(self, kind: socket.SocketKind) -> socket.socket:
        """A socket of the harness itself."""
        return socket.socket(socket.AF_INET, kind)

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        """Whether a TCP connection from the harness completes in time."""
        return connects(self.open_socket(socket.SOCK_STREAM), address, port, seconds)


@dataclass(frozen=True)
class Onlooker(Observer):
    """Where the harness stands in a pod without rights: it sees, and filters no packet of its own."""


def build_network(observer: Observer, nodes: Sequence[NamespaceNode], *, prefix: int) -> None:
    """Make the bridge and one namespace with one interface for each node.

    Raises:
        StackError: ``ip`` refused; carries its words.
    """
    _ip(
        [
            f"link add {BRIDGE} type bridge",
            f"addr add {observer.address}/{prefix} dev {BRIDGE}",
            f"link set {BRIDGE} up",
            *(line for node in nodes for line in _plugged(node)),
        ]
    )
    for node in nodes:
        _ip([f"addr add {node.address}/{prefix} dev eth0", "link set eth0 up", "link set lo up"], node.name)


def _plugged(node: NamespaceNode) -> list[str]:
    return [
        f"netns add {node.name}",
        f"link add {node.cable} type veth peer name eth0 netns {node.name}",
        f"link set {node.cable} master {BRIDGE} up",
    ]


def _ip(lines: Sequence[str], namespace: str = "") -> None:
    where = ["-netns", namespace] if namespace else []
    done = subprocess.run(
        ["ip", *where, "-batch", "-"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError("the network could not be built", why=done.stderr, fix="harness doctor")


def connects(probe: socket.socket, address: str, port: int, seconds: float) -> bool:
    """Whether *probe* connects in time; closes it."""
    with probe:
        probe.settimeout(seconds)
        try:
            probe.connect((address, port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def inside(namespace: Path) -> Iterator[None]:
    """Move this thread alone into *namespace* and back."""
    home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    away = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(away, syscalls.CLONE_NEWNET)
        try:
            yield
        finally:
            syscalls.setns(home, syscalls.CLONE_NEWNET)
    finally:
        os.close(away)
        os.close(home)
