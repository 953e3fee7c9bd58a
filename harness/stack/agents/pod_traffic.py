"""Datagrams of the harness's own at one end of a link, in a network that only an agent can enter.

What proves a loss, or a rate, there: one end listens, the other sends, and each counts by itself, for
nothing but the datagrams goes between them. An end that is forgotten ends by itself. Standard library only:
agents run it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Protocol, runtime_checkable

from harness.clock import MONOTONIC

_LONGEST_S = 60.0
_QUIET_S, _LOOK_S = 0.15, 0.02
_BURST, _PAUSE_S = 40, 0.004
LEAD_S = 2.0
"""How long is poured before what is poured counts."""

DATAGRAM = 1_200
"""Bytes of a poured datagram; whatever carries packets between pods carries it whole."""

_UNCOUNTED, _COUNTED = bytes(DATAGRAM), b"\1" * DATAGRAM
_ROOM = 8 << 20
_RCVBUFFORCE = 33
"""SO_RCVBUFFORCE of socket(7), which the socket module does not name."""


@runtime_checkable
class Speaking(Protocol):
    """A node at which somebody else sends and counts datagrams for the harness.

    All raise FaultError when that cannot be done.
    """

    def hear(self) -> int:
        """Count, for a minute at most, the datagrams that come to its address; the port."""
        ...

    def heard(self, port: int) -> int:
        """How many came to *port*, once none comes any more; ends the counting."""
        ...

    def shout(self, address: str, port: int, count: int) -> None:
        """Send *count* datagrams; returns when they are sent."""
        ...

    def pour(self, address: str, port: int, rate: float, seconds: float) -> tuple[int, float]:
        """See ``pour``."""
        ...


class Ear:
    """A socket that counts what comes in until it is asked, or for a minute.

    Args:
        opened: a new datagram socket in the right network.
        address: where it listens.
    """

    def __init__(self, opened: socket.socket, address: str) -> None:
        self._socket, self._got, self._last = opened, 0, time.monotonic()
        _widen(opened)
        opened.bind((address, 0))
        opened.settimeout(None)  # the kernel has the patience: each datagram is one call
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, int(_LOOK_S * 1e6)))
        self.port = int(opened.getsockname()[1])
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)
        self._thread.start()

    def heard(self) -> int:
        """How many datagrams came, once none comes any more; ends it."""
        while time.monotonic() - self._last < _QUIET_S:
            MONOTONIC.sleep(_LOOK_S)
        self._ending.set()
        self._thread.join()
        return self._got

    def _listen(self) -> None:
        ends = time.monotonic() + _LONGEST_S
        with self._socket:
            while not self._ending.is_set() and time.monotonic() < ends:
                with contextlib.suppress(BlockingIOError):
                    counts = self._socket.recv(16) != _UNCOUNTED[:16]
                    self._got, self._last = self._got + counts, time.monotonic()


class Ears:
    """The ears of one program, by their ports."""

    def __init__(self) -> None:
        self._ears: dict[tuple[str, int], Ear] = {}

    def open(self, opened: socket.socket, address: str) -> int:
        """Listen at *address*; the port."""
        made = Ear(opened, address)
        self._ears[address, made.port] = made
        return made.port

    def heard(self, address: str, port: int) -> int:
        """See ``Ear.heard``.

        Raises:
            OSError: nobody listens there.
        """
        found = self._ears.pop((address, port), None)
        if found is None:
            raise OSError(f"nobody listens at {address}:{port}")
        return found.heard()


def shout(opened: socket.socket, address: str, port: int, count: int) -> None:
    """Send *count* datagrams, a few at a time; those that do not get out are lost on their way, too."""
    with opened:
        for number in range(count):
            with contextlib.suppress(PermissionError):
                opened.sendto(struct.pack("<I", number), (address, port))
            if number % _BURST == _BURST - 1:
                MONOTONIC.sleep(_PAUSE_S)


def pour(opened: socket.socket, address: str, port: int, rate: float, seconds: float) -> tuple[int, float]:
    """Send datagrams of ``DATAGRAM`` bytes, *rate* bytes a second in all; how many, and how long it took.

    Whether they get out or not: they count as sent. Before those that count others are sent as fast, for
    ``LEAD_S``: what limits a rate may let pass what was not used of it before.
    """
    with opened:
        opened.settimeout(0.0)
        _pour(opened, (address, port), _UNCOUNTED, rate, LEAD_S)
        return _pour(opened, (address, port), _COUNTED, rate, seconds)


def _pour(
    opened: socket.socket, to: tuple[str, int], datagram: bytes, rate: float, seconds: float
) -> tuple[int, float]:
    started, sent = time.monotonic(), 0
    while (passed := time.monotonic() - started) < seconds:
        while sent * DATAGRAM < rate * passed:
            with contextlib.suppress(OSError):  # no room on its way out, or dropped there
                opened.sendto(datagram, to)
            sent += 1
        MONOTONIC.sleep(_PAUSE_S)
    return sent, time.monotonic() - started


def _widen(opened: socket.socket) -> None:
    """Room for all that may come while nobody reads: what is dropped here would count as lost."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, _ROOM)
    except OSError:  # it needs a capability; without it there is less room
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
