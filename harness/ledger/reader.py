"""Reads a topic back and proves that nothing was left unread: the fence.

A record that was not seen is lost only when everything was read. So, after the load stopped, on
every partition: wait until the end offset of a read_committed client equals that of a
read_uncommitted one (no transaction is open), write one sentinel, and read with a fresh client
from the first offset until its position has passed the sentinel.

Reading is read_uncommitted: what is in the log is what is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Protocol, TypeVar

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from harness.clock import MONOTONIC, NANOS_PER_SECOND
from harness.errors import StackError
from harness.ledger import schema
from harness.ledger.scan import Records, Run, runs
from harness.ledger.tables import TableWriter
from harness.model import Fence, ReadState
from harness.rundir import RunDirectory
from harness.waiting import NotYet, wait_for

_CALL_SECONDS = 5.0
_AT_ONCE = 10_000
_PATIENT = "run `harness doctor`, or look into the brokers' logs: partitions may still lack a leader"

T = TypeVar("T")


class Codec(Protocol):
    """What the reader must know of records: how to decode one, and how its own sentinel looks."""

    def decode_many(self, values: Sequence[bytes | None], partition: int) -> Records:
        """The records in *values*, which came back from *partition*."""
        ...

    def sentinel(self, partition: int) -> bytes:
        """The sentinel's value."""
        ...


class Rows(Protocol):
    """Where the rows of ``reads`` go."""

    def add(self, *row: float | str) -> None:
        """Append one row."""
        ...


def read_through_fence(
    bootstrap: str,
    topic: str,
    partitions: int,
    *,
    codec: Codec,
    directory: RunDirectory,
    seconds: float,
) -> tuple[Fence, ...]:
    """Read *topic* whole into the ``reads`` table of *directory*; returns each partition's proof.

    Call it once per topic, after the load stopped: it writes one sentinel per partition.

    Raises:
        StackError: the fence was not passed within *seconds*; carries the last observation.
            The rows read so far are in the table.
    """
    deadline = MONOTONIC.now() + int(seconds * NANOS_PER_SECOND)
    ends = _settled_ends(bootstrap, topic, partitions, seconds)
    sentinels = _write_sentinels(bootstrap, topic, partitions, codec, _left(deadline))
    table = TableWriter(directory.ledger, "reads", schema.READS, writer=topic)
    with closing(table), _consumer(bootstrap, "read_uncommitted") as consumer:
        pass_through = _Reading(consumer, topic, ends, sentinels, codec, table)
        positions = pass_through.run(deadline)
    return tuple(
        Fence(
            partition=partition,
            first_offset=first,
            end_offset=end,
            committed_end_offset=end,
            sentinel_offset=sentinels[partition],
            position=positions[partition],
        )
        for partition, (first, end) in enumerate(ends)
    )


class _Reading:
    """One pass over the topic, from each partition's first offset through its sentinel."""

    def __init__(
        self,
        consumer: Consumer,
        topic: str,
        ends: list[tuple[int, int]],
        sentinels: list[int],
        codec: Codec,
        rows: Rows,
    ) -> None:
        self._consumer = consumer
        self._codec = codec
        self._rows = rows
        self._sentinels = sentinels
        self._positions = [first for first, _ in ends]
        self._trouble = ""
        consumer.assign([TopicPartition(topic, index, first) for index, (first, _) in enumerate(ends)])

    def run(self, deadline: int) -> list[int]:
        """Read until every position is behind its sentinel; returns the positions."""
        while behind := self._behind():
            if MONOTONIC.now() >= deadline:
                raise StackError(
                    "the topic was not read to its end in time", why=f"{behind}{self._trouble}", fix=_PATIENT
                )
            messages = self._consumer.consume(_AT_ONCE, timeout=min(0.2, _left(deadline)))
            for message in messages:
                self._note(message.error())
            for partition, group in _by_partition(messages):
                self._take(partition, group)
        return self._positions

    def _take(self, partition: int, messages: list[Message]) -> None:
        sound = [message for message in messages if message.error() is None]
        for message in messages:
            error = message.error()
            if error is not None:
                self._take_unsound(partition, message, error)
        if sound:
            offsets = np.fromiter((_offset(message) for message in sound), np.int64, len(sound))
            records = self._codec.decode_many([message.value() for message in sound], partition)
            for run in runs(partition, offsets, records):
                self._add(run)
            self._positions[partition] = int(offsets[-1]) + 1

    def _take_unsound(self, partition: int, message: Message, error: KafkaError) -> None:
        """A batch whose own checksum fails is evidence; any other error passes or ends at the deadline."""
        if error.code() == KafkaError._BAD_MSG:  # noqa: SLF001 - the client's own name
            offset = _offset(message)
            self._add(Run(partition, -1, -1, 1, offset, ReadState.CORRUPT, str(error.str())))

    def _add(self, run: Run) -> None:
        self._rows.add(
            run.partition,
            run.producer,
            run.first_seq,
            run.count,
            run.first_offset,
            int(run.state),
            run.detail,
        )

    def _note(self, error: KafkaError | None) -> None:
        if error is not None:
            self._trouble = f"; last error: {error.str()}"

    def _behind(self) -> str:
        """The first partition that is not read through, in words; empty when all are."""
        for partition, (position, sentinel) in enumerate(zip(self._positions, self._sentinels, strict=True)):
            if position <= sentinel:
                return f"partition {partition} at offset {position} of {sentinel}"
        return ""


