"""The Kubernetes platform: a stack as pods, applied from its manifests, with the local platform's verbs.

The harness stands in the cluster's network. How it gets at pods from there is its *grip*: in kind it sees
their processes itself (``harness.stack.kubernetes.pods``), elsewhere agents on the cluster's nodes do
(``harness.stack.agents.agents``). Either way nodes, services and roles are what they are on the local
platform.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from harness.errors import StackError
from harness.s3 import Access, S3Client, connect
from harness.stack.assembly import Assembly, listens_on, ready_of
from harness.stack.booted import BootedStack
from harness.stack.definition import NodeDefinition, StackDefinition
from harness.stack.flink.rest import FlinkRest
from harness.stack.kafka.files import brokers_of
from harness.stack.kind.images import PREFIX, images_of, name_of, named, tag_of
from harness.stack.kubernetes import operators, pod_vector
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.chosen import choice, chosen, located, selected
from harness.stack.kubernetes.entrance import Entrance, entrances
from harness.stack.kubernetes.flink_renewed import KIND, FlinkByOperator
from harness.stack.kubernetes.manifests import read_manifests
from harness.stack.kubernetes.marks import marked
from harness.stack.kubernetes.orchestra import KubernetesOrchestrator
from harness.stack.kubernetes.orchestrated import Machines, Volumes
from harness.stack.kubernetes.owned import Manifest
from harness.stack.kubernetes.pod_files import pod_files
from harness.stack.kubernetes.pods import Address, PodLike, PodService, own_address
from harness.stack.kubernetes.pods_seen import PodSeen
from harness.stack.objects.component import prove_buckets
from harness.stack.parts import Parts
from harness.stack.seams import LOAD_PORT, LoadPods, LoggedService, Node
from harness.stack.software import Software
from harness.web import post_bytes

_READY_S = 180.0
_LOAD_MASTER = "edge-load-master-0"
_AFTER_KAFKA = ("jobmanager", "taskmanager")
"""They have nothing to do before, and on few processors brokers that start beside them take twice as long."""


class Grip(Protocol):
    """How the harness gets at the pods of a stack."""

    @property
    def machines(self) -> Machines | None:
        """The cluster's machines; None: out of reach."""
        ...

    @property
    def volumes(self) -> Volumes | None:
        """The claims with a size of their own; None: out of reach."""
        ...

    def hold(self, pods: Mapping[str, PodSeen]) -> contextlib.AbstractContextManager[None]:
        """While the block runs *pods*, by the names of their nodes, can be got at.

        Raises:
            StackError: they cannot.
        """
        ...

    def node(self, name: str, role: str, ports: tuple[int, ...]) -> PodLike:
        """The node that the pod *name* is."""
        ...

    def beside(self) -> tuple[Address, ...]:
        """What pods need beside each other."""
        ...

    def observer(self) -> Node:
        """Where the harness itself stands."""
        ...


class PodStore(PodService):
    """The S3 server in its pod; ``definition`` tells how clients get in."""

    def __init__(self, service: PodService, definition: StackDefinition) -> None:
        super().__init__(service.node, self._serves, service.logged)
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
    api: Api,
    grip: Grip,
) -> Iterator[BootedStack]:
    """Apply *definition*, give the stack once it is ready, take it away after.

    Raises:
        StackError: the API server refused something, or a pod did not become ready.
    """
    assembly = Assembly(definition, folder, software, parts, logs, environment)
    manifests = list(_manifests(assembly, definition.manifests, grip.volumes))
    api.open()
    with contextlib.ExitStack() as ends:
        ends.callback(api.close)
        ends.callback(_keep_logs, api, logs)
        ends.enter_context(operators.installed(api, definition, environment))
        notes = _noted(api, assembly)
        ends.callback(operators.let_go, api, operators.operated(definition, manifests))
        ends.callback(_keep_logs, api, logs)  # while those that an operator takes away are still there
        outside = _outside(definition, manifests)
        pods = _applied(api, assembly, manifests, outside)
        ends.enter_context(grip.hold(pods))
        assembly = replace(assembly, definition=located(definition, pods))
        stack = _stack(assembly, api, grip)
        stack = replace(
            stack,
            entrance=",".join(each.address for each in outside.values()),
            load_pods=_load_pods(definition, pods),
            notes=notes,
            renew_flink=_renewing(api, stack.flink, definition, manifests),
        )
        _await(stack)
        yield pod_vector.with_agent(stack, assembly, api, grip, _agents_manifests(assembly, grip))


