"""A reader of whole partitions, assigned by hand: what it was handed, and over what its position moved.

librdkafka's own position is that behind the last record it handed out, so that a partition that ends in
the marker of a transaction would never be read through. The event for the end of a partition says where
the next fetch begins, behind markers and aborted records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from harness.clock import MONOTONIC, NANOS_PER_SECOND
from harness.history.operations import Delivered, Move, Poll, Reader
from harness.workloads.kit import QUIET, Kit
from harness.workloads.membership import RESETS
from harness.workloads.plan import CALL_S, Ends
from harness.workloads.records import Records

_AT_ONCE, _WAIT_S = 500, 0.2
_LAST_S = 60.0
_WRONG_EVERY = 7
"""Polls, for a reader that does wrong."""
Place = tuple[str, int]


class Unread(Exception):
    """A last reader that did not come to the end in time."""


class AssignedReader:
    """Reads every partition of the workload from its start.

    Told to do wrong, one that reads along leaves out records that it was handed (``skips``), passes over
    some without being told to (``jumps``), or shows what is not committed although it says that it does not
    (``sees_open``).
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._workload = kit.plan.workload
        self._wrong = "" if kit.client.until else self._workload.wrong
        self._committed = kit.client.role == "committed"
        self._records = {topic: Records(kit.plan.run_id, topic) for topic in self._workload.topics}
        self._consumer = Consumer(self._settings())
        self._at: dict[Place, int] = {}
        self._polls = 0

    def run(self) -> None:
        """Read until it is told to stop; a last reader, up to the ends.

        Raises:
            Unread: that took too long.
        """
        self._open()
        ends, deadline = _ends(self._kit.client.until), MONOTONIC.now() + int(_LAST_S * NANOS_PER_SECOND)
        while not self._kit.stopping and (ends is None or self._unread(ends)):
            self._read()
            if ends is not None and MONOTONIC.now() > deadline:
                raise Unread(f"at {self._unread(ends)}")

    def _settings(self) -> dict[str, str]:
        shown = "committed" if self._committed and self._wrong != "sees_open" else "uncommitted"
        return {
            **QUIET,
            "bootstrap.servers": self._kit.plan.bootstrap,
            "group.id": f"{self._kit.client.name}-none",  # the client wants one; no group is ever joined
            "isolation.level": f"read_{shown}",
            "enable.auto.commit": "false",
            "auto.offset.reset": "error",
            "enable.partition.eof": "true",
            "check.crcs": "true",
            "fetch.wait.max.ms": "50",
        }

    def _open(self) -> None:
        shows: Literal["committed", "uncommitted"] = "committed" if self._committed else "uncommitted"
        self._kit.write(Reader(reader=self._kit.number, isolation=shows))
        for topic in self._workload.topics:
            for partition in range(self._workload.partitions):
                self._at[topic, partition] = self._start(topic, partition)
        self._consumer.assign([TopicPartition(topic, n, at) for (topic, n), at in self._at.items()])

    def _start(self, topic: str, partition: int) -> int:
        found = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=CALL_S)
        if found is None:
            raise Unread(f"{topic}/{partition} did not name its start")
        return int(found[0])

    def _read(self) -> None:
        invoked = MONOTONIC.now()
        messages = self._consumer.consume(_AT_ONCE, timeout=_WAIT_S)
        done = MONOTONIC.now()
        for place, group in _by_place(messages).items():
            self._take(place, group, (invoked, done))
        self._polls += 1

    def _take(self, place: Place, group: list[Message], t: tuple[int, int]) -> None:
        sound = [message for message in group if message.error() is None]
        # What lies below where it stands is told as it came: that the position went back is for checkers.
        before = min([self._at[place], *(message.offset() or 0 for message in sound)])
        after = max(before, *(_behind(message) for message in group))
        if after > before and not self._does_wrong("jumps"):
            records = self._kept(self._records[place[0]].decode(sound, place[1]))
            self._kit.write(self._poll(place, t, (before, after), records))
        self._at[place] = max(after, self._at[place]) if not sound else after
        self._kit.did()
        for error in (message.error() for message in group):
            self._reset(place, error)

    def _poll(
        self, place: Place, t: tuple[int, int], position: tuple[int, int], records: tuple[Delivered, ...]
    ) -> Poll:
        topic, partition = place
        return Poll(
            reader=self._kit.number, topic=topic, partition=partition, t=t, position=position, records=records
        )

    def _kept(self, records: tuple[Delivered, ...]) -> tuple[Delivered, ...]:
        return records[1:] if self._does_wrong("skips") else records

    def _does_wrong(self, wrong: str) -> bool:
        return self._wrong == wrong and self._polls % _WRONG_EVERY == 0

    def _reset(self, place: Place, error: KafkaError | None) -> None:
        """Where *error* says that the log no longer has what is next, begin again at its start."""
        if error is None or error.code() not in RESETS:
            return
        topic, partition = place
        self._kit.write(
            Move(reader=self._kit.number, topic=topic, partition=partition, t=MONOTONIC.now(), why="reset")
        )
        self._at[place] = self._start(topic, partition)
        self._consumer.seek(TopicPartition(topic, partition, self._at[place]))

    def _unread(self, ends: Ends) -> str:
        """The first partition that is not read through, in words; empty when all are."""
        for topic, partition, end in ends.ends:
            if self._at[topic, partition] < end:
                return f"{topic}/{partition} {self._at[topic, partition]} of {end}"
        return ""


def _ends(path: Path | None) -> Ends | None:
    return Ends.model_validate_json(path.read_bytes()) if path else None


def _behind(message: Message) -> int:
    """Where a reader stands that was handed *message*; 0: it tells nothing of that."""
    error, offset = message.error(), message.offset() or 0
    if error is None:
        return offset + 1
    return offset if error.code() == KafkaError._PARTITION_EOF else 0  # noqa: SLF001


def _by_place(messages: list[Message]) -> dict[Place, list[Message]]:
    groups: dict[Place, list[Message]] = {}
    for message in messages:
        topic, partition = message.topic(), message.partition()
        if topic is not None and partition is not None and partition >= 0:
            groups.setdefault((topic, partition), []).append(message)
    return groups
