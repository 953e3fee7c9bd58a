"""What operators of a dead run leave in a kind cluster: what waits for them, and what is cluster-wide.

An operator goes with its namespace, and a resource with finalizers of that operator would hold the
namespace for ever: it is freed first. Definitions of resources and cluster-wide roles belong to no namespace;
those that carry our label go last, and only when no other run uses the cluster. Standard library only.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from harness.stack.kind.machines import kubectl_of

WIDE = ("customresourcedefinitions", "clusterroles", "clusterrolebindings")
OPERATED = (
    "flinksessionjobs.flink.apache.org",
    "flinkdeployments.flink.apache.org",
    "kafkatopics.kafka.strimzi.io",
)
"""Kinds whose operators put finalizers on them."""

_LABEL = "app.kubernetes.io/managed-by=edge-harness"
_ASK_S, _REMOVE_S = 20.0, 120.0
_FREED = '{"metadata":{"finalizers":null}}'


def wide(cluster: str) -> list[str]:
    """What of ours is cluster-wide in *cluster*, ``KIND.GROUP/NAME`` each; none where nobody answers."""
    try:
        found = ran((*kubectl_of(cluster), "get", ",".join(WIDE), "-l", _LABEL, "--output", "name"), _ASK_S)
    except OSError:
        return []
    return sorted(found.split())


def removal(cluster: str, found: Sequence[str]) -> tuple[str, ...]:
    """The command that removes what ``wide`` *found*."""
    return (*kubectl_of(cluster), "delete", "--ignore-not-found", *found)


def remove(cluster: str) -> None:
    """Remove all of it.

    Raises:
        OSError: the cluster refuses, or does not answer.
    """
    if found := wide(cluster):
        ran(removal(cluster, found), _REMOVE_S)


def free(place: str) -> None:
    """Delete the resources that hold the namespace of *place*, ``CLUSTER/NAMESPACE``, and free what stays.

    Raises:
        OSError: the cluster refuses, or does not answer.
    """
    cluster, _, namespace = place.partition("/")
    if not namespace:
        return
    there = (*kubectl_of(cluster), "--namespace", namespace)
    known = set(ran((*kubectl_of(cluster), "api-resources", "--output", "name"), _ASK_S).split())
    for kind in (each for each in OPERATED if each in known):
        ran((*there, "delete", kind, "--all", "--wait=false"), _ASK_S)
        for name in ran((*there, "get", kind, "--output", "name"), _ASK_S).split():
            ran((*there, "patch", name, "--type=merge", "--patch", _FREED), _ASK_S, "NotFound")


def ran(command: Sequence[str], seconds: float, *gone: str) -> str:
    """What *command* prints; nothing, when it failed and said one of *gone*.

    Raises:
        OSError: it failed, or took longer.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} took longer than {seconds:g} s") from error
    if done.returncode and not any(words in done.stderr for words in gone):
        raise OSError(done.stderr.strip() or f"{command[0]} failed")
    return done.stdout
