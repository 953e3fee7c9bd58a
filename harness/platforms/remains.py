"""What runs left in a namespace of somebody's cluster, found by its labels alone, for ``heal``.

Nothing is remembered anywhere else: the Job of a run carries its id, and so does all that was applied for it.
Which kinds of resources there may be is read from the stacks that there are. Only looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from harness import bundle
from harness.platforms.clearing import manifests_of
from harness.platforms.errand import ERRAND, JOB_KIND
from harness.stack.agents.agent_pods import LABEL
from harness.stack.definition import base_folder, read_definition, stack_names
from harness.stack.kubernetes import resizing
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.connection import FORBIDDEN, Refused
from harness.stack.kubernetes.guest import CLAIMS, PODS
from harness.stack.kubernetes.owned import RUN, Manifest
from harness.stack.kubernetes.pods_seen import PodSeen

Kind = tuple[str, str]
"""An apiVersion and a kind."""

CONFIG = ("v1", "ConfigMap")


class State(Enum):
    """What became of a run, as far as its namespace shows."""

    ALIVE = "alive"
    """Its Job runs, and has not said how it ended."""
    WAITS = "has ended, and waits to be fetched"
    DEAD = "dead"
    """Nobody will take away what is left of it but the cluster, in its own time."""


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """One object of a run."""

    version: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def of(self) -> Kind:
        """Its apiVersion and kind."""
        return self.version, self.kind


@dataclass(frozen=True, slots=True)
class Remains:
    """One run as its namespace shows it.

    Args:
        run: its id, as a label has it.
        job: the Job that is to run it; empty: there is none.
        pod: the Job's pod, while there is one.
        home: where its directory lies in that pod.
        agents: its privileged pods, by name.
        limited: its pods whose processor limits were changed, by name.
        things: all that carries its label, agents included; its Job and what that was given are not.
    """

    run: str
    state: State
    why: str = ""
    job: str = ""
    pod: str = ""
    home: str = ""
    agents: tuple[str, ...] = ()
    limited: tuple[str, ...] = ()
    things: tuple[Thing, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether it is to be healed."""
        return self.state is State.DEAD


@dataclass(frozen=True, slots=True)
class Survey:
    """Every run of which something is left, by id, and the kinds that we may not look for."""

    runs: tuple[Remains, ...]
    unseen: tuple[Kind, ...] = ()


@dataclass
class _Found:
    """What carries one run's id."""

    job: Manifest | None = None
    pod: Manifest | None = None
    agents: list[str] = field(default_factory=list)
    limited: list[str] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)


def kinds_of_stacks() -> tuple[Kind, ...]:
    """The kinds of every resource that a stack may have in Kubernetes, what is made of them included."""
    stacks = bundle.fixtures() / "stacks"
    found: set[Kind] = {CONFIG}
    for name in stack_names(stacks):
        definition = read_definition(stacks, name, {})
        if definition.kubernetes is not None:
            manifests = manifests_of(definition, base_folder(stacks, name))
            found |= {(each["apiVersion"], each["kind"]) for each in manifests}
    # What makes pods and claims is deleted before them, or it would make them again.
    return (*sorted(found - {PODS, CLAIMS}), PODS, CLAIMS)


def survey(api: Api, kinds: Sequence[Kind]) -> Survey:
    """What is left of every run in *api*'s namespace, among *kinds*.

    Raises:
        StackError: the API server does not tell.
    """
    found: dict[str, _Found] = {}
    unseen = []
    for job in api.every(*JOB_KIND, ERRAND):
        _of(found, job, ERRAND).job = job
    for pod in api.every(*PODS, ERRAND):
        _of(found, pod, ERRAND).pod = pod
    for kind in kinds:
        try:
            for each in api.every(*kind, RUN) if api.knows(kind) else ():
                _note(_of(found, each, RUN), kind, each)
        except Refused as error:
            if error.status != FORBIDDEN:
                raise
            unseen.append(kind)
    pods = api.pods()
    return Survey(tuple(_remains(api, run, each, pods) for run, each in sorted(found.items())), tuple(unseen))


def _of(found: dict[str, _Found], manifest: Manifest, label: str) -> _Found:
    return found.setdefault(manifest["metadata"]["labels"][label], _Found())


def _note(found: _Found, kind: Kind, manifest: Manifest) -> None:
    name = manifest["metadata"]["name"]
    found.things.append(Thing(*kind, name))
    if kind == PODS and LABEL in manifest["metadata"]["labels"]:
        found.agents.append(name)
    if kind == PODS and resizing.MARK in manifest["metadata"]["labels"]:
        found.limited.append(name)


def _remains(api: Api, run: str, found: _Found, pods: Mapping[str, PodSeen]) -> Remains:
    pod = pods.get(found.pod["metadata"]["name"]) if found.pod else None
    state, why = _state(api, found, pod)
    return Remains(
        run=run,
        state=state,
        why=why,
        job=found.job["metadata"]["name"] if found.job else "",
        pod=pod.name if pod is not None and pod.ready else "",
        home=_home(found.pod) if found.pod else "",
        agents=tuple(sorted(found.agents)),
        limited=tuple(sorted(found.limited)),
        things=tuple(found.things),
    )


def _state(api: Api, found: _Found, pod: PodSeen | None) -> tuple[State, str]:
    """What became of the run, and why we say so."""
    if over := _over(found.job):
        return State.DEAD, over
    if pod is None:
        return State.ALIVE, "its pod has not begun"
    if pod.hopeless:
        return State.DEAD, f"its pod cannot start: {pod.said}"
    if not api.log(pod.name, lines=1).startswith("0"):
        return State.ALIVE, f"in pod {pod.name}"
    if found.things:
        return State.DEAD, f"its harness has ended in pod {pod.name}, and left something"
    return State.WAITS, f"in pod {pod.name}"


def _over(job: Manifest | None) -> str:
    """Why nothing will come of a Job any more; empty: something may."""
    if job is None:
        return "its Job is gone"
    if job["metadata"].get("deletionTimestamp"):
        return "its Job is being deleted"
    status = job.get("status") or {}
    return "its Job has ended" if status.get("failed") or status.get("succeeded") else ""


def _home(pod: Manifest) -> str:
    """Where the run's directory lies in its pod, as that was told."""
    return next(iter(_told(pod, "HARNESS_DIR")), "")


def _told(pod: Manifest, name: str) -> Iterator[str]:
    for container in pod["spec"]["containers"]:
        for variable in container.get("env") or []:
            if variable["name"] == name and variable.get("value"):
                yield str(variable["value"])
