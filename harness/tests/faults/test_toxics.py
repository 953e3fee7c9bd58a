"""Delays in standing proxies are found by asking them, and ended, whoever made them."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from harness.faults import heal, toxics
from harness.faults.heal import LEFT_BEHIND, Run
from harness.faults.observed import Marked
from harness.faults.toxics import Delaying, delaying, reset, reset_all


class Proxy(BaseHTTPRequestHandler):
    """Answers as a Toxiproxy does, as far as it is asked here."""

    toxics: list[str] = []
    broken = False

    def do_GET(self) -> None:
        """Its one proxy."""
        self._answer(json.dumps({"clients": {"toxics": Proxy.toxics}}).encode())

    def do_POST(self) -> None:
        """Forget every toxic."""
        assert self.path == "/reset"
        if not Proxy.broken:
            Proxy.toxics = []
        self._answer(b"")

    def _answer(self, text: bytes) -> None:
        self.send_response(500 if Proxy.broken and self.command == "POST" else 200)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(name="process")
def _process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Marked]:
    """The process of a proxy that delays, on loopback."""
    Proxy.toxics, Proxy.broken = ["latency_downstream"], False
    monkeypatch.setattr(toxics, "_STACKS", ipaddress.ip_network("127.0.0.0/8"))
    server = HTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield marked(f"broker-1@127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


def marked(proxy: str) -> Marked:
    """A process with that mark."""
    return Marked(7, 1, "S", "r1", "", "", "toxiproxy", proxy=proxy)


def test_a_proxy_that_delays_is_found_and_emptied(process: Marked) -> None:
    """Then it delays nobody, and is not found any more."""
    (found,) = delaying([process])
    assert found.node == "broker-1"
    reset(found)

    assert delaying([process]) == []


def test_nobody_else_is_ever_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address outside the range of stacks, or a mark that makes no sense, is passed over."""
    monkeypatch.setattr(toxics, "_asked", lambda *_: pytest.fail("it was asked"))

    assert (
        delaying([marked("x@10.0.0.1:80"), marked("nonsense"), marked("x@198.18.0.1:port"), marked("")]) == []
    )


def test_a_proxy_that_does_not_answer_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connections are gone with it."""
    monkeypatch.setattr(toxics, "_STACKS", ipaddress.ip_network("127.0.0.0/8"))

    assert delaying([marked("broker-1@127.0.0.1:1")]) == []


def test_a_proxy_that_refuses_is_an_error(process: Marked) -> None:
    """So that heal says what is left, with the command."""
    Proxy.broken = True
    (found,) = delaying([process])

    with pytest.raises(OSError, match="the proxy of broker-1 answers 500"):
        reset(found)


def test_the_watchdog_empties_the_proxies_of_its_run(
    process: Marked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says whose."""
    monkeypatch.setattr(toxics, "marked_processes", lambda run: [process] if run == "r1" else [])

    assert reset_all("r2") == []
    assert reset_all("r1") == ["broker-1"]


def test_a_delay_that_stays_is_left_behind() -> None:
    """Heal names it with the command that ends it."""
    slow = Delaying("broker-1", "198.18.0.11", 61000)
    run = Run("r1", "", (), (), (), 0, beats=False, delaying=(slow,))
    said: list[str] = []

    assert heal._conclude([run], abort=False, say=said.append) == LEFT_BEHIND
    assert said[-1] == "  curl -X POST http://198.18.0.11:61000/reset"
    assert heal._faults_of(run) == ["delayed for clients: broker-1"]
