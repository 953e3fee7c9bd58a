"""Each broker's own word on whether it leads becomes one sample; a silent broker gives none."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from harness.bundle import fixtures
from harness.ledger.schema import LEADS_QUORUM
from harness.probes.quorum import QuorumProbe
from harness.stack.definition import StackDefinition, read_definition
from harness.tests.stack.kafka.test_quorum import answer, framed


@contextlib.contextmanager
def brokers(errors: dict[str, int]) -> Iterator[int]:
    """At each address a controller that answers one caller with this error; gives the port they share."""
    with contextlib.ExitStack() as open_:
        first, *others = errors
        servers = {first: open_.enter_context(socket.create_server((first, 0)))}
        port: int = servers[first].getsockname()[1]
        servers |= {each: open_.enter_context(socket.create_server((each, port))) for each in others}
        for address, server in servers.items():
            server.settimeout(5)
            thread = threading.Thread(target=_answer, args=(server, errors[address]))
            thread.start()
            open_.callback(thread.join, 5)
        yield port


def _answer(server: socket.socket, error: int) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(framed(answer(partition_error=error)))


def _at(port: int) -> StackDefinition:
    """The stack of brokers with its brokers on loopback."""
    definition = read_definition(fixtures() / "stacks", "edge-kafka", {})
    moved = [
        node.model_copy(update={"address": f"127.0.0.{node.name[-1]}"}) if node.role == "broker" else node
        for node in definition.nodes
    ]
    kafka = definition.kafka.model_copy(update={"controller_port": port})
    return definition.model_copy(update={"nodes": tuple(moved), "kafka": kafka})


def test_who_knows_the_answer_leads() -> None:
    """Brokers 1 and 3 describe the quorum, so both lead; broker 2 says nothing at all."""
    with brokers({"127.0.0.1": 0, "127.0.0.3": 0}) as port:
        found = QuorumProbe(_at(port)).sample()

    assert found == [("broker-1", LEADS_QUORUM, 1.0), ("broker-3", LEADS_QUORUM, 1.0)]


def test_who_is_not_the_leader_says_so() -> None:
    """A controller that follows answers NOT_LEADER_OR_FOLLOWER (6): it does not lead."""
    with brokers({"127.0.0.1": 6, "127.0.0.2": 0}) as port:
        found = QuorumProbe(_at(port)).sample()

    assert found == [("broker-1", LEADS_QUORUM, 0.0), ("broker-2", LEADS_QUORUM, 1.0)]
