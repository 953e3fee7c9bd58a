"""The Flink component: JobManagers and TaskManagers of one session cluster, and its ZooKeeper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.stack.definition import NodeDefinition, StackDefinition
from harness.stack.flink.classes import JOB_MANAGER, TASK_MANAGER
from harness.stack.flink.files import (
    BLOB_PORT,
    DATA_PORT,
    RPC_PORT,
    ZOOKEEPER_PORT,
    Memory,
    cluster_settings,
    lay_out_plugins,
    render_config,
    task_manager_memory,
    task_manager_settings,
)
from harness.stack.flink.rest import FlinkRest
from harness.stack.namespaces.disks import disk_place
from harness.stack.namespaces.netns import NamespaceNode
from harness.stack.service import NodeService, Ready
from harness.stack.software import Software

ZOOKEEPER = "org.apache.zookeeper.server.ZooKeeperServerMain"
ZOOKEEPER_HEAP_MB = 64
# What is uploaded is written to a file first, by default to one in /tmp that all users of a machine share.
_SCRATCH = ("io.tmp.dirs", "blob.storage.directory", "fs.s3a.buffer.dir")


def ports_of(definition: StackDefinition, node: NodeDefinition) -> tuple[int, ...]:
    """The ports on which a node of this component listens; the first serves clients."""
    flink = definition.flink
    if flink is None:
        return ()
    by_role = {
        "jobmanager": (flink.rest_port, RPC_PORT, BLOB_PORT, flink.metrics_port),
        "taskmanager": (RPC_PORT - 1, DATA_PORT, flink.metrics_port),
        "zookeeper": (ZOOKEEPER_PORT,) if flink.high_availability else (),
    }
    return by_role.get(node.role, ())


@dataclass(frozen=True)
class FlinkParts:
    """What builds the services of a Flink cluster.

    Args:
        definition: the stack; ``folder`` holds its files.
        rest: tells when a TaskManager is registered.
        disks: the folder that is each node's own disk, by node name.
        logs: where configurations and logs go.
    """

    definition: StackDefinition
    folder: Path
    software: Software
    rest: FlinkRest
    disks: Mapping[str, Path]
    logs: Path
    environment: Mapping[str, str]

    def services(self, nodes: Mapping[str, NamespaceNode]) -> dict[str, NodeService]:
        """One service for each node of the component, in the order in which they start."""
        flink = self.definition.flink
        assert flink is not None
        plugins = lay_out_plugins(self.software.jars["flink-s3"], disk_place("plugins"))
        built: dict[str, NodeService] = {}
        if flink.high_availability:
            built |= {n.name: self._zookeeper(nodes[n.name]) for n in self.definition.nodes_of("zookeeper")}
        for node in self.definition.nodes_of("jobmanager"):
            built[node.name] = self._job_manager(nodes[node.name], plugins)
        for node in self.definition.nodes_of("taskmanager"):
            built[node.name] = self._task_manager(nodes[node.name], plugins)
        return built

    def _job_manager(self, node: NamespaceNode, plugins: Path) -> NodeService:
        flink = self.definition.flink
        assert flink is not None
        memory = Memory(flink.job_manager_mb)
        settings = {
            "jobmanager.rpc.address": node.address,
            "rest.address": node.address,
            "web.upload.dir": str(self.disks[node.name]),
        }
        return self._process(node, JOB_MANAGER, memory, settings, plugins, self._job_manager_ready)

    def _task_manager(self, node: NamespaceNode, plugins: Path) -> NodeService:
        flink = self.definition.flink
        assert flink is not None
        settings = task_manager_settings(flink) | {
            "taskmanager.host": node.address,
            "taskmanager.bind-host": "0.0.0.0",  # noqa: S104 - inside the node's own network
            "taskmanager.resource-id": node.name,
        }
        memory = task_manager_memory(flink)
        return self._process(
            node, TASK_MANAGER, memory, settings, plugins, lambda s: self.rest.wait_registered(node.name, s)
        )

    def _process(
        self,
        node: NamespaceNode,
        main: str,
        memory: Memory,
        settings: Mapping[str, str],
        plugins: Path,
        ready: Ready,
    ) -> NodeService:
        disk = self.disks[node.name]
        own = {name: str(disk) for name in _SCRATCH}
        config = self.logs / node.name
        config.mkdir(mode=0o700)
        shared = cluster_settings(self.definition, self.folder)
        (config / "flink-conf.yaml").write_text(render_config({**shared, **own, **settings}))
        log4j = self.folder / "log4j-console.properties"
        flags = (*memory.flags, f"-Dlog4j.configuration=file:{log4j}", f"-Djava.io.tmpdir={disk}")
        argv = self.software.command(
            "flink", main, "--configDir", str(config), heap_mb=memory.heap_mb, flags=flags
        )
        return self._service(node, argv, {"FLINK_PLUGINS_DIR": str(plugins)}, ready)

    def _zookeeper(self, node: NamespaceNode) -> NodeService:
        disk = self.disks[node.name]
        log4j = f"-Dlog4j.configuration=file:{self.folder / 'log4j-console.properties'}"
        flags = (log4j, "-Dzookeeper.admin.enableServer=false")
        argv = self.software.command(
            "kafka", ZOOKEEPER, str(ZOOKEEPER_PORT), str(disk), heap_mb=ZOOKEEPER_HEAP_MB, flags=flags
        )
        return self._service(node, argv, {}, lambda _seconds: f"{node.name} listens")

    def _service(
        self, node: NamespaceNode, argv: list[str], environment: Mapping[str, str], ready: Ready
    ) -> NodeService:
        flink = self.definition.flink
        assert flink is not None
        return NodeService(
            node,
            argv,
            environment={**self.environment, **environment},
            disk=self.disks[node.name],
            logs=self.logs,
            ready=ready,
        )

    def _job_manager_ready(self, seconds: float) -> str:
        wanted = len(self.definition.nodes_of("taskmanager"))
        return self.rest.wait_task_managers(wanted, seconds)
