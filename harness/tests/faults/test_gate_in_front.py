"""A gate put in front of a store while a fault lasts, with defects planted in what it works on."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.cut import Cut
from harness.faults.degrade import s3_refuses
from harness.faults.gate import gated
from harness.faults.gate_in_front import GateInFront
from harness.faults.leases import Cuts
from harness.faults.mechanism import Mechanism
from harness.faults.nft import vias_at
from harness.faults.prepare import prepare
from harness.stack.objects.temporary_gate import GATE_PORT, TemporaryGate
from harness.stack.seams import Service
from harness.tests.faults.fakes import FakeProcess, FakeService, PipelineStack
from harness.tests.faults.served import PEER, Kernel
from harness.tests.faults.test_gate import BODY

STATUS = 503


@dataclass
class Plain:
    """A service without a gate or a disk of its own."""

    process: FakeProcess

    def start(self) -> None:
        """Nothing."""

    def wait_ready(self, seconds: float) -> str:
        """At once."""
        return "ready"

    def wipe(self) -> None:
        """Nothing."""


class Stored(PipelineStack):
    """A stack whose store has no gate; *proxied*: one of Docker's proxies stands there."""

    def __init__(self, *, proxied: bool = False) -> None:
        super().__init__()
        self.services: dict[str, Service] = {**self.services, "s3-1": Plain(FakeProcess(9))}
        self.proxies = {"s3-1": SimpleNamespace(port=61_001)} if proxied else {}


def made(stack: PipelineStack) -> Mechanism:
    """What is prepared for a refusal."""
    return prepare(s3_refuses(), 1, stack, Cuts(stack.nodes)).mechanism


def test_a_store_without_a_gate_gets_one() -> None:
    """It is started in the store's network, and everybody but the store itself is led to it."""
    stack = Stored()

    fault = made(stack)

    assert isinstance(fault, GateInFront)
    assert fault.commands[0].startswith("enter s3-1 ")
    assert (
        fault.commands[0]
        .split("harness.stack.objects.s3_gate ")[1]
        .startswith("198.18.0.61:61100 198.18.0.61:9000 ")
    )
    assert "redirect to :61100" in fault.commands[-1]
    others = {node.address for name, node in stack.nodes.items() if name != "s3-1"}
    assert others == {block.address for block in fault.redirect.blocks}
    assert fault.undo_commands[-1].endswith("delete set inet harness via_9000_61100\nEOF")
    assert {"do": "end", "node": "s3-1"} in fault.undo


def test_who_comes_by_a_proxy_is_led_to_the_gate_too() -> None:
    """Else Flink, whose way to the store is Docker's Toxiproxy, would meet none of the fault."""
    fault = made(Stored(proxied=True))

    assert isinstance(fault, GateInFront)
    assert {"via_9000_61100", "via_61001_61100"} == {block.set_name for block in fault.redirect.blocks}


def test_where_nobody_can_be_led_there_is_no_such_fault() -> None:
    """A node whose network is out of reach: not expressible, before anything is touched."""
    stack = Stored()
    stack.nodes = {**stack.nodes, "s3-1": SimpleNamespace(name="s3-1", role="s3", address="", ports=(9000,))}

    with pytest.raises(NotExpressible, match="none can be put there"):
        made(stack)


def test_a_gate_listens_where_no_proxy_does(tmp_path: Path) -> None:
    """At one port for all the ways to the store; its files lie among the logs."""
    gate = TemporaryGate(PipelineStack().nodes["s3-1"], "s3_hang", tmp_path, fronts=[61_001])

    assert {9000: GATE_PORT, 61_001: GATE_PORT} == gate.ports
    assert tmp_path == gate.control.parent == gate.stats.parent
    assert not gate.is_alive
    gate.stop()


class Refuser(http.server.BaseHTTPRequestHandler):
    """A gate that refuses everything, or a store that says no to strangers: as ``status`` says."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(self.server.status)  # type: ignore[attr-defined] # set by the fixture
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@dataclass
class FakeGate:
    """A gate that is as the test says."""

    control: Path
    stats: Path
    ports: dict[int, int]
    is_alive: bool = True
    refusal: str = ""
    commands: tuple[str, ...] = ()

    def start(self) -> None:
        """Refuse, if it is to."""
        if self.refusal:
            raise StackError(self.refusal)

    def stop(self) -> None:
        """At once."""
        self.is_alive = False


@dataclass
class Bench:
    """The mechanism around a server, a gate and a kernel that a test spoils."""

    server: http.server.HTTPServer
    kernel: Kernel
    gate: FakeGate
    fault: GateInFront

    def tell(self) -> None:
        """As if it had been injected: everything but the kernel's part."""
        self.fault.told.inject()
        self.gate.stats.write_text(json.dumps(dict.fromkeys(STATS, 0) | {"refused": 3}))


