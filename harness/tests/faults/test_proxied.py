"""The delay by a proxy, with defects planted in what it works on: each must be seen."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.errors import FaultError, MissingAbility, NotExpressible, StackError
from harness.faults.cut import Cut
from harness.faults.degrade import latency
from harness.faults.leases import Cuts
from harness.faults.mechanism import Mechanism
from harness.faults.nft import (
    clear_scripts,
    install_scripts,
    lease_scripts,
    lift_scripts,
    parse_table,
    vias_at,
)
from harness.faults.places import flink, object_store
from harness.faults.prepare import prepare
from harness.faults.proxied import Port, Proxied, proxied
from harness.faults.selectors import Selector, broker, clients
from harness.faults.throttle import Throttle
from harness.stack.delays import Delays
from harness.tests.faults.fakes import FakeNode, PipelineStack
from harness.tests.faults.served import PEER, Kernel, Server

MS = 20
NO_NETEM = Delays(netem=False, toxiproxy=Path("/bin/toxiproxy-server"))


class Delayed(PipelineStack):
    """A stack that says by what it delays."""

    def __init__(self, delays: Delays) -> None:
        super().__init__()
        self.delays = delays


def made(target: Selector, delays: Delays, ms: float = MS) -> Mechanism:
    """What is prepared for a latency of *target* where there is *delays*."""
    stack = Delayed(delays)
    return prepare(latency(target, ms=ms), 1, stack, Cuts(stack.nodes)).mechanism


def test_the_kernel_delays_where_it_can_and_a_proxy_where_it_cannot() -> None:
    """Netem delays whatever is sent, so it comes first although there is a proxy."""
    assert isinstance(made(broker(1), replace(NO_NETEM, netem=True)), Throttle)
    by_proxy = made(broker(1), NO_NETEM)

    assert isinstance(by_proxy, Proxied)
    assert "enter broker-1 /bin/toxiproxy-server" in by_proxy.commands[0]
    assert "redirect to :61001" in by_proxy.commands[-1]
    assert by_proxy.undo_commands[-1].endswith("delete set inet harness via_9092_61001\nEOF")
    pairs = {str(pair) for pair in by_proxy.footprint.unsure}
    assert {pair.partition("→")[2] for pair in pairs} == {"broker-1"}


def test_a_proxy_delays_by_whole_milliseconds() -> None:
    """Rather a little more than was asked: the least that must be seen is what was asked."""
    mechanism = made(broker(1), NO_NETEM, ms=2.5)

    assert isinstance(mechanism, Proxied)
    assert 3 == mechanism.ms


@pytest.mark.parametrize(
    ("target", "delays", "why"),
    [
        (
            broker(1),
            Delays(netem=False, missing="there is none"),
            "this kernel has no netem, and there is none",
        ),
        (clients(), NO_NETEM, "no proxy can delay load-1: nothing listens there"),
        (flink(), NO_NETEM, "a jobmanager has ports that nobody knows before it opens them"),
    ],
)
def test_what_no_proxy_can_delay_is_said(target: Selector, delays: Delays, why: str) -> None:
    """As not expressible, before anything is touched."""
    with pytest.raises(NotExpressible, match=why):
        made(target, delays)


def test_everybody_but_the_node_itself_is_led() -> None:
    """The proxy connects from the node: it would be led to itself."""
    mechanism = made(object_store(), NO_NETEM)

    assert isinstance(mechanism, Proxied)
    led = {block.address for block in mechanism.redirect.blocks}
    others = {node.address for name, node in Delayed(NO_NETEM).nodes.items() if name != "s3-1"}
    assert others == led


def test_a_node_without_an_observer_that_can_speak_is_not_delayed() -> None:
    """A delay that nobody could prove is not begun."""
    with pytest.raises(NotExpressible, match="could not be proven"):
        proxied(Cuts({}), 1, {}, {}, object(), MS, frozenset())  # type: ignore[arg-type]


HERE = FakeNode("here", "s3", "127.0.0.1")


def test_a_redirection_is_sent_whole_renewed_and_cleared_away() -> None:
    """Its rules come with the first transaction only, and go with one of their own."""
    nodes, blocks = {"here": HERE}, vias_at(HERE, [PEER], {9000: 61001})

    texts = [
        scripts[0].text
        for scripts in (
            install_scripts(nodes, blocks, 5),
            lease_scripts(nodes, blocks, 5),
            lift_scripts(nodes, blocks, 5),
            clear_scripts(nodes, blocks),
        )
    ]

    assert [True, False, False, False] == ["redirect to :61001" in text for text in texts]
    assert [1, 2, 1, 0] == [text.count("add element inet harness via_9000_61001") for text in texts]
    assert [False, False, False, True] == ["delete set inet harness via_9000_61001" in text for text in texts]


def test_a_port_behind_a_proxy_disturbs_no_other_fault() -> None:
    """Packets of other ports come through as ever: what is proven with them stands."""
    cuts = Cuts({"here": HERE, "peer": PEER})
    with contextlib.suppress(MissingAbility):  # there is no such network to install it in
        cuts.install(1, vias_at(HERE, [PEER], {9000: 61001}))

    assert not cuts.disturbs(HERE, PEER)


@pytest.fixture
def server() -> Iterator[Server]:
    """One that runs."""
    made = Server()
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    yield made
    made.close()
    thread.join()


@dataclass
class FakeFront:
    """A proxy that is as the test says."""

    ports: dict[int, int]
    told: dict[int, int]
    is_alive: bool = True
    refusal: str = ""

    def commands(self, ms: int) -> tuple[str, ...]:
        """None."""
        return ()

    def start(self, ms: int) -> None:
        """Refuse, if it is to."""
        if self.refusal:
            raise StackError(self.refusal)

    def delays(self) -> dict[int, int]:
        """As set."""
        if self.refusal:
            raise StackError(self.refusal)
        return self.told

    def stop(self) -> None:
        """At once."""
        self.is_alive = False


@dataclass
class Bench:
    """The mechanism around a server, a proxy and a kernel that a test spoils."""

    server: Server
    kernel: Kernel
    front: FakeFront
    fault: Proxied


@pytest.fixture
def bench(server: Server) -> Bench:
    """One on which everything is as it should be, up to the delay itself."""
    kernel = Kernel("here", "s3", "127.0.0.1", (server.port,))
    front = FakeFront({server.port: 61001}, {server.port: MS})
    blocks = frozenset(vias_at(kernel, [PEER], front.ports))
    nodes = {"here": kernel}
    cut = Cut(Cuts(nodes), 1, nodes, blocks, severed=frozenset())
    fault = Proxied(cut, {"here": front}, nodes, FakeNode("o", "observer", "127.0.0.1"), MS, patience=0.1)
    fault._before[Port("here", server.port)] = [0.1] * 5
    return Bench(server, kernel, front, fault)


def test_a_delay_within_its_bounds_is_proven(bench: Bench) -> None:
    """The port answers as late as asked, and the kernel counted who was led."""
    bench.server.seconds = MS / 1e3

    assert (bench.fault.landed().ok, bench.fault.traces().ok) == (True, True)


def test_a_delay_that_delays_nothing_is_seen(bench: Bench) -> None:
    """Whatever the proxy says of itself."""
    assert (bench.fault.landed().ok, bench.fault.traces().ok) == (True, False)


def test_a_delay_far_beyond_what_was_asked_is_seen(bench: Bench) -> None:
    """A hanging service is another fault than a distant one."""
    bench.server.seconds = (MS * 1.5 + 50) / 1e3 + 0.02

    assert not bench.fault.traces().ok


def test_a_slow_service_in_front_of_which_no_proxy_stands_is_seen(bench: Bench) -> None:
    """It answers late by itself: nobody was led anywhere."""
    bench.server.seconds, bench.kernel.led = MS / 1e3, 0

    seen = bench.fault.traces()

    assert (False, True) == (seen.ok, "0 connections were led to its proxy" in seen.words)


def test_a_service_that_gives_no_answer_proves_nothing(bench: Bench) -> None:
    """Neither the delay, nor that it is over."""
    bench.server.silent = True

    traces = bench.fault.traces()
    bench.front.is_alive = bench.kernel.ruled = False
    healed = bench.fault.healed()

    assert (False, False) == (traces.ok, healed.ok)
    assert "gives no answer" in traces.words
    with pytest.raises(FaultError, match="does not answer"):
        bench.fault.inject()


@pytest.mark.parametrize("ms", [0, MS - 1, MS + 1])
def test_a_proxy_that_was_told_something_else_is_seen(bench: Bench, ms: int) -> None:
    """It says itself what it does to each port."""
    bench.front.told = {bench.server.port: ms}

    assert not bench.fault.landed().ok


def test_a_proxy_that_does_not_speak_or_start_is_told(bench: Bench) -> None:
    """In its own words, as a fault that could not be injected."""
    bench.front.refusal, bench.kernel.ruled = "no room", False

    assert "no room" in bench.fault.landed().words
    with pytest.raises(FaultError, match="no room"):
        bench.fault.inject()


def test_a_node_is_behind_one_proxy_at_a_time(bench: Bench) -> None:
    """The second delay would be healed by the first healing: it is refused."""
    with pytest.raises(FaultError, match="here is behind a proxy already"):
        bench.fault.inject()


def test_nobody_led_is_no_delay(bench: Bench) -> None:
    """A proxy that runs and that no peer is led to delays nothing, now or later."""
    bench.kernel.elements = 0

    assert (False, False) == (bench.fault.landed().ok, bench.fault.still().ok)


def test_a_proxy_that_died_did_not_stay(bench: Bench) -> None:
    """Although everybody was led to it until the end."""
    assert bench.fault.still().ok
    bench.front.is_alive = False

    assert (False, "the proxy of here ended by itself") == (
        bench.fault.still().ok,
        bench.fault.still().words,
    )


@pytest.mark.parametrize(("alive", "ruled", "late"), [(True, False, 0), (False, True, 0), (False, False, 1)])
def test_what_is_left_of_a_delay_is_seen(bench: Bench, alive: bool, ruled: bool, late: int) -> None:  # noqa: FBT001
    """A proxy, a rule, or a port that is still slow: none of them is a healing."""
    bench.front.is_alive, bench.kernel.ruled, bench.server.seconds = alive, ruled, late * MS / 1e3

    assert not bench.fault.healed().ok


def test_a_healing_is_proven_by_a_prompt_answer(bench: Bench) -> None:
    """Or, where another fault holds the node, by there being nothing left."""
    bench.front.is_alive = bench.kernel.ruled = False
    assert "answers after" in bench.fault.healed().words

    bench.server.silent, bench.fault.disturbed = True, lambda _: True
    seen = bench.fault.healed()
    assert (True, True) == (seen.ok, "another fault is on its way here" in seen.words)


def test_the_sets_of_ports_behind_a_proxy_are_told_from_others() -> None:
    """Empty ones too: that their rules are still there is what a healing must not overlook."""
    text = '{"nftables": [{"set": {"name": "via_1_2"}}, {"set": {"name": "drop_in"}}]}'

    assert frozenset({"via_1_2"}) == parse_table("here", text).vias
