"""Members of groups against a broker: where they stand, what they commit, and what a transaction takes in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from harness.history.operations import Commit, Move, Poll, Reader, Send, Transaction
from harness.tests.mock_cluster import PARTITIONS, mock_process
from harness.tests.workloads.kits import kit, planned, told
from harness.workloads.copier import Copier
from harness.workloads.feeder import Feeder
from harness.workloads.kit import Over
from harness.workloads.member import Member
from harness.workloads.membership import Membership
from harness.workloads.plan import Plan
from harness.workloads.spec import Wrong, copies, group

FED = 40


@pytest.fixture
def bootstrap() -> Iterator[str]:
    """A broker that remembers nothing of other tests."""
    with mock_process() as cluster:
        yield cluster.bootstrap


def fed(plan: Plan) -> None:
    """Put records into its first topic."""
    Feeder(kit(plan, "feeder", 1)).run()


def stood(plan: Plan, reader: int) -> dict[int, list[tuple[int, int]]]:
    """The positions of one reader by partition, in its order."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for each in told(plan):
        if isinstance(each, Poll) and each.reader == reader:
            found[each.partition].append(each.position)
    return found


@pytest.mark.parametrize(("wrong", "ahead"), [("", 0), ("commits_ahead", 5)])
def test_a_member_commits_what_it_was_handed(
    tmp_path: Path, bootstrap: str, wrong: Wrong, ahead: int
) -> None:
    """Every commit is where it stands, with the coordinator's answer; one that does wrong commits more."""
    plan = planned(tmp_path, group(partitions=PARTITIONS, rate=500, wrong=wrong), bootstrap, operations=FED)
    fed(plan)
    Member(kit(plan, "member", 2)).run()
    history, positions = told(plan), stood(plan, 2)
    reached = {partition: moves[-1][1] for partition, moves in positions.items()}
    commits = [each for each in history if isinstance(each, Commit)]

    assert sum(reached.values()) >= FED
    for moves in positions.values():
        assert [0, *(end for _, end in moves)] == [*(start for start, _ in moves), moves[-1][1]]
    assert {each.outcome for each in commits} == {"ok"}
    last = {each.partition: each.offset for each in commits}
    assert last == {partition: end + ahead for partition, end in reached.items()}
    (reader,) = [each for each in history if isinstance(each, Reader)]
    assert (reader.mode, reader.group) == ("subscribe", "group")
    assert {each.why for each in history if isinstance(each, Move)} == {"rebalance"}


def test_the_next_owner_begins_where_the_group_stood(tmp_path: Path, bootstrap: str) -> None:
    """A second member that comes when the first has left goes on from its commits."""
    plan = planned(tmp_path, group(partitions=PARTITIONS, rate=500), bootstrap, operations=FED)
    fed(plan)
    half = plan.model_copy(update={"operations": FED // 2})
    Member(kit(half, "member", 2)).run()
    rest = plan.model_copy(update={"operations": FED - sum(m[-1][1] for m in stood(plan, 2).values())})
    Member(kit(rest, "member", 3)).run()
    before, after = stood(plan, 2), stood(plan, 3)

    for partition, moves in after.items():
        assert moves[0][0] == (before[partition][-1][1] if partition in before else 0)


def test_a_copy_tells_which_inputs_it_took_in(tmp_path: Path, bootstrap: str) -> None:
    """Each committed transaction consumed what its polls moved over, and sent as many records."""
    plan = planned(tmp_path, copies(partitions=PARTITIONS, rate=500), bootstrap, operations=FED)
    fed(plan)
    Copier(kit(plan, "copier", 2)).run()
    history = told(plan)
    ends = [each for each in history if isinstance(each, Transaction)]
    sent = [each for each in history if isinstance(each, Send) and each.topic == "copies-out"]

    assert any(each.end == "commit" for each in ends)
    for end in ends:
        taken = [p for p in history if isinstance(p, Poll) and p.transaction == end.transaction]
        assert len(taken) == end.records == sum(each.transaction == end.transaction for each in sent)
        if end.end == "commit":
            assert sum(each.until - each.first for each in end.consumed) == len(taken)


def test_a_member_that_nobody_tells_where_its_group_stands_is_over(tmp_path: Path, bootstrap: str) -> None:
    """It must neither guess nor go on: another member takes its place."""

    class Silent:
        """A consumer whose coordinator has moved."""

        unassigned = False

        def committed(self, partitions: object, timeout: float) -> list[TopicPartition]:
            """Nobody knows."""
            raise KafkaException(KafkaError(KafkaError.NOT_COORDINATOR))

        def unassign(self) -> None:
            """Give everything back."""
            self.unassigned = True

    plan, silent = planned(tmp_path, group(partitions=PARTITIONS), bootstrap), Silent()
    membership = Membership(kit(plan, "member", 2), "committed", lambda: None)
    membership._on_assign(cast(Consumer, silent), [TopicPartition("group", 0)])

    assert silent.unassigned
    with pytest.raises(Over, match="NOT_COORDINATOR"):
        membership.take()
