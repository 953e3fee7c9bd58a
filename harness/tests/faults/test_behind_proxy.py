"""The delay by a standing proxy, with defects planted in what it works on: each must be seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.behind_proxy import BehindProxy, behind_proxy
from harness.faults.degrade import latency
from harness.faults.leases import Cuts
from harness.faults.mechanism import Mechanism
from harness.faults.places import flink, object_store
from harness.faults.prepare import prepare
from harness.faults.proxied import Proxied
from harness.faults.selectors import Selector, broker
from harness.stack.delays import Delays
from harness.stack.toxiproxy.proxies import Delayer
from harness.tests.faults.fakes import FakeNode, PipelineStack
from harness.tests.faults.served import Server

MS = 40
OBSERVER = FakeNode("observer", "observer", "127.0.0.1")


@dataclass
class FakeProxy:
    """A proxy at *front* that delays as it is told, unless the test spoils it."""

    front: Server
    told: int = 0
    obeys: bool = True
    refusal: str = ""

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self.front.port

    def commands(self, ms: int) -> tuple[str, ...]:
        """One."""
        return (f"delay {ms}" if ms else "free",)

    def delay(self, ms: int) -> None:
        """Delay, or only say so."""
        if self.refusal:
            raise StackError(self.refusal)
        self.told = ms
        self.front.seconds = ms / 1e3 if self.obeys else 0.0

    def free(self) -> None:
        """Stop."""
        self.told, self.front.seconds = 0, 0.0

    def delayed(self) -> int:
        """As it was told."""
        return self.told


@dataclass
class Bench:
    """The mechanism around a port, and the proxy in front of it."""

    own: Server
    proxy: FakeProxy
    fault: BehindProxy


@pytest.fixture(name="bench")
def _bench() -> Iterator[Bench]:
    """One on which everything is as it should be."""
    own, front = Server(), Server()
    threads = [threading.Thread(target=port.serve, daemon=True) for port in (own, front)]
    for thread in threads:
        thread.start()
    proxy = FakeProxy(front)
    node = FakeNode("here", "s3", "127.0.0.1", (own.port,))
    fault = BehindProxy({"here": node}, {"here": proxy}, OBSERVER, MS, patience=0.1)
    yield Bench(own, proxy, fault)
    for port in (own, front):
        port.close()
    for thread in threads:
        thread.join()


class Fronted(PipelineStack):
    """A stack whose brokers and object store have a proxy."""

    delays = Delays(netem=False, toxiproxy=Path("/bin/toxiproxy-server"))

    def __init__(self) -> None:
        super().__init__()
        behind = [name for name, node in self.nodes.items() if node.role in {"broker", "s3"}]
        self.proxies: dict[str, Delayer] = {name: FakeProxy(Server()) for name in behind}


def made(target: Selector) -> Mechanism:
    """What is prepared for a latency of *target*."""
    stack = Fronted()
    return prepare(latency(target, ms=MS + 0.5), 1, stack, Cuts(stack.nodes)).mechanism


@pytest.mark.parametrize("target", [broker(1), object_store()])
def test_whoever_has_a_proxy_is_delayed_by_it(target: Selector) -> None:
    """In whole milliseconds, rather a little more than asked; connections are none of its business."""
    mechanism = made(target)

    assert isinstance(mechanism, BehindProxy)
    assert (mechanism.commands, mechanism.undo_commands) == ((f"delay {MS + 1}",), ("free",))
    assert mechanism.undo == ({"do": "free", "node": next(iter(mechanism.nodes))},)
    assert not mechanism.footprint.severed | mechanism.footprint.unsure


def test_who_has_none_is_delayed_as_elsewhere() -> None:
    """By what the kernel or the user has, or it is said why not."""
    with pytest.raises(NotExpressible, match="a jobmanager has ports that nobody knows"):
        made(flink())
    stack = Fronted()
    del stack.proxies["broker-1"]

    assert isinstance(prepare(latency(broker(1), ms=MS), 1, stack, Cuts(stack.nodes)).mechanism, Proxied)


def test_what_cannot_be_proven_is_not_made() -> None:
    """A node that answers nobody's question shows no delay."""
    node = FakeNode("here", "taskmanager", "127.0.0.1", (1,))

    with pytest.raises(NotExpressible, match="the delay could not be proven"):
        behind_proxy({"here": node}, {"here": FakeProxy(Server())}, OBSERVER, MS)


