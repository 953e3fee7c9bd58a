"""What every fault mechanism offers to the guard that drives it.

A mechanism is prepared for nodes that are already chosen. Preparing touches
nothing, so a rehearsal prepares too, and what a rehearsal shows is what an
injection runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.faults.reach import Pair

NOTHING_LOST = "in force until healed"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a probe saw, and whether that is what had to be seen."""

    ok: bool
    words: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a fault does to connections while it is in force."""

    severed: frozenset[Pair]
    """Cannot be opened."""
    unsure: frozenset[Pair]
    """May or may not be opened; nothing is concluded from them."""


class Mechanism(Protocol):
    """One prepared fault."""

    @property
    def commands(self) -> tuple[str, ...]:
        """What ``inject`` runs, as a person would paste it."""
        ...

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """What ``heal`` runs, as a person would paste it."""
        ...

    @property
    def undo(self) -> tuple[dict[str, str], ...]:
        """The journal's note of what is to be undone, readable without this process."""
        ...

    @property
    def footprint(self) -> Footprint:
        """What the fault does to connections."""
        ...

    def inject(self) -> None:
        """Put the fault in force.

        Raises:
            FaultError: it could not be; ``heal`` then cleans up what is in force of it.
        """
        ...

    def landed(self) -> Seen:
        """Whether the fault took hold, after waiting for it; called before the data plane is probed."""
        ...

    def traces(self) -> Seen:
        """What the probes of the data plane left behind as evidence; called after them."""
        ...

    def still(self) -> Seen:
        """Whether the fault stayed in force until now."""
        ...

    def heal(self) -> None:
        """Undo it, whatever state it is in; idempotent and quick."""
        ...

    def healed(self) -> Seen:
        """The mechanism's own evidence that nothing of the fault is left; may wait for readiness."""
        ...
