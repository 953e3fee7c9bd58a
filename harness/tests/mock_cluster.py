"""librdkafka's own mock cluster: brokers that speak the protocol, inside the test's process.

It keeps a few megabytes per partition and makes topics of four partitions on first use. Every
node listens on loopback. What it cannot do: replicate, crash, forget.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

PARTITIONS = 4


@contextmanager
def mock_cluster() -> Iterator[str]:
    """A cluster of one broker while the block runs; yields its bootstrap address."""
    owner = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    brokers = owner.list_topics(timeout=5).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    owner.flush(0)
