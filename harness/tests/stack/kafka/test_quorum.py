"""The quorum's leader is read out of Kafka's own bytes, and a bad answer is an error, never a guess."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.errors import StackError
from harness.stack.kafka.quorum import quorum_leader

NAME = b"__cluster_metadata"


def answer(*, error: int = 0, partition_error: int = 0, leader: int = 2) -> bytes:
    """A DescribeQuorumResponse v0 as a broker writes it (KIP-595, flexible): leader 2 of voters 1, 2, 3."""
    replicas = b"\x04" + b"".join(struct.pack(">iq", node, 77) + b"\0" for node in (1, 2, 3))
    partition = struct.pack(">ihiiq", 0, partition_error, leader, 5, 77) + replicas + b"\x01" + b"\0"
    topic = bytes([len(NAME) + 1]) + NAME + b"\x02" + partition + b"\0"
    return struct.pack(">i", 1) + b"\0" + struct.pack(">h", error) + b"\x02" + topic + b"\0"


def framed(body: bytes) -> bytes:
    """*body* behind its length, as on the wire."""
    return struct.pack(">i", len(body)) + body


@contextmanager
def broker(*parts: bytes) -> Iterator[tuple[str, int, list[bytes]]]:
    """A server that reads one request, answers in *parts* and closes; gives address, port and requests."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, parts, requests))
        thread.start()
        try:
            yield (*server.getsockname(), requests)
        finally:
            thread.join(5)


def _serve(server: socket.socket, parts: tuple[bytes, ...], requests: list[bytes]) -> None:
    server.settimeout(5)
    connection, _ = server.accept()
    with connection:
        requests.append(connection.recv(4096))
        for part in parts:
            connection.sendall(part)


def test_the_leader_is_the_one_in_the_answer() -> None:
    """A whole answer gives the leader's node id."""
    with broker(framed(answer(leader=3))) as (address, port, _):
        assert quorum_leader(address, port, seconds=2) == 3


def test_an_answer_in_pieces_is_put_together() -> None:
    """TCP may deliver byte by byte."""
    whole = framed(answer(leader=1))
    with broker(*(whole[n : n + 1] for n in range(len(whole)))) as (address, port, _):
        assert quorum_leader(address, port, seconds=2) == 1


def test_the_request_is_describe_quorum_for_the_metadata_topic() -> None:
    """The request says its own length, key 55 in version 0, and asks for partition 0 of the one topic."""
    with broker(framed(answer())) as (address, port, requests):
        quorum_leader(address, port, seconds=2)

    size, key, version = struct.unpack_from(">ihh", requests[0])
    assert (size, key, version) == (len(requests[0]) - 4, 55, 0)
    assert bytes([2, len(NAME) + 1]) + NAME + b"\x02\0\0\0\0\0\0\0" == requests[0][-len(NAME) - 10 :]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param(framed(answer(error=41)), "Kafka error code 41", id="an error"),
        pytest.param(framed(answer(partition_error=6)), "Kafka error code 6", id="a partition's error"),
        pytest.param(framed(answer(leader=-1)), "has no leader", id="no leader"),
        pytest.param(framed(answer()[:20]), "did not describe its quorum", id="too short inside"),
        pytest.param(framed(answer())[:30], "the connection was closed", id="cut"),
        pytest.param(b"", "the connection was closed", id="nothing"),
    ],
)
def test_a_bad_answer_is_an_error(sent: bytes, said: str) -> None:
    """An error code, no leader, a short or an ended answer is told, never taken for a leader."""
    with broker(sent) as (address, port, _), pytest.raises(StackError, match=said):
        quorum_leader(address, port, seconds=2)


def test_a_broker_that_is_not_there_is_an_error() -> None:
    """A closed port is a StackError that names the broker."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address, port = server.getsockname()

    with pytest.raises(StackError, match=f"broker {address}:{port} did not describe its quorum"):
        quorum_leader(address, port, seconds=1)


def test_a_silent_broker_is_given_up_in_time() -> None:
    """A broker that accepts and says nothing costs no more than the time allowed."""
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(StackError, match="timed out"):
        quorum_leader(*server.getsockname(), seconds=0.05)
