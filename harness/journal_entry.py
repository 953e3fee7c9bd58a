"""A line of ``journal.jsonl``: one step of one fault."""

from __future__ import annotations

from typing import Literal

from harness.model import Frozen


class JournalEntry(Frozen):
    """One step of one fault.

    Written and fsynced before the step it announces (``planned``) or after the fact it
    states (all others).

    ``fault`` numbers the faults of a run from 1. ``commands`` are what was run, as a human
    would paste it. ``proof`` says what the probes saw. ``undo`` is for ``heal``.
    """

    t: int
    wall: str
    fault: int
    step: Literal[
        "planned",
        "injected",
        "effect-proven",
        "effect-unproven",
        "healed",
        "healing-proven",
        "healing-unproven",
    ]
    name: str
    kind: str
    """The mechanism-free family: kill, terminate, pause, partition, …"""
    target: str
    nodes: tuple[str, ...] = ()
    """Every node whose state the fault changes."""
    why_this_target: str
    partitions: tuple[int, ...] = ()
    """Partitions of the load's topic that the target led at injection; empty: not applicable."""
    commands: tuple[str, ...] = ()
    proof: str = ""
    undo: tuple[dict[str, str], ...] = ()
    traits: dict[str, str] = {}
    """What recovery expectations need: e.g. scope=everyone, direction=one-way, data=wiped."""
