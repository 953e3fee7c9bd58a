"""A cut where one side is only an address, which nobody can enter: it stands at the other end."""

from __future__ import annotations

import pytest

from harness.faults.cut import Cut, cut_between
from harness.faults.leases import LEASE_SECONDS, Cuts
from harness.faults.reach import Pair, all_pairs
from harness.faults.spec import Direction
from harness.tests.fakes import FakeClock
from harness.tests.faults.orchestrated import PodStack

API, BROKERS = ("api",), ("broker-1", "broker-2")


def cut(here: tuple[str, ...], there: tuple[str, ...], direction: Direction = "both") -> Cut:
    """Prepared, not in force."""
    stack = PodStack()
    cuts, pairs = Cuts(stack.nodes), all_pairs(stack)
    return cut_between(cuts, 1, stack.nodes, (here, there), direction=direction, how="drop", pairs=pairs)


def placed(made: Cut) -> set[tuple[str, str, str]]:
    """Where which set holds which address."""
    return {(block.node, block.set_name, block.address) for block in made.blocks}


def test_the_smaller_side_holds_a_cut() -> None:
    """Between nodes that can be entered it stands where fewer kernels are touched."""
    assert {block.node for block in cut(BROKERS, ("broker-3",)).blocks} == {"broker-3"}


def test_a_cut_from_an_address_stands_at_the_other_end() -> None:
    """Whichever side the address is on, and however few it is, its peers hold the blocks."""
    blocks = {(name, way, "10.96.0.1") for name in BROKERS for way in ("drop_in", "drop_out")}

    assert placed(cut(BROKERS, API)) == blocks
    assert placed(cut(API, BROKERS)) == blocks
    assert placed(cut(API, ("broker-1",))) == {each for each in blocks if each[0] == "broker-1"}


def test_the_direction_is_turned_with_the_side() -> None:
    """What the address should not receive is what its peer does not send; from a peer nothing is turned."""
    assert placed(cut(API, ("broker-1",), "in")) == {("broker-1", "drop_out", "10.96.0.1")}
    assert placed(cut(("broker-1",), API, "in")) == {("broker-1", "drop_in", "10.96.0.1")}


def test_nobody_connects_from_an_address() -> None:
    """It is a target of connections and never a source, so a cut severs one direction of opening only."""
    pairs = all_pairs(PodStack())

    assert Pair("broker-1", "api") in pairs
    assert not [pair for pair in pairs if pair.source == "api"]
    assert cut(BROKERS, API).footprint.severed == {Pair(name, "api") for name in BROKERS}


@pytest.mark.parametrize(("took", "lapsed"), [(LEASE_SECONDS - 1.0, False), (LEASE_SECONDS, True)])
def test_a_renewal_that_arrives_late_hides_no_gap(
    monkeypatch: pytest.MonkeyPatch, took: float, *, lapsed: bool
) -> None:
    """What a kernel may have ended before the renewal reached it counts as lapsed, asked in time or not."""
    stack, clock = PodStack(), FakeClock()
    monkeypatch.setattr("harness.faults.leases.run_scripts", lambda _scripts: None)
    cuts = Cuts(stack.nodes, clock=clock, renew_seconds=60)
    made = cut(BROKERS, API)
    cuts.install(1, made.blocks)
    monkeypatch.setattr("harness.faults.leases.run_scripts", lambda _scripts: clock.sleep(took))
    cuts.renew()
    cuts.close()

    assert cuts.lapsed(made.blocks) == (made.blocks if lapsed else frozenset())
