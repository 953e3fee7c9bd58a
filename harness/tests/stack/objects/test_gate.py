"""The gate of the object store passes HTTP on unchanged, and does exactly what its control file says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import MONOTONIC
from harness.errors import StackError
from harness.stack.objects.gate import GateState, GateStats, clear_state, read_state, read_stats, write_state
from harness.stack.objects.http_pipe import BUFFER, CHUNKED, Cut, Pipe
from harness.stack.objects.s3_gate import Gate, Place

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET /b/k HTTP/1.1\r\nHost: s3:9000\r\nAuthorization: AWS4 x\r\n\r\n"


def later(seconds: float = 60) -> float:
    """An instant of CLOCK_MONOTONIC in the future, or the past."""
    return MONOTONIC.now() / 1e9 + seconds


class Upstream:
    """A server that answers each head with the next of its *answers*, and hangs up after so many of them."""

    def __init__(self, *answers: bytes, hang_up_after: int = 100) -> None:
        self.answers, self._patience = list(answers), hang_up_after
        self.seen = b""
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        for _ in range(min(self._patience, len(self.answers))):
            try:
                self.seen += await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            writer.write(self.answers.pop(0))
        writer.close()


def through(tmp_path: Path, upstream: Upstream, *sent: bytes) -> tuple[bytes, GateStats]:
    """What a client gets back that sends *sent*, each part after an answer to the one before."""

    async def talk() -> bytes:
        server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        gate = Gate(Place("127.0.0.1", port), tmp_path / "control", tmp_path / "stats")
        front = await asyncio.start_server(gate.serve, "127.0.0.1", 0, limit=BUFFER)
        reader, writer = await asyncio.open_connection(*front.sockets[0].getsockname())
        got = b""
        for part in sent:
            writer.write(part)
            got += await asyncio.wait_for(reader.read(1 << 16), 5)
        writer.write_eof()
        got += await asyncio.wait_for(reader.read(), 5)
        writer.close()
        front.close()
        server.close()
        gate.tell_once()
        return got

    return asyncio.run(talk()), read_stats(tmp_path / "stats")


def test_bytes_pass_unchanged_on_one_connection(tmp_path: Path) -> None:
    """Two requests go over one connection to the server, heads and all, and both answers come back."""
    upstream = Upstream(OK, OK)
    got, stats = through(tmp_path, upstream, GET, GET)

    assert (OK + OK, GET + GET, 1) == (got, upstream.seen, upstream.connections)
    assert GateStats(requests=2, bytes_out=10) == stats


def test_a_server_that_hung_up_is_called_again(tmp_path: Path) -> None:
    """An idle connection that the server closed costs the client nothing."""
    upstream = Upstream(OK, OK, hang_up_after=1)
    got, _ = through(tmp_path, upstream, GET, GET)

    assert (OK + OK, 2) == (got, upstream.connections)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"HEAD /b/k HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"),
        (b"DELETE /b/k HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        (GET, b"HTTP/1.1 200 OK\r\n\r\nuntil the end"),
    ],
)
def test_every_way_to_end_an_answer_is_known(tmp_path: Path, request_: bytes, answer: bytes) -> None:
    """No body, chunks, and a body that ends with the connection all pass, and nobody waits for more."""
    got, _ = through(tmp_path, Upstream(answer), request_)

    assert answer == got


def test_a_refusal_speaks_s3_and_keeps_the_connection(tmp_path: Path) -> None:
    """An upload is taken in and refused; the connection serves on once the fault is over."""
    write_state(tmp_path / "control", GateState("refuse", later(), methods=("PUT",)))
    upstream = Upstream(OK)
    put = b"PUT /b/k HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    got, stats = through(tmp_path, upstream, put, GET)

    assert got.startswith(b"HTTP/1.1 503 SlowDown\r\n")
    assert b"<Code>SlowDown</Code>" in got
    assert got.endswith(OK)
    assert (GET, GateStats(requests=2, meant=1, refused=1, bytes_out=5)) == (upstream.seen, stats)


def test_a_client_that_waits_to_continue_is_refused_without_its_body(tmp_path: Path) -> None:
    """Whoever asks first is answered at once, and the connection ends there."""
    write_state(tmp_path / "control", GateState("refuse", later(), status=500))
    put = b"PUT /b/k HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    got, _ = through(tmp_path, Upstream(), put)

    assert got.startswith(b"HTTP/1.1 500 InternalError\r\n")
    assert b"Connection: close" in got


def test_a_fault_whose_lease_ended_does_nothing(tmp_path: Path) -> None:
    """Past its instant a state is no more than a file."""
    write_state(tmp_path / "control", GateState("refuse", later(-1)))
    got, stats = through(tmp_path, Upstream(OK), GET)

    assert (OK, 0) == (got, stats.meant)


def test_a_damaged_control_file_does_nothing(tmp_path: Path) -> None:
    """What cannot be read is no fault."""
    (tmp_path / "control").write_text("{")
    got, _ = through(tmp_path, Upstream(OK), GET)

    assert OK == got
    with pytest.raises(StackError, match="is not a state of the gate"):
        read_state(tmp_path / "control")


def test_what_is_no_http_ends_the_connection(tmp_path: Path) -> None:
    """A stranger's bytes go nowhere."""
    upstream = Upstream()
    got, _ = through(tmp_path, upstream, b"\x16\x03\x01\r\n\r\n")

    assert (b"", b"") == (got, upstream.seen)


def test_a_state_survives_its_file(tmp_path: Path) -> None:
    """What is written is what is read, until it is cleared; clearing twice is as good."""
    state = GateState("slow", later(), share=0.25, delay_ms=10.5, bytes_per_s=1000, methods=("GET", "PUT"))
    write_state(tmp_path / "control", state)

    assert state == read_state(tmp_path / "control")
    clear_state(tmp_path / "control")
    clear_state(tmp_path / "control")
    assert read_state(tmp_path / "control") is None


bodies = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


@given(pieces=bodies, step=st.integers(1, 17), cut=st.none() | st.integers(0, 200))
def test_chunks_pass_however_they_arrive(pieces: list[bytes], step: int, cut: int | None) -> None:
    """A chunked body is copied to its end and no further, or exactly to where it is to be cut."""
    body = b"".join(b"%x;x=y\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nT: 1\r\n\r\n"

    class Sink:
        got = b""

        def write(self, data: bytes) -> None:
            self.got += data

        async def drain(self) -> None:
            pass

    async def copied() -> bool:
        source = asyncio.StreamReader()
        for start in range(0, len(body), step):
            source.feed_data(body[start : start + step])
        source.feed_data(b"NEXT")
        try:
            await Pipe(source, sink, cut=cut).copy(CHUNKED)  # type: ignore[arg-type]
        except Cut:
            return False
        return await source.read(4) == b"NEXT"

    sink = Sink()
    whole = asyncio.run(copied())
    short = cut is not None and cut < len(body)
    assert (not short, body[:cut] if short else body) == (whole, sink.got)
