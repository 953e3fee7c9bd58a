"""Operators: what runs a component of the stack, installed from a published release that the user names.

A release is a file, or a folder of files, with everything in it: definitions of custom resources, roles,
accounts, and a Deployment. The harness fetches none. It puts what belongs into a namespace into the stack's
own, and of what is cluster-wide it makes only what is not there, and takes only that away again.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from harness.errors import BadInput, MissingAbility, StackError, unknown_name
from harness.stack.components import OperatorDefinition
from harness.stack.definition import StackDefinition
from harness.stack.kind.images import replaced
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.conditions import wait_all_ready
from harness.stack.kubernetes.definitions import KIND, established, is_ours, labelled, taken_away
from harness.stack.kubernetes.manifests import read_manifests
from harness.stack.kubernetes.owned import Manifest
from harness.stack.last_words import last_words as _said
from harness.waiting import NotYet, wait_for

_READY_S, _OPERATED_S = 180.0, 300.0
_LOOKS, _LOOK_S = 6, 0.5
_GONE_S = 30.0
_LINES = 4


def check_releases(definition: StackDefinition, *, fresh: bool) -> None:
    """Look at every release that was named. A *fresh* cluster has no operators, so each must be.

    Raises:
        BadInput: one is of no operator of the stack, cannot be read, or lacks the operator's Deployment.
        MissingAbility: one is needed, and was not named.
    """
    kubernetes = definition.kubernetes
    assert kubernetes is not None
    for name, path in kubernetes.releases.items():
        if name not in kubernetes.operators:
            raise unknown_name("operator", name, kubernetes.operators)
        _deployment(read_release(Path(path)), kubernetes.operators[name], path)
    for name, operator in kubernetes.operators.items():
        if fresh and name not in kubernetes.releases:
            raise missing(name, operator, why="one that is made for the run has none")


def read_release(path: Path) -> list[Manifest]:
    """Every resource in the file, or in the YAML files of the folder, *path*.

    Raises:
        BadInput: there is none, or one cannot be read.
    """
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    found = [each for file in files for each in read_manifests(file)]
    if not found:
        raise BadInput(f"{path} holds no manifest", fix="name a release's file, or the folder of its files")
    return found


@contextlib.contextmanager
def installed(api: Api, definition: StackDefinition, environment: Mapping[str, str]) -> Iterator[None]:
    """Have the operators of *definition* run while the block does; *environment* marks them as the run's.

    Raises:
        MissingAbility: the cluster lacks one, and no release was named.
        StackError: the API server refused something, or the operator did not come up; carries its last words.
    """
    kubernetes = definition.kubernetes
    assert kubernetes is not None
    with contextlib.ExitStack() as wide:
        for name, operator in kubernetes.operators.items():
            if name in kubernetes.releases:
                release = read_release(Path(kubernetes.releases[name]))
                placed = [placed_in(each, api.namespace, kubernetes.overrides) for each in release]
                _tell(_deployment(placed, operator, name), {**operator.environment, **environment})
                _install(api, placed, wide)
            elif lacking := [kind for kind in operator.kinds if not api.knows(_parted(kind))]:
                raise missing(name, operator, why=f"it knows no {lacking[0]}")
        for name in kubernetes.releases:
            wait_up(api, name, kubernetes.operators[name])
        yield


def missing(name: str, operator: OperatorDefinition, why: str) -> MissingAbility:
    """The error for an operator that is nowhere."""
    return MissingAbility(
        f"the cluster has no operator {name}",
        why=why,
        fix=f"download {operator.release} and name it: --set operators.{name}=PATH",
    )


def placed_in(manifest: Manifest, namespace: str, images: Mapping[str, str]) -> Manifest:
    """A copy of *manifest* for *namespace*, marked as ours, with *images* in the place of its own.

    Bindings that hold in the whole cluster get the namespace into their names: two installations share none.
    """
    own: Manifest = labelled(copy.deepcopy(manifest))
    own["metadata"].pop("namespace", None)
    for subject in own.get("subjects") or []:
        if subject.get("kind") == "ServiceAccount":
            subject["namespace"] = namespace
    if own["kind"] == "ClusterRoleBinding":
        own["metadata"]["name"] += f"-{namespace}"
    for container in _containers(own):
        container["image"] = replaced(container["image"], images)
        for variable in container.get("env") or []:
            # A chart that was given nothing writes `value:` and means none; a number is refused anyway.
            if isinstance(value := variable.get("value"), str):
                variable["value"] = replaced(value, images)
    return own


def operated(definition: StackDefinition, manifests: Sequence[Manifest]) -> list[Manifest]:
    """Those of *manifests* that are of a kind that an operator of the stack brings."""
    operators = definition.kubernetes.operators.values() if definition.kubernetes else ()
    kinds = {_parted(kind) for operator in operators for kind in operator.kinds}
    return [each for each in manifests if (each["apiVersion"], each["kind"]) in kinds]


def wait_operated(
    api: Api, definition: StackDefinition, manifests: Sequence[Manifest], seconds: float = _OPERATED_S
) -> None:
    """Return once the operators say of each of *manifests* that is theirs that it is ready.

    Raises:
        StackError: one was refused, or was not ready in time; carries what its operator said last.
    """
    running = list(definition.kubernetes.operators.values()) if definition.kubernetes else []
    words = " | ".join
    wait_all_ready(
        api,
        operated(definition, manifests),
        seconds,
        lambda: words(last_words(api, each) for each in running),
    )


def wait_up(api: Api, name: str, operator: OperatorDefinition, seconds: float = _READY_S) -> None:
    """Return once the operator's Deployment has been available for a moment.

    One that says nothing of its readiness is available as soon as it starts, even if it ends at once.

    Raises:
        StackError: not within *seconds*; carries what the cluster says, and its last words.
    """
    looks = 0

    def observe() -> None:
        nonlocal looks
        found = api.find("apps/v1", "Deployment", operator.deployment) or {}
        told = {each["type"]: each for each in (found.get("status") or {}).get("conditions") or []}
        available = told.get("Available", {})
        looks = looks + 1 if available.get("status") == "True" else 0
        if looks < _LOOKS:
            raise NotYet(str(available.get("message", "it has no Deployment yet")))

    try:
        wait_for(observe, what=f"operator {name} to run", seconds=seconds, every=_LOOK_S)
    except StackError as error:
        raise StackError(
            error.what, why=f"{error.why}; {last_words(api, operator)}", fix=error.fix
        ) from error


def last_words(api: Api, operator: OperatorDefinition) -> str:
    """Why the operator's pods are not ready, and the end of what they logged."""
    pods = [pod for pod in api.pods().values() if pod.name.startswith(f"{operator.deployment}-")]
    told = [
        f"{pod.name}: {pod.said}; it said: {_said(api.log(pod.name), _LINES) or 'nothing'}" for pod in pods
    ]
    return " | ".join(told) or f"there is no pod of {operator.deployment}"


