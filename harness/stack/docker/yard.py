"""The containers of one run on the docker platform: which there are, and what each is made of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.stack.assembly import Assembly, listens_on, ready_of
from harness.stack.definition import NodeDefinition
from harness.stack.docker.containers import Container, Docker, Recipe
from harness.stack.docker.images import Images
from harness.stack.docker.nodes import ContainerNode, ContainerService, ContainerStore, attach, far_end
from harness.stack.docker.standing_proxy import BEHIND, FRONT, VARIABLE, StandingProxy
from harness.stack.flink.rest import FlinkRest
from harness.stack.kafka.admin import KafkaAdmin
from harness.stack.kafka.files import brokers_of, formatted_folders, lay_down
from harness.stack.kubernetes.entrance import Entrance
from harness.stack.kubernetes.pod_files import CONFIG, DATA, FLINK_CONFIG, pod_files
from harness.stack.seams import LoggedService
from harness.stack.toxiproxy.in_front import API_PORT

_AT_ONCE = 4
_LEAST_DISK_MB = 16
_TERSE = {"LOG_LEVEL": "warn"}
"""Toxiproxy tells of every connection unless it is told not to."""

_FRONTED = frozenset({"broker", "s3"})


@dataclass
class Yard:
    """What makes the containers of the stack that *of* tells, from *images*.

    ``logged`` are those that say something worth keeping, by the name of their log.
    """

    of: Assembly
    docker: Docker
    images: Images
    logged: dict[str, Container] = field(default_factory=dict)

    def nodes(self) -> list[ContainerNode]:
        """The nodes of the stack that run something or are a place to stand, each in its network."""
        definition = self.of.definition
        wanted = [one for one in definition.nodes if one.role == "load" or self._ports(one)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self._node, wanted))

    def proxies(self, nodes: list[ContainerNode]) -> dict[str, StandingProxy]:
        """A proxy in front of each node that others are clients of; none without an image for them."""
        fronted = [node for node in nodes if node.role in _FRONTED] if self.images.proxy.tag else []
        made = {node.name: self._proxy(node) for node in fronted}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(StandingProxy.start, made.values()))
        return made

    def services(
        self, nodes: list[ContainerNode], admin: KafkaAdmin, rest: FlinkRest | None
    ) -> dict[str, LoggedService]:
        """What runs on the nodes; not started yet."""
        config = self._write_files()
        found = (node for node in nodes if node.role != "load")
        return {node.name: self._service(node, config, admin, rest) for node in found}

    def keep_logs(self) -> None:
        """Write down what every container said."""
        for name, container in self.logged.items():
            (self.of.logs / f"{name}.log").write_text(container.log())

    def _ports(self, node: NodeDefinition) -> tuple[int, ...]:
        return listens_on(self.of.definition, node, vector=False)

    def _node(self, told: NodeDefinition) -> ContainerNode:
        """The container that holds the address, the network and the disk of a node."""
        disk = self.docker.make_disk(told.name, self._megabytes(told.role))
        recipe = Recipe(
            self._named(told.name),
            self.images.of_role(told.role),
            arguments=("infinity",),
            entrypoint=("sleep",),
            environment=self.of.environment,
            disk=disk.name,
            at=str(DATA),
            address=told.address,
        )
        holder = self.docker.container(recipe)
        holder.start()
        attach(told.name, holder.pid())
        return ContainerNode(
            told.name,
            told.role,
            told.address,
            self._ports(told),
            holder=holder.identity,
            disk=disk,
            far_end=far_end(told.name),
        )

    def _proxy(self, node: ContainerNode) -> StandingProxy:
        recipe = Recipe(
            self._named(f"{node.name}-toxiproxy"),
            self.images.proxy.tag,
            arguments=("-host", node.address, "-port", str(API_PORT)),
            environment={**self.of.environment, **_TERSE, VARIABLE: f"{node.name}@{node.address}:{API_PORT}"},
            beside=node.holder,
        )
        container = self._logged(f"{node.name}-toxiproxy", recipe)
        return StandingProxy(node, container, BEHIND if node.role == "broker" else node.ports[0])

    def _service(
        self, node: ContainerNode, config: Path, admin: KafkaAdmin, rest: FlinkRest | None
    ) -> ContainerService:
        container = self._logged(node.name, self._runs(node, config))
        run, definition = self.docker.run, self.of.definition
        if node.role == "s3" and definition.objects is not None:
            return ContainerStore(node, run, container, definition.objects)
        ready = ready_of(definition, node.name, node.role, admin, rest)
        if node.role != "broker":
            return ContainerService(node, run, container, ready)
        return ContainerService(node, run, container, ready, prepare=partial(self._format, node))

    def _runs(self, node: ContainerNode, config: Path) -> Recipe:
        """The container of what runs on *node*."""
        flink = node.role in {"jobmanager", "taskmanager"}
        own = ("-D", f"taskmanager.host={node.address}") if flink else ()
        files = {config / f"{node.name}.flink-conf.yaml": f"{FLINK_CONFIG}/flink-conf.yaml"} if flink else {}
        return Recipe(
            self._named(f"{node.name}-service"),
            self.images.of_role(node.role),
            arguments=(f"@{CONFIG / node.name}.args", *own),
            environment={**self.of.environment, "HARNESS_NODE": node.name},
            files={config: str(CONFIG), **files},
            disk=node.disk.name,
            at=str(DATA),
            beside=node.holder,
        )

    def _format(self, node: ContainerNode) -> None:
        """Lay a formatted data folder down where there is none."""
        data = node.disk.place / "kafka"
        if not (data / "meta.properties").exists():
            software, definition = self.of.software.kafka, self.of.definition
            number = [broker.name for broker in brokers_of(definition)].index(node.name)
            lay_down(formatted_folders(software, definition, self.of.folder)[number], data)

    def _write_files(self) -> Path:
        config = self.of.logs / "etc"
        config.mkdir(mode=0o700)
        definition, software = self.of.definition, self.of.software
        outside: dict[str, Entrance] = {}
        objects_at = ""
        if self.images.proxy.tag:
            found = brokers_of(definition)
            outside = {node.name: Entrance(BEHIND, f"{node.address}:{FRONT}") for node in found}
            objects_at = next((f"http://{node.address}:{FRONT}" for node in definition.nodes_of("s3")), "")
        files = pod_files(definition, self.of.folder, software, outside, objects_at=objects_at)
        for name, text in files.items():
            (config / name).write_text(text)
        return config

    def _megabytes(self, role: str) -> int:
        definition = self.of.definition
        if role == "broker":
            return definition.kafka.data_mb
        if role == "s3" and definition.objects is not None:
            return definition.objects.data_mb
        return definition.flink.data_mb if definition.flink is not None else _LEAST_DISK_MB

    def _logged(self, name: str, recipe: Recipe) -> Container:
        self.logged[name] = self.docker.container(recipe)
        return self.logged[name]

    def _named(self, name: str) -> str:
        return f"edge-{self.docker.run}-{name}"
