"""How long a service takes to answer one question at its own port, over TCP, on a connection of its own.

A proxy takes connections itself, so that one opens quickly proves nothing of what
lies behind it: only an answer has gone both ways.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping

from harness.stack.seams import Node, Wired

_API_VERSIONS = 18
_KAFKA = struct.pack(">ihhih", 10, _API_VERSIONS, 0, 1, -1)
"""ApiVersions version 0, with correlation id 1 and no client's name, behind its length."""

_HTTP = b"GET / HTTP/1.1\r\nHost: harness\r\nConnection: close\r\n\r\n"

QUESTIONS: Mapping[str, bytes] = {"broker": _KAFKA, "s3": _HTTP, "vector": _HTTP}
"""By a node's role, what every port of such a node answers, whoever asks."""


def answers_ms(observer: Wired, node: Node, port: int, *, count: int, patience: float) -> list[float]:
    """How many milliseconds each of *count* answers takes from its question on, ascending.

    Raises:
        OSError: one did not come within *patience* seconds.
    """
    return sorted(_answer_ms(observer, node, port, patience) for _ in range(count))


def _answer_ms(observer: Wired, node: Node, port: int, patience: float) -> float:
    with observer.open_socket(socket.SOCK_STREAM) as connection:
        connection.settimeout(patience)
        connection.connect((node.address, port))
        started = time.monotonic()
        connection.sendall(QUESTIONS[node.role])
        if not connection.recv(1):
            raise ConnectionError("it closes the connection and gives no answer")
        return (time.monotonic() - started) * 1e3
