"""A Toxiproxy that stands between a node and its clients for the whole run: the docker platform's.

It runs in a container of its own in the node's network, and clients are given its port instead of the
service's. So the kernel of the node sees every client by its own address, and what cuts a client off
cuts it off from the proxy as well. Brokers find each other past it.
"""

from __future__ import annotations

import json
import shlex

from harness.errors import StackError
from harness.stack.docker.containers import Container
from harness.stack.seams import Node
from harness.stack.toxiproxy.api import STREAM, ToxiproxyApi, delay_body, proxy_body
from harness.stack.toxiproxy.in_front import API_PORT
from harness.waiting import NotYet, wait_for

FRONT, BEHIND = API_PORT + 1, API_PORT + 2
"""Where clients connect, and where a broker listens for the proxy alone: above what kernels give away."""

VARIABLE = "HARNESS_PROXY"
"""In its environment, ``NODE@ADDRESS:PORT`` of its API: so ``heal`` and the watchdog find what it delays."""

_NAME, _TOXIC = "clients", f"latency_{STREAM}"
_START_S = 20.0


class StandingProxy:
    """The proxy of *node*, leading its clients to the port *upstream*; see ``stack.toxiproxy.proxies``."""

    def __init__(self, node: Node, container: Container, upstream: int) -> None:
        self._node, self._container, self._upstream = node, container, upstream
        self._api = ToxiproxyApi(node.name, node.address, API_PORT)

    @property
    def port(self) -> int:
        """Where clients of the node connect."""
        return FRONT

    def start(self) -> None:
        """Start it, and return when it leads clients on.

        Raises:
            StackError: it did not start, or refuses.
        """
        self._container.start()
        wait_for(self._answers, what=f"Toxiproxy at {self._node.name}", seconds=_START_S, every=0.05)
        here = self._node.address
        body = proxy_body(_NAME, f"{here}:{self.port}", f"{here}:{self._upstream}")
        self._api.call("post", "/proxies", body)

    def commands(self, ms: int) -> tuple[str, ...]:
        """What ``delay`` asks, as a person would paste it; with 0 ms what ``free`` asks."""
        url = f"http://{self._node.address}:{API_PORT}/proxies/{_NAME}/toxics"
        if not ms:
            return (f"curl -X DELETE {url}/{_TOXIC}",)
        return (f"curl -d {shlex.quote(json.dumps(delay_body(ms)))} {url}",)

    def delay(self, ms: int) -> None:
        """Delay what the node answers to clients.

        Raises:
            StackError: it refuses, or delays already.
        """
        self._api.call("post", f"/proxies/{_NAME}/toxics", delay_body(ms))

    def free(self) -> None:
        """Delay nothing any more; idempotent.

        Raises:
            StackError: it refuses.
        """
        if self.delayed():
            self._api.call("delete", f"/proxies/{_NAME}/toxics/{_TOXIC}")

    def delayed(self) -> int:
        """By how many milliseconds it says that it delays.

        Raises:
            StackError: it does not say.
        """
        return self._api.delays().get(_NAME, 0)

    def log(self) -> str:
        """Everything that it wrote."""
        return self._container.log()

    def _answers(self) -> None:
        if not self._container.pid():
            raise StackError(f"Toxiproxy at {self._node.name} ended", why=self._container.log(3))
        try:
            self._api.delays()
        except StackError as error:
            raise NotYet(error.why) from error
