"""One producer incarnation: a confluent-kafka producer, the batches in its hands, their way into the ledger.

Only ``produce_batch`` and ``poll(0)`` touch the client while the load runs: librdkafka is not
gevent-aware, every other call would stop all users of the process. ``produce_batch`` (2.16.1)
ignores a partition per message and drops headers, so a batch goes to one partition and the id
travels in the value. The delivery report hands the value back: outcomes are matched by the id
in it, never by order of arrival, which retries may change.

Invariant: a sequence is announced where the ledger is kept before the client sees it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from harness.clock import Clock
from harness.errors import LoadError
from harness.load import outcomes
from harness.load.frames import headers
from harness.load.plan import LoadPlan, Slot
from harness.load.readings import Readings
from harness.load.tally import Batch, Closed, Counts, Landed, Rows, Tally
from harness.model import Outcome


class KeptRows(Rows, Protocol):
    """Rows that can be forced out, and that are safe only where the ledger is kept."""

    @property
    def written(self) -> int:
        """How far rows were forced out."""
        ...

    def flush(self) -> None:
        """Hand every row to the kernel."""
        ...

    def wait_kept(self, written: int) -> None:
        """Return when what was *written* so far is safe from the death of this process and its place."""
        ...


class Reservations:
    """Which sequences of each partition are announced, for one producer; dense from 0."""

    def __init__(self, producer: int, partitions: int, *, at_once: int, rows: KeptRows) -> None:
        self._producer = producer
        self._at_once = at_once
        self._rows = rows
        self._next = [0] * partitions
        self._until = [0] * partitions
        self._kept = [0] * partitions
        self._flushed: list[list[tuple[int, int]]] = [[] for _ in range(partitions)]

    def open(self) -> None:
        """Announce for every partition, before a batch is due that would have to wait for it."""
        self._announce(range(len(self._until)))

    def take(self, partition: int, count: int) -> int:
        """The first of the next *count* sequences of *partition*, announced where the ledger is kept."""
        first = self._next[partition]
        if first + count > self._until[partition]:
            self._announce([partition])
        if first + count > self._kept[partition]:
            self._wait_kept(partition, first + count)
        self._next[partition] = first + count
        return first

    def top_up(self) -> None:
        """Announce ahead for the partitions in use, so that ``take`` seldom has to write or wait."""
        used = [
            partition
            for partition, until in enumerate(self._until)
            if until and until - self._next[partition] < self._at_once // 2
        ]
        self._announce(used)

    def _announce(self, partitions: Iterable[int]) -> None:
        partitions = list(partitions)
        for partition in partitions:
            self._until[partition] = self._next[partition] + self._at_once
            self._rows.add(self._producer, partition, self._until[partition])
        self._rows.flush()
        for partition in partitions:
            self._flushed[partition].append((self._until[partition], self._rows.written))

    def _wait_kept(self, partition: int, end: int) -> None:
        flushed = self._flushed[partition]
        until, written = next(each for each in flushed if each[0] >= end)
        self._rows.wait_kept(written)
        self._kept[partition] = until
        self._flushed[partition] = [each for each in flushed if each[0] > until]


class Session:
    """A live producer.

    Args:
        plan: the load.
        producer: the incarnation number.
        attempts: the ledger's ``attempts``.
        announced: the ledger's ``announced``.
        counts: counted into, shared by the process.
        clock: where instants come from.
    """

    def __init__(
        self,
        plan: LoadPlan,
        producer: int,
        *,
        attempts: Rows,
        announced: KeptRows,
        counts: Counts,
        clock: Clock,
    ) -> None:
        self.producer = producer
        self.fatal: str = ""
        self._plan = plan
        self._clock = clock
        self._frames = plan.frames
        self._readings = Readings(plan, producer)
        self._count = plan.batch_records
        self._keys = [plan.keys_of(partition) for partition in range(plan.partitions)]
        self._tally = Tally(producer, self._count, attempts, counts)
        self._reservations = Reservations(
            producer, plan.partitions, at_once=plan.reserve_records, rows=announced
        )
        self._reservations.open()
        self._delivered: list[Message] = []
        self._undelivered: list[tuple[KafkaError, Message]] = []
        self._client = _connected(plan.client_config, self._on_error)
        self._messages(Slot(0, 0), 0)  # builds the tables of the encoder before the first batch is due

    @property
    def open_records(self) -> int:
        """Records without an outcome."""
        return self._tally.open_records

    def attempt(self, slot: Slot) -> list[Closed]:
        """Hand one batch to the client; returns it when the client refused all of it."""
        first = self._reservations.take(slot.partition, self._count)
        messages = self._messages(slot, first)
        size = self._count * self._plan.record_bytes
        sent = self._clock.now()
        batch = Batch(slot.partition, first, self._count, slot.t_intended, sent, size, self._count)
        self._tally.opened(batch)
        accepted = self._client.produce_batch(
            self._plan.topic, messages, partition=slot.partition, on_delivery=self._on_delivery
        )
        return [] if accepted == self._count else self._refused(slot.partition, first, messages)

    def poll(self) -> list[Closed]:
        """Collect the outcomes that are there, without waiting; returns the batches they close."""
        self._client.poll(0)
        if not self._delivered and not self._undelivered:
            return []
        done = self._clock.now()
        closed = self._tally.landed(self._landed(self._delivered, Outcome.OK, "", done))
        for error, messages in _by_code(self._undelivered):
            text = outcomes.described(error.code(), error.name())
            landed = self._landed(messages, outcomes.of_delivery(error.code()), text, done)
            closed += self._tally.landed(landed)
        self._delivered.clear()
        self._undelivered.clear()
        return closed

    def top_up(self) -> None:
        """Announce sequences ahead."""
        self._reservations.top_up()

    def purge(self) -> None:
        """Make the client give up every record in its hands; their reports come with ``poll``."""
        self._client.purge(in_queue=True, in_flight=True, blocking=False)

    def abandon(self, error: str) -> list[Closed]:
        """Count every record still open as unknown, because of *error*."""
        return self._tally.abandon(error, self._clock.now())

    def _messages(self, slot: Slot, first: int) -> list[dict[str, bytes | KafkaError]]:
        carried = self._readings.of_batch(slot.partition, first, self._count, slot.t_intended)
        values = self._frames.encode_batch(
            producer=self.producer,
            partition=slot.partition,
            first_sequence=first,
            count=self._count,
            t_intended=slot.t_intended,
            key=carried.key,
            event_ms=carried.event_ms,
            value=carried.value,
        )
        keys = self._keys[slot.partition]
        turn = first % len(keys)
        repeated = keys * (self._count // len(keys) + 2)
        return [
            {"value": value, "key": key}
            for value, key in zip(values, repeated[turn : turn + self._count], strict=True)
        ]

    def _refused(
        self, partition: int, first: int, messages: list[dict[str, bytes | KafkaError]]
    ) -> list[Closed]:
        """Settle what ``produce_batch`` did not take; it marks those messages with their error."""
        done = self._clock.now()
        by_error: dict[str, list[int]] = {}
        for index, message in enumerate(messages):
            error = message.get("_error")
            if isinstance(error, KafkaError):
                self._note_fatal(error)
                by_error.setdefault(error.name(), []).append(first + index)
        closed = []
        for name, sequences in by_error.items():
            text = f"{name}: refused by the client, never queued"
            landed = Landed.together(
                partition, sequences, outcome=outcomes.of_refusal(), error=text, t_done=done
            )
            closed += self._tally.landed(landed)
        return closed

    def _landed(self, messages: list[Message], outcome: Outcome, error: str, done: int) -> Landed:
        values = [value for message in messages if (value := message.value()) is not None]
        fields = headers(values, self._plan.record_bytes)
        offsets = [message.offset() for message in messages] if outcome is Outcome.OK else -1
        # librdkafka says -1001 where the broker named no offset: acks=0, or a retry it knew already.
        offset = np.maximum(np.full(len(messages), offsets, dtype=np.int64), -1)
        partition, sequence = (fields[name].astype(np.int64) for name in ("partition", "sequence"))
        return Landed(partition, sequence, offset, outcome, error, done)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        # Runs once per record inside poll(0): as little as possible; the rest is done on columns.
        if error is None:
            self._delivered.append(message)
        else:
            self._undelivered.append((error, message))

    def _on_error(self, error: KafkaError) -> None:
        self._note_fatal(error)

    def _note_fatal(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001 - the client's own name
            self.fatal = self.fatal or str(error.str())


def check_topic(plan: LoadPlan, seconds: float) -> None:
    """Ask the cluster for the plan's topic; blocks, so only before the load starts.

    Raises:
        LoadError: no broker answered, or the topic has other partitions than planned.
    """
    client = _connected(plan.client_config, lambda error: None)  # noqa: ARG005 - list_topics raises it
    try:
        found = len(client.list_topics(plan.topic, timeout=seconds).topics[plan.topic].partitions)
    except KafkaException as error:
        raise LoadError("no broker answers the load", why=str(error.args[0].str())) from error
    if found != plan.partitions:
        raise LoadError(f"topic {plan.topic!r} has {found} partitions, the plan says {plan.partitions}")


class _OnError(Protocol):
    def __call__(self, error: KafkaError, /) -> None: ...


def _connected(config: dict[str, str], on_error: _OnError) -> Producer:
    try:
        return Producer({**config, "error_cb": on_error})
    except KafkaException as error:
        raise LoadError("the client refuses its configuration", why=str(error.args[0].str())) from error


def _by_code(
    undelivered: Iterable[tuple[KafkaError, Message]],
) -> list[tuple[KafkaError, list[Message]]]:
    groups: dict[int, tuple[KafkaError, list[Message]]] = {}
    for error, message in undelivered:
        groups.setdefault(error.code(), (error, []))[1].append(message)
    return list(groups.values())
