"""A producer that writes down each record before it sends it, and again when it knows what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from harness.clock import MONOTONIC
from harness.history.operations import Send
from harness.load import outcomes
from harness.workloads.kit import QUIET, Kit
from harness.workloads.outcomes import end_of
from harness.workloads.records import Records

_DEFAULTS = {
    **QUIET,
    "enable.idempotence": "true",
    "acks": "all",
    "linger.ms": "5",
    "message.timeout.ms": "20000",
    "socket.timeout.ms": "10000",
}


class Sender:
    """One producer session; its number is its client's.

    Whichever call serves callbacks raises the client's fatal error: the session is over then.

    Args:
        kit: the client's own.
        config: settings of the producer over the defaults.
    """

    def __init__(self, kit: Kit, config: Mapping[str, str]) -> None:
        self._kit = kit
        given = {**_DEFAULTS, **kit.plan.workload.client, **config}
        self.producer = Producer({**given, "bootstrap.servers": kit.plan.bootstrap})
        self._next: Counter[tuple[str, int]] = Counter()
        self._records = {
            topic: Records(kit.plan.run_id, topic) for topic in kit.plan.workload.topics
        }  # its identity names the topic, so that a record that strays is known

    def send(
        self,
        topic: str,
        partition: int,
        *,
        transaction: str = "",
        key: int | None = None,
        value: int | None = 0,
    ) -> None:
        """Begin to send one record; ``flush`` of the producer waits for what becomes of it."""
        sequence = self._next[topic, partition]
        self._next[topic, partition] += 1
        asked = Send(
            producer=self._kit.number,
            topic=topic,
            partition=partition,
            sequence=sequence,
            t=(MONOTONIC.now(), None),
            outcome="unknown",
            transaction=transaction,
            key=key,
            value=value,
        )
        self._kit.write(asked)
        record = self._records[topic].encode(self._kit.number, partition, sequence, value)
        try:
            self.producer.produce(
                topic,
                record.value,
                None if key is None else str(key).encode(),
                partition=partition,
                headers=record.headers,
                on_delivery=partial(self._landed, asked),
            )
        except (BufferError, KafkaException):
            self._kit.write(_ended(asked, outcome=end_of(outcomes.of_refusal())))

    def _landed(self, asked: Send, error: KafkaError | None, message: Message) -> None:
        code = None if error is None else error.code()
        outcome = end_of(outcomes.of_delivery(code))
        offset = message.offset()
        told = offset if outcome == "ok" and offset is not None and offset >= 0 else None
        self._kit.write(_ended(asked, outcome=outcome, offset=told))
        if outcome == "ok":
            self._kit.did()


def _ended(asked: Send, **known: object) -> Send:
    return asked.model_copy(update={"t": (asked.t[0], MONOTONIC.now()), **known})