def _applied(
    api: Api, assembly: Assembly, manifests: Sequence[Manifest], outside: Mapping[str, Entrance]
) -> dict[str, PodSeen]:
    """The stack's pods, ready, once *manifests* and the files that they mount are applied."""
    definition = assembly.definition
    api.config_map("edge-run", assembly.environment)
    api.config_map("edge", pod_files(definition, assembly.folder, assembly.software, outside))
    first = [each for each in manifests if _role(each) not in _AFTER_KAFKA]
    api.apply(first)
    if len(first) < len(manifests):
        api.wait_ready([node.name for node in brokers_of(definition)], _READY_S, choice(definition))
        api.apply(each for each in manifests if _role(each) in _AFTER_KAFKA)
    operators.wait_operated(api, definition, manifests)
    return api.wait_ready(_pods(definition), _READY_S, choice(definition))


def _renewing(
    api: Api, rest: FlinkRest | None, definition: StackDefinition, manifests: Sequence[Manifest]
) -> Callable[[], str] | None:
    """What has an operator make the Flink cluster anew; None where none runs it."""
    own = [each for each in operators.operated(definition, manifests) if each["kind"] == KIND]
    if rest is None or not own:
        return None
    return FlinkByOperator(api, rest, own[0], len(definition.nodes_of("taskmanager"))).renew


def _noted(api: Api, assembly: Assembly) -> tuple[str, ...]:
    """What the API server says of the manifests that are only tried; kept among the logs, too."""
    assert assembly.definition.kubernetes is not None
    notes = tuple(tried(api, assembly.folder, assembly.definition.kubernetes.tried))
    if notes:
        (assembly.logs / "tried.txt").write_text("".join(f"{line}\n" for line in notes))
    return notes


def tried(api: Api, folder: Path, files: Sequence[str]) -> Iterator[str]:
    """What the API server says of each resource in *files*, seen from *folder*; it keeps none of them."""
    for name in files:
        for manifest in read_manifests(folder / name):
            try:
                api.check(manifest)
            except StackError as error:
                yield f"{name}: {error.sentence()}"
            else:
                yield f"{name}: the API server takes {manifest['kind']} {manifest['metadata']['name']}"


def _agents_manifests(assembly: Assembly, grip: Grip) -> Iterator[Manifest]:
    """Those of the metrics agent."""
    assert assembly.definition.kubernetes is not None
    return _manifests(assembly, assembly.definition.kubernetes.vector, grip.volumes)


def _manifests(assembly: Assembly, names: Iterable[str], volumes: Volumes | None) -> Iterator[Manifest]:
    """The resources in the stack's files *names*, with its images, and claims that *volumes* serves."""
    definition = assembly.definition
    assert definition.kubernetes is not None
    ours = images_of(definition, assembly.software, assembly.parts.vector)
    images = {name: tag_of(image) for name, image in ours.items()} | definition.kubernetes.overrides
    for name in names:
        for manifest in read_manifests(assembly.folder / name):
            _spread_load(manifest, definition.load.workers)
            if volumes is not None and volumes.storage_class:
                _use_class(manifest, volumes.storage_class)
            for container in _containers(manifest):
                container["image"] = named(container["image"], images)
                if container["image"].startswith(PREFIX):
                    container["imagePullPolicy"] = "Never"  # it was loaded, and is nowhere else
            if isinstance(image := manifest.get("spec", {}).get("image"), str):  # a custom resource's own
                manifest["spec"]["image"] = images.get(name_of(image), image)
            yield marked(manifest, assembly.environment)


def _use_class(manifest: Manifest, name: str) -> None:
    """That storage class for every claim that names none."""
    for claim in manifest.get("spec", {}).get("volumeClaimTemplates", ()):
        claim["spec"].setdefault("storageClassName", name)


def _spread_load(manifest: Manifest, workers: int) -> None:
    """As many pods of the load as there are workers."""
    if workers and _role(manifest) == "load":
        manifest["spec"]["replicas"] = workers