def test_a_delay_is_proven_and_its_end_too(bench: Bench) -> None:
    """Clients wait as long as asked, nobody else does, and both are prompt after."""
    bench.fault.inject()
    assert (bench.fault.landed().ok, bench.fault.traces().ok, bench.fault.still().ok) == (True, True, True)
    bench.fault.heal()
    bench.fault.heal()

    healed = bench.fault.healed()
    assert healed.ok
    assert healed.words.startswith("no toxic is left; here answers clients after")


def test_a_proxy_that_delays_nothing_is_seen(bench: Bench) -> None:
    """Whatever it says of itself."""
    bench.proxy.obeys = False
    bench.fault.inject()

    assert (bench.fault.landed().ok, bench.fault.traces().ok) == (True, False)


def test_a_delay_far_beyond_what_was_asked_is_seen(bench: Bench) -> None:
    """A hanging service is another fault than a distant one."""
    bench.fault.inject()
    bench.proxy.front.seconds = (MS * 1.5 + 50) / 1e3 + 0.02

    assert not bench.fault.traces().ok


def test_a_service_that_is_slow_to_everybody_is_seen(bench: Bench) -> None:
    """Then it is not the proxy that delays."""
    bench.fault.inject()
    bench.own.seconds = MS / 1e3

    seen = bench.fault.traces()
    assert not seen.ok
    assert "past the proxy after" in seen.words


def test_a_toxic_that_somebody_took_away_did_not_stay(bench: Bench) -> None:
    """As the watchdog does when the heart does not beat."""
    bench.fault.inject()
    bench.proxy.free()

    seen = bench.fault.still()
    assert (seen.ok, seen.words) == (False, f"the proxy delays here by 0 ms, not by {MS} ms")


def test_a_toxic_that_stays_is_no_healing(bench: Bench) -> None:
    """Nor is an answer that is still late."""
    bench.fault.inject()
    assert "still slow: the proxy of here delays by 40 ms" in bench.fault.healed().words
    bench.fault.heal()
    bench.proxy.front.seconds = MS / 1e3

    assert not bench.fault.healed().ok


def test_a_node_is_delayed_once_at_a_time(bench: Bench) -> None:
    """The second is refused, and its healing leaves the first one's toxic alone."""
    bench.proxy.delay(MS)

    with pytest.raises(FaultError, match="here is delayed already"):
        bench.fault.inject()
    bench.fault.heal()
    assert bench.proxy.delayed() == MS


def test_a_proxy_that_refuses_is_told_in_its_words(bench: Bench) -> None:
    """And is freed all the same: it may have done half of it."""
    bench.proxy.refusal = "no room"

    with pytest.raises(FaultError, match="no room"):
        bench.fault.inject()
    bench.proxy.told = MS
    bench.fault.heal()
    assert bench.proxy.delayed() == 0


def test_a_service_that_gives_no_answer_proves_nothing(bench: Bench) -> None:
    """Neither the delay, nor that it is over, nor can one be injected."""
    bench.fault.inject()
    bench.proxy.front.silent = True

    assert "gives no answer" in bench.fault.traces().words
    bench.fault.heal()
    assert not bench.fault.healed().ok
    with pytest.raises(FaultError, match="here does not answer its clients"):
        bench.fault.inject()


def test_behind_another_fault_nothing_is_asked(bench: Bench) -> None:
    """A node that is cut off meanwhile is not waited for."""
    bench.fault.inject()
    bench.fault.heal()
    bench.fault.disturbed = lambda _: True
    bench.proxy.front.silent = True

    assert bench.fault.healed().words == "no toxic is left; here: another fault is on its way here"
