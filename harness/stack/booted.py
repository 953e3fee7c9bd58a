"""A stack that stands, whatever platform it stands on: what every platform gives to the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.stack.delays import UNTRIED, Delays
from harness.stack.flink.rest import FlinkRest
from harness.stack.kafka.admin import KafkaAdmin
from harness.stack.kubernetes.orchestrated import Machines, Orchestrator, Volumes
from harness.stack.seams import Check, Distant, HasDisk, LoadPods, LoggedService, Node, Process, unrestricted
from harness.stack.toxiproxy.proxies import Delayer
from harness.stack.vector.agent import MetricsAgent


@dataclass(frozen=True)
class BootedStack:
    """A booted stack; see ``harness.stack.seams.Stack``. What it lacks is None.

    Args:
        entrance: where the load's clients begin; empty: at ``bootstrap``.
        load_pods: who drives the load; None: the harness, on the load's node.
        check: what of it may be hit.
        notes: what the run's events have to record of it.
        renew_flink: has the operator of Flink make its cluster anew; None: there is none.
    """

    nodes: Mapping[str, Node]
    services: Mapping[str, LoggedService]
    roles: KafkaAdmin
    logs: Path
    flink: FlinkRest | None = None
    agent: MetricsAgent | None = None
    delays: Delays = UNTRIED
    check: Check = unrestricted
    notes: tuple[str, ...] = ()
    entrance: str = ""
    load_pods: LoadPods | None = None
    orchestrator: Orchestrator | None = None
    machines: Machines | None = None
    volumes: Volumes | None = None
    proxies: Mapping[str, Delayer] = field(default_factory=dict)
    renew_flink: Callable[[], str] | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port,…`` for Kafka clients."""
        return self.roles.bootstrap

    @property
    def load_node(self) -> Node:
        """Where the load's clients run: on their own node, or with the harness if they come from outside."""
        role = "observer" if self.entrance else "load"
        return next(node for node in self.nodes.values() if node.role == role)

    def disks(self) -> dict[str, Path]:
        """The folder that is each node's own disk."""
        return {name: service.disk for name, service in self.services.items() if isinstance(service, HasDisk)}

    def live_pids(self) -> dict[str, int]:
        """The pid of every service that runs on this machine at the moment, by node."""
        here = {name: one for name, one in self._processes().items() if not isinstance(one, Distant)}
        return {name: process.pid for name, process in here.items() if process.is_alive()}

    def distant(self) -> dict[str, Distant]:
        """The process of every service that runs on another machine, by node."""
        return {name: one for name, one in self._processes().items() if isinstance(one, Distant)}

    def _processes(self) -> dict[str, Process]:
        return {name: service.process for name, service in self.services.items()}
