"""What every client of a workload is told: the plan crosses a process border as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from harness.model import Frozen
from harness.workloads.spec import Workload

Role = Literal["writer", "feeder", "copier", "member", "committed", "uncommitted"]
"""What a client does; the last two read along, or once more from the start, and show what they are called."""

CALL_S = 10.0
"""How long one call to the cluster may take before its outcome counts as unknown."""


class Plan(Frozen):
    """One workload in one run.

    Args:
        folder: where each client's part of the history goes.
        counts: where each client says how much it has done.
        operations: no client does more.
        seconds: no client lives longer.
    """

    workload: Workload
    run_id: str
    bootstrap: str
    folder: Path
    counts: Path
    seed: int
    operations: int = 100_000
    seconds: float = 3_600.0

    @property
    def group(self) -> str:
        """The consumer group of its members: it has the workload's name."""
        return self.workload.name


class Ends(Frozen):
    """Up to where a last reader reads: topic, partition, offset."""

    ends: tuple[tuple[str, int, int], ...]


class Client(Frozen):
    """One client, a process. ``number`` is its own in the whole workload, ``slot`` whose work it does.

    ``until``: read up to these ends, then end; empty: until it is told to stop.
    """

    role: Role
    slot: int
    number: int
    until: Path | None = None

    @property
    def name(self) -> str:
        """Its part's and its log's name."""
        return f"{self.role}-{self.slot}-{self.number}"
