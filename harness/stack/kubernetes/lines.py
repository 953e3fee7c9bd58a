"""Lines over an exec stream of the API server: one thread owns the connection, anybody may send.

A websocket over TLS is not to be read and written at the same time by two threads, so whoever sends
only puts the line in a queue and wakes the owner.
"""

from __future__ import annotations

import collections
import os
import select
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Protocol

from websocket import WebSocketException

from harness.clock import MONOTONIC, seconds_between
from harness.errors import StackError

_LOOK_S = 1.0
_OUT, _ERR, _END = 1, 2, 3


class Raw(Protocol):
    """The websocket below."""

    @property
    def sock(self) -> socket.socket:
        """What ``select`` looks at."""
        ...


class Channel(Protocol):
    """An exec stream as the Kubernetes client gives it, in text."""

    @property
    def sock(self) -> Raw:
        """The websocket."""
        ...

    def is_open(self) -> bool:
        """Whether it goes on."""
        ...

    def update(self, timeout: float = 0) -> None:
        """Read what is there."""
        ...

    def read_channel(self, channel: int, timeout: float = 0) -> str:
        """Take what was read: 1 is the output, 2 the errors, 3 how it ended."""
        ...

    def write_stdin(self, data: str) -> None:
        """Send."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class LineStream:
    """One stream.

    Args:
        heard: called for each line that comes, from the owning thread.
        ended: called once, with what was said last.
    """

    def __init__(self, channel: Channel, heard: Callable[[str], None], ended: Callable[[str], None]) -> None:
        self._channel, self._heard, self._ended = channel, heard, ended
        self._out: collections.deque[str] = collections.deque()
        self._woken, self._wake = os.pipe()
        # Whoever sends may do so after the end: the pipe goes when nobody has this stream any more.
        weakref.finalize(self, _close, self._woken, self._wake)
        self._closing, self._rest, self._said = threading.Event(), "", ""
        self._thread = threading.Thread(target=self._own, name="agent-stream", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether lines still get through."""
        return self._thread.is_alive() and not self._closing.is_set()

    def send(self, line: str) -> None:
        """Send *line* soon."""
        self._out.append(line)
        os.write(self._wake, b".")

    def close(self) -> None:
        """End it; the other end sees the end of its input."""
        self._closing.set()
        os.write(self._wake, b".")
        self._thread.join()

    def _own(self) -> None:
        try:
            while self._channel.is_open() and not self._closing.is_set():
                self._turn()
        except (OSError, ValueError, WebSocketException) as error:
            self._said = str(error) or type(error).__name__
        finally:
            self._closing.set()
            self._channel.close()
            self._ended(self._said.strip())

    def _turn(self) -> None:
        connection = self._channel.sock.sock
        ready, _, _ = select.select([connection.fileno(), self._woken], [], [], _LOOK_S)
        if self._woken in ready:
            os.read(self._woken, 4096)
        while self._out:
            self._channel.write_stdin(self._out.popleft() + "\n")
        if connection.fileno() in ready:
            self._take()
            while isinstance(connection, ssl.SSLSocket) and connection.pending():
                self._take()  # already decrypted: select does not see it

    def _take(self) -> None:
        self._channel.update(timeout=0)
        *lines, self._rest = (self._rest + self._channel.read_channel(_OUT)).split("\n")
        for line in lines:
            self._heard(line)
        self._said = (self._said + self._channel.read_channel(_ERR) + self._channel.read_channel(_END))[
            -2000:
        ]


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def output_of(channel: Channel, what: str, seconds: float) -> Iterator[bytes]:
    """What a command in a binary stream puts out, piece by piece.

    Raises:
        StackError: it failed, or nothing came for *seconds*; *what* names it.
    """
    said, heard = b"", MONOTONIC.now()
    try:
        while channel.is_open():
            channel.update(timeout=_LOOK_S)  # a stream begins with empty pieces, which tell nothing
            if piece := _bytes(channel.read_channel(_OUT)):
                heard = MONOTONIC.now()
                yield piece
            said += _bytes(channel.read_channel(_ERR))
            if seconds_between(heard, MONOTONIC.now()) > seconds:
                raise StackError(f"{what} says nothing", why=f"for {seconds:g} s")
        yield _bytes(channel.read_channel(_OUT))
        said += _bytes(channel.read_channel(_ERR))
        ended = _bytes(channel.read_channel(_END))
        if b'"Success"' not in ended:
            raise StackError(f"{what} failed", why=(said or ended).decode(errors="replace")[-500:])
    finally:
        channel.close()


def _bytes(piece: str | bytes) -> bytes:
    return piece if isinstance(piece, bytes) else piece.encode()
