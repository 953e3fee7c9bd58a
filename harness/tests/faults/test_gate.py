"""Faults of the object store's gate, on a small double of it that does, or does not do, as it is told."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from harness.clock import MONOTONIC
from harness.errors import FaultError
from harness.faults.degrade import s3_cuts_bodies, s3_hangs, s3_refuses, s3_slow
from harness.faults.gate import Answer, Gated, gated
from harness.faults.spec import FaultSpec
from harness.stack.objects.gate import GateState, GateStats, read_state, write_state, write_stats
from harness.tests.faults.fakes import FakeNode, FakeProcess, FakeService

BODY = b"<Error><Code>AccessDenied</Code></Error>"
_COUNTERS = {"refuse": "refused", "slow": "slowed", "truncate": "truncated", "hang": "hung"}
SPECS = {
    "refuse": s3_refuses(),
    "refuse half": s3_refuses(status=429, share=0.5),
    "slow": s3_slow(delay_ms=200),
    "truncate": s3_cuts_bodies(),
    "hang": s3_hangs(),
}


class Double(http.server.BaseHTTPRequestHandler):
    """The gate's double: reads its control file at each request, counts, and misbehaves in its four ways."""

    folder: ClassVar[Path]
    counts: ClassVar[Counter[str]]
    asked: ClassVar[int]

    def do_GET(self) -> None:
        """Answer 403, or as told."""
        state = self._state()
        if state is None:
            return self._answer(403, BODY)
        self.counts[_COUNTERS[state.kind]] += 1
        write_stats(self.folder / "stats", GateStats(**self.counts))
        if state.kind == "refuse":
            return self._answer(state.status, BODY)
        if state.kind == "truncate":
            return self._answer(403, BODY[:10])
        MONOTONIC.sleep(2.0 if state.kind == "hang" else state.delay_ms / 1e3)
        return None if state.kind == "hang" else self._answer(403, BODY)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _state(self) -> GateState | None:
        """What it is told now, when it holds for this request: every second one for a share of a half."""
        state = read_state(self.folder / "control")
        if state is None:
            return None
        type(self).asked += 1
        chosen = state.share >= 1 or self.asked % 2 == 0
        return state if chosen and time.monotonic() < state.until else None

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


@dataclass
class Store:
    """A running double, and the mechanism on it."""

    node: FakeNode
    service: FakeService

    def fault(self, spec: FaultSpec) -> Gated:
        """The mechanism."""
        return gated(spec, {"s3-1": self.service}, {"s3-1": self.node}, frozenset())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A double of its own."""
    made = type("Own", (Double,), {"folder": tmp_path, "counts": Counter(), "asked": 0})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), made)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    serving.start()
    node = FakeNode("s3-1", "s3", "127.0.0.1", (server.server_address[1],))
    service = FakeService(FakeProcess(1), control=tmp_path / "control", stats=tmp_path / "stats")
    yield Store(node, service)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", SPECS)
def test_a_gate_is_told_proven_and_told_otherwise(store: Store, name: str) -> None:
    """Requests of our own meet the fault, the gate counts it; healed, they are answered again."""
    fault = store.fault(SPECS[name])

    fault.inject()
    landed, traces, still = fault.landed(), fault.traces(), fault.still()
    fault.heal()
    fault.heal()
    healed = fault.healed()

    assert (True, True, True, True) == (landed.ok, traces.ok, still.ok, healed.ok), landed.words
    assert "s3-1 answers 403" in healed.words
    assert not store.service.control.exists()


@pytest.mark.parametrize("name", SPECS)
def test_a_gate_that_does_nothing_is_seen(store: Store, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written into a file is not yet a fault: without an effect on a request it is not proven."""
    monkeypatch.setattr(Double, "_state", lambda _: None)
    fault = store.fault(SPECS[name])

    fault.inject()
    landed, traces = fault.landed(), fault.traces()
    fault.heal()

    assert (False, False) == (landed.ok, traces.ok)


def test_a_gate_that_refuses_all_is_not_one_that_refuses_half(store: Store) -> None:
    """Too much of a fault is as unproven as too little of it."""
    fault = store.fault(SPECS["refuse half"])
    fault.inject()
    fault._closing.set()
    write_state(store.service.control, replace(fault.asked, share=1.0, until=time.monotonic() + 5))

    assert not fault.landed().ok
    fault.heal()


def test_a_gate_that_still_misbehaves_is_not_healed(store: Store) -> None:
    """As long as requests are refused the healing is not proven, whatever became of the file."""
    assert Answer(403, whole=True, seconds=0.01).is_normal
    assert not Answer(503, whole=True, seconds=0.01).is_normal
    assert not Answer(200, whole=False, seconds=0.01).is_normal
    assert not Answer(200, whole=True, seconds=3.0).is_normal
    assert not Answer(0, whole=False, seconds=0.01).is_normal
    write_state(store.service.control, GateState("refuse", time.monotonic() + 60))
    with pytest.raises(FaultError, match="misbehaves already"):
        store.fault(s3_hangs()).inject()


class Ahead:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0

    def now(self) -> int:
        """Now, or later."""
        return MONOTONIC.now() + self.ahead

    def sleep(self, seconds: float) -> None:
        """As ever."""
        MONOTONIC.sleep(seconds)


def test_a_lease_that_lapsed_is_not_in_force_any_more(store: Store) -> None:
    """What the gate is told holds five seconds: unrenewed, it ended by itself, and that is said."""
    fault = store.fault(s3_refuses())
    fault.clock = clock = Ahead()
    fault.inject()
    told = json.loads(store.service.control.read_text())
    assert 4.0 <= told["until"] - time.monotonic() <= 5.0
    clock.ahead = 6 * 10**9

    assert not fault.still().ok
    fault.heal()
