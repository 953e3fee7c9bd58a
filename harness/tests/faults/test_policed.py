"""A rate by a node's own packet filter: its rules, and defects planted in what proves it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from harness.errors import FaultError, NotExpressible
from harness.faults import cut, policed, rates
from harness.faults.degrade import bandwidth
from harness.faults.leases import Cuts
from harness.faults.mechanism import Mechanism
from harness.faults.nft import Block, Standing, install_scripts, lift_scripts, losses_at, parse_table
from harness.faults.policed import Policed, policed_at
from harness.faults.policing import Flow
from harness.faults.prepare import prepare
from harness.faults.selectors import all_brokers, broker
from harness.faults.throttle import Throttle
from harness.faults.traffic import Way
from harness.stack.namespaces.netns import Onlooker
from harness.stack.seams import Node
from harness.tests.faults.fakes import FakeNode, FakeStack

HERE = FakeNode("here", "broker", "198.18.0.1", cable="")
THERE = FakeNode("there", "broker", "198.18.0.2", cable="")
FAR = FakeNode("far", "observer", "198.18.0.3")
NODES: Mapping[str, Node] = {node.name: node for node in (FAR, HERE, THERE)}
MBIT = 8.0
BYTES = 1_000_000
OWN = {Block("here", "rate_8000", node.address) for node in (THERE, FAR)}


def made(holder: int = 1, cuts: Cuts | None = None) -> Policed:
    """The rate of ``here``."""
    return policed_at(cuts or Cuts(NODES), holder, NODES, ("here",), MBIT, frozenset())


def test_a_rate_has_a_set_and_a_limit_for_each_direction() -> None:
    """All peers share it, for one lease; what the node says to itself is not limited."""
    (install,) = install_scripts(NODES, made().cut.blocks, 5)

    limit = "counter limit rate over 1000000 bytes/second burst 16384 bytes counter drop"
    assert f"rate_8000_input ip saddr @rate_8000 {limit}\n" in install.text
    assert f"rate_8000_output ip daddr @rate_8000 {limit}\n" in install.text
    assert 'rate_8000_input iifname "lo" accept' in install.text
    assert 'rate_8000_output oifname "lo" accept' in install.text
    for address in ("198.18.0.2", "198.18.0.3"):
        assert f"add element inet harness rate_8000 {{ {address} timeout 5s }}" in install.text
    assert "198.18.0.1 " not in install.text


def test_a_rate_is_lifted_without_a_word_to_other_rules() -> None:
    """A loss beside it stays as it is."""
    blocks = [*made().cut.blocks, *losses_at(HERE, [THERE], 0.1)]

    (install,) = install_scripts(NODES, blocks, 5)
    (lift,) = lift_scripts(NODES, OWN, 5)

    assert "add set inet harness loss_100 " in install.text
    assert "delete element inet harness rate_8000 { 198.18.0.2 }" in lift.text
    assert "loss_100" not in lift.text
    assert "flush chain" not in lift.text


def _rule(chain: str, found: str, first: int, last: int) -> dict[str, object]:
    counts = [{"counter": {"packets": number // 100, "bytes": number}} for number in (first, last)]
    expressions = [{"match": {"right": f"@{found}"}}, counts[0], {"limit": {}}, counts[1], {"drop": None}]
    return {"rule": {"chain": chain, "expr": expressions}}


def test_the_kernels_counts_of_a_rate_and_of_a_loss_are_told_apart() -> None:
    """A rate counts bytes for each direction; a loss its packets, as ever."""
    rules = [
        _rule("rate_8000_input", "rate_8000", 5000, 1000),
        _rule("rate_8000_output", "rate_8000", 700, 0),
        _rule("loss_100_input", "loss_100", 100_000, 9_700),
        {"rule": {"chain": "rate_8000_input", "expr": [{"match": {"right": "lo"}}, {"accept": None}]}},
        {"set": {"name": "rate_8000", "elem": [{"elem": {"val": "198.18.0.2", "timeout": 5}}]}},
    ]

    seen = parse_table("here", json.dumps({"nftables": rules}))

    assert seen.flows == {"rate_8000_input": Flow(5000, 1000), "rate_8000_output": Flow(700, 0)}
    assert (seen.lost, seen.met) == ({"loss_100": 97}, {"loss_100": 1000})
    assert seen.blocks == {Block("here", "rate_8000", "198.18.0.2")}


@dataclass
class Kernel:
    """What ``here`` lets pass when it is poured to, in bytes a second, and how much its rule counts of it.

    The clock moves by what a pour takes; a limit that was idle lets a second's worth pass before.
    """

    passes: float
    counts: float = 1.0
    sends: float = 1.0
    blocks: set[Block] = field(default_factory=lambda: set(OWN))
    flows: dict[str, Flow] = field(default_factory=dict)
    poured: list[str] = field(default_factory=list)
    now_s: float = 0.0

    def pour(self, way: Way, offered: float, seconds: float) -> tuple[float, float]:
        """See ``harness.faults.traffic.poured``."""
        self.poured.append(str(way))
        chain = "rate_8000_output" if way.source.name == "here" else "rate_8000_input"
        tried = self.sends * offered
        met = 3 * tried
        passed = min(met, BYTES + 16_384 + 3 * self.passes)
        self.flows[chain] = Flow(round(self.counts * met), round(self.counts * (met - passed)))
        self.now_s += 1.6  # each of two
        return tried, min(tried, self.passes)

    def now(self) -> int:
        """In nanoseconds."""
        return int(self.now_s * 1e9)

    def standing(self, node: Node) -> Standing:
        """See ``harness.faults.nft.standing``."""
        return Standing(frozenset(self.blocks), {}, flows=dict(self.flows))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Kernel]:
    """Puts a kernel under the mechanism."""

    def put(passes: float, **more: float) -> Kernel:
        found = Kernel(passes, **more)  # type: ignore[arg-type] # numbers alone
        monkeypatch.setattr(policed, "poured", found.pour)
        monkeypatch.setattr(policed, "standing", found.standing)
        monkeypatch.setattr(policed, "MONOTONIC", found)
        monkeypatch.setattr(policed, "BACK_AT_MOST_SECONDS", 0.0)
        monkeypatch.setattr(cut, "standing", found.standing)
        return found

    return put


def test_a_rate_that_is_kept_is_proven(kernel: Callable[..., Kernel]) -> None:
    """By what came of our own, and by what the kernel counted: out of the node, and into it."""
    found = kernel(BYTES)

    seen = made().traces()

    assert seen.ok
    assert seen.words == "here sends 7.5 and gets 7.5 Mbit/s at full load (ours of it 8.0 and 8.0)"
    assert sorted(found.poured) == ["here→there", "there→here"]
    assert made().landed().ok


@pytest.mark.parametrize(
    ("passes", "more", "words"),
    [
        (2 * BYTES, {}, "ours of it 16.0 and 16.0"),
        (1.4 * BYTES, {}, "ours of it 11.2 and 11.2"),
        (0.1 * BYTES, {}, "ours of it 0.8 and 0.8"),
        (BYTES, {"counts": 0.0}, "sends 0.0 and gets 0.0"),
        (BYTES, {"sends": 0.6}, "only 9.6 Mbit/s could be sent through here: it was not tried"),
        (BYTES, {"sends": 0.0}, "only 0.0 Mbit/s could be sent through here: it was not tried"),
    ],
    ids=["twice as fast", "a little too fast", "cut", "no rule", "a busy sender", "no traffic"],
)
def test_a_rate_that_is_another_is_not_proven(
    kernel: Callable[..., Kernel], passes: float, more: dict[str, float], words: str
) -> None:
    """Too fast, too slow, not by the rule, or not tried."""
    kernel(passes, **more)

    seen = made().traces()

    assert not seen.ok
    assert words in seen.words


def test_a_rate_has_a_least_and_a_most() -> None:
    """Half of it is the least, by all traffic; three tenths more is the most, by all and by our own."""
    own = (2 * BYTES, 0.4 * BYTES)
    for share, ok in [(0.49, False), (0.51, True), (1.29, True), (1.31, False)]:
        assert ok is rates.judged("here", MBIT, (own, own), (share * BYTES, BYTES)).ok, share
        assert ok is rates.judged("here", MBIT, (own, own), (BYTES, share * BYTES)).ok, share


def test_own_traffic_that_is_too_fast_disproves_a_rate_whatever_the_kernel_counts() -> None:
    """In one direction alone, too."""
    slow, fast = (2 * BYTES, BYTES), (2 * BYTES, 1.31 * BYTES)

    assert not rates.judged("here", MBIT, (slow, fast), (BYTES, BYTES)).ok
    assert not rates.judged("here", MBIT, (fast, slow), (BYTES, BYTES)).ok


def test_a_healing_is_proven_by_traffic_once_no_block_is_left(kernel: Callable[..., Kernel]) -> None:
    """A block that stands, or traffic that is still slow, is no healing."""
    found = kernel(2 * BYTES)

    assert "still in the kernel: here rate_8000" in made().healed().words
    assert found.poured == []
    found.blocks.clear()
    healed = made().healed()
    assert (healed.ok, healed.words) == (
        True,
        "no block left in inet harness; here sends and gets 16 Mbit/s again",
    )
    found.passes = BYTES
    slow = made().healed()
    assert (slow.ok, slow.words) == (False, "here is still slow: last seen: 8.0 Mbit/s")


def test_a_healing_under_another_fault_goes_another_way_or_says_so(
    kernel: Callable[..., Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is lost or cut between two nodes proves nothing; with some other node it may be proven."""
    monkeypatch.setattr("harness.faults.leases.run_scripts", lambda _: None)
    found, cuts = kernel(2 * BYTES), Cuts(NODES)
    found.blocks.clear()
    cuts.install(7, losses_at(HERE, [THERE], 0.1))
    assert made(cuts=cuts).healed().ok
    assert sorted(found.poured) == ["far→here", "here→far"]

    cuts.install(8, losses_at(HERE, [FAR], 0.1))
    under = made(cuts=cuts).healed()
    cuts.close()
    assert (under.ok, len(found.poured)) == (True, 2)
    assert "here: nothing of it is left, and another fault is on its way here" in under.words


