"""What faults, load and the run may know of a stack: nodes, services and roles.

Small protocols, so that a fault asks "can this be started again?" instead of
knowing brokers, and so that every platform serves the same scenarios.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from harness.stack.delays import Delays


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended: its exit code and what it said."""

    rc: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Look:
    """A process and all that it started, at one instant: pids, the state of every thread, context switches.

    Nothing at all: it is gone.
    """

    pids: tuple[int, ...]
    states: tuple[str, ...]
    switches: int


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault about to be made, as far as guard rails must know of it.

    Args:
        kind: see ``harness.faults.kinds``.
        name: the fault in words.
        nodes: what it hits.
        peers: what it lies between them and; empty: it has no other side.
        machine: whether it takes the whole node of the cluster on which each of *nodes* runs.
        wipes: whether it deletes their data, too.
    """

    kind: str
    name: str
    nodes: tuple[str, ...]
    peers: tuple[str, ...] = ()
    machine: bool = False
    wipes: bool = False


Check: TypeAlias = Callable[[Strike, Sequence[Strike]], None]
"""Returns when a strike may be made while the others are in force; raises FaultError when it may not."""


def unrestricted(strike: Strike, held: Sequence[Strike]) -> None:
    """Return: what the harness made itself may be broken as anybody likes."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process and all that it started cost: resident bytes, processor seconds, bytes in and out."""

    held: int
    used_s: float
    received: int
    sent: int


class Process(Protocol):
    """One live process of the system under test, safe against reuse of its pid."""

    @property
    def pid(self) -> int:
        """The pid as the harness sees it."""
        ...

    @property
    def start_ticks(self) -> int:
        """Field 22 of /proc/PID/stat: with the pid it names one process for good."""
        ...

    def pids(self) -> tuple[int, ...]:
        """Its pid, then those of all that it started and that live: they end, stop and run with it."""
        ...

    def is_alive(self) -> bool:
        """Whether it still runs (stopped counts as running)."""
        ...

    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it and all that it started (state T in /proc)."""
        ...

    def send(self, number: signal.Signals) -> None:
        """Send a signal through the pidfd; SIGSTOP and SIGCONT reach all that it started, too.

        Raises:
            ProcessLookupError: it is gone.
        """
        ...

    def wait_gone(self, seconds: float) -> None:
        """Return when it has ended.

        Raises:
            StackError: it still runs after *seconds*.
        """
        ...


@runtime_checkable
class Distant(Protocol):
    """A process that only somebody on its own machine can look at; its pid means nothing here."""

    def look(self) -> Look:
        """The process as it is now."""
        ...

    def cost(self) -> Cost | None:
        """What it costs; None: it is gone."""
        ...

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The argv that runs *argv* on its machine, as a person would paste it."""
        ...


@runtime_checkable
class Unreached(Protocol):
    """A process that nobody can do anything to here."""

    @property
    def unreached(self) -> str:
        """Why not."""
        ...


class Node(Protocol):
    """One host of the system under test: an address and a network of its own."""

    @property
    def name(self) -> str:
        """Unique in the stack: ``broker-1``, ``load-1``, ``observer``."""
        ...

    @property
    def role(self) -> str:
        """What it is for, in the words of ``stack.yaml``; ``observer`` is where the harness itself stands."""
        ...

    @property
    def address(self) -> str:
        """The node's IPv4 address."""
        ...

    @property
    def ports(self) -> tuple[int, ...]:
        """TCP ports on which its service listens; the first one serves clients."""
        ...

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The argv that runs *argv* inside the node's network, as a person would paste it."""
        ...

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        """Whether a new TCP connection from this node to *address*:*port* completes in time.

        Callable from any thread; the attempt happens inside the node's network.
        """
        ...


@runtime_checkable
class Remote(Protocol):
    """A node in whose network somebody else runs commands for the harness."""

    def run(self, argv: Sequence[str], text: str = "") -> Done:
        """What *argv* says in the node's network, with *text* on its standard input.

        Raises:
            FaultError: it could not be run.
        """
        ...


@runtime_checkable
class Wired(Protocol):
    """A node whose cable the harness can reach: it opens sockets there, and shapes what goes through."""

    @property
    def interface(self) -> str:
        """The name of the cable's end in its own network; empty: it has none."""
        ...

    @property
    def cable(self) -> str:
        """The name of the cable's other end, where the observer or its machine is; empty: none."""
        ...

    def open_socket(self, kind: socket.SocketKind) -> socket.socket:
        """A new IPv4 socket in the node's network; callable from any thread."""
        ...


