"""Each broker's own word on who leads becomes one sample; a silent broker gives none."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from harness.bundle import fixtures
from harness.ledger.schema import LEADS_QUORUM
from harness.probes.quorum import QuorumProbe
from harness.stack.definition import StackDefinition, read_definition
from harness.tests.stack.test_quorum import answer, framed


@contextlib.contextmanager
def brokers(leaders: dict[str, int]) -> Iterator[int]:
    """At each address a server that names this leader to one caller; gives the port they share."""
    with contextlib.ExitStack() as open_:
        first, *others = leaders
        servers = {first: open_.enter_context(socket.create_server((first, 0)))}
        port: int = servers[first].getsockname()[1]
        servers |= {each: open_.enter_context(socket.create_server((each, port))) for each in others}
        for address, server in servers.items():
            server.settimeout(5)
            thread = threading.Thread(target=_answer, args=(server, leaders[address]))
            thread.start()
            open_.callback(thread.join, 5)
        yield port


def _answer(server: socket.socket, leader: int) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(framed(answer(leader=leader)))


def _at(port: int) -> StackDefinition:
    """The stack of brokers with its brokers on loopback."""
    definition = read_definition(fixtures() / "stacks", "edge-kafka", {})
    moved = [
        node.model_copy(update={"address": f"127.0.0.{node.name[-1]}"}) if node.role == "broker" else node
        for node in definition.nodes
    ]
    kafka = definition.kafka.model_copy(update={"client_port": port})
    return definition.model_copy(update={"nodes": tuple(moved), "kafka": kafka})


def test_a_broker_leads_when_it_names_itself() -> None:
    """Broker 1 still names itself, broker 3 does too, and broker 2 says nothing at all."""
    with brokers({"127.0.0.1": 1, "127.0.0.3": 3}) as port:
        found = QuorumProbe(_at(port)).sample()

    assert found == [("broker-1", LEADS_QUORUM, 1.0), ("broker-3", LEADS_QUORUM, 1.0)]


def test_naming_another_is_not_leading() -> None:
    """Two brokers that name the third do not lead themselves."""
    with brokers({"127.0.0.1": 3, "127.0.0.2": 3}) as port:
        found = QuorumProbe(_at(port)).sample()

    assert found == [("broker-1", LEADS_QUORUM, 0.0), ("broker-2", LEADS_QUORUM, 0.0)]
