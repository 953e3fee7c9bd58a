"""From a definition to services on nodes: which component runs where, each with a disk of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.stack.definition import NodeDefinition, StackDefinition
from harness.stack.flink.component import FlinkParts, ports_of
from harness.stack.flink.rest import FlinkRest
from harness.stack.flink.task_metrics import LivePages, page
from harness.stack.kafka.admin import KafkaAdmin
from harness.stack.kafka.component import Broker
from harness.stack.kafka.files import KafkaSoftware, brokers_of, properties_of
from harness.stack.namespaces.disks import make_disk
from harness.stack.namespaces.netns import NamespaceNode
from harness.stack.objects.component import ObjectStore, StoreSoftware
from harness.stack.parts import Parts
from harness.stack.seams import Node
from harness.stack.service import NodeService, Ready
from harness.stack.software import Software
from harness.stack.vector.component import VectorAgent, environment_of


@dataclass(frozen=True)
class Assembly:
    """What every component's services are made from.

    Args:
        definition: the stack; ``folder`` holds its files.
        parts: the metrics agent's binary.
        logs: where configurations and logs go.
        environment: what every process of the run carries.
        disk: makes the disk of a node with so many megabytes.
    """

    definition: StackDefinition
    folder: Path
    software: Software
    parts: Parts
    logs: Path
    environment: Mapping[str, str]
    disk: Callable[[str, int], Path] = make_disk

    def nodes(self) -> dict[str, NamespaceNode]:
        """Every node, by name, with the ports on which its service listens."""
        return {
            node.name: NamespaceNode(
                node.name,
                node.role,
                node.address,
                listens_on(self.definition, node, vector=self.parts.vector is not None),
            )
            for node in self.definition.nodes
        }

    def admin(self) -> KafkaAdmin:
        """Administration of the brokers."""
        named = {
            n if node.broker_id is None else node.broker_id: (node.name, node.address)
            for n, node in enumerate(brokers_of(self.definition), 1)
        }
        operator = self.definition.operator_of("kafka")
        in_zookeeper = operator is not None and operator.zookeeper
        return KafkaAdmin(named, self.definition.kafka.client_port, in_zookeeper=in_zookeeper)

    def brokers(
        self,
        nodes: Mapping[str, NamespaceNode],
        admin: KafkaAdmin,
        software: KafkaSoftware,
        formatted: list[Path],
    ) -> dict[str, Broker]:
        """One broker for each broker node, on disks laid down from *formatted*."""
        kafka = self.definition.kafka
        return {
            node.name: Broker(
                nodes[node.name],
                admin,
                software,
                properties=properties_of(
                    self.definition, self.folder, number, self.disk(node.name, kafka.data_mb)
                ),
                formatted=formatted[number - 1],
                heap_mb=kafka.heap_mb,
                log4j=self.folder / "log4j.properties",
                logs=self.logs,
                environment=self.environment,
            )
            for number, node in enumerate(brokers_of(self.definition), 1)
        }

    def object_stores(self, nodes: Mapping[str, NamespaceNode]) -> dict[str, ObjectStore]:
        """The S3 server, if the stack has one."""
        objects = self.definition.objects
        if objects is None:
            return {}
        logback = self.folder / "logback.xml"
        software = StoreSoftware(self.software.java, self.software.jars["s3proxy"], logback)
        software = software.with_archive(objects)
        return {
            node.name: ObjectStore(
                nodes[node.name],
                objects,
                software=software,
                disk=self.disk(node.name, objects.data_mb),
                logs=self.logs,
                environment=self.environment,
            )
            for node in self.definition.nodes_of("s3")
        }

    def flink(self, nodes: Mapping[str, NamespaceNode], rest: FlinkRest) -> dict[str, NodeService]:
        """The processes of the Flink cluster, if the stack has one."""
        flink = self.definition.flink
        if flink is None:
            return {}
        hosts = [*self.definition.nodes_of("jobmanager"), *self.definition.nodes_of("taskmanager")]
        hosts += self.definition.nodes_of("zookeeper") if flink.high_availability else ()
        disks = {node.name: self.disk(node.name, flink.data_mb) for node in hosts}
        parts = FlinkParts(
            self.definition, self.folder, self.software, rest, disks, self.logs, self.environment
        )
        return parts.services(nodes)

    def agents(self, nodes: Mapping[str, NamespaceNode]) -> dict[str, VectorAgent]:
        """The metrics agent, if the stack has one and its binary was found."""
        vector = self.definition.vector
        if vector is None or self.parts.vector is None:
            return {}
        return {
            node.name: VectorAgent(
                nodes[node.name],
                vector,
                self.parts.vector,
                config=self.folder / vector.config,
                disk=self.disk(node.name, vector.data_mb),
                logs=self.logs,
                environment={**self.environment, **environment_of(self.definition)},
            )
            for node in self.definition.nodes_of("vector")
        }

    def rest(self, moving: Mapping[str, Node] | None = None) -> FlinkRest | None:
        """Flink's REST interface, if the stack has Flink; *moving* are nodes that know their addresses."""
        flink = self.definition.flink
        if flink is None:
            return None
        hosts = [n.address for n in self.definition.nodes_of("jobmanager")]
        workers = {
            n.name: page(n.address, flink.metrics_port) for n in self.definition.nodes_of("taskmanager")
        }
        pages = workers if moving is None else LivePages(tuple(workers), moving, flink.metrics_port)
        return FlinkRest([f"http://{host}:{flink.rest_port}" for host in hosts], pages)


def listens_on(definition: StackDefinition, node: NodeDefinition, *, vector: bool) -> tuple[int, ...]:
    """The ports of *node*'s service, the first one for clients; none when that is not run.

    *vector*: whether the metrics agent is.
    """
    kafka, objects, agent = definition.kafka, definition.objects, definition.vector
    if node.ports:
        return node.ports
    if node.role == "broker":
        return (kafka.client_port, kafka.controller_port)
    if node.role == "s3" and objects is not None:
        return (objects.port,)
    if node.role == "vector" and agent is not None and vector:
        return (agent.api_port, agent.metrics_port)
    return ports_of(definition, node)


def ready_of(
    definition: StackDefinition, name: str, role: str, admin: KafkaAdmin, rest: FlinkRest | None
) -> Ready:
    """What it takes a node of *role* to serve beyond an open port."""
    if role == "broker":
        return partial(admin.prove_in_sync, name)
    if role == "taskmanager" and rest is not None and definition.operator_of("flink") is None:
        return partial(rest.wait_registered, name)
    if role in {"jobmanager", "taskmanager"} and rest is not None:
        # An operator's TaskManagers register by their addresses.
        return partial(rest.wait_task_managers, len(definition.nodes_of("taskmanager")))
    return lambda _seconds: f"{name} listens"
