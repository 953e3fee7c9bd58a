"""Small stacks of pods for tests."""

from __future__ import annotations

from harness.stack.components import KafkaDefinition, KubernetesDefinition, OperatorDefinition
from harness.stack.definition import NetworkDefinition, NodeDefinition, StackDefinition

STRIMZI = OperatorDefinition(
    runs="kafka",
    release="the release 9.9",
    deployment="strimzi-cluster-operator",
    kinds=("Kafka.kafka.strimzi.io/v1beta2", "KafkaTopic.kafka.strimzi.io/v1beta2"),
    environment={"STRIMZI_KUBERNETES_VERSION": "minor=27"},
)
KAFKA = KafkaDefinition(
    version="1.2.3", properties="p", heap_mb=256, data_mb=64, client_port=9092, controller_port=9093
)


def definition_of(*nodes: NodeDefinition, releases: dict[str, str] | None = None) -> StackDefinition:
    """A stack of *nodes* with Kafka run by an operator."""
    kubernetes = KubernetesDefinition(
        manifests=("kafka.yaml",), operators={"strimzi": STRIMZI}, releases=releases or {}
    )
    network = NetworkDefinition(prefix=24, observer="198.18.0.1")
    found = nodes or (NodeDefinition(name="k-0", role="broker"),)
    return StackDefinition(
        name="small", title="small", network=network, nodes=found, kafka=KAFKA, kubernetes=kubernetes
    )
