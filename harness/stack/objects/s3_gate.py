"""The object store's gate: the process that serves a store's port, with the S3 server as its child behind it.

``python -m harness.stack.objects.s3_gate LISTEN UPSTREAM CONTROL STATS [-- COMMAND…]``

It passes HTTP/1.1 on byte for byte (so signatures stay valid) and, while the control file says so, refuses,
slows, cuts short or never answers (see ``harness.stack.objects.gate``). It listens only once the server
answers, ends when the server ends, and takes the server along when it ends. Standard library only: it
is to be small beside the server and quick to start.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import StackError
from harness.stack.objects.gate import GateState, GateStats, read_state, write_stats
from harness.stack.objects.http_pipe import BUFFER, Answer, Connection, Cut, Pipe, Request

_POLL_S = 0.02
_TELL_S = 0.1
_HANG_S = 0.2
_WORDS = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}


@dataclass(frozen=True, slots=True)
class Place:
    """An address to listen on or to connect to."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Place:
        """``HOST:PORT``."""
        host, _, port = text.rpartition(":")
        return cls(host, int(port))


class Lease:
    """The state in force, read from the control file whenever that changed."""

    def __init__(self, control: Path) -> None:
        self._control = control
        self._seen: tuple[int, int] = (0, 0)
        self._state: GateState | None = None

    def now(self) -> GateState | None:
        """What is in force at this instant."""
        try:
            found = self._control.stat()
        except OSError:
            return None
        if self._seen != (found.st_ino, found.st_mtime_ns):
            self._seen = (found.st_ino, found.st_mtime_ns)
            self._state = self._read()
        return self._state if self._state and time.monotonic() < self._state.until else None

    def _read(self) -> GateState | None:
        try:
            return read_state(self._control)
        except StackError as error:
            sys.stderr.write(f"gate: {error.sentence()}\n")
            return None


class Pace:
    """One uplink for all connections: whoever passes bytes waits until the bytes before are through."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._free = 0.0

    def rate(self) -> int:
        """Bytes a second at this instant; 0: no limit."""
        state = self._lease.now()
        return (state.bytes_per_s or 0) if state and state.kind == "slow" else 0

    async def wait(self, size: int) -> None:
        """Return when *size* bytes may pass, or the fault is over."""
        state, now = self._lease.now(), time.monotonic()
        if state is None or state.kind != "slow" or not state.bytes_per_s:
            return
        self._free = max(self._free, now) + size / state.bytes_per_s
        while (state := self._lease.now()) and (left := self._free - time.monotonic()) > 0:
            await asyncio.sleep(min(left, max(0.0, state.until - time.monotonic()) + 0.001, _HANG_S))


class Gate:
    """Serves clients, each connection with one of its own to the server."""

    def __init__(self, upstream: Place, control: Path, stats: Path) -> None:
        self._upstream = upstream
        self._lease = Lease(control)
        self._pace = Pace(self._lease)
        self._stats_file = stats
        self._stats, self._told = GateStats(), GateStats()
        self._due = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it or the server has enough."""
        client = Connection(reader, writer)
        server: Connection | None = None
        try:
            while (request := await Request.read(client.reader)) is not None:
                if server is None or server.is_closed():
                    server = await self._fresh(server)
                if not await self._exchange(request, client, server):
                    break
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # either side went away, as sockets do: both ends are closed below
        finally:
            for each in (client, server):
                if each is not None:
                    await each.close()

    async def tell(self) -> None:
        """Keep the stats file up to date."""
        while True:
            self.tell_once()
            await asyncio.sleep(_TELL_S)

    def tell_once(self) -> None:
        """Write the stats file if there is news."""
        if self._told != self._stats:
            write_stats(self._stats_file, self._stats)
            self._told = self._stats

    async def _fresh(self, stale: Connection | None) -> Connection:
        if stale is not None:
            await stale.close()
        place = self._upstream
        return Connection(*await asyncio.open_connection(place.host, place.port, limit=BUFFER))

    async def _exchange(self, request: Request, client: Connection, server: Connection) -> bool:
        """One request and its answer; whether the connection serves another."""
        self._add(requests=1)
        fault = self._hit(request.method)
        match fault.kind if fault else "":
            case "refuse" if fault:
                return await self._refuse(fault.status, request, client)
            case "hang":
                return await self._hang(client)
            case "slow" if fault:
                await self._delay(fault)
        return await self._forward(request, client, server, fault)

    def _hit(self, method: str) -> GateState | None:
        """The fault that hits this request, if any: evenly spread, not drawn, so that counts are exact."""
        state = self._lease.now()
        if state is None or not state.is_meant_for(method):
            return None
        self._add(meant=1)
        self._due += state.share
        if self._due < 1 - 1e-9:
            return None
        self._due -= 1
        return state

    async def _refuse(self, status: int, request: Request, client: Connection) -> bool:
        self._add(refused=1)
        # A body on its way is taken in first: closing on it would reset the connection, and the
        # client would never see the answer. One that waits for "100 Continue" never comes.
        if not request.expects_continue:
            await self._pipe(client, None).copy(request.length)
        word = _WORDS.get(status, "ServiceUnavailable")
        client.writer.write(_refusal(status, word, request))
        await client.writer.drain()
        return request.keeps and not request.expects_continue

    async def _hang(self, client: Connection) -> bool:
        self._add(hung=1)
        while (state := self._lease.now()) and state.kind == "hang":
            with contextlib.suppress(TimeoutError):
                if not await asyncio.wait_for(client.reader.read(BUFFER), _HANG_S):
                    break
        return False

    async def _delay(self, fault: GateState) -> None:
        self._add(slowed=1)
        start = time.monotonic()
        end = start + fault.delay_ms / 1000
        while (state := self._lease.now()) and state.kind == "slow" and (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _HANG_S))
        self._add(delayed_ms=int((time.monotonic() - start) * 1000))

    async def _forward(
        self, request: Request, client: Connection, server: Connection, fault: GateState | None
    ) -> bool:
        server.writer.write(request.raw)
        paced = fault is not None and fault.kind == "slow"
        up = self._pipe(client, server, paced=paced)
        sending = asyncio.create_task(up.copy(request.length))
        cut = fault.cut_after if fault and fault.kind == "truncate" else None
        down = self._pipe(server, client, paced=paced, cut=cut)
        try:
            answer = await self._answered(request, client, server)
            await down.copy(answer.length)
        except Cut:
            self._add(truncated=1)
            return False
        finally:
            whole = sending.done() and not sending.cancelled() and sending.exception() is None
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, EOFError):
                await sending
            self._add(bytes_in=up.moved, bytes_out=down.moved)
        return whole and request.keeps and answer.keeps

    async def _answered(self, request: Request, client: Connection, server: Connection) -> Answer:
        """Pass heads of answers on until the final one."""
        while True:
            answer = await Answer.read(server.reader, request.method)
            client.writer.write(answer.raw)
            if not answer.is_interim:
                return answer
            await client.writer.drain()

    def _pipe(
        self, source: Connection, sink: Connection | None, *, paced: bool = False, cut: int | None = None
    ) -> Pipe:
        return Pipe(source.reader, sink.writer if sink else None, pace=self._pace if paced else None, cut=cut)

    def _add(self, **counts: int) -> None:
        self._stats = replace(
            self._stats, **{name: getattr(self._stats, name) + count for name, count in counts.items()}
        )


