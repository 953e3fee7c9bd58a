"""A member of a consumer group that handles records and commits how far it has come."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from harness.clock import MONOTONIC
from harness.history.operations import Commit
from harness.workloads.kit import Kit
from harness.workloads.membership import Membership
from harness.workloads.outcomes import of_offsets

_AT_ONCE = 10
_AHEAD = 5


class Member:
    """Handles and commits until it is told to stop; then it commits and leaves.

    Told to do wrong (``commits_ahead``) it commits more than it was handed.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._ahead = _AHEAD if kit.plan.workload.wrong == "commits_ahead" else 0
        self._membership = Membership(kit, "committed", self._commit)
        self._committed: dict[int, int] = {}

    def run(self) -> None:
        """Take part until it is told to stop."""
        self._membership.join()
        while not self._kit.stopping:
            taken = sum(self._membership.take() for _ in range(_AT_ONCE))
            if taken:
                self._commit()
        self._commit()
        self._membership.consumer.close()

    def _commit(self) -> None:
        """Commit where it stands, where that is not committed yet."""
        stands = self._membership.stands
        due = {n: at for n, at in stands.items() if at and self._committed.get(n) != at}
        if not due:
            return
        asked = {n: self._asked(n, at + self._ahead) for n, at in due.items()}
        self._kit.write(*asked.values())
        for partition, error in self._answers(asked).items():
            ended = {"outcome": of_offsets(error), "t": (asked[partition].t[0], MONOTONIC.now())}
            self._kit.write(asked[partition].model_copy(update=ended))
        self._committed = dict(stands)

    def _asked(self, partition: int, offset: int) -> Commit:
        plan = self._kit.plan
        return Commit(
            group=plan.group,
            reader=self._kit.number,
            topic=plan.workload.name,
            partition=partition,
            t=(MONOTONIC.now(), None),
            offset=offset,
            outcome="unknown",
        )

    def _answers(self, asked: dict[int, Commit]) -> dict[int, KafkaError | None]:
        offsets = [TopicPartition(each.topic, each.partition, each.offset) for each in asked.values()]
        try:
            answers = self._membership.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            return dict.fromkeys(asked, error.args[0])
        return {each.partition: each.error for each in answers or ()}
