"""How far a consumer group is behind, and how fast topics grow, as the brokers tell it.

Asked with administrative calls only: nobody joins the group. A group's committed
offsets move when Flink completes a checkpoint, so its lag is a saw-tooth as high
as what one checkpoint interval brings.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from harness.errors import StackError
from harness.probes.sampler import CALL_S, Sample
from harness.stack.kafka_admin import QUIET

_SHARE_S = CALL_S / 2
"""A sample is two calls in a row, a third one until the topics are known."""


class KafkaProbe:
    """Samples a group's lag on the first of *topics*, and the growth of each; see ``sampler.Probe``.

    Args:
        bootstrap: ``host:port,…``.
        group: the consumer group.
        topics: the source first, then whatever else should be watched.
    """

    name = "kafka"

    def __init__(self, bootstrap: str, group: str, topics: Sequence[str]) -> None:
        self._bootstrap = bootstrap
        self._client = self._connected()
        self._retired: AdminClient | None = None
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
        except (KafkaException, TimeoutError) as error:
            # A client that met the cluster while it booted may go on asking the wrong broker. The old one
            # is kept for another turn: destroyed with a call under way it may take the process along.
            self._retired, self._client = self._client, self._connected()
            raise StackError("Kafka did not tell its offsets", why=str(error)) from error

    def _connected(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._bootstrap, **QUIET})

    def _meet_topics(self) -> None:
        if len(self._partitions) < len(self._topics):
            found = self._client.list_topics(timeout=_SHARE_S).topics
            self._partitions = {name: tuple(found[name].partitions) for name in self._topics if name in found}

    def _ends(self) -> dict[tuple[str, int], int]:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        wanted = {TopicPartition(t, p): latest for t, ps in self._partitions.items() for p in ps}
        if not wanted:
            raise StackError("the topics do not exist yet")
        answers = self._client.list_offsets(wanted, request_timeout=_SHARE_S)
        return {(at.topic, at.partition): one.result(CALL_S).offset for at, one in answers.items()}

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
        asked = ConsumerGroupTopicPartitions(self._group, [TopicPartition(self._source, p) for p in at])
        answer = self._client.list_consumer_group_offsets([asked], request_timeout=_SHARE_S)
        # Nothing committed yet (a negative offset): the job began at the beginning, which is 0 here.
        committed = answer[self._group].result(CALL_S).topic_partitions or ()
        behind = {one.partition: max(0, at[one.partition] - max(0, one.offset)) for one in committed}
        whole: Sample = (self._group, "lag_records", float(sum(behind.values())))
        return [whole, *((f"{self._source}/{p}", "lag_records", float(n)) for p, n in behind.items())]
