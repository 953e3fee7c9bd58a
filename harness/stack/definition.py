"""A stack as data: ``fixtures/stacks/NAME/stack.yaml``, validated, with ``--set`` on top.

Adding a stack or a Kafka version needs no code. Unknown keys are errors that
name the nearest valid one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, get_args, get_origin

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from harness.errors import BadInput, unknown_name
from harness.model import Budgets, Frozen
from harness.stack.components import (
    DockerDefinition,
    FlinkDefinition,
    JobDefinition,
    KafkaDefinition,
    KubernetesDefinition,
    LoadDefinition,
    ObjectsDefinition,
    OperatorDefinition,
    TopicsDefinition,
    ToxiproxyDefinition,
    VectorDefinition,
)

_BENCHMARK_NETWORK = ipaddress.ip_network("198.18.0.0/15")
_MAX_BYTES = 1_000_000
FREE = {
    "kafka.properties.": ("kafka", "overrides"),
    "flink.config.": ("flink", "overrides"),
    "images.": ("kubernetes", "overrides"),
    "operators.": ("kubernetes", "releases"),
}
"""A ``--set`` key that starts with one of these names one of many: a broker property, an image."""


_IN_CLUSTER = ".svc.cluster.local"
_POD = re.compile(rf"\.[a-z0-9-]+{re.escape(_IN_CLUSTER)}$")


def _in_benchmark_network(address: str) -> str:
    if address.endswith(_IN_CLUSTER):
        return address  # a pod's name; nobody outside the cluster answers to it
    if ipaddress.ip_address(address) not in _BENCHMARK_NETWORK:
        raise ValueError(f"{address} is outside {_BENCHMARK_NETWORK}")
    return address


Address = Annotated[str, AfterValidator(_in_benchmark_network)]


Role = Literal["broker", "load", "jobmanager", "taskmanager", "zookeeper", "s3", "vector", "operator"]


class NetworkDefinition(Frozen):
    """The bridge: its prefix length and the harness's own address on it."""

    prefix: int = Field(ge=15, le=30)
    observer: Address


class PodSelector(Frozen):
    """Which pod a node is: of those that carry all *labels*, number *index* in the order of their names."""

    labels: dict[str, str] = Field(min_length=1)
    index: int = Field(default=0, ge=0)


