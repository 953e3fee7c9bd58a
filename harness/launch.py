"""What a run needs before it enters its platform: a whole stack, its jars, and the machine for itself.

Everything that must happen outside happens here, first: one lock keeps two runs from spoiling each other's
times, jars are fetched while there still is a network.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import bundle
from harness.errors import BadInput, MissingAbility
from harness.rundir import unwritable
from harness.stack.artifacts import Jar, cache_folder, ensure, read_lock
from harness.stack.components import ToxiproxyDefinition
from harness.stack.definition import StackDefinition, base_folder, on_kubernetes, read_definition
from harness.stack.java import IN_IMAGES, Java, find_java
from harness.stack.namespaces import enclosure
from harness.stack.parts import check_parts, find_parts
from harness.stack.software import Software, installed, locked_jars

_COMPILES = ("flink", "ecj")
"""The components whose jars compile the job."""

CONTEXT = "context:"
"""So begins the name of a platform that is somebody's cluster; the name of the context follows."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A stack chosen and found complete: its definition, its folder and its locked jars."""

    definition: StackDefinition
    folder: Path
    jars: Mapping[str, tuple[Jar, ...]]
    """The locked jars of each component."""

    java: Java | None = None
    """What runs the stack, where that is in images; None: what is found on this machine."""

    @property
    def software(self) -> Software:
        """What the stack is started from, once it is fetched."""
        return installed(self.java or find_java(), self.jars)

    def job(self) -> Path | None:
        """The job's jar, compiled on this machine where it is ours; None: the stack has no job.

        Raises:
            BadInput: it is not there, or no such job.
        """
        fetch(self, _COMPILES)
        return find_parts(self.definition, self.folder, installed(find_java(), self.jars)).job


def prepare(stack: str, settings: Mapping[str, str], platform: str = "local") -> Prepared:
    """Read the definition of *stack* on *platform* with *settings*, and the locks of its components.

    Raises:
        BadInput: an unknown stack, setting or version, or a part that is not what it should be;
            nothing was started.
    """
    stacks = bundle.fixtures() / "stacks"
    stack = on_kubernetes(stacks, stack) if in_kubernetes(platform) else stack
    folder = base_folder(stacks, stack)
    definition = read_definition(stacks, stack, {**_defaults(platform), **settings})
    if definition.kubernetes is not None and not in_kubernetes(platform):
        raise BadInput(f"the stack {stack} runs in Kubernetes", fix="--platform kind")
    if platform.startswith(CONTEXT) and definition.load.through == "nodeport":
        raise BadInput(
            "the load cannot come in through node ports there",
            why="its clients are pods of that cluster, and nothing of the harness stands outside of it",
            fix="leave load.through alone, or --platform kind",
        )
    if platform == "local" and definition.images:
        raise BadInput(
            "the local platform runs no images", why=f"images.{min(definition.images)} was set",
            fix="--platform docker or kind",
        )  # fmt: skip
    if platform.startswith(CONTEXT) and not enclosure.is_inside():
        # What it names is in the image of the harness, and is looked for in there.
        definition = definition.model_copy(update={"toxiproxy": ToxiproxyDefinition()})
    jars = locked_jars(definition, bundle.fixtures() / "locks")
    check_parts(definition, folder)
    return Prepared(definition, folder, jars, IN_IMAGES if platform.startswith(CONTEXT) else None)


def _defaults(platform: str) -> dict[str, str]:
    """Elsewhere the harness stands in a pod of its own, so the load has to have one, too."""
    return {"load.workers": "1"} if platform.startswith(CONTEXT) else {}


def in_kubernetes(platform: str) -> bool:
    """Whether stacks are pods there."""
    return platform == "kind" or platform.startswith(CONTEXT)


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


def fetch(prepared: Prepared, only: Sequence[str] = ()) -> None:
    """Have every jar of the stack in the cache, whole, or those of the components *only*; shows progress."""
    from harness.display import FetchProgress

    with FetchProgress().shown() as progress:
        ensure(_all_jars(prepared, only), progress)


def _all_jars(prepared: Prepared, only: Sequence[str] = ()) -> tuple[Jar, ...]:
    chosen = (own for name, own in prepared.jars.items() if not only or name in only)
    return tuple(dict.fromkeys(jar for own in chosen for jar in own))


def marks(directory: Path, seed: int) -> dict[str, str]:
    """What every process of the run carries in its environment from the start."""
    return {"HARNESS_RUN": directory.name, enclosure.DIRECTORY: str(directory), "HARNESS_SEED": str(seed)}


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
