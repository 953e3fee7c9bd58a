"""A Toxiproxy in front of a node's ports: the user's own server, in the node's network, while a fault lasts.

It listens on the node's address at ports that no kernel gives away by itself, so what leads clients to
it can be told before it runs.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.errors import StackError
from harness.stack.process import NamespacedProcess
from harness.stack.seams import Node, Process
from harness.stack.toxiproxy.api import ToxiproxyApi, delay_body, proxy_body
from harness.waiting import NotYet, wait_for

API_PORT = 61_000
"""Above the range that kernels give away (32768 to 60999); the proxies have the ports after it."""

MARK = ("HARNESS_FAULT", "latency")
"""In its environment: by this ``heal`` and the watchdog know a process that is itself a fault."""

_START_S, _GONE_S = 10.0, 5.0


@runtime_checkable
class Fronted(Protocol):
    """A node in whose network somebody on its own machine runs a proxy for the harness.

    Both raise FaultError when that cannot be done.
    """

    def start_proxy(self, argv: Sequence[str], environment: Mapping[str, str]) -> Process:
        """Run *argv* there; it ends by itself a lease after the harness is gone."""
        ...

    def proxy_said(self, lines: int) -> str:
        """The last *lines* of what it said."""
        ...


class Toxiproxy:
    """The server in front of *node*, whose log goes to *logs*; started and ended by whoever made it."""

    def __init__(self, node: Node, binary: Path, logs: Path) -> None:
        self._node, self._log = node, logs / f"{node.name}-toxiproxy.log"
        self._argv = [str(binary), "-host", node.address, "-port", str(API_PORT)]
        self._api = ToxiproxyApi(node.name, node.address, API_PORT)
        self._process: Process | None = None

    @property
    def ports(self) -> dict[int, int]:
        """Each port of the node, and the one at which its proxy listens."""
        return {port: API_PORT + n for n, port in enumerate(self._node.ports, 1)}

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_alive()

    def commands(self, ms: int) -> tuple[str, ...]:
        """What ``start`` runs, as a person would paste it."""
        calls = (
            f"curl -d {shlex.quote(json.dumps(body))} http://{self._node.address}:{API_PORT}{path}"
            for path, body in self._asked(ms)
        )
        return (shlex.join(self._node.enter(self._argv)), *calls)

    def start(self, ms: int) -> None:
        """Start it, with all that a port answers *ms* milliseconds late.

        Raises:
            StackError: it did not start, or does not do as it is told; it may run until ``stop``.
        """
        self._process = self._started()
        wait_for(self._answers, what=f"Toxiproxy at {self._node.name}", seconds=_START_S, every=0.01)
        for path, body in self._asked(ms):
            self._api.call("post", path, body)

    def delays(self) -> dict[int, int]:
        """What it says itself: by how many milliseconds it delays each port.

        Raises:
            StackError: it does not say.
        """
        return {int(name): ms for name, ms in self._api.delays().items()}

    def stop(self) -> None:
        """End it, and with it every connection through it; idempotent.

        Raises:
            StackError: it still runs.
        """
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send(signal.SIGKILL)
            self._process.wait_gone(_GONE_S)

    def log_tail(self, lines: int = 3) -> str:
        """The end of its log, for an error."""
        if isinstance(self._node, Fronted):
            return " | ".join(self._node.proxy_said(lines).splitlines())
        return " | ".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def _started(self) -> Process:
        name, value = MARK
        marks = {"HARNESS_NODE": self._node.name, name: value}
        if isinstance(self._node, Fronted):
            return self._node.start_proxy(self._argv, marks)
        kept = {key: os.environ[key] for key in ("PATH", "HARNESS_RUN", "HARNESS_DIR") if key in os.environ}
        return NamespacedProcess.start(
            self._node.enter([]), self._argv, environment={**kept, **marks}, log=self._log
        )

    def _asked(self, ms: int) -> list[tuple[str, dict[str, object]]]:
        """One proxy for each port, and one toxic for each proxy."""
        calls: list[tuple[str, dict[str, object]]] = []
        for port in self._node.ports:
            calls += [("/proxies", self._proxy(port)), (f"/proxies/{port}/toxics", delay_body(ms))]
        return calls

    def _proxy(self, port: int) -> dict[str, object]:
        here = self._node.address
        return proxy_body(str(port), f"{here}:{self.ports[port]}", f"{here}:{port}")

    def _answers(self) -> None:
        if not self.is_alive:
            raise StackError(f"Toxiproxy at {self._node.name} ended", why=self.log_tail())
        try:
            self._api.delays()
        except StackError as error:
            raise NotYet(error.why) from error
