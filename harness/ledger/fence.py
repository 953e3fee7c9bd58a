"""A fence: the proof that nothing in a topic was left unread.

A record that was not seen is lost only when everything was read. So, when nobody writes any
more, on every partition: wait until the end offset of a read_committed client equals that of a
read_uncommitted one (no transaction is open), write one sentinel, and read with a fresh client
from the first offset until its position has passed the sentinel.

What a sentinel looks like and what is done with the records is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from harness.clock import MONOTONIC, NANOS_PER_SECOND
from harness.errors import StackError
from harness.model import Fence
from harness.waiting import NotYet, wait_for

_CALL_SECONDS = 5.0
_AT_ONCE = 10_000
_PATIENT = "run `harness doctor`, or look into the brokers' logs: partitions may still lack a leader"

T = TypeVar("T")
Isolation = Literal["read_committed", "read_uncommitted"]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic to be read whole."""

    bootstrap: str
    name: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Sentinel:
    """The record that the fence writes into one partition, and knows again there."""

    value: bytes
    key: bytes | None = None


class Sink(Protocol):
    """Where what is read goes."""

    def take(self, partition: int, messages: list[Message]) -> None:
        """Take sound records of one partition in log order, sentinels among them."""
        ...

    def take_unsound(self, partition: int, message: Message, error: KafkaError) -> None:
        """Take note of what the client could not hand over."""
        ...


