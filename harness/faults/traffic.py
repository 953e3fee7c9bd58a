"""Traffic of the harness's own between two nodes: how much arrives, how fast, after how long.

A rule that is installed is not yet a packet that is late or lost. So the quality
of a link is proven with packets: both ends are sockets that the harness opens in
the nodes' networks, and no service on them is needed.
"""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from harness.clock import MONOTONIC
from harness.stack.agents.pod_traffic import DATAGRAM, Ears, Speaking, pour, shout
from harness.stack.seams import Node, Wired

DATAGRAMS = 2_000
SIGMAS = 5.0
"""How far a count may lie from its mean, in standard deviations: chance exceeds it once in two million."""

_BURST = 40
_CHUNK = bytes(1 << 16)
_DATAGRAM = bytes(1_400)
_TICK_SECONDS = 0.004
_LAST_SECONDS = 0.1
_ANSWER_SECONDS = 2.0
_LEAST_LATE, _MOST_LATE, _LATE_SLACK_MS = 0.9, 1.5, 50.0


@dataclass(frozen=True, slots=True)
class Way:
    """A direction of traffic, from one node to another."""

    source: Node
    target: Node

    def __str__(self) -> str:
        return f"{self.source.name}→{self.target.name}"


def arrived(way: Way, count: int = DATAGRAMS) -> int:
    """How many of *count* datagrams get along *way*.

    Raises:
        FaultError: somebody sends or counts them for us, and could not.
    """
    if isinstance(way.source, Speaking) or isinstance(way.target, Speaking):
        target, source = _speaking(way.target), _speaking(way.source)
        port = target.hear()
        source.shout(way.target.address, port, count)
        return target.heard(port)
    got = 0
    with _sockets(way, socket.SOCK_DGRAM) as (sender, receiver):
        receiver.bind((way.target.address, 0))
        address = receiver.getsockname()
        for start in range(0, count, _BURST):
            for number in range(start, min(start + _BURST, count)):
                with contextlib.suppress(PermissionError):  # lost on its way out
                    sender.sendto(struct.pack("<I", number), address)
            got += _drain(receiver, 0.0)
        return got + _drain(receiver, _LAST_SECONDS)


def binomial_bounds(count: int, share: float) -> tuple[int, int]:
    """Between which numbers *count* chances of *share* each come out, at least 1 to be seen at all."""
    spread = SIGMAS * math.sqrt(count * share * (1 - share))
    return max(1, math.floor(count * share - spread)), min(count, math.ceil(count * share + spread))


def delay_bounds(ms: float) -> tuple[float, float]:
    """How many milliseconds later an answer must come at least, and may come at most, for a delay of *ms*."""
    return ms * _LEAST_LATE, ms * _MOST_LATE + _LATE_SLACK_MS


def bytes_per_second(way: Way, seconds: float) -> float:
    """How many bytes a second one TCP connection carries along *way*, measured for *seconds*."""
    with _sockets(way, socket.SOCK_STREAM) as (sender, listener), contextlib.ExitStack() as ends:
        listener.bind((way.target.address, 0))
        listener.listen(1)
        sender.settimeout(_ANSWER_SECONDS)
        sender.connect(listener.getsockname())
        receiver = ends.enter_context(listener.accept()[0])
        pushing = threading.Thread(target=_push, args=(sender, seconds), daemon=True)
        pushing.start()
        ends.callback(pushing.join)
        return _count(receiver, seconds) / seconds


def pushed(way: Way, offered: float, seconds: float) -> tuple[float, float]:
    """How many bytes a second were tried, and got along *way*, when *offered* were to be sent for *seconds*.

    Datagrams: nothing that comes back can slow them down. What finds the way out full is tried, and
    lost. A busy machine may try, and receive, fewer.
    """
    with _sockets(way, socket.SOCK_DGRAM) as (sender, receiver):
        receiver.bind((way.target.address, 0))
        address = receiver.getsockname()
        sender.settimeout(0.0)
        started = time.monotonic()
        sent = got = 0
        while (passed := time.monotonic() - started) < seconds:
            while sent < offered * passed:
                with contextlib.suppress(OSError):  # no room on its way out
                    sender.sendto(_DATAGRAM, address)
                sent += len(_DATAGRAM)
            got += _drain(receiver, 0.0)
            MONOTONIC.sleep(_TICK_SECONDS)
        took = time.monotonic() - started
        return sent / took, got * len(_DATAGRAM) / took


