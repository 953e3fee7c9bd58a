"""``one_quorum_leader`` on looks written by hand: who took himself for the leader, and for how long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checkers.compose import judge
from harness.checkers.quorum import check
from harness.findings import Finding
from harness.ledger.evidence import Evidence, Samples
from harness.ledger.schema import LEADS_QUORUM
from harness.tests.checkers.build import Story, at
from harness.verdict import Verdict

BROKERS = ("broker-1", "broker-2", "broker-3")
GRACE_S = 5
"""1.5 fetch time-outs of 2 s, and two looks."""


def seen(looks: list[set[str]], asked: tuple[str, ...] = ("one_quorum_leader",)) -> Evidence:
    """A run in which, second by second, these took themselves for the leader and no other did."""
    rows = [(at(10 + s), name, float(name in led)) for s, led in enumerate(looks) for name in BROKERS]
    instants, names, values = zip(*rows, strict=True) if rows else ((), (), ())
    samples = Samples(
        t=np.asarray(instants, np.int64),
        source=np.asarray(names, object),
        name=np.asarray([LEADS_QUORUM] * len(rows), object),
        value=np.asarray(values, np.float64),
    )
    return replace(Story(asked=asked).evidence(), samples=samples)


def judged(looks: list[set[str]]) -> Finding:
    """The finding for these looks."""
    found = check(seen(looks))
    assert found is not None
    return found


ONE, BOTH = {"broker-1"}, {"broker-1", "broker-3"}


def test_two_leaders_for_long_break_it() -> None:
    """Two that lead for longer than a handover takes are one violation, with both names."""
    found = judged([ONE] * 5 + [BOTH] * 12 + [{"broker-3"}] * 5)

    assert found.verdict is Verdict.FAIL
    assert found.violations == 1
    assert found.witnesses[0].detail == "broker-1 and broker-3 took themselves for the leader for 11.0 s"
    assert found.witnesses[0].at_s == pytest.approx(15)


def test_a_split_that_lasts_to_the_end_counts() -> None:
    """Nobody has to see it end."""
    assert judged([ONE] * 2 + [BOTH] * 10).verdict is Verdict.FAIL


def test_a_handover_is_no_split() -> None:
    """The old leader may not have noticed yet, and between two there may be none."""
    found = judged([ONE] * 5 + [BOTH] * (GRACE_S + 1) + [set()] * 3 + [{"broker-3"}] * 5)

    assert found.verdict is Verdict.PASS
    assert found.compared == {"looks": 19, "looks with a leader": 16}


@pytest.mark.parametrize("looks", [[], [set()] * 20])
def test_what_was_not_seen_is_not_proven(looks: list[set[str]]) -> None:
    """Without a look, or with no leader in any, nothing is known of two of them."""
    assert judged(looks).verdict is Verdict.UNKNOWN


def test_only_who_asks_is_answered() -> None:
    """A run that does not ask has no such finding; one that does has it in its document."""
    assert check(seen([BOTH] * 20, asked=("no_loss",))) is None
    document = judge(seen([BOTH] * 20), harness_version="test")
    assert [f.verdict for f in document.findings if f.checker == "one_quorum_leader"] == [Verdict.FAIL]


@given(st.lists(st.sets(st.sampled_from(BROKERS)), min_size=1, max_size=40))
def test_it_finds_what_counting_by_hand_finds(looks: list[set[str]]) -> None:
    """Each run of looks with two leaders or more beyond the grace is a violation, nothing else is."""
    longest = "".join("x" if len(led) > 1 else " " for led in looks).split()
    assert judged(looks).violations == sum(len(run) - 1 > GRACE_S for run in longest)
