"""Which probes a stack with a pipeline gets, and where each of them asks."""

from __future__ import annotations

from harness.probes.flink import FlinkProbe
from harness.probes.kafka import KafkaProbe
from harness.probes.objects import ObjectsProbe
from harness.probes.sampler import Probe
from harness.probes.tasks import TaskProbe
from harness.probes.vector import VectorProbe
from harness.stack.components import FlinkDefinition
from harness.stack.definition import StackDefinition

GROUP = "edge-processor"
"""The consumer group of the job."""


def pipeline_probes(
    definition: StackDefinition, *, bootstrap: str, source: str, group: str = GROUP, vector: bool = True
) -> list[Probe]:
    """One probe for each component of *definition* behind its brokers; none for a stack of brokers alone.

    Args:
        bootstrap: ``host:port,…`` of the brokers.
        source: the load's topic, which is the job's source.
        group: the consumer group of the job.
        vector: whether Vector runs at all.
    """
    found: list[Probe] = []
    topics = [source, *([definition.topics.results] if definition.topics else [])]
    if definition.flink is not None:
        urls, pages = _flink_urls(definition, definition.flink)
        found += [KafkaProbe(bootstrap, group, topics), FlinkProbe(urls), TaskProbe(pages, urls)]
    for node in definition.nodes_of("s3"):
        if definition.objects is not None:
            found.append(ObjectsProbe(node.name, f"http://{node.address}:{definition.objects.port}/"))
    for node in definition.nodes_of("vector") if vector else ():
        if definition.vector is not None:
            url = f"http://{node.address}:{definition.vector.metrics_port}/metrics"
            found.append(VectorProbe(node.name, url))
    return found


def _flink_urls(definition: StackDefinition, flink: FlinkDefinition) -> tuple[list[str], dict[str, str]]:
    """Where the JobManagers serve REST, and each TaskManager its page, by node."""
    return (
        [f"http://{node.address}:{flink.rest_port}" for node in definition.nodes_of("jobmanager")],
        {
            node.name: f"http://{node.address}:{flink.metrics_port}/metrics"
            for node in definition.nodes_of("taskmanager")
        },
    )
