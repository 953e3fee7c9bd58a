"""Who leads the metadata quorum: one DescribeQuorum request, written out by hand.

In KRaft a broker answers "who is the controller" with any live broker, and
librdkafka has no call for the true answer. The request is KIP-595's, version 0,
flexible encoding. A broker's client listener forwards it to the leader; its controller
listener answers for itself, and only a leader knows the answer.
"""

from __future__ import annotations

import socket
import struct

from harness.errors import StackError

_API_KEY, _VERSION = 55, 0
_METADATA_TOPIC = b"__cluster_metadata"


def quorum_leader(address: str, port: int, *, seconds: float) -> int:
    """The node id of the metadata quorum's leader, as the broker at *address*:*port* knows it.

    Raises:
        StackError: no answer in time, or an error code instead of a leader.
    """
    error, leader = _described(address, port, seconds)
    if error or leader < 0:
        raise StackError("the metadata quorum has no leader", why=f"Kafka error code {error}")
    return leader


def leads_quorum(address: str, port: int, *, seconds: float) -> bool:
    """Whether the controller that listens at *address*:*port* takes itself for the quorum's leader.

    Raises:
        StackError: no answer in time.
    """
    error, _ = _described(address, port, seconds)
    return not error


def _described(address: str, port: int, seconds: float) -> tuple[int, int]:
    """Error code and leader of the metadata quorum, as whoever listens there tells it."""
    try:
        with socket.create_connection((address, port), timeout=seconds) as connection:
            connection.sendall(_request())
            (size,) = struct.unpack(">i", _exactly(connection, 4))
            return _leader_in(_exactly(connection, size))
    except (OSError, EOFError, struct.error, IndexError) as error:
        raise StackError(f"broker {address}:{port} did not describe its quorum", why=repr(error)) from error


def _request() -> bytes:
    client = b"edge-harness"
    header = struct.pack(">hhih", _API_KEY, _VERSION, 1, len(client)) + client + b"\0"
    # A compact array of one topic: name, one partition (0), then two empty tag sections.
    body = b"\x02" + bytes([len(_METADATA_TOPIC) + 1]) + _METADATA_TOPIC
    body += b"\x02" + struct.pack(">i", 0) + b"\0" + b"\0" + b"\0"
    message = header + body
    return struct.pack(">i", len(message)) + message


def _leader_in(answer: bytes) -> tuple[int, int]:
    """Error and leader id of a DescribeQuorumResponse v0: correlation, tags, error, topics[partitions[…]]."""
    at = 4 + 1
    (error,) = struct.unpack_from(">h", answer, at)
    if error:
        return error, -1
    at += 2 + 1  # the error, then the length of the topics array
    at += answer[at] + 1  # the topic's name (compact: length + 1 before it), then the partitions' length
    error, leader = struct.unpack_from(">hi", answer, at + 4)
    return error, leader


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError("the connection was closed")
        data += part
    return data
