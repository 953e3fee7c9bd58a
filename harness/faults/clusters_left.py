"""What ``heal`` does about the kind cluster of a run that is gone: its machines, and where its pods are.

A place is ``CLUSTER`` where the run had made the cluster, ``CLUSTER/NAMESPACE`` where it found one. Standard
library only.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.stack.kind import machine_disks
from harness.stack.kind.machines import CORDONED, kubectl_of, network_of, start_all, states
from harness.stack.kubernetes.cluster_left import ran
from harness.stack.namespaces.shaping import remove

SECONDS = 120.0
"""For one command about a whole cluster."""


def deletion(place: str) -> tuple[str, ...]:
    """The command that deletes a cluster, or a namespace in one."""
    cluster, _, namespace = place.partition("/")
    if not namespace:
        return ("kind", "delete", "cluster", "--name", cluster)
    return (*kubectl_of(cluster), "delete", "namespace", namespace)


def open_machines(place: str) -> None:
    """Start the machines of a cluster that do not run, and let pods onto the closed ones again."""
    cluster = place.partition("/")[0]
    machines = list(states(cluster))
    start_all(machines)
    for machine in machines:
        machine_disks.mount_all(machine)
    for words in (("uncordon", "-l", CORDONED), ("label", "node", "-l", CORDONED, f"{CORDONED}-")):
        ran((*kubectl_of(cluster), *words), SECONDS)


def unshape_machines(place: str) -> None:
    """Make the cables of pods quick again where they end on the machines of a cluster."""
    for machine in states(place.partition("/")[0]):
        remove(network_of(machine))


def delete_disks(place: str) -> None:
    """Delete the volumes of a namespace that is gone, and the disks that they lie on."""
    cluster, _, namespace = place.partition("/")
    label = f"{machine_disks.NAMESPACE}={namespace}"
    ran((*kubectl_of(cluster), "delete", "persistentvolume", "-l", label), SECONDS)
    machine_disks.destroy_all(list(states(cluster)), namespace)


def staying(places: Sequence[str]) -> set[str]:
    """The clusters of which only a namespace is a run's."""
    return {place.partition("/")[0] for place in places if "/" in place}