STATS = ("requests", "meant", "refused", "slowed", "truncated", "hung", "delayed_ms", "bytes_in", "bytes_out")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """One on which everything is as it should be."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuser)
    server.status = STATUS  # type: ignore[attr-defined] # read by the handler
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    port = int(server.server_address[1])
    kernel = Kernel("here", "s3", "127.0.0.1", (port,), to=GATE_PORT)
    gate = FakeGate(tmp_path / "control", tmp_path / "stats", {port: GATE_PORT})
    nodes = {"here": kernel}
    cut = Cut(Cuts(nodes), 1, nodes, frozenset(vias_at(kernel, [PEER], gate.ports)), severed=frozenset())
    told = gated(s3_refuses(status=STATUS), {"here": gate}, nodes, frozenset())
    made = Bench(server, kernel, gate, GateInFront(cut, {"here": gate}, told))
    yield made
    made.fault.told.heal()
    server.shutdown()
    server.server_close()


def test_a_fault_that_clients_meet_is_proven(bench: Bench) -> None:
    """Requests of our own get the answer that was asked for, and the kernel counted who was led."""
    bench.tell()

    landed, traces, still = bench.fault.landed(), bench.fault.traces(), bench.fault.still()

    assert (True, True, True) == (landed.ok, traces.ok, still.ok), (landed, traces, still)
    assert "5 connections to here were led to its gate" in traces.words


def test_a_store_that_refuses_by_itself_is_no_fault_of_ours(bench: Bench) -> None:
    """Nobody was led anywhere: what the requests met is not what was injected."""
    bench.tell()
    bench.kernel.led = 0

    assert bench.fault.landed().ok
    assert not bench.fault.traces().ok


def test_nobody_led_is_no_fault(bench: Bench) -> None:
    """A gate that runs and that no client is led to does nothing, now or later."""
    bench.tell()
    bench.kernel.elements = 0

    assert (False, False) == (bench.fault.landed().ok, bench.fault.still().ok)


def test_a_gate_that_answers_as_ever_is_seen(bench: Bench) -> None:
    """Whoever is led to it gets what the store says."""
    bench.tell()
    bench.server.status = 403  # type: ignore[attr-defined] # read by the handler

    assert not bench.fault.landed().ok


def test_a_gate_that_died_did_not_stay(bench: Bench) -> None:
    """Although everybody was led to it until the end."""
    bench.tell()
    bench.gate.is_alive = False

    assert (False, "the gate of here ended by itself") == (bench.fault.still().ok, bench.fault.still().words)


def test_a_gate_that_does_not_start_is_told(bench: Bench) -> None:
    """In its own words, as a fault that could not be injected; of which nothing is left."""
    bench.kernel.ruled, bench.gate.refusal, bench.gate.is_alive = False, "no room", False

    with pytest.raises(FaultError, match="no room"):
        bench.fault.inject()
    assert bench.fault.healed().ok


def test_a_second_gate_of_a_store_is_refused(bench: Bench) -> None:
    """The first healing would end both."""
    with pytest.raises(FaultError, match="a proxy or a gate stands in front of here already"):
        bench.fault.inject()


@pytest.mark.parametrize(
    ("alive", "ruled", "status"), [(True, False, 403), (False, True, 403), (False, False, 503)]
)
def test_what_is_left_is_seen(bench: Bench, alive: bool, ruled: bool, status: int) -> None:  # noqa: FBT001
    """A gate, a rule, or a store that refuses: none of them is a healing."""
    bench.tell()
    bench.gate.is_alive, bench.kernel.ruled, bench.kernel.elements = alive, ruled, 0
    bench.server.status = status  # type: ignore[attr-defined] # read by the handler
    bench.fault.told.patience = 0.2

    assert not bench.fault.healed().ok


def test_a_healing_is_proven_by_an_answer_of_the_store(bench: Bench) -> None:
    """Nothing of ours is left, and it says what it says to strangers."""
    bench.tell()
    bench.gate.is_alive = bench.kernel.ruled = False
    bench.server.status = 403  # type: ignore[attr-defined] # read by the handler

    healed = bench.fault.healed()

    assert (True, True) == (healed.ok, "here answers 403" in healed.words)


def test_what_another_fault_told_is_left_alone(bench: Bench) -> None:
    """A fault that was refused undoes nothing of the one because of which it was."""
    bench.tell()
    service = FakeService(FakeProcess(1), control=bench.gate.control, stats=bench.gate.stats)
    second = gated(s3_refuses(), {"here": service}, {"here": bench.kernel}, frozenset())

    with pytest.raises(FaultError, match="misbehaves already"):
        second.inject()
    second.heal()

    assert second.healed().ok
    assert bench.gate.control.exists()
