"""The local platform: a whole stack as real processes in network namespaces, inside the enclosure."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import StackError
from harness.stack.assembly import Assembly
from harness.stack.definition import StackDefinition
from harness.stack.delays import UNTRIED, Delays
from harness.stack.flink_classes import with_flink_archive
from harness.stack.flink_rest import FlinkRest
from harness.stack.kafka_admin import KafkaAdmin
from harness.stack.kafka_classes import with_archive
from harness.stack.kafka_files import formatted_folders
from harness.stack.netns import Observer, build_network
from harness.stack.parts import NO_PARTS, Parts
from harness.stack.seams import HasDisk, LoggedService, Node
from harness.stack.software import Software
from harness.stack.vector import VectorAgent

_BOOT_S = 60.0
_END_S = 10.0


@dataclass(frozen=True)
class LocalStack:
    """A booted stack; see ``harness.stack.seams.Stack``. ``flink`` and ``agent`` may be None."""

    nodes: Mapping[str, Node]
    services: Mapping[str, LoggedService]
    roles: KafkaAdmin
    logs: Path
    flink: FlinkRest | None = None
    agent: VectorAgent | None = None
    delays: Delays = UNTRIED

    @property
    def bootstrap(self) -> str:
        """``host:port,…`` for Kafka clients."""
        return self.roles.bootstrap

    def disks(self) -> dict[str, Path]:
        """The folder that is each node's own disk."""
        return {name: service.disk for name, service in self.services.items() if isinstance(service, HasDisk)}

    def live_pids(self) -> dict[str, int]:
        """The pid of every service that runs at the moment, by node."""
        running = {name: service.process for name, service in self.services.items()}
        return {name: process.pid for name, process in running.items() if process.is_alive()}


@contextlib.contextmanager
def booted(
    definition: StackDefinition,
    folder: Path,
    software: Software,
    parts: Parts = NO_PARTS,
    *,
    logs: Path,
    environment: Mapping[str, str],
) -> Iterator[LocalStack]:
    """Boot *definition* (its files lie in *folder*), give the stack, end every process after.

    Raises:
        BadInput: the metrics agent refuses its configuration.
        StackError: a part did not come up.
    """
    assembly = Assembly(definition, folder, software, parts, logs, environment)
    stack = _assembled(assembly)
    needed, beside, leading, later = _waves(stack)
    try:
        _start(stack, (*needed, *beside))
        _await(stack, needed)
        if stack.agent is not None:
            stack.agent.check()  # looks for its bucket, too
        _start(stack, leading)
        _await_listening(stack, leading)
        _start(stack, later)
        _await(stack, (*beside, *leading, *later))
        yield stack
    finally:
        _end(stack)


def _assembled(assembly: Assembly) -> LocalStack:
    """The stack on its network; nothing is started yet."""
    definition, folder, job = assembly.definition, assembly.folder, assembly.parts.job
    assembly = replace(assembly, software=with_flink_archive(assembly.software, definition, folder, job))
    software = with_archive(assembly.software.kafka, definition.kafka.version)
    formatted = formatted_folders(software, definition, folder)
    nodes, observer = assembly.nodes(), Observer(definition.network.observer)
    build_network(observer, list(nodes.values()), prefix=definition.network.prefix)
    admin, rest = assembly.admin(), assembly.rest()
    services: dict[str, LoggedService] = {
        **assembly.brokers(nodes, admin, software, formatted),
        **assembly.object_stores(nodes),
        **(assembly.flink(nodes, rest) if rest else {}),
        **(agents := assembly.agents(nodes)),
    }
    everywhere: dict[str, Node] = {**nodes, observer.name: observer}
    agent, delays = next(iter(agents.values()), None), assembly.parts.delays
    return LocalStack(everywhere, services, admin, assembly.logs, rest, agent, delays)


def _waves(stack: LocalStack) -> tuple[tuple[str, ...], ...]:
    """Those that others keep their state in, brokers beside them, those to register with, and the rest."""
    by_role = {name: stack.nodes[name].role for name in stack.services}
    waves = ({"s3", "zookeeper"}, {"broker"}, {"jobmanager"})
    first = tuple(tuple(name for name, role in by_role.items() if role in roles) for roles in waves)
    return *first, tuple(name for name, role in by_role.items() if role not in set().union(*waves))


def _start(stack: LocalStack, names: Iterable[str]) -> None:
    for name in names:
        stack.services[name].start()


def _await(stack: LocalStack, names: Iterable[str]) -> None:
    for name in names:
        with _explained(stack):
            if stack.nodes[name].role == "broker":
                stack.roles.wait_for_brokers(_BOOT_S)
            else:
                stack.services[name].wait_ready(_BOOT_S)


def _await_listening(stack: LocalStack, names: Iterable[str]) -> None:
    # A TaskManager that finds no JobManager asks again only ten seconds later.
    for name in names:
        with _explained(stack):
            stack.services[name].wait_listening(_BOOT_S)


@contextlib.contextmanager
def _explained(stack: LocalStack) -> Iterator[None]:
    """An error inside is told with the last words of every service that died."""
    try:
        yield
    except StackError as error:
        dead = [f"{name}: {s.log_tail()}" for name, s in stack.services.items() if _has_died(s)]
        why = "; ".join(dead) or error.why
        raise StackError(error.what, why=why, fix=f"see {stack.logs}") from error


def _has_died(service: LoggedService) -> bool:
    try:
        return not service.process.is_alive()
    except StackError:
        return False  # it was never started


def _end(stack: LocalStack) -> None:
    for service in stack.services.values():
        with contextlib.suppress(StackError, ProcessLookupError):
            os.kill(service.process.pid, 9)
            service.process.wait_gone(_END_S)
