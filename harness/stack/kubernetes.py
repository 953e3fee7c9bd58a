"""The Kubernetes platform: a stack as pods, applied from its manifests, with the local platform's verbs.

The harness stands in the cluster's network (``harness.stack.gateway``) and sees the processes of the pods,
so nodes, services and roles are what they are on the local platform; see ``harness.stack.pods``.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import psutil

from harness.errors import StackError
from harness.s3 import Access, S3Client, connect
from harness.stack.api import Api, Manifest, PodSeen, read_manifests
from harness.stack.assembly import Assembly, listens_on
from harness.stack.definition import StackDefinition
from harness.stack.flink_rest import FlinkRest
from harness.stack.images import PREFIX, images_of, named
from harness.stack.kafka_admin import KafkaAdmin
from harness.stack.local import LocalStack
from harness.stack.netns import Observer
from harness.stack.objects import prove_buckets
from harness.stack.parts import Parts
from harness.stack.pod_files import pod_files
from harness.stack.pods import PodNode, PodService, attach, main_process
from harness.stack.seams import LoggedService, Node
from harness.stack.service import Ready
from harness.stack.software import Software
from harness.waiting import NotYet, wait_for

_READY_S = 180.0
_PROCESS_S = 20.0


class PodStore(PodService):
    """The S3 server in its pod; ``definition`` tells how clients get in."""

    def __init__(self, service: PodService, definition: StackDefinition) -> None:
        super().__init__(service.node, service.run, self._serves, service.logged)
        objects = definition.objects
        assert objects is not None
        self._objects = objects
        (node,) = definition.nodes_of("s3")
        endpoint = f"http://{node.address}:{objects.port}"
        self._access = Access(endpoint, objects.access_key, objects.secret_key, objects.region)

    def client(self, *, read_seconds: float = 10.0, attempts: int = 3) -> S3Client:
        """A new client of this store."""
        return connect(self._access, read_seconds=read_seconds, attempts=attempts)

    def _serves(self, seconds: float) -> str:
        client = self.client(read_seconds=5.0, attempts=1)
        return prove_buckets(self.node.name, client, self._objects.buckets, seconds)


@contextlib.contextmanager
def booted(
    definition: StackDefinition,
    folder: Path,
    software: Software,
    parts: Parts,
    *,
    logs: Path,
    environment: Mapping[str, str],
    kubeconfig: str,
) -> Iterator[LocalStack]:
    """Apply *definition*, give the stack once it is ready, delete its namespace after.

    Raises:
        StackError: the API server refused something, or a pod did not become ready.
    """
    kubernetes = definition.kubernetes
    assert kubernetes is not None
    api = Api(kubeconfig, kubernetes.namespace)
    api.open()
    try:
        api.config_map("edge-run", environment)
        api.config_map("edge", pod_files(definition, folder, software))
        api.apply(_manifests(definition, folder, software))
        pods = api.wait_ready([node.name for node in definition.nodes], _READY_S)
        assembly = Assembly(definition, folder, software, parts, logs, environment)
        stack = _stack(assembly, api, pods)
        _await(stack)
        yield stack
    finally:
        _keep_logs(api, logs)
        api.close()


def _manifests(definition: StackDefinition, folder: Path, software: Software) -> Iterator[Manifest]:
    """The resources of the stack with its images in them."""
    assert definition.kubernetes is not None
    images = {name: image.tag for name, image in images_of(definition, software).items()}
    images |= definition.kubernetes.overrides
    for name in definition.kubernetes.manifests:
        for manifest in read_manifests(folder / name):
            for container in _containers(manifest):
                container["image"] = named(container["image"], images)
                if container["image"].startswith(PREFIX):
                    container["imagePullPolicy"] = "Never"  # it was loaded, and is nowhere else
            yield manifest


def _containers(manifest: Manifest) -> Iterator[Manifest]:
    spec = manifest.get("spec", {}).get("template", {}).get("spec", {})
    yield from spec.get("initContainers", [])
    yield from spec.get("containers", [])


def _stack(assembly: Assembly, api: Api, pods: Mapping[str, PodSeen]) -> LocalStack:
    definition, run = assembly.definition, assembly.environment["HARNESS_RUN"]
    admin, rest = assembly.admin(), assembly.rest()
    nodes: dict[str, PodNode] = {}
    for node in definition.nodes:
        ports = listens_on(definition, node, vector=False)
        nodes[node.name] = PodNode(node.name, node.role, pods[node.name].address, ports)
        attach(node.name, _pid(node.name, run))
    services: dict[str, LoggedService] = {}
    for name, pod in nodes.items():
        if pod.role != "load":
            ready = _ready(definition, name, pod.role, admin, rest)
            service = PodService(pod, run, ready, partial(_tail, api, name))
            services[name] = PodStore(service, definition) if pod.role == "s3" else service
    observer = Observer(_own_address())
    everywhere: dict[str, Node] = {**nodes, observer.name: observer}
    return LocalStack(everywhere, services, admin, assembly.logs, rest)


def _ready(
    definition: StackDefinition, name: str, role: str, admin: KafkaAdmin, rest: FlinkRest | None
) -> Ready:
    """What it takes a pod to serve beyond an open port."""
    if role == "broker":
        return partial(admin.prove_in_sync, name)
    if role == "taskmanager" and rest is not None:
        return partial(rest.wait_registered, name)
    if role == "jobmanager" and rest is not None:
        return partial(rest.wait_task_managers, len(definition.nodes_of("taskmanager")))
    return lambda _seconds: f"{name} listens"


def _tail(api: Api, pod: str, lines: int) -> str:
    return " | ".join(api.log(pod, lines).splitlines())


def _pid(name: str, run: str) -> int:
    def observe() -> int:
        pid = main_process(name, run)
        if not pid:
            raise NotYet("no process with its mark")
        return pid

    return wait_for(observe, what=f"the process of {name}", seconds=_PROCESS_S)


def _await(stack: LocalStack) -> None:
    for service in stack.services.values():
        try:
            service.wait_ready(_READY_S)
        except StackError as error:
            why = f"{error.why}; {service.log_tail()}"
            raise StackError(error.what, why=why, fix=f"see {stack.logs}") from error


def _own_address() -> str:
    """The harness's address among the cluster's nodes."""
    for one in psutil.net_if_addrs().get("eth0", []):
        if one.family is socket.AF_INET:
            return str(one.address)
    raise StackError("the cluster's network has no address for the harness")


def _keep_logs(api: Api, logs: Path) -> None:
    with contextlib.suppress(StackError, OSError):
        for name in api.pods():
            (logs / f"{name}.log").write_text(api.log(name))
        (logs / "events.txt").write_text("\n".join(api.events()))