def _role(manifest: Manifest) -> str:
    """The part that its pods play; empty: it makes none itself."""
    labels = manifest.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
    return str(labels.get("role", ""))


def _outside(definition: StackDefinition, manifests: Iterable[Manifest]) -> dict[str, Entrance]:
    """The brokers' ways in from outside, at the harness's own node; none unless the load comes that way."""
    if definition.load.through != "nodeport":
        return {}
    return entrances(manifests, [node.name for node in brokers_of(definition)], own_address())


def _pods(definition: StackDefinition) -> list[str]:
    """Every pod that is waited for; the metrics agent's comes later."""
    first = (node.name for node in definition.nodes if node.role != "vector")
    return [*first, *([_LOAD_MASTER] if definition.load.workers else [])]


def _load_pods(definition: StackDefinition, pods: Mapping[str, PodSeen]) -> LoadPods | None:
    if not definition.load.workers:
        return None

    def ask(pod: str, path: str, body: bytes, seconds: float) -> bytes:
        return post_bytes(f"http://{pods[pod].address}:{LOAD_PORT}{path}", seconds, body)

    workers = tuple(node.name for node in definition.nodes_of("load"))
    return LoadPods(_LOAD_MASTER, workers, pods[_LOAD_MASTER].address, ask)


def _containers(manifest: Manifest) -> Iterator[Manifest]:
    spec = manifest.get("spec", {}).get("template", {}).get("spec", {})
    yield from spec.get("initContainers", [])
    yield from spec.get("containers", [])


def _stack(assembly: Assembly, api: Api, grip: Grip) -> BootedStack:
    definition = assembly.definition
    named = partial(_pod_name, api, selected(definition))
    nodes: dict[str, PodLike] = {}
    # Pods of a Deployment have no name that anybody could find them by: their addresses move.
    by_operator = definition.operator_of("flink") is not None
    admin, rest = assembly.admin(), assembly.rest(nodes if by_operator else None)
    for node in (each for each in definition.nodes if each.role != "vector"):
        ports = listens_on(definition, node, vector=False)
        nodes[node.name] = grip.node(node.name, node.role, ports)
    services: dict[str, LoggedService] = {}
    for name, pod in nodes.items():
        if pod.role != "load":
            ready = ready_of(definition, name, pod.role, admin, rest)
            service = PodService(pod, ready, partial(_tail, api, named, name))
            services[name] = PodStore(service, definition) if pod.role == "s3" else service
    observer = grip.observer()
    beside = {each.name: each for each in grip.beside()}
    everywhere: dict[str, Node] = {**nodes, **beside, observer.name: observer}
    return BootedStack(
        everywhere,
        services,
        admin,
        assembly.logs,
        rest,
        delays=assembly.parts.delays,
        orchestrator=KubernetesOrchestrator(api, named, _kind_cluster(assembly)),
        machines=grip.machines,
        volumes=grip.volumes,
    )


def _kind_cluster(assembly: Assembly) -> str:
    """The kind cluster that the pods are in; empty: it is another one."""
    return assembly.environment.get("HARNESS_CLUSTER", "").partition("/")[0]


def _tail(api: Api, named: Callable[[str], str], node: str, lines: int) -> str:
    return api.tail(named(node), lines)


def _pod_name(api: Api, strange: Mapping[str, NodeDefinition], node: str) -> str:
    """What the pod of *node* is called now, or was to be called while there is none."""
    pod = chosen((strange[node],), api.pods()).get(node) if node in strange else None
    return pod.name if pod is not None else node


def _await(stack: BootedStack) -> None:
    for service in stack.services.values():
        try:
            service.wait_ready(_READY_S)
        except StackError as error:
            why = f"{error.why}; {service.log_tail()}"
            raise StackError(error.what, why=why, fix=f"see {stack.logs}") from error


def _keep_logs(api: Api, logs: Path) -> None:
    with contextlib.suppress(StackError, OSError):
        for name, pod in api.pods().items():
            # Of a pod whose first container crashes, only that one has said anything.
            told = api.log(name, container=pod.hopeless) if pod.hopeless else api.log(name)
            (logs / f"{name}.log").write_text(told)
        (logs / "events.txt").write_text("\n".join(api.events()))
