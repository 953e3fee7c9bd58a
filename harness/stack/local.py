"""The local platform: a whole stack as real processes in network namespaces, inside the enclosure."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from harness.errors import StackError
from harness.stack.assembly import Assembly
from harness.stack.booted import BootedStack
from harness.stack.definition import StackDefinition
from harness.stack.flink.classes import with_flink_archive
from harness.stack.kafka.classes import with_archive
from harness.stack.kafka.files import formatted_folders
from harness.stack.namespaces.netns import Observer, build_network
from harness.stack.parts import NO_PARTS, Parts
from harness.stack.seams import LoggedService, Node
from harness.stack.software import Software
from harness.stack.waves import start_in_order

_END_S = 10.0


@contextlib.contextmanager
def booted(
    definition: StackDefinition,
    folder: Path,
    software: Software,
    parts: Parts = NO_PARTS,
    *,
    logs: Path,
    environment: Mapping[str, str],
) -> Iterator[BootedStack]:
    """Boot *definition* (its files lie in *folder*), give the stack, end every process after.

    Raises:
        BadInput: the metrics agent refuses its configuration.
        StackError: a part did not come up.
    """
    assembly = Assembly(definition, folder, software, parts, logs, environment)
    stack = _assembled(assembly)
    try:
        start_in_order(stack)
        yield stack
    finally:
        _end(stack)


def _assembled(assembly: Assembly) -> BootedStack:
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
    return BootedStack(everywhere, services, admin, assembly.logs, rest, agent, delays)


def _end(stack: BootedStack) -> None:
    for service in stack.services.values():
        with contextlib.suppress(StackError, ProcessLookupError):
            os.kill(service.process.pid, 9)
            service.process.wait_gone(_END_S)
