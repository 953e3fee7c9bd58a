"""A member of a consumer group: it takes records one by one and knows at every moment where it stands.

Where a partition is to be read from is asked of the group and then assigned by hand, as the client would
do by itself: so the history tells where a new owner began, not only what it was handed first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from harness.clock import MONOTONIC
from harness.history.operations import Move, Poll, Reader
from harness.workloads.kit import QUIET, Kit, Over
from harness.workloads.plan import CALL_S
from harness.workloads.records import Records

_WAIT_S = 0.2
RESETS = frozenset(
    {
        *(KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION),  # noqa: SLF001 - the client's own names
        KafkaError.OFFSET_OUT_OF_RANGE,
    }
)
"""The log does not have any more what was to be read next."""

Isolation = Literal["committed", "uncommitted"]


class Membership:
    """One member. ``stands`` is its next offset by partition, ``began`` where it was given each.

    ``generation`` grows with every change of its partitions.

    Args:
        kit: the client's own.
        isolation: what it shows.
        revoked: called while the partitions are still its own, before it gives them back.
    """

    def __init__(self, kit: Kit, isolation: Isolation, revoked: Callable[[], None]) -> None:
        self._kit, self._topic, self._revoked = kit, kit.plan.workload.name, revoked
        self._records = Records(kit.plan.run_id, self._topic)
        self.stands: dict[int, int] = {}
        self.began: dict[int, int] = {}
        self.generation = 0
        self._unknown = ""
        self.consumer = Consumer(
            {
                **QUIET,
                "bootstrap.servers": kit.plan.bootstrap,
                "group.id": kit.plan.group,
                "isolation.level": f"read_{isolation}",
                "session.timeout.ms": "6000",
                "heartbeat.interval.ms": "1500",
                "max.poll.interval.ms": "60000",
                "enable.auto.commit": "false",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": "50",
            }
        )
        self._kit.write(
            Reader(reader=kit.number, isolation=isolation, mode="subscribe", group=kit.plan.group)
        )

    def join(self) -> None:
        """Ask for partitions; they come while it takes records."""
        self.consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def take(self, transaction: str = "") -> bool:
        """Take at most one record, and tell of it; whether there was one.

        Raises:
            Over: it was given partitions, and nobody told where the group stands.
        """
        invoked = MONOTONIC.now()
        message = self.consumer.poll(_WAIT_S)
        if self._unknown:
            raise Over(self._unknown)
        if message is None or message.partition() not in self.stands:
            return False
        if (error := message.error()) is not None:
            self._reset(message.partition() or 0, error)
            return False
        self._tell(message, (invoked, MONOTONIC.now()), transaction)
        return True

    def go_back(self, stands: dict[int, int]) -> None:
        """Stand where it stood before, on those partitions that it still has."""
        for partition, offset in sorted(stands.items()):
            if partition in self.stands:
                self._move(partition, "seek")
                self.stands[partition] = offset
                self.consumer.seek(TopicPartition(self._topic, partition, offset))

    def _tell(self, message: Message, t: tuple[int, int], transaction: str) -> None:
        partition, offset = message.partition() or 0, message.offset() or 0
        before = self.stands[partition]
        self.stands[partition] = offset + 1
        poll = Poll(
            reader=self._kit.number,
            topic=self._topic,
            partition=partition,
            t=t,
            position=(min(before, offset), offset + 1),
            records=self._records.decode([message], partition),
            transaction=transaction,
        )
        self._kit.write(poll)
        self._kit.did()

    def _reset(self, partition: int, error: KafkaError) -> None:
        """Where *error* says that the log has not what is next, begin again at its start."""
        if error.code() not in RESETS:
            return
        self._move(partition, "reset")
        place = TopicPartition(self._topic, partition)
        found = self.consumer.get_watermark_offsets(place, timeout=CALL_S)
        self.stands[partition] = int(found[0]) if found else 0
        self.consumer.seek(TopicPartition(self._topic, partition, self.stands[partition]))

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.generation += 1
        try:
            known = consumer.committed(partitions, timeout=CALL_S)
        except KafkaException as error:  # what a callback raises comes out of poll() as something else
            self._unknown = str(error)
            return consumer.unassign()
        self.began = {each.partition: max(each.offset, 0) for each in known}
        self.stands = dict(self.began)
        for partition in sorted(self.stands):
            self._move(partition, "rebalance")
        return consumer.assign([TopicPartition(self._topic, n, at) for n, at in self.stands.items()])

    def _on_revoke(self, consumer: Consumer, _: Iterable[TopicPartition]) -> None:
        self._revoked()
        self._on_lost(consumer, _)

    def _on_lost(self, consumer: Consumer, _: Iterable[TopicPartition]) -> None:
        self.generation += 1
        self.stands = {}
        consumer.unassign()

    def _move(self, partition: int, why: Literal["seek", "rebalance", "reset"]) -> None:
        move = Move(
            reader=self._kit.number, topic=self._topic, partition=partition, t=MONOTONIC.now(), why=why
        )
        self._kit.write(move)
