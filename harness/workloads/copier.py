"""Consume, transform, produce: what was taken and what was made of it are committed in one transaction."""

from __future__ import annotations

from confluent_kafka import KafkaException, TopicPartition

from harness.history.operations import Consumed
from harness.workloads.kit import Kit, Over
from harness.workloads.membership import Membership
from harness.workloads.plan import CALL_S
from harness.workloads.sending import Sender
from harness.workloads.transacting import Transactions, settings_of
from harness.workloads.writer import identity

_AT_ONCE = 8
_ABORTED = 0.1
_APART_EVERY = 6


class Copier:
    """Copies until it is told to stop. Whatever makes a transaction fail sends it back to where it began.

    Told to do wrong (``commits_apart``) it commits its input offsets now and then, beside its transactions.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit, self._workload = kit, kit.plan.workload
        self._into = self._workload.topics[-1]
        writer = identity(kit.plan.workload.name, kit.client.slot)
        self._sender = Sender(kit, settings_of(writer))
        self._transactions = Transactions(kit, self._sender, writer)
        self._membership = Membership(kit, "committed", lambda: None)
        self._apart = self._workload.wrong == "commits_apart"
        self._done = 0

    def run(self) -> None:
        """Copy until it is told to stop.

        Raises:
            Over: its session is.
        """
        self._transactions.open()
        self._membership.join()
        while not self._kit.stopping:
            self._copy()
        self._membership.consumer.close()

    def _copy(self) -> None:
        """Copy some records in one transaction; none is begun before there is something to copy."""
        membership, name = self._membership, self._transactions.name()
        generation, began = membership.generation, dict(membership.stands)
        if not membership.take(name):
            return
        self._transactions.begin(name)
        taken = 1
        self._send(name)
        while taken < _AT_ONCE and membership.take(name):
            self._send(name)
            taken += 1
        if membership.generation != generation:
            self._give_up(taken, membership.began)  # what was taken before it is not its own any more
        else:
            self._end(taken, began)

    def _send(self, name: str) -> None:
        partition = self._kit.chance.randrange(self._workload.partitions)
        self._sender.send(self._into, partition, transaction=name)

    def _end(self, taken: int, began: dict[int, int]) -> None:
        if self._kit.chance.random() < _ABORTED:
            self._sender.producer.flush(CALL_S)  # an abort of what is in the log
            return self._give_up(taken, began)
        consumed = self._consumed(began)
        if not self._apart and not self._with_offsets(consumed):
            return self._give_up(taken, began)
        if not self._transactions.commit(taken, consumed):
            return self._membership.go_back(began)
        return self._commit_apart()

    def _give_up(self, taken: int, began: dict[int, int]) -> None:
        self._transactions.abort(taken)
        self._membership.go_back(began)

    def _consumed(self, began: dict[int, int]) -> tuple[Consumed, ...]:
        plan, stands = self._kit.plan, self._membership.stands
        return tuple(
            Consumed(group=plan.group, topic=plan.workload.name, partition=n, first=first, until=stands[n])
            for n, first in sorted(began.items())
            if stands[n] > first
        )

    def _with_offsets(self, consumed: tuple[Consumed, ...]) -> bool:
        """Put the input offsets into the transaction; whether the coordinator took them.

        Raises:
            Over: the session is.
        """
        consumer = self._membership.consumer
        offsets = [TopicPartition(each.topic, each.partition, each.until) for each in consumed]
        try:
            metadata = consumer.consumer_group_metadata()
            self._sender.producer.send_offsets_to_transaction(offsets, metadata, CALL_S)
        except KafkaException as error:
            if error.args[0].txn_requires_abort() or error.args[0].retriable():
                return False
            raise Over(str(error)) from error
        return True

    def _commit_apart(self) -> None:
        self._done += 1
        if self._apart and self._done % _APART_EVERY == 0:
            stands = self._membership.stands.items()
            places = [TopicPartition(self._workload.name, n, at) for n, at in stands]
            self._membership.consumer.commit(offsets=places, asynchronous=False)
