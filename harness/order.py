"""What was ordered: a scenario, the stack it runs on, and where its run is kept."""

from __future__ import annotations

import platform as machine
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

import harness
from harness.clock import MONOTONIC, wall_label
from harness.model import Budgets, EnvironmentSeen
from harness.rundir import RunDirectory
from harness.scenario import Scenario
from harness.stack.definition import StackDefinition
from harness.stack.parts import Parts
from harness.stack.software import Software


@dataclass(frozen=True)
class Order:
    """Everything ``execute`` needs to know."""

    scenario: Scenario
    definition: StackDefinition
    folder: Path
    software: Software
    parts: Parts
    directory: RunDirectory
    seed: int
    command: tuple[str, ...]
    settings: Mapping[str, str]
    platform: str = "local"

    @property
    def marks(self) -> dict[str, str]:
        """What every process of the stack carries in its environment."""
        return {"HARNESS_RUN": self.directory.run_id, "HARNESS_DIR": str(self.directory.root)}

    @property
    def budgets(self) -> Budgets:
        """What must hold of times; the scenario's own were set in the definition."""
        return self.definition.budgets


def environment(order: Order, effective: Mapping[str, str], proxied: Collection[str] = ()) -> EnvironmentSeen:
    """What the run runs on, as an event; *proxied* are the nodes whose clients go through a proxy."""
    kafka, flink = order.definition.kafka, order.definition.flink
    memory = psutil.virtual_memory().total / 2**30
    return EnvironmentSeen(
        t=MONOTONIC.now(),
        wall=wall_label(),
        parts={
            "kafka": kafka.version,
            **({"flink": flink.version} if flink else {}),
            **order.software.runtimes,
            "python": machine.python_version(),
            "edge-harness": harness.__version__,
        },
        host={
            "kernel": machine.release(),
            "cpus": str(psutil.cpu_count()),
            "memory": f"{memory:.0f} GiB",
            "broker disks": f"tmpfs, {kafka.data_mb} MB each",
            **({"through Toxiproxy": f"clients of {', '.join(sorted(proxied))}"} if proxied else {}),
            "broker heap": f"{kafka.heap_mb} MB, C1 compiler only: not for certified latencies",
        },
        effective=dict(effective),
    )