class NodeDefinition(Frozen):
    """One node.

    Args:
        address: empty, where only its pod's own address is known.
        selector: which pod it is; without one it is the pod of its own name.
        ports: where it listens, if no component of the stack says so.
        broker_id: a broker's id, where ids do not count from 1.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    role: Role
    address: Address = ""
    selector: PodSelector | None = None
    ports: tuple[int, ...] = ()
    broker_id: int | None = Field(default=None, ge=0)


class StackDefinition(Frozen):
    """All of ``stack.yaml``."""

    name: str
    title: str
    network: NetworkDefinition
    nodes: tuple[NodeDefinition, ...] = Field(min_length=1)
    kafka: KafkaDefinition
    flink: FlinkDefinition | None = None
    job: JobDefinition | None = None
    topics: TopicsDefinition | None = None
    objects: ObjectsDefinition | None = None
    vector: VectorDefinition | None = None
    kubernetes: KubernetesDefinition | None = None
    docker: DockerDefinition = DockerDefinition()
    load: LoadDefinition = LoadDefinition()
    toxiproxy: ToxiproxyDefinition = ToxiproxyDefinition()
    budgets: Budgets = Budgets()

    @model_validator(mode="after")
    def _job_has_what_it_needs(self) -> Self:
        job, lacking = self.job, []
        if job is not None:
            lacking = [name for name in ("flink", "topics") if getattr(self, name) is None]
            lacking += ["objects"] if job.archive and self.objects is None else []
        if lacking:
            raise ValueError(f"a job needs {' and '.join(lacking)}")
        return self

    @model_validator(mode="after")
    def _load_has_its_pods(self) -> Self:
        if self.load.through == "nodeport" and not (self.kubernetes and self.kubernetes.nodeports):
            raise ValueError("only a stack of pods with manifests of NodePorts has a way in from outside")
        if self.load.workers and self.kubernetes and not self.kubernetes.load_workers:
            raise ValueError("the stack has no manifests for load workers")
        return self

    @property
    def manifests(self) -> tuple[str, ...]:
        """The files with the resources of a stack of pods, as its settings want it."""
        assert self.kubernetes is not None
        own = self.kubernetes
        load = own.load_workers if self.load.workers else own.load
        return (*own.manifests, *load, *(own.nodeports if self.load.through == "nodeport" else ()))

    @property
    def versions(self) -> str:
        """What runs, in words: ``Kafka 3.5.1, Flink 1.17.2``."""
        return f"Kafka {self.kafka.version}" + (f", Flink {self.flink.version}" if self.flink else "")

    @property
    def operated(self) -> bool:
        """Whether an operator makes some of its pods."""
        return self.kubernetes is not None and bool(self.kubernetes.operators)

    def operator_of(self, component: str) -> OperatorDefinition | None:
        """The operator that runs *component*; None: it runs from images and files of the harness."""
        operators = self.kubernetes.operators.values() if self.kubernetes is not None else ()
        return next((each for each in operators if each.runs == component), None)

    @property
    def images(self) -> dict[str, str]:
        """The images that were put in the place of ours, by our names."""
        return (self.kubernetes or self.docker).overrides

    def nodes_of(self, role: Role) -> tuple[NodeDefinition, ...]:
        """The nodes that play *role*, in the order of the stack."""
        return tuple(node for node in self.nodes if node.role == role)


OPTIONAL = ("flink", "job", "topics", "objects", "vector", "kubernetes")
"""The components that a stack may lack."""


def stack_names(stacks: Path) -> list[str]:
    """The stacks in *stacks*."""
    return sorted(path.parent.name for path in stacks.glob("*/stack.yaml"))


def base_folder(stacks: Path, name: str) -> Path:
    """Where the files that stack *name* names lie: beside it, or beside the stack that it extends."""
    base = _load(stacks / name / "stack.yaml").get("extends", name)
    return stacks / str(base)


def on_kubernetes(stacks: Path, name: str) -> str:
    """The stack that is *name* as pods: itself, or the one that extends it.

    Raises:
        BadInput: there is none.
    """
    loaded = {each: _load(stacks / each / "stack.yaml") for each in stack_names(stacks)}
    if name not in loaded:
        raise unknown_name("stack", name, loaded)
    own = [each for each, raw in loaded.items() if "kubernetes" in raw and name in (each, raw.get("extends"))]
    if not own:
        raise BadInput(f"the stack {name} cannot run in Kubernetes", fix=f"add a stack that extends {name}")
    return own[0]


def read_definition(stacks: Path, name: str, settings: Mapping[str, str]) -> StackDefinition:
    """The definition of stack *name* with *settings* (dotted key → value) applied.

    Raises:
        BadInput: an unknown stack or key, or a value that does not fit.
    """
    path = stacks / name / "stack.yaml"
    if name not in stack_names(stacks):
        raise unknown_name("stack", name, stack_names(stacks))
    raw = _whole(stacks, path)
    for key, value in settings.items():
        _apply(raw, key, value, stacks)
    return _with_load_pods(_validated(raw, path))


def _with_load_pods(definition: StackDefinition) -> StackDefinition:
    """A node for each load worker that is a pod, in the place of the load's one node."""
    if definition.kubernetes is None or not definition.load.workers:
        return definition
    first = definition.nodes_of("load")[0]
    others = tuple(node for node in definition.nodes if node.role != "load")
    names = [f"{first.name.removesuffix('-0')}-{number}" for number in range(definition.load.workers)]
    workers = tuple(
        NodeDefinition(name=name, role="load", address=first.address.replace(first.name, name, 1))
        for name in names
    )
    return definition.model_copy(update={"nodes": others + workers})


