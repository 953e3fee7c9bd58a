"""The local platform: a whole stack as real processes in network namespaces, inside the enclosure."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MissingAbility, StackError
from harness.stack import syscalls
from harness.stack.definition import StackDefinition
from harness.stack.kafka import Broker
from harness.stack.kafka_admin import KafkaAdmin
from harness.stack.kafka_classes import with_archive
from harness.stack.kafka_files import KafkaSoftware, brokers_of, formatted_folders, properties_of
from harness.stack.netns import NamespaceNode, Observer, build_network
from harness.stack.seams import Node

_DISKS = Path("/run/edge")
_BOOT_S = 60.0


@dataclass(frozen=True)
class LocalStack:
    """A booted stack; see ``harness.stack.seams.Stack``."""

    nodes: Mapping[str, Node]
    services: Mapping[str, Broker]
    roles: KafkaAdmin
    logs: Path

    @property
    def bootstrap(self) -> str:
        """``host:port,…`` for Kafka clients."""
        return self.roles.bootstrap

    def live_pids(self) -> dict[str, int]:
        """The pid of every service that runs at the moment, by node."""
        running = {name: broker.process for name, broker in self.services.items()}
        return {name: process.pid for name, process in running.items() if process.is_alive()}


@contextlib.contextmanager
def booted(
    definition: StackDefinition,
    folder: Path,
    software: KafkaSoftware,
    *,
    logs: Path,
    environment: Mapping[str, str],
) -> Iterator[LocalStack]:
    """Boot *definition* (its files lie in *folder*), give the stack, end every process after.

    Raises:
        StackError: a part did not come up.
    """
    software = with_archive(software, definition.kafka.version)
    formatted = formatted_folders(software, definition, folder)
    stack = _assemble(definition, folder, software, formatted, logs=logs, environment=environment)
    try:
        for broker in stack.services.values():
            broker.start()
        _await_brokers(stack)
        yield stack
    finally:
        _end(stack)


def _assemble(
    definition: StackDefinition,
    folder: Path,
    software: KafkaSoftware,
    formatted: list[Path],
    *,
    logs: Path,
    environment: Mapping[str, str],
) -> LocalStack:
    kafka = definition.kafka
    ports = (kafka.client_port, kafka.controller_port)
    nodes = [
        NamespaceNode(n.name, n.role, n.address, ports if n.role == "broker" else ())
        for n in definition.nodes
    ]
    observer = Observer(definition.network.observer)
    build_network(observer, nodes, prefix=definition.network.prefix)
    brokers = {node_id: (node.name, node.address) for node_id, node in enumerate(brokers_of(definition), 1)}
    admin = KafkaAdmin(brokers, kafka.client_port)
    by_name: dict[str, NamespaceNode] = {node.name: node for node in nodes}
    services = {
        name: Broker(
            by_name[name],
            admin,
            software,
            properties=properties_of(definition, folder, node_id, make_disk(name, kafka.data_mb)),
            formatted=formatted[node_id - 1],
            heap_mb=kafka.heap_mb,
            log4j=folder / "log4j.properties",
            logs=logs,
            environment=environment,
        )
        for node_id, (name, _) in brokers.items()
    }
    return LocalStack({**by_name, observer.name: observer}, services, admin, logs)


def disk_place(node: str) -> Path:
    """Where the disk of *node* is mounted in the enclosure."""
    return _DISKS / node


def make_disk(node: str, megabytes: int) -> Path:
    """A tmpfs of *megabytes* for one node: it goes with the enclosure and can be filled alone.

    The source of the mount tells the size, so that whoever finds the disk full knows how to heal it.
    """
    disk = disk_place(node)
    disk.mkdir(parents=True, exist_ok=True)
    try:
        source = f"{syscalls.DISK_SOURCE}{megabytes}m"
        syscalls.mount(source, str(disk), "tmpfs", 0, f"size={megabytes}m,mode=0700")
    except OSError as error:
        raise MissingAbility(f"{node} could not get a disk", why=str(error), fix="harness doctor") from error
    return disk


def _await_brokers(stack: LocalStack) -> None:
    try:
        stack.roles.wait_for_brokers(_BOOT_S)
    except StackError as error:
        dead = [f"{name}: {b.log_tail()}" for name, b in stack.services.items() if not b.process.is_alive()]
        raise StackError(error.what, why="; ".join(dead) or error.why, fix=f"see {stack.logs}") from error


def _end(stack: LocalStack) -> None:
    for broker in stack.services.values():
        with contextlib.suppress(StackError, ProcessLookupError):
            os.kill(broker.process.pid, 9)
            broker.process.wait_gone(10)
