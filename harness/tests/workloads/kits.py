"""A client's kit without a process: the client runs in the test."""

from __future__ import annotations

from pathlib import Path

from harness.history.operations import Operation
from harness.history.parts import joined
from harness.workloads.kit import Kit
from harness.workloads.plan import Client, Plan, Role
from harness.workloads.spec import Workload


def planned(folder: Path, workload: Workload, bootstrap: str = "(none)", **bounds: int) -> Plan:
    """A plan whose parts and counts lie in *folder*."""
    for name in ("parts", "counts"):
        (folder / name).mkdir(exist_ok=True)
    return Plan(
        workload=workload,
        run_id="run-1",
        bootstrap=bootstrap,
        folder=folder / "parts",
        counts=folder / "counts",
        seed=7,
        operations=bounds.get("operations", 100_000),
    )


def kit(plan: Plan, role: Role, number: int, until: Path | None = None) -> Kit:
    """The kit of one client, which obeys nobody and does so much as *plan* allows."""
    return Kit(plan, Client(role=role, slot=0, number=number, until=until))


def told(plan: Plan) -> list[Operation]:
    """The history so far."""
    return joined(plan.folder)
