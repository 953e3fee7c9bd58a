"""Where a stack runs: one module for each platform, with the same two verbs.

``enter`` stands outside: it prepares the place, has ``harness`` run inside it and takes the place away again.
``boot`` runs inside, within that second ``harness``: it has the ordered stack stand while its block runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.errors import unknown_name
from harness.guards.gate import Asked, Clearance
from harness.guards.limits import Planned
from harness.launch import CONTEXT, Prepared
from harness.order import Order
from harness.stack.booted import BootedStack

NAMES = ("local", "kind", "docker", "context:NAME")


@dataclass(frozen=True, slots=True)
class Entry:
    """A run that is about to enter its platform.

    Args:
        argv: the command line behind ``harness``; the same runs inside.
        directory: the run's own, not there yet.
        reuse: take the cluster that is there, if there is one.
        keep: leave the cluster there.
        plan: the faults that the scenario would make, for a cluster that is not ours.
        asked: what the command line says about such a cluster.
    """

    argv: Sequence[str]
    prepared: Prepared
    directory: Path
    seed: int
    reuse: bool = False
    keep: bool = False
    plan: tuple[Planned, ...] = ()
    asked: Asked = field(default_factory=Asked)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be healed of a cluster that is not ours.

    Args:
        home: the folder that gets the directories of runs that are taken away.
        namespace: the only one to look at; empty: all that the allow-list has for the context.
        allow: ``--allow``.
        abort: whether runs that are alive are ended, too.
    """

    home: Path
    namespace: str = ""
    allow: Path | None = None
    abort: bool = False


@runtime_checkable
class Guarded(Protocol):
    """A platform in somebody's cluster."""

    def cleared(self, entry: Entry) -> Clearance:
        """What may be done there; only looks.

        Raises:
            BadInput: *entry* may not be.
        """
        ...

    def heal(self, wish: Wish, say: Callable[[str], None]) -> int:
        """Take away what dead runs left there; the exit code: 0, or 4 when something of it is still there.

        Raises:
            BadInput: a namespace may not be touched, or we may not do it.
            MissingAbility: the cluster cannot be reached.
            StackError: the cluster does not tell what there is.
        """
        ...


class Platform(Protocol):
    """One place for stacks to run in."""

    def enter(self, entry: Entry) -> int:
        """Run ``harness`` inside, and give its exit code; may become that process instead of returning."""
        ...

    def boot(self, order: Order) -> AbstractContextManager[BootedStack]:
        """The ordered stack, ready, while the block runs."""
        ...


def platform(name: str) -> Platform:
    """The platform *name*; only its own modules are imported.

    Raises:
        BadInput: there is none of that name.
    """
    if name == "local":
        from harness.platforms.local import Local  # noqa: PLC0415

        return Local()
    if name == "kind":
        from harness.platforms.kind import Kind  # noqa: PLC0415

        return Kind()
    if name == "docker":
        from harness.platforms.docker import DockerPlatform  # noqa: PLC0415

        return DockerPlatform()
    if name.startswith(CONTEXT):
        from harness.platforms.context import Elsewhere  # noqa: PLC0415

        return Elsewhere(name.removeprefix(CONTEXT))
    raise unknown_name("platform", name, NAMES)
