"""What faults may ask of whoever keeps a stack's pods running, and of the machines that these run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from harness.stack.disks import DiskAt
from harness.stack.kind.machine_disks import MachineDisk
from harness.stack.kubernetes.policies import Denial


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What the orchestrator says of a pod now."""

    uid: str
    """Another pod of the same name has another one; empty: there is none."""
    machine: str
    """The machine of the cluster that it runs on, or is meant to; empty: none yet."""
    ready: bool = False
    said: str = ""
    """Why it is not ready, in the cluster's words."""
    ended: str = ""
    """Why its container ended the last time: ``OOMKilled``, ``Error``; empty: it never did."""


@dataclass(frozen=True, slots=True)
class Attention:
    """What an operator says of the custom resource for which it keeps a pod.

    Args:
        name: the resource's.
        cluster: the kind cluster that it is in; empty: another one.
        namespace: where it is.
        asked: somebody asked for it to be left alone.
        paused: its operator says that it leaves it alone.
        said: all that its operator says of it.
    """

    name: str
    cluster: str
    namespace: str
    asked: bool
    paused: bool
    said: str = ""


class Orchestrator(Protocol):
    """Who keeps the pods of a stack running: what faults may ask of a Kubernetes cluster.

    All raise StackError, with the cluster's words, when it does not answer or refuses.
    """

    def pod(self, node: str) -> PodFacts:
        """The pod *node* now."""
        ...

    def delete(self, node: str, *, grace_seconds: int, claims: bool = False) -> None:
        """Delete the pod; with *claims* its claims, too. Its controller makes another one."""
        ...

    def claims(self, node: str) -> dict[str, str]:
        """The claims of the pod by name, and the uid of each: another one of the same name has another."""
        ...

    def evict(self, node: str) -> str:
        """Ask for its eviction; returns the words of a disruption budget that forbids it, else nothing."""
        ...

    def cordon(self, machine: str, *, closed: bool) -> None:
        """Let no new pod onto *machine*, or let them again."""
        ...

    def cordoned(self, machine: str) -> bool:
        """Whether no new pod is let onto *machine*."""
        ...

    def roll(self, node: str) -> str:
        """Have the controller of *node* replace all its pods, one after the other; returns its name."""
        ...

    def pods_of(self, controller: str) -> tuple[str, ...]:
        """The pods of the controller that ``roll`` named."""
        ...

    def attention(self, node: str) -> Attention:
        """What an operator says of the custom resource for which it keeps the pod.

        Raises:
            NotExpressible: no operator keeps it.
        """
        ...

    def pause_reconciliation(self, node: str, *, paused: bool) -> None:
        """Have the operator leave that resource alone, or look after it again; idempotent."""
        ...

    def break_image(self, node: str) -> None:
        """Have the pod made anew from an image that is nowhere."""
        ...

    def mend_image(self, node: str) -> None:
        """Have it made from its own image again; idempotent."""
        ...

    def unlist(self, node: str, *, hidden: bool) -> None:
        """Take every endpoint away from the Services that lead to *node*, or give them back; idempotent."""
        ...

    def denial(self, node: str) -> Denial:
        """The NetworkPolicy that would forbid the pod everything; asking makes none.

        Raises:
            NotExpressible: no labels tell the pod from others.
        """
        ...

    def deny(self, node: str) -> None:
        """Make that policy."""
        ...

    def denied(self, node: str) -> bool:
        """Whether it is there."""
        ...

    def allow(self, node: str) -> None:
        """Delete it; idempotent."""
        ...

    def limits(self, node: str) -> dict[str, int]:
        """The processor limit of each container of the pod that has one, as applied, in thousandths."""
        ...

    def resizing(self, node: str) -> str:
        """Why other limits are asked for than applied, in the cluster's words; empty: they are not."""
        ...

    def is_limited(self, node: str) -> bool:
        """Whether ``limit`` is in force."""
        ...

    def limit(self, node: str, milli: int) -> None:
        """Leave each container of the pod that has a limit *milli* thousandths of a processor."""
        ...

    def unlimit(self, node: str) -> None:
        """Give the pod the limits that it had; idempotent."""
        ...

    def listed(self, node: str) -> dict[str, int]:
        """How many endpoints each Service that leads to *node* has."""
        ...


class Machines(Protocol):
    """The machines of the cluster, where the harness can stop and start them: kind's nodes.

    All raise StackError when it fails.
    """

    def stop(self, machine: str) -> None:
        """Take its power away."""
        ...

    def start(self, machine: str) -> None:
        """Have it run, whether it was stopped or paused; idempotent."""
        ...

    def pause(self, machine: str) -> None:
        """Freeze every process on it."""
        ...

    def state(self, machine: str) -> str:
        """``running``, ``paused``, ``exited``."""
        ...


@runtime_checkable
class Orchestrated(Protocol):
    """A stack whose nodes are pods."""

    @property
    def orchestrator(self) -> Orchestrator | None:
        """Who keeps them running; None: nobody does."""
        ...

    @property
    def machines(self) -> Machines | None:
        """What they run on; None: out of the harness's reach."""
        ...


class Volumes(Protocol):
    """The claims of pods that have a size of their own, where the harness can fill one alone."""

    @property
    def storage_class(self) -> str:
        """What a claim names to have one; empty: nothing."""
        ...

    def of(self, node: str) -> MachineDisk | DiskAt | None:
        """The disk of the pod's claim; None: it has none of ours; raises StackError, NotExpressible."""
        ...


@runtime_checkable
class HasVolumes(Protocol):
    """A stack whose pods may have such claims."""

    @property
    def volumes(self) -> Volumes | None:
        """Where they are; None: out of the harness's reach."""
        ...


@runtime_checkable
class Plugged(Protocol):
    """A wired node whose cable ends on a machine of the cluster, not where the harness stands."""

    @property
    def machine(self) -> str:
        """Which one; empty: none, or out of reach."""
        ...

    def beyond(self, argv: Sequence[str]) -> list[str]:
        """The argv that runs *argv* in the network of that machine."""
        ...
