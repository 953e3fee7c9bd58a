"""Administrative calls to a live Kafka cluster, and who plays which part in it.

Every call survives a booting or limping cluster: it is repeated until its time
is up, and the error then carries what was last seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    NewTopic,
    PartitionMetadata,
    ResourceType,
    TopicMetadata,
)

from harness.errors import StackError
from harness.stack.kafka.quorum import quorum_leader
from harness.waiting import NotYet, wait_for

T = TypeVar("T")

_CALL_S = 2.0
_PATIENCE_S = 30.0


class KafkaAdmin:
    """Administration and role look-up; see ``harness.stack.seams.Roles``."""

    def __init__(
        self, brokers: Mapping[int, tuple[str, str]], port: int, *, in_zookeeper: bool = False
    ) -> None:
        """*brokers* maps a node id to (node name, address); *in_zookeeper*: there is no metadata quorum."""
        self._brokers, self._in_zookeeper = brokers, in_zookeeper
        self._port = port
        self.bootstrap = ",".join(f"{address}:{port}" for _, address in brokers.values())
        self._client = self._connected()

    def brokers(self) -> tuple[str, ...]:
        """Every broker of the stack, sorted."""
        return tuple(sorted(name for name, _ in self._brokers.values()))

    def leader(self, topic: str, partition: int) -> str:
        """The leader of a partition, waited for while there is none."""
        return self._name(self._led(topic, partition).leader)

    def replicas(self, topic: str, partition: int) -> tuple[str, ...]:
        """All replicas of a partition, leader first."""
        found = self._led(topic, partition)
        names = sorted(self._name(replica) for replica in found.replicas)
        return tuple(sorted(names, key=lambda name: name != self._name(found.leader)))

    def in_sync(self, topic: str, partition: int) -> tuple[str, ...]:
        """The in-sync replicas of a partition."""
        return tuple(sorted(self._name(replica) for replica in self._led(topic, partition).isrs))

    def led_by(self, topic: str, node: str) -> tuple[int, ...]:
        """The partitions of *topic* that *node* leads."""
        partitions = self._topic(topic).partitions
        return tuple(sorted(n for n, found in partitions.items() if self._known(found.leader) == node))

    def controller(self) -> str:
        """The leader of the metadata quorum; with ZooKeeper the broker that it chose."""
        return self._patiently("finding the controller", self._ask_for_controller)

    def coordinator(self, group: str) -> str:
        """The coordinator of a consumer group."""
        described = self._client.describe_consumer_groups([group], request_timeout=_CALL_S)[group]
        return self._patiently(
            f"finding the coordinator of {group}", lambda: self._name(described.result().coordinator.id)
        )

    def transaction_coordinator(self, identity: str) -> str:
        """The coordinator of the transactions of *identity*, once there was one."""
        state = "__transaction_state"
        return self.leader(state, java_hash(identity) % len(self._topic(state).partitions))

    def prove_in_sync(self, name: str, seconds: float) -> str:
        """Return, with the proof in words, when every broker answers and every replica is in sync again."""
        self.wait_for_brokers(seconds)
        topics = self.topics()
        for topic in topics:
            self.wait_in_sync(topic, seconds)
        return f"{name} answers; every replica of {', '.join(topics) or 'no topic'} is in sync"

    def wait_for_brokers(self, seconds: float) -> None:
        """Return when every broker has registered."""
        self._patiently("seeing every broker", self._see_every_broker, seconds)

    def create_topic(
        self, name: str, *, partitions: int, replication: int, config: Mapping[str, str]
    ) -> None:
        """Create a topic and wait until all its replicas are in sync."""
        self.create_topics((name,), partitions=partitions, replication=replication, config=config)

    def create_topics(
        self, names: Sequence[str], *, partitions: int, replication: int, config: Mapping[str, str]
    ) -> None:
        """Create topics that are alike, all at once, and wait until all their replicas are in sync."""
        topics = [NewTopic(name, partitions, replication, config=dict(config)) for name in names]
        self._patiently(f"creating {', '.join(names)}", lambda: self._create(topics))
        for name in names:
            self.wait_in_sync(name, _PATIENCE_S)

    def delete_topic(self, name: str) -> None:
        """Delete a topic; its files go after the topic's ``file.delete.delay.ms``."""
        self._patiently(f"deleting topic {name}", lambda: self._delete(name))

    def wait_in_sync(self, topic: str, seconds: float) -> None:
        """Return when every replica of every partition of *topic* is in sync."""
        self._patiently(f"all replicas of {topic} in sync", lambda: self._see_in_sync(topic), seconds)

    def topics(self) -> tuple[str, ...]:
        """Every topic, sorted, internal ones left out."""
        return tuple(sorted(name for name in self._metadata().topics if not name.startswith("__")))

    def effective(self, topic: str) -> dict[str, str]:
        """What the cluster says it runs with: broker settings, and the topic's under ``topic.``."""
        first = str(min(self._brokers))
        broker = self._described(ConfigResource(ResourceType.BROKER, first))
        of_topic = self._described(ConfigResource(ResourceType.TOPIC, topic))
        return broker | {f"topic.{key}": value for key, value in of_topic.items()}

    def prove_ready(self, topic: str, payload: Callable[[int], bytes], seconds: float) -> None:
        """Write a *payload* to every partition with acks=all and read it back.

        Raises:
            StackError: not every partition served within *seconds*.
        """
        partitions = sorted(self._topic(topic).partitions)
        offsets = self._patiently(
            f"an acknowledged write on every partition of {topic}",
            lambda: self._write_each(topic, partitions, payload),
            seconds,
        )
        self._patiently(f"reading {topic} back", lambda: self._read_each(topic, offsets), seconds)

    def _write_each(
        self, topic: str, partitions: list[int], payload: Callable[[int], bytes]
    ) -> dict[int, int]:
        acked: dict[int, int] = {}

        def remember(error: KafkaError | None, message: Message) -> None:
            partition, offset = message.partition(), message.offset()
            if error is None and partition is not None and offset is not None:
                acked[partition] = offset

        producer = Producer({"bootstrap.servers": self.bootstrap, "acks": "all", "linger.ms": 0, **QUIET})
        for partition in partitions:
            producer.produce(topic, payload(partition), partition=partition, on_delivery=remember)
        producer.flush(_CALL_S * 2)
        if len(acked) < len(partitions):
            raise NotYet(f"acknowledged on {sorted(acked)} of {partitions}")
        return acked

    def _read_each(self, topic: str, offsets: Mapping[int, int]) -> None:
        settings = {"bootstrap.servers": self.bootstrap, "group.id": "edge-readiness", **QUIET}
        consumer = Consumer({**settings, "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(topic, partition, at) for partition, at in offsets.items()])
            read = {message.partition() for message in consumer.consume(len(offsets), timeout=_CALL_S * 2)}
        finally:
            consumer.close()
        if missing := sorted(set(offsets) - read):
            raise NotYet(f"nothing read from {missing}")

    def _metadata(self, topic: str | None = None) -> ClusterMetadata:
        return self._client.list_topics(topic, timeout=_CALL_S)

    def _topic(self, name: str) -> TopicMetadata:
        def observe() -> TopicMetadata:
            found = self._metadata(name).topics[name]
            if found.error is not None:
                raise NotYet(str(found.error))
            return found

        return self._patiently(f"describing topic {name}", observe)

    def _led(self, topic: str, partition: int) -> PartitionMetadata:
        def observe() -> PartitionMetadata:
            found = self._topic(topic).partitions.get(partition)
            if found is None or found.leader not in self._brokers:
                raise NotYet("it has no leader")
            return found

        return self._patiently(f"finding the leader of {topic}/{partition}", observe)

    def _ask_for_controller(self) -> str:
        if self._in_zookeeper:
            return self._name(self._metadata().controller_id)
        refusals: list[str] = []
        for _, address in self._brokers.values():
            try:
                return self._name(quorum_leader(address, self._port, seconds=1.0))
            except StackError as error:
                refusals.append(error.why)
        raise NotYet("; ".join(refusals))

    def _see_every_broker(self) -> None:
        seen = sorted(self._metadata().brokers)
        if seen != sorted(self._brokers):
            raise NotYet(f"only brokers {seen}")

    def _create(self, topics: list[NewTopic]) -> None:
        for created in self._client.create_topics(topics, request_timeout=_CALL_S).values():
            try:
                created.result()
            except KafkaException as error:
                # An earlier try may have been carried out although its answer was lost.
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise

    def _delete(self, name: str) -> None:
        self._client.delete_topics([name], operation_timeout=_CALL_S * 2)[name].result()

    def _see_in_sync(self, topic: str) -> None:
        partitions = self._topic(topic).partitions
        behind = sorted(n for n, found in partitions.items() if set(found.isrs) != set(found.replicas))
        if behind:
            raise NotYet(f"partitions {behind} lack a replica")

    def _described(self, resource: ConfigResource) -> dict[str, str]:
        def observe() -> dict[str, str]:
            answer = self._client.describe_configs([resource], request_timeout=_CALL_S)[resource].result()
            return {
                name: str(entry.value) for name, entry in sorted(answer.items()) if not entry.is_sensitive
            }

        return self._patiently("reading the effective configuration", observe)

    def _name(self, broker_id: int) -> str:
        if broker_id not in self._brokers:
            raise NotYet(f"broker {broker_id} is not one of this stack")
        return self._brokers[broker_id][0]

    def _known(self, broker_id: int) -> str:
        return self._brokers.get(broker_id, ("none", ""))[0]

    def _patiently(self, what: str, observe: Callable[[], T], seconds: float = _PATIENCE_S) -> T:
        def once() -> T:
            try:
                return observe()
            except KafkaException as error:
                # A client that met the cluster while it booted may wait for ever for a broker that
                # was not the controller after all: the next try asks with a fresh one.
                self._client = self._connected()
                raise NotYet(str(error)) from error

        return wait_for(once, what=what, seconds=seconds, fix="see logs/broker-*.log")

    def _connected(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, **QUIET})


QUIET = {"log_level": 0, "socket.connection.setup.timeout.ms": 2000, "reconnect.backoff.max.ms": 500}
"""librdkafka writes nothing to a user's terminal, and does not wait long for a broker that is away."""


def java_hash(text: str) -> int:
    """Kafka's positive ``String.hashCode()`` of *text*, by which coordinators are chosen."""
    code = 0
    for letter in text:
        code = (31 * code + ord(letter)) & 0xFFFF_FFFF
    signed = code - (1 << 32) if code >= 1 << 31 else code
    return 0 if signed == -(1 << 31) else abs(signed)
