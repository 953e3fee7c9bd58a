"""A pod as the API server tells of it: where it is, whether it is ready, and why it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

_HOPELESS = frozenset(
    {
        *("ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff"),
        *("CreateContainerConfigError", "CrashLoopBackOff"),
    }
)


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod as the API server tells of it."""

    name: str
    address: str
    node: str
    ready: bool
    restarts: int
    said: str
    """Why it is not ready, in the cluster's words."""
    hopeless: str = ""
    """Its container for which nobody has to wait: no such image, no such key, one crash after another."""
    uid: str = ""
    """Names it for good: a pod that comes later under the same name has another."""
    labels: Mapping[str, str] = field(default_factory=dict)
    ending: bool = False
    """Whether it was deleted and is still there."""


Choice: TypeAlias = Callable[[Mapping[str, PodSeen]], Mapping[str, PodSeen]]
"""From every pod by its name to the chosen ones, each by the name of its node."""


def seen(pod: Any) -> PodSeen:
    """*pod* as the client has it."""
    status = pod.status
    statuses = [*(status.init_container_statuses or []), *(status.container_statuses or [])]
    ready = any(each.type == "Ready" and each.status == "True" for each in status.conditions or [])
    return PodSeen(
        name=pod.metadata.name,
        uid=pod.metadata.uid or "",
        address=status.pod_ip or "",
        node=pod.spec.node_name or "",
        ready=ready,
        restarts=sum(each.restart_count for each in statuses),
        said=_why(status, statuses),
        labels=pod.metadata.labels or {},
        ending=pod.metadata.deletion_timestamp is not None,
        hopeless=next((c.name for c in statuses if _waits(c) and c.state.waiting.reason in _HOPELESS), ""),
    )


def _why(status: Any, statuses: list[Any]) -> str:
    waiting = [each.state.waiting for each in statuses if _waits(each)]
    told = [f"{each.reason}{f' ({each.message})' if each.message else ''}" for each in waiting]
    told += [each.message for each in status.conditions or [] if each.status == "False" and each.message]
    return "; ".join(told[:3]) or str(status.phase)


def _waits(container: Any) -> bool:
    return bool(container.state and container.state.waiting)