def _settled_ends(bootstrap: str, topic: str, partitions: int, seconds: float) -> list[tuple[int, int]]:
    """First and end offset of every partition, once no transaction is open."""
    patience = min(_CALL_SECONDS, seconds)
    with _consumer(bootstrap, "read_committed") as stable, _consumer(bootstrap, "read_uncommitted") as all_:

        def observe() -> list[tuple[int, int]]:
            found = []
            for partition in range(partitions):
                first, end = _watermarks(all_, topic, partition, patience)
                _, committed = _watermarks(stable, topic, partition, patience)
                if committed != end:
                    raise NotYet(f"partition {partition}: committed end {committed}, end {end}")
                found.append((first, end))
            return found

        return _patient(observe, f"the end offsets of {topic}", seconds)


def _watermarks(consumer: Consumer, topic: str, partition: int, seconds: float) -> tuple[int, int]:
    place = TopicPartition(topic, partition)
    found = consumer.get_watermark_offsets(place, timeout=seconds, cached=False)
    if found is None:
        raise NotYet(f"partition {partition} did not name its offsets in {seconds:g} s")
    return int(found[0]), int(found[1])


def _write_sentinels(bootstrap: str, topic: str, partitions: int, codec: Codec, seconds: float) -> list[int]:
    """Append one sentinel to every partition; returns their offsets."""
    landed: dict[int, int] = {}
    refused: list[str] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is None:
            landed[_number(message.partition())] = _offset(message)
        else:
            refused.append(f"partition {message.partition()}: {error.str()}")

    milliseconds = str(max(1, int(seconds * 1000)))
    config = {"log_level": 0, "acks": "all", "enable.idempotence": "true", "message.timeout.ms": milliseconds}
    producer = Producer({"bootstrap.servers": bootstrap, **config})
    for partition in range(partitions):
        producer.produce(topic, codec.sentinel(partition), partition=partition, on_delivery=on_delivery)
    producer.flush(seconds)
    if len(landed) < partitions:
        why = refused[0] if refused else f"{len(landed)} of {partitions} were acknowledged"
        raise StackError("the fence's sentinels could not be written", why=why, fix=_PATIENT)
    return [landed[partition] for partition in range(partitions)]


@contextmanager
def _consumer(bootstrap: str, isolation: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 0,  # it writes to stderr; what matters comes as an error
            "group.id": "harness-reader",  # required by the client, never joined: assign only, no commit
            "isolation.level": isolation,
            "enable.auto.commit": "false",
            "auto.offset.reset": "error",
            "check.crcs": "true",
            "fetch.wait.max.ms": "50",
            # Enough ahead to keep the decoder busy; the default would rest a full second when full.
            "queued.min.messages": "200000",
            "fetch.queue.backoff.ms": "5",
            "reconnect.backoff.max.ms": "1000",
        }
    )
    with closing(consumer):
        yield consumer


def _patient(observe: Callable[[], T], what: str, seconds: float) -> T:
    return wait_for(observe, what=what, seconds=seconds, retry_on=(KafkaException,), fix=_PATIENT)


def _by_partition(messages: list[Message]) -> list[tuple[int, list[Message]]]:
    """Group *messages* by partition, each group in log order; errors of no partition are left out."""
    groups: dict[int, list[Message]] = {}
    for message in messages:
        partition = message.partition()
        if partition is not None and partition >= 0:
            groups.setdefault(partition, []).append(message)
    return list(groups.items())


def _offset(message: Message) -> int:
    return _number(message.offset())


def _number(value: int | None) -> int:
    assert value is not None, "a delivered message has a place"
    return value


def _left(deadline: int) -> float:
    return max(0.0, (deadline - MONOTONIC.now()) / NANOS_PER_SECOND)
