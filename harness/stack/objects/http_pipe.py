"""HTTP/1.1 messages as bytes to be passed on: where a head ends, how long a body is, and how it is copied.

It reads what must be known to find the ends of messages and changes nothing. Not a proxy by itself:
``harness.stack.objects.s3_gate`` decides what is passed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

BUFFER = 1 << 20
"""Bytes that a connection holds at the most, and the longest head."""

CHUNKED, TO_THE_END = -1, -2
"""Lengths of bodies that no Content-Length tells."""

_PIECE = 256 * 1024
_SMALL = 1024


class Cut(Exception):
    """A body reached the place where it is to be cut short."""


class Waits(Protocol):
    """Who says when bytes may pass."""

    def rate(self) -> int:
        """Bytes a second at this instant; 0: no limit."""
        ...

    async def wait(self, size: int) -> None:
        """Return when *size* bytes may pass."""
        ...


@dataclass(frozen=True, slots=True)
class Connection:
    """Both directions of a TCP connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def is_closed(self) -> bool:
        """Whether the other side hung up, as servers do with idle connections."""
        return self.reader.at_eof() or self.writer.is_closing()

    async def close(self) -> None:
        """Send what is left and hang up."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request, and the length of its body."""

    raw: bytes
    method: str
    length: int
    keeps: bool
    expects_continue: bool

    @classmethod
    async def read(cls, reader: asyncio.StreamReader) -> Request | None:
        """The next one; None when the client is done.

        Raises:
            ValueError: this is no HTTP.
        """
        try:
            raw = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return None
        start, fields = _parsed(raw)
        method, _, version = start.split(" ")
        return cls(
            raw,
            method,
            _length(fields, otherwise=0),
            _keeps(fields, version),
            fields.get("expect", "").lower() == "100-continue",
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, and the length of its body."""

    raw: bytes
    status: int
    length: int
    keeps: bool

    @property
    def is_interim(self) -> bool:
        """Whether another head follows, as after 100 Continue."""
        return 100 <= self.status < 200

    @classmethod
    async def read(cls, reader: asyncio.StreamReader, method: str) -> Answer:
        """The next one, to a request of *method*."""
        raw = await reader.readuntil(b"\r\n\r\n")
        start, fields = _parsed(raw)
        version, status = start.split(" ")[:2]
        bodiless = method == "HEAD" or status.startswith("1") or status in {"204", "304"}
        length = 0 if bodiless else _length(fields, otherwise=TO_THE_END)
        return cls(raw, int(status), length, length != TO_THE_END and _keeps(fields, version))


class Pipe:
    """Copies one body. Without a sink it only takes it in. ``moved`` counts its bytes, framing included.

    Args:
        source: where the body comes from.
        sink: where it goes.
        pace: who says when bytes may pass.
        cut: after how many bytes to raise ``Cut``; they are sent, the rest is not.
    """

    def __init__(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter | None,
        *,
        pace: Waits | None = None,
        cut: int | None = None,
    ) -> None:
        self._source, self._sink, self._pace, self._cut = source, sink, pace, cut
        self.moved = 0

    async def copy(self, length: int) -> None:
        """Copy a body of *length*.

        Raises:
            Cut: it is longer than it may be.
            EOFError: the source ended before the body did.
        """
        if length == CHUNKED:
            await self._chunks()
        elif length == TO_THE_END:
            while piece := await self._source.read(self._piece()):
                await self._pass(piece)
        else:
            await self._exactly(length)
        if self._sink:
            await self._sink.drain()

    async def _exactly(self, size: int) -> None:
        while size:
            piece = await self._source.read(min(size, self._piece()))
            if not piece:
                raise EOFError
            size -= len(piece)
            await self._pass(piece)

    async def _chunks(self) -> None:
        size = -1
        while size:
            line = await self._source.readuntil(b"\r\n")
            await self._pass(line)
            size = int(line.partition(b";")[0], 16)
            if size:
                await self._exactly(size + 2)
        while line != b"\r\n":  # trailers, then an empty line
            line = await self._source.readuntil(b"\r\n")
            await self._pass(line)

    async def _pass(self, piece: bytes) -> None:
        if self._pace:
            await self._pace.wait(len(piece))
        if self._cut is not None and self.moved + len(piece) > self._cut:
            self._write(piece[: self._cut - self.moved])
            raise Cut
        self._write(piece)
        if self._sink and len(piece) >= _SMALL:
            await self._sink.drain()

    def _write(self, piece: bytes) -> None:
        if self._sink:
            self._sink.write(piece)
        self.moved += len(piece)

    def _piece(self) -> int:
        """Bytes to read at once: a twentieth of a second's where there is a limit."""
        rate = self._pace.rate() if self._pace else 0
        return min(_PIECE, max(_SMALL, rate // 20)) if rate else _PIECE


def _parsed(raw: bytes) -> tuple[str, dict[str, str]]:
    start, *lines = raw[:-4].decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return start, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _length(fields: Mapping[str, str], *, otherwise: int) -> int:
    if "chunked" in fields.get("transfer-encoding", "").lower():
        return CHUNKED
    return int(fields["content-length"]) if "content-length" in fields else otherwise


def _keeps(fields: Mapping[str, str], version: str) -> bool:
    """Whether the connection serves on after this message."""
    said = fields.get("connection", "").lower()
    return "close" not in said if version == "HTTP/1.1" else "keep-alive" in said
