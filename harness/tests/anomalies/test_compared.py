"""What was compared: a check says PASS only where something could have been a violation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.anomalies.facts import Facts
from harness.anomalies.found import Found, finding
from harness.anomalies.numbered import numbered
from harness.history.table import tabulate
from harness.tests.anomalies.planted import Telling, both, declaring, in_transaction
from harness.tests.anomalies.told import Story
from harness.verdict import Verdict

IDLE: dict[str, tuple[str, Telling]] = {
    "no transaction was committed": (
        "torn_transaction",
        lambda: (
            both(Story()).send(2, 2, transaction="t").ends("t", "abort").poll(0, 4, (0, 0), (1, 1)).fence(4)
        ),
    ),
    "no transactional id is known": (
        "zombie_write",
        lambda: in_transaction().poll(0, 3, (0, 0), (1, 1)).fence(3),
    ),
    "nobody wrote under the transactional id that is known": (
        "zombie_write",
        lambda: both(Story()).ends("t", "abort", writer="w").poll(0, 2, (0, 0), (1, 1)).fence(2),
    ),
    "only a reader of everything was handed transactions": (
        "precommitted_read",
        lambda: in_transaction().reads(isolation="uncommitted").poll(0, 3, (0, 0), (1, 1)).fence(3),
    ),
    "a transaction read itself alone": (
        "read_cycle",
        lambda: in_transaction().poll(0, 2, (0, 0), (1, 1), transaction="t", t=(1, 99)).fence(3),
    ),
    "all that was acknowledged lies within the skew of the clocks": (
        "realtime_offset",
        lambda: both(Story(skew_ns=10**18)).poll(0, 2, (0, 0), (1, 1)).fence(2),
    ),
    "every commit failed": (
        "commit_ahead",
        lambda: both(Story()).reads(group="g").poll(0, 2, (0, 0), (1, 1)).commits(2, "fail").fence(2),
    ),
}


@pytest.mark.parametrize("name", IDLE)
def test_a_check_that_could_find_nothing_is_named_and_proves_nothing(name: str) -> None:
    """Counts of what stands beside it do not make it a PASS."""
    checker, telling = IDLE[name]
    verdict = telling().judged()

    assert checker in verdict.nothing_for
    assert checker not in {each.checker for each in verdict.findings}


def test_the_first_count_decides() -> None:
    """Whatever else was counted, without it the finding is UNKNOWN."""
    facts = Facts(tabulate(Story().operations))
    found = {
        first: finding(facts, Found("lost", compared={"due": first, "beside": 7}, held="", broken=""))
        for first in (0, 1)
    }

    assert {first: each.verdict for first, each in found.items()} == {0: Verdict.UNKNOWN, 1: Verdict.PASS}


def test_a_doubt_is_said_though_nothing_was_compared() -> None:
    """Values that must sum to zero, and nobody read them: UNKNOWN, not left out."""
    found = Story(conserved=True).send(0, 0, value=3).poll(0, 1, (0, 0)).finding("conservation")

    assert found is not None
    assert found.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "telling",
    [
        lambda: declaring(3).poll(0, 3, (0, 0), (1, 1)),
        lambda: in_transaction().poll(0, 1, (0, 0)),
        in_transaction,
    ],
    ids=["it holds more than is told of", "one of its records was not looked for", "none was"],
)
def test_a_transaction_that_was_not_looked_for_as_a_whole_is_in_doubt(telling: Telling) -> None:
    """What nobody saw may lie where nobody read: UNKNOWN, neither whole nor torn."""
    found = telling().finding("torn_transaction")

    assert found is not None
    assert (found.verdict, found.violations) == (Verdict.UNKNOWN, 0)
    assert (
        found.summary
        == "Not proven: 1 committed transaction not seen whole, and nobody read where the rest must lie."
    )


@given(st.lists(st.tuples(*[st.integers(0, 2**31) | st.sampled_from([1, 2**22 + 1])] * 2)))
def test_numbers_never_alias_and_keep_the_order(pairs: list[tuple[int, int]]) -> None:
    """Two pairs have one number where they are the same pair, and no gap lies between two numbers."""
    columns = np.asarray(pairs, np.int64).reshape(len(pairs), 2)
    numbers = numbered(columns[:, 0], columns[:, 1]).tolist()

    assert dict(zip(pairs, numbers, strict=True)) == {pair: n for n, pair in enumerate(sorted(set(pairs)))}
