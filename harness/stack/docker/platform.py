"""The docker platform: a stack as containers on one network of this machine, with the local platform's verbs.

The stack is the one that the local platform runs, with the same addresses. The harness stands at the end of
the bridge, sees the processes of the containers, and reaches their networks (``harness.stack.kind.beside``);
so nodes, services and faults are what they are there. Clients of brokers, and Flink as a client of the object
store, are led through Toxiproxy where there is an image of it.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import BadInput, StackError
from harness.stack.assembly import Assembly
from harness.stack.booted import BootedStack
from harness.stack.definition import StackDefinition
from harness.stack.delays import Delays, has_netem
from harness.stack.docker import left as docker_left
from harness.stack.docker.containers import Docker
from harness.stack.docker.images import Images, images_for
from harness.stack.docker.standing_proxy import BEHIND, FRONT
from harness.stack.docker.yard import Yard
from harness.stack.kafka.admin import KafkaAdmin
from harness.stack.kafka.files import brokers_of
from harness.stack.namespaces.netns import Observer
from harness.stack.parts import Parts
from harness.stack.seams import Node
from harness.stack.software import Software
from harness.stack.toxiproxy.in_front import API_PORT
from harness.stack.waves import start_in_order

_BOOT_S = 180.0


@contextlib.contextmanager
def booted(
    definition: StackDefinition,
    folder: Path,
    software: Software,
    parts: Parts,
    *,
    logs: Path,
    environment: Mapping[str, str],
) -> Iterator[BootedStack]:
    """Boot *definition*, give the stack once it is ready, and remove all of it after.

    Raises:
        BadInput: its network or a port is taken.
        MissingAbility: Docker does not answer.
        StackError: a part did not come up, or something of it could not be removed.
    """
    run = environment["HARNESS_RUN"]
    _require_ports(definition)
    assembly = Assembly(definition, folder, software, parts, logs, environment)
    yard = Yard(assembly, Docker(docker_left.owned(run)), images_for(definition, software))
    with contextlib.ExitStack() as ends:
        ends.callback(_remove, run)
        ends.callback(yard.keep_logs)
        stack = _stack(yard)
        start_in_order(stack, _BOOT_S)
        yield stack


def _remove(run: str) -> None:
    if failed := docker_left.remove(run):
        raise StackError(f"not all of {run} could be removed", why="; ".join(failed), fix="harness heal")


def _stack(yard: Yard) -> BootedStack:
    """The stack on its network, its proxies in force; its services are not started yet."""
    definition = yard.of.definition
    observer = Observer(definition.network.observer)
    subnet = ipaddress.IPv4Network(f"{observer.address}/{definition.network.prefix}", strict=False)
    yard.docker.open_network(subnet, observer.address)
    nodes = yard.nodes()
    proxies = yard.proxies(nodes)
    # What the harness asks goes the way of every client.
    port = FRONT if proxies else definition.kafka.client_port
    named = {n: (node.name, node.address) for n, node in enumerate(brokers_of(definition), 1)}
    admin, rest = KafkaAdmin(named, port), yard.of.rest()
    everywhere: dict[str, Node] = {**{node.name: node for node in nodes}, observer.name: observer}
    services = yard.services(nodes, admin, rest)
    delays = Delays(has_netem(), None, _why_no_proxy(yard.images))
    return BootedStack(everywhere, services, admin, yard.of.logs, rest, delays=delays, proxies=proxies)


def _why_no_proxy(images: Images) -> str:
    return (
        images.proxy.missing or "no proxy stands in front of it: only brokers and the object store have one"
    )


def _require_ports(definition: StackDefinition) -> None:
    """No service of the stack has a port of the proxy's."""
    kafka, objects = definition.kafka, definition.objects
    used = {"kafka.client_port": kafka.client_port, "kafka.controller_port": kafka.controller_port}
    used |= {"objects.port": objects.port} if objects is not None else {}
    ours = (API_PORT, FRONT, BEHIND)
    for setting, port in used.items():
        if port in ours:
            raise BadInput(f"{setting} {port} is a port of Toxiproxy here", fix=f"choose another than {ours}")