def read_whole(
    topic: Topic,
    sink: Sink,
    *,
    sentinel: Callable[[int], Sentinel],
    isolation: Isolation,
    seconds: float,
) -> tuple[Fence, ...]:
    """Read every record of *topic* into *sink*; returns each partition's proof.

    It writes one sentinel per partition, so call it when the topic's writers have ended.

    Raises:
        StackError: the fence was not passed within *seconds*; carries the last observation.
            The sink has what was read so far.
    """
    deadline = MONOTONIC.now() + int(seconds * NANOS_PER_SECOND)
    ends = _settled_ends(topic, seconds)
    sentinels = _write_sentinels(topic, sentinel, _left(deadline))
    with _consumer(topic.bootstrap, isolation) as consumer:
        positions = _Reading(consumer, topic, ends, sentinels, sink).run(deadline)
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
        topic: Topic,
        ends: list[tuple[int, int]],
        sentinels: list[int],
        sink: Sink,
    ) -> None:
        self._consumer = consumer
        self._topic = topic.name
        self._sink = sink
        self._sentinels = sentinels
        self._positions = [first for first, _ in ends]
        self._trouble = ""
        consumer.assign([TopicPartition(topic.name, index, first) for index, (first, _) in enumerate(ends)])

    def run(self, deadline: int) -> list[int]:
        """Read until every position is behind its sentinel; returns the positions."""
        while behind := self._behind():
            if MONOTONIC.now() >= deadline:
                raise StackError(
                    f"{self._topic} was not read to its end in time",
                    why=f"{behind}{self._trouble}",
                    fix=_PATIENT,
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
                self._sink.take_unsound(partition, message, error)
        if sound:
            self._sink.take(partition, sound)
            self._positions[partition] = offset_of(sound[-1]) + 1

    def _note(self, error: KafkaError | None) -> None:
        if error is not None:
            self._trouble = f"; last error: {error.str()}"

    def _behind(self) -> str:
        """The first partition that is not read through, in words; empty when all are."""
        for partition, (position, sentinel) in enumerate(zip(self._positions, self._sentinels, strict=True)):
            if position <= sentinel:
                return f"partition {partition} at offset {position} of {sentinel}"
        return ""


def end_offsets(topic: Topic) -> list[int]:
    """The end offset of every partition at this moment.

    Raises:
        StackError: a partition did not name it.
    """

    def observe() -> list[int]:
        with _consumer(topic.bootstrap, "read_uncommitted") as consumer:
            return [_watermarks(consumer, topic.name, n, _CALL_SECONDS)[1] for n in range(topic.partitions)]

    return _patient(observe, f"the end offsets of {topic.name}", _CALL_SECONDS)


def end_and_stable(topic: Topic, partition: int) -> tuple[int, int]:
    """The end offset of *partition* and its last stable offset, in this order.

    Raises:
        StackError: the partition did not name them.
    """

    def observe() -> tuple[int, int]:
        found = []
        for isolation in ("read_uncommitted", "read_committed"):
            with _consumer(topic.bootstrap, isolation) as consumer:
                found.append(_watermarks(consumer, topic.name, partition, _CALL_SECONDS)[1])
        return found[0], found[1]

    return _patient(observe, f"the end of {topic.name}/{partition}", _CALL_SECONDS)


@dataclass(frozen=True, slots=True)
class Extent:
    """One partition at one moment: its first offset, its end, and its last stable offset."""

    partition: int
    first: int
    end: int
    stable: int


def extents(topic: Topic) -> list[Extent]:
    """Every partition as it is now.

    Raises:
        StackError: one did not name its offsets.
    """

    def observe() -> list[Extent]:
        found = []
        stable_ = _consumer(topic.bootstrap, "read_committed")
        with stable_ as stable, _consumer(topic.bootstrap, "read_uncommitted") as all_:
            for partition in range(topic.partitions):
                # The stable offset first: it may only grow, so what is read last is never below it.
                _, committed = _watermarks(stable, topic.name, partition, _CALL_SECONDS)
                first, end = _watermarks(all_, topic.name, partition, _CALL_SECONDS)
                found.append(Extent(partition, first, end, committed))
        return found

    return _patient(observe, f"the extent of {topic.name}", 6 * _CALL_SECONDS)


def _settled_ends(topic: Topic, seconds: float) -> list[tuple[int, int]]:
    """First and end offset of every partition, once no transaction is open."""
    patience = min(_CALL_SECONDS, seconds)
    stable_ = _consumer(topic.bootstrap, "read_committed")
    with stable_ as stable, _consumer(topic.bootstrap, "read_uncommitted") as all_:

        def observe() -> list[tuple[int, int]]:
            found = []
            for partition in range(topic.partitions):
                first, end = _watermarks(all_, topic.name, partition, patience)
                _, committed = _watermarks(stable, topic.name, partition, patience)
                if committed != end:
                    raise NotYet(f"partition {partition}: committed end {committed}, end {end}")
                found.append((first, end))
            return found

        return _patient(observe, f"the end offsets of {topic.name}", seconds)


def _watermarks(consumer: Consumer, topic: str, partition: int, seconds: float) -> tuple[int, int]:
    place = TopicPartition(topic, partition)
    found = consumer.get_watermark_offsets(place, timeout=seconds, cached=False)
    if found is None:
        raise NotYet(f"partition {partition} did not name its offsets in {seconds:g} s")
    return int(found[0]), int(found[1])


def _write_sentinels(topic: Topic, sentinel: Callable[[int], Sentinel], seconds: float) -> list[int]:
    """Append one sentinel to every partition; returns their offsets."""
    landed: dict[int, int] = {}
    refused: list[str] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is None:
            landed[_number(message.partition())] = offset_of(message)
        else:
            refused.append(f"partition {message.partition()}: {error.str()}")

    milliseconds = str(max(1, int(seconds * 1000)))
    config = {"log_level": 0, "acks": "all", "enable.idempotence": "true", "message.timeout.ms": milliseconds}
    producer = Producer({"bootstrap.servers": topic.bootstrap, **config})
    for partition in range(topic.partitions):
        one = sentinel(partition)
        producer.produce(topic.name, one.value, one.key, partition=partition, on_delivery=on_delivery)
    producer.flush(seconds)
    if len(landed) < topic.partitions:
        why = refused[0] if refused else f"{len(landed)} of {topic.partitions} were acknowledged"
        raise StackError("the fence's sentinels could not be written", why=why, fix=_PATIENT)
    return [landed[partition] for partition in range(topic.partitions)]


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


def offset_of(message: Message) -> int:
    """Where a delivered message lies."""
    return _number(message.offset())


def _number(value: int | None) -> int:
    assert value is not None, "a delivered message has a place"
    return value


def _left(deadline: int) -> float:
    return max(0.0, (deadline - MONOTONIC.now()) / NANOS_PER_SECOND)