class Service(Protocol):
    """What runs on a node and can be started again after it died."""

    @property
    def process(self) -> Process:
        """The present process, alive or not."""
        ...

    def start(self) -> None:
        """Start it again on the same node with the same data and configuration."""
        ...

    def wait_ready(self, seconds: float) -> str:
        """Return, with the proof in words, when it serves again with all its replicas in sync.

        Raises:
            StackError: not within *seconds*.
        """
        ...

    def wipe(self) -> None:
        """Delete its data; only while it is down."""
        ...


@runtime_checkable
class Supervised(Protocol):
    """A service that somebody starts again as soon as it died: its death lasts as long as its start takes."""

    @property
    def supervisor(self) -> str:
        """Who does."""
        ...


class LoggedService(Service, Protocol):
    """A service that can say what it last said, and whether it listens yet."""

    def wait_listening(self, seconds: float) -> None:
        """Return when its first port is open.

        Raises:
            StackError: it died, or the port is not open within *seconds*.
        """
        ...

    def log_tail(self, lines: int = 5) -> str:
        """The end of its log, for an error."""
        ...


@runtime_checkable
class HasDisk(Protocol):
    """A service whose data lie on a disk of their own, a tmpfs that ``make_disk`` made."""

    @property
    def disk(self) -> Path:
        """Where the disk is mounted."""
        ...


@runtime_checkable
class HasGate(Protocol):
    """A service behind an HTTP gate that can be told to misbehave; see ``harness.stack.objects.gate``."""

    @property
    def control(self) -> Path:
        """The file that tells the gate what to do, and until when."""
        ...

    @property
    def stats(self) -> Path:
        """The file in which the gate counts what it did."""
        ...


@runtime_checkable
class Passive(Protocol):
    """A node that is only an address, a Service of the cluster: it can be cut off from, not entered."""

    @property
    def passive(self) -> bool:
        """Always true."""
        ...


@runtime_checkable
class HasDelays(Protocol):
    """A stack that says by what it can delay packets; one that does not leaves it to the kernel's netem."""

    @property
    def delays(self) -> Delays:
        """What there is."""
        ...


class Roles(Protocol):
    """Who plays which part in the cluster right now; every answer is a node's name.

    All raise StackError when the cluster does not answer in time.
    """

    def brokers(self) -> tuple[str, ...]:
        """Every broker of the stack, dead or alive, sorted."""
        ...

    def leader(self, topic: str, partition: int) -> str:
        """The leader of a partition."""
        ...

    def replicas(self, topic: str, partition: int) -> tuple[str, ...]:
        """All replicas of a partition, leader first."""
        ...

    def in_sync(self, topic: str, partition: int) -> tuple[str, ...]:
        """The in-sync replicas of a partition."""
        ...

    def led_by(self, topic: str, node: str) -> tuple[int, ...]:
        """The partitions of *topic* that *node* leads."""
        ...

    def controller(self) -> str:
        """The active controller (leader of the metadata quorum)."""
        ...

    def coordinator(self, group: str) -> str:
        """The coordinator of a consumer group."""
        ...


LOAD_PORT = 8070
"""Where the processes of a load in pods are asked."""

Ask = Callable[[str, str, bytes, float], bytes]
"""Sends a body to a path of a pod, and gives its answer within so many seconds; raises StackError."""


@dataclass(frozen=True, slots=True)
class LoadPods:
    """Locust in pods: a master and its workers, by pod name, and how they are asked.

    ``reached_at`` is the master's address for its workers.
    """

    master: str
    workers: tuple[str, ...]
    reached_at: str
    ask: Ask


class Stack(Protocol):
    """A booted system under test."""

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every node by name, in the order of stack.yaml; ``observer`` last."""
        ...

    @property
    def services(self) -> Mapping[str, Service]:
        """What runs on the nodes that run something, by node name."""
        ...

    @property
    def roles(self) -> Roles:
        """Live role look-up."""
        ...

    @property
    def bootstrap(self) -> str:
        """``host:port,…`` for Kafka clients."""
        ...

    @property
    def logs(self) -> Path:
        """Where every node's logs go."""
        ...
