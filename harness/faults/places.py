"""Places of the pipeline behind Kafka, chosen by the part they play: job manager, object store and so on.

Unlike a leader, such a part does not move while a run lasts: a node plays one
role for good. Which of several comes first is the order of ``stack.yaml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import BadInput, NotExpressible, unknown_name
from harness.faults.selectors import Resolution, Selector, nodes_with_role
from harness.stack.kubernetes.orchestrated import Orchestrated
from harness.stack.seams import Roles, Stack

EVERY = 0
"""As ``which``: all nodes that play the part."""

_ROLES: dict[str, tuple[str, ...]] = {
    "task_manager": ("taskmanager",),
    "all_task_managers": ("taskmanager",),
    "job_manager": ("jobmanager",),
    "flink": ("jobmanager", "taskmanager"),
    "zookeeper": ("zookeeper",),
    "object_store": ("s3",),
    "vector_agent": ("vector",),
    "operator": ("operator",),
    "name_service": ("dns",),
    "api_server": ("api",),
}
"""The name that a scenario writes, and the roles of the nodes it means."""

_OF_CLUSTERS = frozenset({"operator", "name_service", "api_server"})
"""Places that only an orchestrated stack has."""

_WITH_OPERATOR = " --stack edge-kafka-strimzi, or another that an operator runs"


@dataclass(frozen=True, slots=True)
class Place:
    """The nodes that play the part *name*: all of them, or number *which* counted from 1."""

    name: str
    which: int = EVERY
    verb: ClassVar[str] = "place"

    def __post_init__(self) -> None:
        if self.name not in _ROLES:
            raise unknown_name("place", self.name, _ROLES)
        if self.which < 0 or (self.which == EVERY) == (self.name == "task_manager"):
            raise BadInput(f"{self.name} got which={self.which}", fix="count task managers from 1")

    def __str__(self) -> str:
        return f"{self.name}({self.which or ''})"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:  # noqa: ARG002 - one shape for all
        """Choose now."""
        found = tuple(node for role in _ROLES[self.name] for node in nodes_with_role(stack, role))
        if not found and self.name in _OF_CLUSTERS:
            fix = "--platform kind" + (_WITH_OPERATOR if self.name == "operator" else "")
            raise NotExpressible(f"not expressible here, because there is no {self.name}", fix=fix)
        if not found:
            raise BadInput(f"the stack has no {self.name}", fix="use a stack that has one: harness list")
        if self.which == EVERY:
            return Resolution(found, f"every node that is a {' or '.join(_ROLES[self.name])}")
        if self.which > len(found):
            raise BadInput(f"there is no {self}", fix=f"use 1 to {len(found)}")
        return Resolution((found[self.which - 1],), f"{self.name} {self.which} of {len(found)}")


@dataclass(frozen=True, slots=True)
class Beside:
    """Every pod of the stack on the machines on which *other* runs, its own among them."""

    other: Selector
    verb: ClassVar[str] = "beside"

    def __str__(self) -> str:
        return f"the machine of {self.other}"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:
        """Choose now."""
        chosen = self.other.pick(roles, stack)
        orchestrator = stack.orchestrator if isinstance(stack, Orchestrated) else None
        if orchestrator is None:
            raise NotExpressible(f"{self.other} has no machine of its own", fix="--platform kind")
        on = {name: orchestrator.pod(name).machine for name in stack.services}
        machines = sorted({on[name] for name in chosen.nodes if on.get(name)})
        nodes = tuple(name for name, machine in on.items() if machine in machines)
        if not nodes:
            raise BadInput(f"{self.other} is on no machine of the cluster", fix="choose a pod of the stack")
        return Resolution(nodes, f"on {', '.join(machines)}, the machine of {chosen.why}")


def task_manager(which: int) -> Selector:
    """The Flink TaskManager number *which*, counted from 1."""
    return Place("task_manager", which)


def all_task_managers() -> Selector:
    """Every Flink TaskManager."""
    return Place("all_task_managers")


def job_manager() -> Selector:
    """The Flink JobManager."""
    return Place("job_manager")


def flink() -> Selector:
    """Every node of Flink: JobManager and TaskManagers."""
    return Place("flink")


def zookeeper() -> Selector:
    """The ZooKeeper of Flink's high availability."""
    return Place("zookeeper")


def object_store() -> Selector:
    """The S3 server."""
    return Place("object_store")


def operator() -> Selector:
    """The operators of the stack's components."""
    return Place("operator")


def name_service() -> Selector:
    """The cluster's DNS: what is cut off from it finds nobody by name."""
    return Place("name_service")


def api_server() -> Selector:
    """The cluster's API server: an operator that is cut off from it sees and changes nothing."""
    return Place("api_server")


def vector_agent() -> Selector:
    """The Vector agent."""
    return Place("vector_agent")
