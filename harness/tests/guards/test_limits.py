"""Shares and quorums: whatever a plan looks like, no more than is allowed is ever hit at the same time."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guards.limits import Planned, Target, at_once, hit, too_much
from harness.stack.seams import Strike

THIRD = Fraction(1, 3)
THREE = tuple(Target(f"kafka-{n}", "broker", controller=True) for n in range(3))


def brokers(count: int, *, voters: int = 0) -> tuple[Target, ...]:
    """So many brokers, the first *voters* of them controllers, and a load."""
    made = tuple(Target(f"kafka-{n}", "broker", controller=n < voters) for n in range(count))
    return (*made, Target("load-0", "load"))


def kill(*nodes: str) -> Strike:
    """A kill of *nodes*."""
    return Strike("kill", f"kill {'+'.join(nodes)}", nodes)


def cut(here: tuple[str, ...], there: tuple[str, ...]) -> Strike:
    """A partition between two groups."""
    return Strike("partition", "partition", here, there)


@pytest.mark.parametrize(
    ("strikes", "words"),
    [
        ((kill("kafka-0"),), ""),
        ((kill("kafka-0"), kill("kafka-0")), ""),
        ((kill("kafka-0", "kafka-1"),), "no majority of the 3 controllers"),
        ((kill("kafka-0"), kill("kafka-2")), "no majority of the 3 controllers"),
        ((kill("load-0"), kill("kafka-2")), ""),
        ((cut(("kafka-0",), ("kafka-1", "kafka-2")),), ""),
        ((cut(("kafka-0", "kafka-1"), ("kafka-2",)),), ""),
        ((cut(("kafka-0",), ("kafka-1",)), cut(("kafka-1",), ("kafka-2",))), "no majority"),
        ((cut(("load-0",), ("kafka-0", "kafka-1", "kafka-2")),), "no majority"),
        ((cut(("kafka-0",), ("load-0",)),), ""),
    ],
)
def test_one_of_three_may_be_hit(strikes: tuple[Strike, ...], words: str) -> None:
    """Two at a time may not, whether by one fault or by two that overlap."""
    found = too_much(strikes, THREE, Fraction(1))

    assert (found.why if found else "") == "" if not words else found is not None and words in found.why


def test_the_share_holds_where_the_quorum_would_not_mind() -> None:
    """Brokers that vote in no quorum are still only hit up to their share."""
    targets = brokers(3)

    assert too_much([kill("kafka-0")], targets, THIRD) is None
    found = too_much([kill("kafka-0", "kafka-1")], targets, THIRD)
    assert found is not None
    assert "kafka-0, kafka-1 of 3 brokers, 1/3 of them may be" in found.why
    assert too_much([kill("kafka-0", "kafka-1")], targets, Fraction(2, 3)) is None


@pytest.mark.parametrize(("voters", "may"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (7, 3)])
def test_a_majority_of_controllers_is_always_left(voters: int, may: int) -> None:
    """Whatever share is allowed: with one more of them gone, nobody could be elected."""
    targets = brokers(voters, voters=voters)
    names = [each.name for each in targets]

    assert may == 0 or too_much([kill(*names[:may])], targets, Fraction(1)) is None
    found = too_much([kill(*names[: may + 1])], targets, Fraction(1))
    assert found is not None
    assert found.what == "a quorum is never taken away"


def test_faults_count_together_only_while_they_overlap() -> None:
    """What was healed before the next begins does not count; what is still in force does."""
    one, two, three = kill("kafka-0"), kill("kafka-1"), kill("kafka-2")
    after = [Planned(one, 1, 2), Planned(two, 3, 4)]
    inside = [Planned(two, 2, 3), Planned(three, 4, 5), Planned(one, 1, 6)]

    assert at_once(after) == [(one,), (two,)]
    assert at_once(inside) == [(two, one), (three, one), (one,)]


def test_what_an_operator_leaves_alone_is_not_hit() -> None:
    """Every broker may be meant: none of them is away, and one more may be hit beside it."""
    paused = Strike("reconciliation_paused", "pause", tuple(each.name for each in THREE))

    assert hit([paused], THREE) == frozenset()
    assert too_much([paused, kill("kafka-0")], THREE, THIRD) is None


def test_a_machine_is_hit_with_all_that_runs_on_it() -> None:
    """Two brokers on one node are two brokers hit; a node that is not known yet counts as its target."""
    here = tuple(
        Target(f"kafka-{n}", "broker", machine="worker-1" if n < 2 else "worker-2") for n in range(3)
    )
    stop = Strike("kill", "stop the node", ("kafka-0",), machine=True)

    assert hit([stop], here) == {"kafka-0", "kafka-1"}
    assert hit([stop], brokers(3)) == {"kafka-0"}
    assert too_much([stop], here, THIRD) is not None
    assert too_much([kill("kafka-0")], here, THIRD) is None


def test_a_broker_that_is_down_anyway_counts() -> None:
    """With one of three not ready no other may be hit; the same one may be."""
    down = Target("kafka-1", "broker", controller=True, ready=False)
    targets = (THREE[0], down, THREE[2])

    assert too_much([kill("kafka-1")], targets, THIRD) is None
    found = too_much([kill("kafka-0")], targets, Fraction(1))
    assert found is not None
    assert "would hit kafka-0, kafka-1 (not ready as it is): no majority of the 3" in found.why


def test_who_shares_a_service_is_hit_with_it() -> None:
    """Endpoints are taken from a whole Service: all brokers behind it count, and nobody of another role."""
    strike = Strike("unlisted", "unlist broker(1)", ("kafka-0",))

    assert hit([strike], brokers(3)) == {"kafka-0", "kafka-1", "kafka-2"}


NAMES = [f"kafka-{n}" for n in range(7)]
GROUPS = st.lists(st.sampled_from([*NAMES, "load-0"]), min_size=1, unique=True).map(tuple)
CUTS = st.tuples(GROUPS, GROUPS).filter(lambda sides: not set(sides[0]) & set(sides[1]))
STRIKES = st.one_of(GROUPS.map(lambda nodes: kill(*nodes)), CUTS.map(lambda sides: cut(*sides)))
SHARES = st.fractions(min_value=Fraction(1, 7), max_value=1, max_denominator=10)


@given(st.lists(STRIKES, min_size=1, max_size=4), st.integers(1, 7), st.integers(0, 7), SHARES)
def test_what_is_allowed_leaves_a_cluster_that_can_go_on(
    strikes: list[Strike], count: int, voters: int, share: Fraction
) -> None:
    """Those that are not hit are a majority of the controllers, enough brokers, and see each other."""
    targets = brokers(count, voters=min(voters, count))
    if too_much(strikes, targets, share) is not None:
        return
    gone = hit(strikes, targets)
    left = {each.name for each in targets if each.role == "broker"} - gone
    votes = {each.name for each in targets if each.controller}

    assert not votes & gone or len(votes - gone) > len(votes) / 2
    assert count - len(left) <= math.floor(share * count)
    for strike in strikes:
        if strike.kind == "kill":
            assert not left & set(strike.nodes)
        else:
            assert not (left & set(strike.nodes) and left & set(strike.peers))


@given(st.lists(STRIKES, min_size=1, max_size=4), STRIKES, SHARES)
def test_one_more_fault_never_makes_a_refusal_go_away(
    strikes: list[Strike], more: Strike, share: Fraction
) -> None:
    """Limits are monotonic: what is too much stays too much with another fault on top."""
    targets = brokers(7, voters=5)

    if too_much(strikes, targets, share) is not None:
        assert too_much([*strikes, more], targets, share) is not None


PLANS = st.lists(st.tuples(STRIKES, st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=5)


@given(PLANS)
def test_no_instant_of_a_plan_is_forgotten(drawn: list[tuple[Strike, int, int]]) -> None:
    """At every step, what is in force is part of one of the groups that are judged."""
    plan = [Planned(strike, begins, begins + lasts) for strike, begins, lasts in drawn]
    groups = [set(group) for group in at_once(plan)]

    for step in range(20):
        now = {each.strike for each in plan if each.begins <= step < each.ends}
        assert not now or any(now <= group for group in groups)
