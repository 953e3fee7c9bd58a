"""A rehearsal of every kind of fault, where nodes are processes and where they are pods."""

from __future__ import annotations

import pytest

from harness import bundle
from harness.faults.kinds import Kind
from harness.rehearsal import Rehearsal
from harness.scenario import group, transfers
from harness.stack.definition import read_definition
from harness.stack.delays import UNTRIED
from harness.tests.contract.each import EACH, KINDS

STACKS = bundle.fixtures() / "stacks"


@pytest.mark.parametrize("stack", ["edge", "edge-plain"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_told_of_and_planned_though_nothing_stands(stack: str, kind: Kind) -> None:
    """What cannot be made there is said to be so; the plan holds it either way, for guard rails."""
    rehearsal = Rehearsal(read_definition(STACKS, stack, {}))
    with rehearsal.inject(EACH[kind], seconds=1) as foreseen:
        assert foreseen.observed

    assert rehearsal.lines[0].startswith(f"inject  {EACH[kind].name} for 1 s")
    assert [planned.strike.kind for planned in rehearsal.plan] == [kind]


def test_a_delay_in_somebodys_cluster_is_told_as_one_of_netem() -> None:
    """What its nodes have nobody knows beforehand, whatever this machine has."""
    rehearsal = Rehearsal(read_definition(STACKS, "edge-plain", {}), UNTRIED)
    with rehearsal.inject(EACH["latency"], seconds=1):
        pass

    assert any("netem limit 100000 delay 100ms" in line for line in rehearsal.lines)


def test_workloads_are_told_of() -> None:
    """Who writes, who is in a group, how fast, and what is wrong on purpose."""
    rehearsal = Rehearsal(read_definition(STACKS, "edge-kafka", {}))
    with rehearsal.workload(transfers(), group(wrong="commits_ahead")):
        pass

    assert rehearsal.lines == [
        "play    transfers: 2 writing, 15/s each",
        "play    group: 1 writing, 3 in a group, 60/s each, wrong on purpose: commits_ahead",
        "drain   until every client has ended what it began",
    ]
