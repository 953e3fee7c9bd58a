"""``--rehearse``: the same scenario function, nothing booted, nothing touched; it tells what it would do.

Roles are those of a freshly booted cluster: partition p of a topic is led by the
broker number p modulo their count, the first broker is the controller. A live
run resolves them at injection and may choose otherwise; the lines say so.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from harness.errors import NotExpressible
from harness.faults.leases import Cuts
from harness.faults.prepare import prepare, strike_of
from harness.faults.selectors import LeaderOf
from harness.faults.spec import FaultSpec
from harness.guards.limits import Planned
from harness.load.request import LoadOptions, LoadRequest
from harness.scenario import TOPIC, Scenario
from harness.stack.assembly import listens_on
from harness.stack.definition import StackDefinition
from harness.stack.delays import Delays, delays_here
from harness.stack.namespaces.disks import disk_place
from harness.stack.namespaces.netns import NAMED, NamespaceNode, Observer
from harness.stack.seams import Node
from harness.transactions import TOPIC as TRANSACTIONS
from harness.workloads.spec import Workload

_BESIDE = {"dns": 53, "api": 443}
"""What pods have beside each other, and its port."""


@dataclass(frozen=True)
class _FreshRoles:
    """The roles of a cluster that has just booted."""

    names: tuple[str, ...]

    def brokers(self) -> tuple[str, ...]:
        return self.names

    def leader(self, topic: str, partition: int) -> str:  # noqa: ARG002 - part of the protocol
        return self.names[partition % len(self.names)]

    def replicas(self, topic: str, partition: int) -> tuple[str, ...]:
        leader = self.leader(topic, partition)
        return (leader, *(name for name in self.names if name != leader))

    def in_sync(self, topic: str, partition: int) -> tuple[str, ...]:
        return self.replicas(topic, partition)

    def led_by(self, topic: str, node: str) -> tuple[int, ...]:
        return tuple(p for p in range(12) if self.leader(topic, p) == node)

    def controller(self) -> str:
        return self.names[0]

    def coordinator(self, group: str) -> str:  # noqa: ARG002 - part of the protocol
        return self.names[0]


class _FutureProcess:
    """A process that a run would start; it can be named, not hit."""

    pid = 0
    start_ticks = 0

    def pids(self) -> tuple[int, ...]:
        return (self.pid,)

    def is_alive(self) -> bool:
        return True

    def is_stopped(self) -> bool:
        return False

    def send(self, number: signal.Signals) -> None:
        raise AssertionError(f"a rehearsal sends no {number.name}")

    def wait_gone(self, seconds: float) -> None:
        raise AssertionError(f"a rehearsal waits for nothing, not even {seconds} s")


class _FutureService:
    """What a run would start on a node, with everything a fault could ask for."""

    process = _FutureProcess()

    def __init__(self, node: str) -> None:
        self.disk = disk_place(node)
        self.control = self.stats = self.disk / "(told at run time)"

    def start(self) -> None:
        raise AssertionError("a rehearsal starts nothing")

    def wait_ready(self, seconds: float) -> str:
        raise AssertionError(f"a rehearsal waits for nothing, not even {seconds} s")

    def wipe(self) -> None:
        raise AssertionError("a rehearsal deletes nothing")


@dataclass(frozen=True)
class _FuturePod:
    """A pod that a run would start: a name stands for its address, and for its cable."""

    name: str
    role: str
    address: str
    ports: tuple[int, ...]
    interface: str = "eth0"

    @property
    def cable(self) -> str:
        return f"<the cable of {self.name}>"

    def enter(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net={NAMED / self.name}", "--", *argv]

    def open_socket(self, kind: socket.SocketKind) -> socket.socket:
        raise AssertionError(f"a rehearsal opens no {kind.name}")

    def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
        raise AssertionError(f"a rehearsal tries no {address}:{port}, not even for {seconds} s")


@dataclass(frozen=True)
class _FutureStack:
    """The stack that a run would boot."""

    nodes: Mapping[str, Node]
    services: Mapping[str, _FutureService]
    roles: _FreshRoles
    delays: Delays
    bootstrap: str = "(not booted)"
    logs: Path = Path("(not booted)")


@dataclass(frozen=True)
class Foreseen:
    """Stands for an injection; whatever a story requires of it holds."""

    observed: bool = True


@dataclass(frozen=True)
class _Unheard:
    """Stands for a transactional producer."""

    lines: list[str]
    leader: LeaderOf

    def abort(self) -> None:
        self.lines.append("abort   a transaction whose record was not acknowledged")


class Rehearsal:
    """Takes the part of ``Run`` and writes down what it is told."""

    def __init__(self, definition: StackDefinition, delays: Delays | None = None) -> None:
        self.lines: list[str] = []
        self.budgets = definition.budgets
        self.plan: list[Planned] = []
        self._load = definition.load
        self._stack = _future(definition, delays or delays_here(definition.toxiproxy.binary))
        self._step = 0

    @contextlib.contextmanager
    def load(self, *, rate: float, **options: Unpack[LoadOptions]) -> Iterator[None]:
        """Tell of the topic and the load."""
        load = LoadRequest(rate, **options).on(self._load.workers, self._load.share)
        topic = f"{load.partitions} partitions, {load.replication} replicas {_told(load.topic_config)}"
        records = f"{load.rate:g} records/s of {load.record_bytes} bytes, {load.keys} keys"
        by = f"{load.producers} producers in {load.processes} processes {_told(load.client)}"
        self.lines += [f"topic   {TOPIC}: {topic}".rstrip(), f"load    {records}, {by}".rstrip()]
        yield
        self.lines.append("drain   until every attempt has an outcome")

    @contextlib.contextmanager
    def workload(self, *asked: Workload) -> Iterator[None]:
        """Tell of the clients."""
        for one in asked:
            clients = f"{one.writers} writing" + (f", {one.members} in a group" if one.members else "")
            wrong = f", wrong on purpose: {one.wrong}" if one.wrong else ""
            self.lines.append(f"play    {one.name}: {clients}, {one.rate:g}/s each{wrong}")
        yield
        self.lines.append("drain   until every client has ended what it began")

    def hold_steady(self, *, seconds: float) -> None:
        """Tell of the baseline."""
        self.lines.append(f"steady  {seconds:g} s")

    @contextlib.contextmanager
    def inject(self, fault: FaultSpec, *, seconds: float) -> Iterator[Foreseen]:
        """Tell of the fault: target, reason, commands and how it is undone."""
        planned: list[Planned] = []
        try:
            planned.append(Planned(strike_of(fault, self._stack), begins=self._next(), ends=0))
            prepared = prepare(fault, 0, self._stack, Cuts(self._stack.nodes))
        except NotExpressible as error:
            self.lines += [f"inject  {fault.name} for {seconds:g} s", f"        {error.sentence()}"]
            yield Foreseen()
            self.plan += [replace(each, ends=self._next()) for each in planned]
            return
        nodes, mechanism = ", ".join(prepared.target.nodes), prepared.mechanism
        self.lines.append(f"inject  {fault.name} for {seconds:g} s: {nodes}")
        self.lines.append(f"        {prepared.target.why}")
        self.lines += [f"        $ {line}" for command in mechanism.commands for line in command.splitlines()]
        yield Foreseen()
        self.plan += [replace(each, ends=self._next()) for each in planned]
        self.lines += [
            f"heal    $ {line}" for command in mechanism.undo_commands for line in command.splitlines()
        ]

    def _next(self) -> int:
        self._step += 1
        return self._step

    def require(self, holds: bool, why: str = "") -> None:  # noqa: FBT001 - as Run.require
        """Tell of the guard, which a live run would check."""
        if not holds:
            self.lines.append(f"require {why}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[_Unheard]:
        """Tell of the producer."""
        self.lines.append("produce in transactions")
        yield _Unheard(self.lines, LeaderOf(TRANSACTIONS, 0))
        self.lines.append("watch   until the last stable offset is the end")

    def acked_in(self, *, seconds: float) -> int:
        """Tell of the wait; nothing is acknowledged in a rehearsal."""
        self.lines.append(f"count   acknowledged records for {seconds:g} s")
        return 0

    def expect_recovery(self, *, within: float | None = None) -> None:
        """Tell of the wait."""
        self.lines.append("wait    until served as before" + (f", within {within:g} s" if within else ""))

    def expect_caught_up(self, *, within: float) -> None:
        """Tell of the wait."""
        self.lines.append(f"wait    until the job has caught up, within {within:g} s")

    def upgrade_job(self) -> None:
        """Tell of the upgrade."""
        self.lines.append("upgrade stop the job, start it again")

    def note(self, text: str, *, node: str = "") -> None:
        """Tell of the note."""
        self.lines.append(f"note    {text} {node}".rstrip())

    def verify(self) -> None:
        """Tell of the end."""
        self.lines.append("verify  read everything back through a fence, judge, report")


def plan_of(scenario: Scenario, definition: StackDefinition) -> tuple[Planned, ...]:
    """The faults that *scenario* would make on a freshly booted *definition*, in the order of their ends."""
    rehearsal = Rehearsal(definition)
    scenario.story(rehearsal)
    return tuple(rehearsal.plan)


def rehearse(scenario: Scenario, definition: StackDefinition, delays: Delays | None = None) -> list[str]:
    """What *scenario* would do on *definition*, line by line; starts nothing.

    *delays* is what there is to delay packets with; None: what this machine has.
    """
    rehearsal = Rehearsal(definition, delays)
    scenario.story(rehearsal)
    head = [
        f"{scenario.name}: {scenario.title}",
        f"boot    {definition.title}, {definition.versions}",
    ]
    tail = ["(roles as of a fresh boot; a live run resolves them at injection)"]
    return [*head, *rehearsal.lines, *tail]


def _told(settings: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items())


def _future(definition: StackDefinition, delays: Delays) -> _FutureStack:
    made = NamespaceNode if definition.kubernetes is None else _FuturePod
    nodes: dict[str, Node] = {
        n.name: made(n.name, n.role, n.address, listens_on(definition, n, vector=True))
        for n in definition.nodes
    }
    if definition.kubernetes is not None:
        nodes |= {name: made(name, name, f"(of {name})", (port,)) for name, port in _BESIDE.items()}
    nodes["observer"] = Observer(definition.network.observer)
    roles = _FreshRoles(tuple(sorted(n.name for n in definition.nodes if n.role == "broker")))
    running = {n.name: _FutureService(n.name) for n in definition.nodes if n.role != "load"}
    return _FutureStack(nodes, running, roles, delays)