def test_a_rate_disturbs_what_others_prove(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a rate packets are lost: neither a loss nor a delay is judged on such a way."""
    monkeypatch.setattr("harness.faults.leases.run_scripts", lambda _: None)
    cuts = Cuts(NODES)
    cuts.install(1, OWN)

    assert cuts.disturbs(THERE, HERE)
    assert not cuts.disturbs(THERE, FAR)
    cuts.close()


def test_a_node_is_not_throttled_twice(kernel: Callable[..., Kernel]) -> None:
    """Of two rates only the smaller could be proven."""
    kernel(BYTES)

    with pytest.raises(FaultError, match="here is throttled already"):
        made().inject()


class Mute:
    """A node to which nobody can send for the harness."""

    name, role, address, ports = "broker-1", "broker", "198.18.0.1", ()

    def enter(self, argv: list[str]) -> list[str]:
        """As it is."""
        return argv


def _stack(**nodes: object) -> FakeStack:
    stack = FakeStack()
    bare = {name: replace(node, cable="") for name, node in stack.nodes.items() if isinstance(node, FakeNode)}
    stack.nodes = {**bare, **nodes}  # type: ignore[dict-item] # some are less than nodes on purpose
    return stack


def _made(stack: FakeStack, target: int = 1) -> Mechanism:
    return prepare(bandwidth(broker(target), to_mbit=5), 1, stack, Cuts(stack.nodes)).mechanism


def test_a_cable_within_reach_is_shaped_and_else_packets_are_dropped() -> None:
    """All other nodes share the rate, the harness too; another pod is its witness before the harness is."""
    stack = _stack(observer=Onlooker("198.18.0.99"))

    limit = _made(stack)

    assert isinstance(limit, Policed)
    assert {block.node for block in limit.cut.blocks} == {"broker-1"}
    assert {block.set_name for block in limit.cut.blocks} == {"rate_5000"}
    assert {block.address for block in limit.cut.blocks} == {
        node.address for node in stack.nodes.values() if node.name != "broker-1"
    }
    witnesses = [node.name for node in limit.peers["broker-1"]]
    assert witnesses == ["broker-2", "broker-3", "load-1", "observer"]
    assert isinstance(_made(FakeStack()), Throttle)


def test_of_several_targets_each_has_its_own_rate() -> None:
    """A node without a rate is the better witness."""
    stack = _stack()
    limit = prepare(bandwidth(all_brokers(), to_mbit=5), 1, stack, Cuts(stack.nodes)).mechanism

    assert isinstance(limit, Policed)
    assert {block.node for block in limit.cut.blocks} == {"broker-1", "broker-2", "broker-3"}
    assert [node.name for node in limit.peers["broker-2"]] == ["load-1", "observer", "broker-1", "broker-3"]


def test_where_nothing_can_be_sent_a_rate_is_not_expressible() -> None:
    """It could not be proven: neither on the cable, nor by packets of our own."""
    with pytest.raises(NotExpressible, match="its cable cannot be reached"):
        _made(_stack(**{"broker-1": Mute()}))
    with pytest.raises(NotExpressible, match="no other node can prove a rate"):
        policed_at(Cuts({}), 1, {"here": HERE}, ("here",), MBIT, frozenset())