def poured(way: Way, offered: float, seconds: float) -> tuple[float, float]:
    """See ``pushed``; after a lead that drains what a limit lets pass at once, and whoever the ends are.

    Raises:
        FaultError: somebody sends or counts them for us, and could not.
    """
    target, source = _speaking(way.target), _speaking(way.source)
    port = target.hear()
    sent, took = source.pour(way.target.address, port, offered, seconds)
    return sent * DATAGRAM / took, target.heard(port) * DATAGRAM / took


def round_trips_ms(way: Way, count: int = 9) -> list[float]:
    """How long *count* datagrams take there and back, ascending; one that is lost is left out."""
    took: list[float] = []
    with _sockets(way, socket.SOCK_DGRAM) as (near, far):
        near.bind((way.source.address, 0))
        far.bind((way.target.address, 0))
        for end in (near, far):
            end.settimeout(_ANSWER_SECONDS)
        for _ in range(count):
            started = time.monotonic()
            near.sendto(b"there", far.getsockname())
            with contextlib.suppress(TimeoutError):
                far.sendto(far.recv(16), near.getsockname())
                near.recv(16)
                took.append((time.monotonic() - started) * 1e3)
    return sorted(took)


def can_speak(node: Node) -> bool:
    """Whether the harness can have datagrams sent and counted there."""
    return isinstance(node, Speaking | Wired)


class _Here:
    """A node whose sockets the harness opens itself, as one at which datagrams are sent and counted."""

    def __init__(self, node: Node) -> None:
        assert isinstance(node, Wired), node
        self._node, self._wired, self._ears = node, node, Ears()

    def hear(self) -> int:
        """See ``Speaking``."""
        return self._ears.open(self._wired.open_socket(socket.SOCK_DGRAM), self._node.address)

    def heard(self, port: int) -> int:
        """See ``Speaking``."""
        return self._ears.heard(self._node.address, port)

    def shout(self, address: str, port: int, count: int) -> None:
        """See ``Speaking``."""
        shout(self._wired.open_socket(socket.SOCK_DGRAM), address, port, count)

    def pour(self, address: str, port: int, rate: float, seconds: float) -> tuple[int, float]:
        """See ``Speaking``."""
        return pour(self._wired.open_socket(socket.SOCK_DGRAM), address, port, rate, seconds)


def _speaking(node: Node) -> Speaking:
    return node if isinstance(node, Speaking) else _Here(node)


@contextlib.contextmanager
def _sockets(way: Way, kind: socket.SocketKind) -> Iterator[tuple[socket.socket, socket.socket]]:
    source, target = way.source, way.target
    assert isinstance(source, Wired), source
    assert isinstance(target, Wired), target
    with source.open_socket(kind) as one, target.open_socket(kind) as other:
        yield one, other


def _drain(receiver: socket.socket, patience: float) -> int:
    """Receive what is there and what comes within *patience* of the last one; returns how many."""
    got = 0
    receiver.settimeout(patience)
    with contextlib.suppress(TimeoutError, BlockingIOError):
        while receiver.recv(16):
            got += 1
    return got


def _push(sender: socket.socket, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with contextlib.suppress(OSError):  # the receiver has seen enough
        # What still waits here when the time is up must not be sent any more.
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        while (left := deadline - time.monotonic()) > 0:
            sender.settimeout(left)
            sender.send(_CHUNK)


def _count(receiver: socket.socket, seconds: float) -> int:
    deadline, got = time.monotonic() + seconds, 0
    with contextlib.suppress(OSError):
        while (left := deadline - time.monotonic()) > 0:
            receiver.settimeout(left)
            got += len(receiver.recv(1 << 18))
    return got
