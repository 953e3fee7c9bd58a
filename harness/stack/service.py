"""One process on one node that can be started again, whatever it is; others know when it serves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.errors import StackError
from harness.stack.kafka import YIELDING
from harness.stack.netns import NamespaceNode
from harness.stack.process import NamespacedProcess
from harness.waiting import NotYet, wait_for

Ready = Callable[[float], str]
"""Waits at most so many seconds until a service serves, and says by what it saw that."""


class NodeService:
    """A process with a disk of its own; see ``harness.stack.seams.Service``.

    Args:
        node: where it runs.
        argv: what runs there, as PID 1 of a pid namespace.
        environment: what its process carries beside PATH and the node's name.
        disk: the folder of its data, a file system of its own; ``disk_mb`` is its size.
        logs: the folder that gets ``NODE.log``.
        ready: its readiness beyond an open port.
    """

    def __init__(
        self,
        node: NamespaceNode,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        disk: Path,
        disk_mb: int,
        logs: Path,
        ready: Ready,
    ) -> None:
        self.node, self.disk, self.disk_mb = node, disk, disk_mb
        self._argv = [*YIELDING, *argv]
        self._environment = {"PATH": os.environ.get("PATH", ""), "HARNESS_NODE": node.name, **environment}
        self._log = logs / f"{node.name}.log"
        self._ready = ready
        self._process: NamespacedProcess | None = None

    @property
    def process(self) -> NamespacedProcess:
        """The present process, alive or not."""
        if self._process is None:
            raise StackError(f"{self.node.name} was never started")
        return self._process

    def start(self) -> None:
        """Start it.

        Raises:
            StackError: it still runs, or could not be started.
        """
        if self._process is not None and self._process.is_alive():
            raise StackError(f"{self.node.name} still runs")
        self._process = NamespacedProcess.start(
            self.node.enter([]), self._argv, environment=self._environment, log=self._log
        )

    def wait_ready(self, seconds: float) -> str:
        """Return when its port is open and it serves."""
        wait_for(self._answers, what=f"{self.node.name} to answer", seconds=seconds)
        return self._ready(seconds)

    def wipe(self) -> None:
        """Delete everything on its disk.

        Raises:
            StackError: it runs.
        """
        if self.process.is_alive():
            raise StackError(f"{self.node.name} runs", fix="kill it before its disk is wiped")
        for entry in self.disk.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def log_tail(self, lines: int = 5) -> str:
        """The end of its log, for an error."""
        return " | ".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def _answers(self) -> None:
        if not self.process.is_alive():
            raise StackError(f"{self.node.name} died", why=self.log_tail(), fix=f"see {self._log}")
        if not self.node.can_connect(self.node.address, self.node.ports[0], seconds=0.5):
            raise NotYet("its port is closed")