def let_go(api: Api, resources: Sequence[Manifest], seconds: float = _GONE_S) -> None:
    """Delete custom *resources* while their operator lives; those that it does not let go in time are freed.

    A namespace whose operator went first would wait for its finalizers for ever.
    """
    for each in reversed(resources):
        api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])
    try:
        wait_for(
            partial(_all_gone, api, resources), what="custom resources to go", seconds=seconds, every=0.5
        )
    except StackError:
        for each in resources:
            api.let_go(each["apiVersion"], each["kind"], each["metadata"]["name"])


def _all_gone(api: Api, resources: Sequence[Manifest]) -> None:
    left = [
        e["metadata"]["name"]
        for e in resources
        if api.find(e["apiVersion"], e["kind"], e["metadata"]["name"])
    ]
    if left:
        raise NotYet(f"{', '.join(left)} is terminating")


def _install(api: Api, release: Sequence[Manifest], wide: contextlib.ExitStack) -> None:
    wide.callback(taken_away, api, established(api, [each for each in release if each["kind"] == KIND]))
    for each in release:
        if each["kind"] in {KIND, "Namespace"}:
            continue
        if not api.is_namespaced((each["apiVersion"], each["kind"])):
            found = api.find(each["apiVersion"], each["kind"], each["metadata"]["name"])
            if found is not None and not is_ours(found):
                continue  # somebody's: another installation of the same operator
            wide.callback(api.delete, each["apiVersion"], each["kind"], each["metadata"]["name"])
        api.apply([each])


def _tell(deployment: Manifest, environment: Mapping[str, str]) -> None:
    """Give the operator's containers *environment*, in the place of what they were told of the same name."""
    told = [{"name": key, "value": value} for key, value in environment.items()]
    for container in _containers(deployment):
        kept = [each for each in container.get("env") or [] if each["name"] not in environment]
        container["env"] = [*kept, *told]


def _deployment(release: Sequence[Manifest], operator: OperatorDefinition, where: str) -> Manifest:
    for each in release:
        if each["kind"] == "Deployment" and each["metadata"]["name"] == operator.deployment:
            return each
    raise BadInput(
        f"{where} has no Deployment {operator.deployment}",
        why=f"it is not {operator.release}",
        fix="download that",
    )


def _containers(manifest: Manifest) -> Iterator[Manifest]:
    spec = (
        manifest.get("spec", {}).get("template", {}).get("spec", {})
        if manifest["kind"] == "Deployment"
        else {}
    )
    yield from spec.get("initContainers") or []
    yield from spec.get("containers") or []


def _parted(kind: str) -> tuple[str, str]:
    """API version and kind of ``Kafka.kafka.strimzi.io/v1beta2``."""
    name, _, group = kind.partition(".")
    return group, name
