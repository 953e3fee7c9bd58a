"""The object store's gate where none stands for good: a process in the store's network while a fault lasts.

It listens beside the store at a port that no kernel gives away by itself and passes everything on to the
store's own, so whoever is led to it (``harness.faults.redirect``) sees the store, or what the gate is told.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.errors import StackError
from harness.stack.process import NamespacedProcess
from harness.stack.seams import Node
from harness.waiting import NotYet, wait_for

GATE_PORT = 61_100
"""Above the range that kernels give away (32768 to 60999), and away from Toxiproxy's."""

_ROOT = Path(__file__).resolve().parents[3]
_START_S, _GONE_S, _CONNECT_S = 10.0, 5.0, 0.5


class TemporaryGate:
    """The gate in front of *node*, its files and its log in *logs*; see ``harness.stack.seams.HasGate``.

    *fault* is the kind of fault that it is there for: by this mark ``heal`` and the watchdog know it.
    *fronts* are ports of others at the node that lead to the store too; there the gate stands as well.
    """

    def __init__(self, node: Node, fault: str, logs: Path, *, fronts: Sequence[int] = ()) -> None:
        self._node, self._fault, self._fronts = node, fault, tuple(fronts)
        self.control = logs / f"{node.name}.gate.json"
        self.stats = logs / f"{node.name}.gate-stats.json"
        self._log = logs / f"{node.name}-gate.log"
        self._process: NamespacedProcess | None = None

    @property
    def ports(self) -> dict[int, int]:
        """Each port at which clients find the store, and the one at which the gate listens."""
        return dict.fromkeys((self._node.ports[0], *self._fronts), GATE_PORT)

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_alive()

    @property
    def commands(self) -> tuple[str, ...]:
        """What ``start`` runs, as a person would paste it."""
        return (shlex.join(self._node.enter(self._argv())),)

    def start(self) -> None:
        """Start it; returns when it takes connections.

        Raises:
            StackError: it did not start, or its store does not listen; it may run until ``stop``.
        """
        self.stats.unlink(missing_ok=True)  # what another one counted
        mark = {key: os.environ[key] for key in ("PATH", "HARNESS_RUN", "HARNESS_DIR") if key in os.environ}
        mark |= {"HARNESS_NODE": self._node.name, "HARNESS_FAULT": self._fault, "PYTHONPATH": str(_ROOT)}
        self._process = NamespacedProcess.start(
            self._node.enter([]), self._argv(), environment=mark, log=self._log
        )
        wait_for(self._listens, what=f"the gate of {self._node.name}", seconds=_START_S, every=0.02)

    def stop(self) -> None:
        """End it, and with it every connection through it; idempotent.

        Raises:
            StackError: it still runs.
        """
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send(signal.SIGKILL)
            self._process.wait_gone(_GONE_S)

    def _argv(self) -> list[str]:
        here, port = self._node.address, self._node.ports[0]
        # -P: the current folder must not shadow a module; -S: nothing beside the standard library.
        module = [sys.executable, "-P", "-S", "-m", "harness.stack.objects.s3_gate"]
        return [*module, f"{here}:{GATE_PORT}", f"{here}:{port}", str(self.control), str(self.stats)]

    def _listens(self) -> None:
        if not self.is_alive:
            last = " | ".join(self._log.read_text(errors="replace").splitlines()[-3:])
            raise StackError(f"the gate of {self._node.name} ended", why=last)
        if not self._node.can_connect(self._node.address, GATE_PORT, seconds=_CONNECT_S):
            raise NotYet("it does not listen, or its store does not")
