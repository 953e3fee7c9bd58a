"""A kind cluster: made, found again, and deleted; and how the harness gets into its network.

The harness does not talk to the cluster through port forwards: it enters the network of the control plane's
node, in which every pod has its own address, and asks the cluster's own DNS. So clients, probes and
packet filters see what pods see.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from harness import bundle
from harness.errors import BadInput, StackError
from harness.stack.kind import machine_disks, machines
from harness.stack.kind.images import run

NAME = "edge-harness"
T = TypeVar("T")
_MADE_S, _ASKED_S, _DELETED_S = 300.0, 20.0, 60.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster of ours.

    Args:
        name: as kind knows it.
        control_plane_pid: the first process of the control plane's node, as seen here.
        address: the control plane's address among the nodes.
        ours: whether it was made for this run.
    """

    name: str
    control_plane_pid: int
    address: str
    ours: bool = False

    def kubeconfig(self) -> str:
        """Credentials for the API server at its address inside the cluster's network."""
        told = run(
            ["kind", "get", "kubeconfig", "--internal", "--name", self.name],
            what=f"cluster {self.name} has no kubeconfig",
            seconds=_ASKED_S,
        )
        return told.replace(f"https://{self.name}-control-plane:", f"https://{self.address}:")


class KindMachines:
    """The nodes of kind's clusters; see ``harness.stack.kubernetes.orchestrated.Machines``."""

    def stop(self, machine: str) -> None:
        """Take its power away."""
        _docked(machines.stop, machine)

    def start(self, machine: str) -> None:
        """Have it run, whether it was stopped or paused; idempotent."""
        _docked(machines.start, machine)
        _docked(machine_disks.mount_all, machine)

    def pause(self, machine: str) -> None:
        """Freeze every process on it."""
        _docked(machines.pause, machine)

    def state(self, machine: str) -> str:
        """``running``, ``paused``, ``exited``."""
        return _docked(machines.state_of, machine)


def _docked(verb: Callable[[str], T], machine: str) -> T:
    try:
        return verb(machine)
    except OSError as error:
        raise StackError(f"machine {machine} does not obey", why=str(error)) from error


@contextlib.contextmanager
def standing(*, reuse: bool, keep: bool) -> Iterator[Cluster]:
    """A cluster while the block runs: made for it and deleted after, unless it is to be reused or kept."""
    found = reuse and NAME in names()
    made = find() if found else create(bundle.fixtures() / "kind" / "cluster.yaml")
    try:
        yield made
    finally:
        if not (found or keep):
            delete()


@contextlib.contextmanager
def secret(text: str) -> Iterator[Path]:
    """A file of *text* that nobody else can read, gone after."""
    with tempfile.NamedTemporaryFile("w", prefix="edge-kubeconfig-") as file:
        file.write(text)
        file.flush()
        yield Path(file.name)


def create(config: Path, name: str = NAME) -> Cluster:
    """Make a cluster as *config* says.

    Raises:
        BadInput: there is one of that name already.
        MissingAbility: there is no Docker or no kind.
        StackError: it did not come up; carries kind's words.
    """
    if name in names():
        raise BadInput(
            f"there is a cluster {name} already",
            fix=f"--reuse it, or kind delete cluster --name {name}",
        )
    argv = ["kind", "create", "cluster", "--name", name, "--config", str(config), "--wait", "180s"]
    try:
        run(argv, what=f"cluster {name} could not be made", seconds=_MADE_S)
    except StackError:
        delete(name)
        raise
    return replace(find(name), ours=True)


def names() -> list[str]:
    """The clusters that kind knows."""
    told = run(["kind", "get", "clusters"], what="kind did not list its clusters", seconds=_ASKED_S)
    return told.split()


def find(name: str = NAME) -> Cluster:
    """The cluster *name*.

    Raises:
        BadInput: there is none.
    """
    if name not in names():
        raise BadInput(f"there is no cluster {name}", fix="leave --reuse away to have one made")
    told = run(
        ["docker", "inspect", f"{name}-control-plane"], what=f"cluster {name} is not there", seconds=_ASKED_S
    )
    (node,) = json.loads(told)
    networks = node["NetworkSettings"]["Networks"].values()
    return Cluster(name, node["State"]["Pid"], next(each["IPAddress"] for each in networks))


def delete(name: str = NAME) -> None:
    """Delete the cluster and everything in it; none there is fine."""
    run(
        ["kind", "delete", "cluster", "--name", name],
        what=f"cluster {name} could not be deleted",
        seconds=_DELETED_S,
    )