def _whole(stacks: Path, path: Path) -> dict[str, object]:
    """What *path* says over what the stack that it extends says; null takes a component away."""
    own = _load(path)
    base = own.pop("extends", None)
    if base is None:
        return own
    if base not in stack_names(stacks):
        raise unknown_name(f"stack that {path} extends", str(base), stack_names(stacks))
    both = {**_load(stacks / str(base) / "stack.yaml"), **own}
    return {key: value for key, value in both.items() if value is not None}


def _load(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInput(f"{path} is too large", why="a stack is at most 1 MB")
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise BadInput(f"{path} cannot be read", why=str(error)) from error
    if not isinstance(raw, dict):
        raise BadInput(f"{path} is not a stack", why="it is not a mapping of keys")
    return raw


def _apply(raw: dict[str, object], key: str, value: str, stacks: Path) -> None:
    """Set the dotted *key* of the nested *raw*; a property may hold dots of its own."""
    prefix = next((prefix for prefix in FREE if key.startswith(prefix)), "")
    if prefix:
        path, last = [*_place(raw, prefix)], key.removeprefix(prefix)
    elif key in settable():
        *path, last = key.split(".")
    else:
        raise unknown_name("setting", key, settable())
    _require_component(raw, path[0] if prefix else key.partition(".")[0], key, stacks)
    place = raw
    for part in path:
        inner = place.setdefault(part, {})
        if not isinstance(inner, dict):
            raise BadInput(f"{part} is not a mapping of keys", why=f"{key} was to be set in it")
        place = inner
    place[last] = value


def _place(raw: Mapping[str, object], prefix: str) -> tuple[str, str]:
    """Where the keys with *prefix* belong; images of a stack without pods are Docker's."""
    component, key = FREE[prefix]
    return ("docker", key) if prefix == "images." and component not in raw else (component, key)


def _require_component(raw: Mapping[str, object], component: str, key: str, stacks: Path) -> None:
    """A setting changes a component that the stack has; it does not bring one."""
    if component == "kubernetes" and component not in raw:
        what = f"the stack {raw.get('name')} does not run in Kubernetes"
        raise BadInput(what, why=f"{key} was to be set", fix="--platform kind")
    if component in raw or component not in OPTIONAL:
        return
    loaded = {name: _load(stacks / name / "stack.yaml") for name in stack_names(stacks)}
    having = [name for name, each in loaded.items() if component in each and "extends" not in each]
    fix = f"choose a scenario on {' or '.join(having)}" if having else "take the setting away"
    raise BadInput(f"the stack {raw.get('name')} has no {component}", why=f"{key} was to be set", fix=fix)


def settable(model: type[Frozen] = StackDefinition, prefix: str = "") -> list[str]:
    """Every dotted key that ``--set`` accepts; NAME stands for any broker property or Flink key."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        inner = _component(field.annotation)
        if inner is not None:
            found += settable(inner, f"{prefix}{name}.")
        elif get_origin(field.annotation) is dict:
            found += [f"{key}NAME" for key, place in FREE.items() if prefix + name == ".".join(place)]
        elif get_origin(field.annotation) is not tuple:
            found.append(prefix + name)
    return found


def _component(annotation: object) -> type[Frozen] | None:
    """The model behind an annotation ``M`` or ``M | None``; None when it is a plain value."""
    choices = () if get_origin(annotation) in {tuple, dict} else (annotation, *get_args(annotation))
    return next((kind for kind in choices if isinstance(kind, type) and issubclass(kind, Frozen)), None)


def _in_namespace(definition: StackDefinition) -> StackDefinition:
    """*definition* with the names of its pods in the namespace that it has."""
    if definition.kubernetes is None:
        return definition
    suffix = f".{definition.kubernetes.namespace}{_IN_CLUSTER}"
    nodes = [node.model_copy(update={"address": _POD.sub(suffix, node.address)}) for node in definition.nodes]
    return definition.model_copy(update={"nodes": tuple(nodes)})


def _validated(raw: dict[str, object], path: Path) -> StackDefinition:
    try:
        return _in_namespace(StackDefinition.model_validate(raw))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "what is"
        if first["type"] == "extra_forbidden":
            raise unknown_name("setting", key, settable()) from error
        raise BadInput(f"{key} in {path} does not fit", why=first["msg"]) from error
