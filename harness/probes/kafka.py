"""How far a consumer group is behind, and how fast topics grow, as the brokers tell it.

Asked by a consumer that never subscribes, so nobody joins the group. Administrative calls
would tell the same, but librdkafka 2.16 aborts the whole process now and then when one is made
while its topic is being created. A group's committed offsets move when Flink completes a checkpoint,
so its lag is a saw-tooth as high as what one checkpoint interval brings.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from harness.errors import StackError
from harness.probes.sampler import CALL_S, Sample
from harness.stack.kafka.admin import QUIET

_SHARE_S = CALL_S / 2
"""What one call may take; the first that takes longer ends the sample."""


class KafkaProbe:
    """Samples a group's lag on the first of *topics*, and the growth of each; see ``sampler.Probe``.

    Args:
        bootstrap: ``host:port,…``.
        group: the consumer group.
        topics: the source first, then whatever else should be watched.
    """

    name = "kafka"

    def __init__(self, bootstrap: str, group: str, topics: Sequence[str]) -> None:
        settings = {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, **QUIET}
        self._client = Consumer(settings)
        self._group, self._source, self._topics = group, topics[0], tuple(topics)
        self._partitions: dict[str, tuple[int, ...]] = {}
        self._before: dict[str, tuple[float, int]] = {}

    def sample(self) -> list[Sample]:
        """Lag of the group in whole and by partition, and records appended per second of every topic.

        Raises:
            StackError: a call had no good answer in time.
        """
        try:
            self._meet_topics()
            asked, ends = time.monotonic(), self._ends()
            return [*self._growth(ends, asked), *self._lag(ends)]
        except KafkaException as error:
            raise StackError("Kafka did not tell its offsets", why=str(error)) from error

    def _meet_topics(self) -> None:
        if len(self._partitions) < len(self._topics):
            found = self._client.list_topics(timeout=_SHARE_S).topics
            self._partitions = {
                name: tuple(found[name].partitions)
                for name in self._topics
                if name in found and found[name].partitions
            }

    def _ends(self) -> dict[tuple[str, int], int]:
        wanted = [(topic, partition) for topic, own in self._partitions.items() for partition in own]
        if not wanted:
            raise StackError("the topics do not exist yet")
        return {place: self._end(*place) for place in wanted}

    def _end(self, topic: str, partition: int) -> int:
        place = TopicPartition(topic, partition)
        found = self._client.get_watermark_offsets(place, timeout=_SHARE_S, cached=False)
        if found is None:
            raise StackError(f"{topic}/{partition} did not name its end in {_SHARE_S:g} s")
        return int(found[1])

    def _growth(self, ends: Mapping[tuple[str, int], int], now: float) -> list[Sample]:
        found: list[Sample] = []
        for topic in self._partitions:
            total = sum(end for (name, _), end in ends.items() if name == topic)
            then, before = self._before.get(topic, (now, total))
            # A new leader may not know the end of the log yet: what it takes back it gives again.
            self._before[topic] = (now, max(total, before))
            if now > then:
                found.append((topic, "appended_per_s", max(0, total - before) / (now - then)))
        return found

    def _lag(self, ends: Mapping[tuple[str, int], int]) -> list[Sample]:
        at = {partition: end for (topic, partition), end in ends.items() if topic == self._source}
        if not at:
            return []
        asked = [TopicPartition(self._source, partition) for partition in at]
        # Nothing committed yet (a negative offset): the job began at the beginning, which is 0 here.
        committed = self._client.committed(asked, timeout=_SHARE_S)
        behind = {one.partition: max(0, at[one.partition] - max(0, one.offset)) for one in committed}
        whole: Sample = (self._group, "lag_records", float(sum(behind.values())))
        return [whole, *((f"{self._source}/{p}", "lag_records", float(n)) for p, n in behind.items())]
