"""Who controls is asked of the metadata quorum, or, where there is none, of the brokers' metadata."""

from __future__ import annotations

from harness.stack.kafka.admin import KafkaAdmin
from harness.tests.mock_cluster import mock_cluster


def test_with_zookeeper_the_brokers_name_the_controller() -> None:
    """No DescribeQuorum is asked: a broker with ZooKeeper would hang up on it."""
    with mock_cluster() as bootstrap:
        host, _, port = bootstrap.rpartition(":")
        # The mock's only broker has id 1 and says that 0 controls.
        admin = KafkaAdmin({0: ("kafka-0", host), 1: ("kafka-1", host)}, int(port), in_zookeeper=True)

        assert admin.controller() == "kafka-0"
