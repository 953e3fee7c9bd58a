"""What an order gives to whoever boots a stack: the same on every platform."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from harness.order import Order
from harness.stack.booted import BootedStack
from harness.stack.definition import StackDefinition
from harness.stack.parts import Parts
from harness.stack.software import Software


class Boots(Protocol):
    """Has a stack stand while its block runs; raises StackError when it does not."""

    def __call__(
        self,
        definition: StackDefinition,
        folder: Path,
        software: Software,
        parts: Parts,
        *,
        logs: Path,
        environment: Mapping[str, str],
    ) -> AbstractContextManager[BootedStack]:
        """The stack *definition* from *folder*; its processes carry *environment*."""
        ...


def ordered(boots: Boots, order: Order, **marks: str) -> AbstractContextManager[BootedStack]:
    """The stack of *order*; *marks* are what its processes carry besides the run's own."""
    return boots(
        order.definition,
        order.folder,
        order.software,
        order.parts,
        logs=order.directory.logs,
        environment=order.marks | marks,
    )