def _refusal(status: int, word: str, request: Request) -> bytes:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{word}</Code>'
        "<Message>Please reduce your request rate.</Message><RequestId>gate</RequestId></Error>"
    )
    close = "Connection: close\r\n" if request.expects_continue or not request.keeps else ""
    head = (
        f"HTTP/1.1 {status} {word}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n{close}"
    )
    return f"{head}\r\n{'' if request.method == 'HEAD' else body}".encode()


async def _run(listen: Place, gate: Gate, upstream: Place, command: Sequence[str]) -> int:
    # The parent-death signal is for a gate that is not the first of its pid namespace.
    child = (
        await asyncio.create_subprocess_exec("setpriv", "--pdeathsig", "KILL", *command) if command else None
    )
    ended = asyncio.ensure_future(child.wait() if child else asyncio.Event().wait())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.cancel)
    try:
        await _listening(upstream, ended)
        server = await asyncio.start_server(gate.serve, listen.host, listen.port, limit=BUFFER, backlog=512)
        telling = asyncio.create_task(gate.tell())
        async with server:
            code = await ended
        telling.cancel()
    except asyncio.CancelledError:
        code = 0
    finally:
        gate.tell_once()
        if child and child.returncode is None:
            child.terminate()
            await child.wait()
    return int(code)


async def _listening(upstream: Place, ended: asyncio.Future[int | bool]) -> None:
    """Return when the server takes connections, or is dead."""
    while not ended.done():
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(upstream.host, upstream.port)
            writer.close()
            return
        await asyncio.sleep(_POLL_S)


def main(arguments: Sequence[str]) -> int:
    """Serve until the server ends or SIGTERM comes; returns the server's exit code."""
    listen, upstream, control, stats, *rest = arguments
    place = Place.parse(upstream)
    gate = Gate(place, Path(control), Path(stats))
    return asyncio.run(_run(Place.parse(listen), gate, place, rest[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
