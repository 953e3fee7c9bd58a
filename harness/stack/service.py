"""One process on one node that can be started again, whatever it is; its kind knows when it serves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.errors import StackError
from harness.stack.process import NamespacedProcess
from harness.stack.seams import Node
from harness.waiting import NotYet, wait_for

Ready = Callable[[float], str]
"""Waits at most so many seconds until a service serves, and says by what it saw that."""

_YIELDING = ("nice", "-n", "10")
"""On a machine that is short of processors the stack waits, not the load: its clients stand for
machines of their own, and a load that is late measures itself."""


class NodeProcess:
    """A process with a disk of its own and a log: what every ``harness.stack.seams.Service`` has in common.

    Args:
        node: where it runs.
        argv: what runs there, as PID 1 of a pid namespace.
        environment: what its process carries beside PATH and the node's name.
        disk: the folder of its data, a file system of its own.
        logs: the folder that gets ``NODE.log``.
    """

    def __init__(
        self, node: Node, argv: Sequence[str], *, environment: Mapping[str, str], disk: Path, logs: Path
    ) -> None:
        self.node, self.disk = node, disk
        self.log = logs / f"{node.name}.log"
        self._argv = [*_YIELDING, *argv]
        self._environment = {"PATH": os.environ.get("PATH", ""), "HARNESS_NODE": node.name, **environment}
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
        self.before_start()
        self._process = NamespacedProcess.start(
            self.node.enter([]), self._argv, environment=self._environment, log=self.log
        )

    def before_start(self) -> None:
        """What a kind does before each start."""

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
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_listening(self, seconds: float) -> None:
        """Return when its first port is open.

        Raises:
            StackError: it died, or the port is not open within *seconds*.
        """
        wait_for(self._listens, what=f"{self.node.name} to listen", seconds=seconds)

    def must_live(self) -> None:
        """Raise StackError with the end of its log if it is dead: nobody waits for it any longer."""
        if not self.process.is_alive():
            raise StackError(f"{self.node.name} died", why=self.log_tail(), fix=f"see {self.log}")

    def _listens(self) -> None:
        self.must_live()
        if not self.node.can_connect(self.node.address, self.node.ports[0], seconds=0.5):
            raise NotYet("its port is closed")


class NodeService(NodeProcess):
    """A ``NodeProcess`` of which *ready* tells what it takes to serve beyond an open port."""

    def __init__(
        self,
        node: Node,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        disk: Path,
        logs: Path,
        ready: Ready,
    ) -> None:
        super().__init__(node, argv, environment=environment, disk=disk, logs=logs)
        self._ready = ready

    def wait_ready(self, seconds: float) -> str:
        """Return when its port is open and it serves."""
        self.wait_listening(seconds)
        return self._ready(seconds)
