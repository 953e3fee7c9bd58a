"""How a run gets into its enclosure: everything that must happen outside happens here, first.

Outside: the machine is examined, one lock keeps two runs from spoiling each
other's times, jars are fetched while there still is a network. Then this process
becomes the keeper and the same command line runs again inside.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from harness import bundle
from harness.errors import BadInput, MissingAbility
from harness.rundir import unwritable
from harness.stack import enclosure
from harness.stack.artifacts import Jar, cache_folder, ensure, read_lock
from harness.stack.definition import StackDefinition, base_folder, on_kubernetes, read_definition
from harness.stack.java import find_java
from harness.stack.parts import check_parts, find_parts
from harness.stack.software import Software, installed, locked_jars


@dataclass(frozen=True, slots=True)
class Prepared:
    """A stack chosen and found complete: its definition, its folder and its locked jars."""

    definition: StackDefinition
    folder: Path
    jars: Mapping[str, tuple[Jar, ...]]
    """The locked jars of each component."""

    @property
    def software(self) -> Software:
        """What the stack is started from, once it is fetched."""
        return installed(find_java(), self.jars)


def prepare(stack: str, settings: Mapping[str, str], platform: str = "local") -> Prepared:
    """Read the definition of *stack* on *platform* with *settings*, and the locks of its components.

    Raises:
        BadInput: an unknown stack, setting or version, or a part that is not what it should be;
            nothing was started.
    """
    stacks = bundle.fixtures() / "stacks"
    stack = on_kubernetes(stacks, stack) if platform == "kind" else stack
    folder = base_folder(stacks, stack)
    definition = read_definition(stacks, stack, settings)
    if definition.kubernetes is not None and platform != "kind":
        raise BadInput(f"the stack {stack} runs in Kubernetes", fix="--platform kind")
    jars = locked_jars(definition, bundle.fixtures() / "locks")
    check_parts(definition, folder)
    return Prepared(definition, folder, jars)


def tools(prepared: Prepared) -> tuple[Jar, ...]:
    """Kafka's own command-line tools for the prepared version; benchmarks compare against them."""
    return read_lock(bundle.fixtures() / "locks", "kafka-tools", prepared.definition.kafka.version)


def fetch_tools(prepared: Prepared) -> None:
    """Have the jars of the stack and of Kafka's tools in the cache."""
    ensure((*_all_jars(prepared), *tools(prepared)))


def new_run_id(name: str) -> str:
    """An id that sorts by time and says what ran: ``20261123-1705-quickstart-4f2a``."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{re.sub('[^a-z0-9]+', '-', name.lower())}-{os.urandom(2).hex()}"


def parse_settings(given: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` pairs as a mapping.

    Raises:
        BadInput: one of them has no ``=``.
    """
    pairs = [setting.partition("=") for setting in given]
    for setting, (key, sign, _) in zip(given, pairs, strict=True):
        if not key or not sign:
            raise BadInput(f"--set {setting!r} is not KEY=VALUE", fix="e.g. --set kafka.version=3.9.1")
    return {key.strip(): value.strip() for key, _, value in pairs}


def fetch(prepared: Prepared) -> None:
    """Have every jar of the stack in the cache, whole; shows progress when some must be fetched."""
    from harness.display import FetchProgress

    with FetchProgress().shown() as progress:
        ensure(_all_jars(prepared), progress)


def _all_jars(prepared: Prepared) -> tuple[Jar, ...]:
    return tuple(dict.fromkeys(jar for own in prepared.jars.values() for jar in own))


def enter(argv: Sequence[str], prepared: Prepared, *, directory: Path, seed: int) -> NoReturn:
    """Become the keeper of an enclosure in which ``harness`` runs with *argv*."""
    from harness.doctor import preflight

    preflight(directory.parent)
    with machine_lock(directory.name):
        fetch(prepared)
        find_parts(prepared.definition, prepared.folder, prepared.software)
        command = enclosure.keeper([sys.executable, "-m", "harness", *argv])
        os.execve(command[0], command, dict(os.environ) | _marks(directory, seed))  # noqa: S606 - an argv list, no shell


def _marks(directory: Path, seed: int) -> dict[str, str]:
    return {"HARNESS_RUN": directory.name, enclosure.DIRECTORY: str(directory), "HARNESS_SEED": str(seed)}


def enter_cluster(
    argv: Sequence[str], prepared: Prepared, *, directory: Path, seed: int, reuse: bool, keep: bool
) -> int:
    """Run ``harness`` with *argv* in the network of a kind cluster, and delete the cluster after.

    Args:
        reuse: take the cluster that is there, if there is one.
        keep: leave it there.
    """
    from harness.doctor import preflight
    from harness.stack import cluster, gateway
    from harness.stack.api import Api

    preflight(directory.parent)
    with machine_lock(directory.name):
        fetch(prepared)
        find_parts(prepared.definition, prepared.folder, prepared.software)
        with cluster.standing(reuse=reuse, keep=keep) as made, cluster.secret(made.kubeconfig()) as secret:
            _load_images(prepared, made.name)
            place = made.name if made.ours and not keep else f"{made.name}/{_namespace(prepared)}"
            own = _marks(directory, seed) | {"HARNESS_KUBECONFIG": str(secret), "HARNESS_CLUSTER": place}
            dns = Api(secret.read_text(), "kube-system").service_address("kube-dns")
            command = gateway.command(made.control_plane_pid, dns, [sys.executable, "-m", "harness", *argv])
            return enclosure.keep(command, dict(os.environ) | own)


def _namespace(prepared: Prepared) -> str:
    assert prepared.definition.kubernetes is not None
    return prepared.definition.kubernetes.namespace


def _load_images(prepared: Prepared, cluster: str) -> None:
    from harness.stack import images

    ours = images.images_of(prepared.definition, prepared.software)
    for name, image in ours.items():
        images.build(image, bundle.fixtures() / "images" / name / "Dockerfile")
    images.load([image.tag for image in ours.values()], cluster)


@contextlib.contextmanager
def machine_lock(owner: str) -> Iterator[None]:
    """Hold the machine for one run; freed by the kernel when the last process of the run ends.

    Raises:
        BadInput: another run holds it.
        MissingAbility: the lock cannot be made.
    """
    path = cache_folder() / "run.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - held until the block ends
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        _lock(file.fileno(), path)
        file.truncate(0)
        file.write(f"{owner}, pid {os.getpid()}\n")
        file.flush()
        # Kept open in every process of the run: the kernel frees the lock when the last one ends.
        os.set_inheritable(file.fileno(), True)  # noqa: FBT003 - its only argument
        yield


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BadInput(
            f"another run uses this machine: {path.read_text().strip() or 'unknown'}",
            why="two at once would measure each other",
            fix="wait for it, or end it with harness heal --abort",
        ) from error
    except OSError as error:
        raise MissingAbility(
            f"{path} cannot be locked", why=str(error), fix="use a local XDG_CACHE_HOME"
        ) from error
