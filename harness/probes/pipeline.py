"""Which probes a stack with a pipeline gets, and where each of them asks."""

from __future__ import annotations

from harness.probes.flink import FlinkProbe
from harness.probes.kafka import KafkaProbe
from harness.probes.objects import ObjectsProbe
from harness.probes.sampler import Probe
from harness.probes.tasks import TaskProbe
from harness.probes.vector import VectorProbe
from harness.stack.definition import StackDefinition
from harness.stack.flink.rest import FlinkRest

GROUP = "edge-processor"
"""The consumer group of the job."""


def pipeline_probes(
    definition: StackDefinition,
    cluster: FlinkRest | None,
    *,
    bootstrap: str,
    source: str,
    vector: bool = True,
) -> list[Probe]:
    """One probe for each component of *definition* behind its brokers; none for a stack of brokers alone.

    Args:
        cluster: the Flink cluster, if there is one.
        bootstrap: ``host:port,…`` of the brokers.
        source: the load's topic, which is the job's source.
        vector: whether Vector runs at all.
    """
    found: list[Probe] = []
    topics = [source, *([definition.topics.results] if definition.topics else [])]
    if cluster is not None:
        found += [KafkaProbe(bootstrap, GROUP, topics), FlinkProbe(list(cluster.urls))]
        found.append(TaskProbe(cluster.pages, cluster.urls))
    for node in definition.nodes_of("s3"):
        if definition.objects is not None:
            found.append(ObjectsProbe(node.name, f"http://{node.address}:{definition.objects.port}/"))
    for node in definition.nodes_of("vector") if vector else ():
        if definition.vector is not None:
            url = f"http://{node.address}:{definition.vector.metrics_port}/metrics"
            found.append(VectorProbe(node.name, url))
    return found
