"""The API of a Toxiproxy server, in the few calls that are used, each with a bound on its time.

The client package is used for the calls alone: its own objects have no bound on their time, and one address
for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import requests
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from harness.errors import StackError

STREAM = "downstream"
"""What is delayed: answers."""

_CALL_S = 2.0
_REFUSALS = (requests.RequestException, ProxyExists, NotFound, InvalidToxic)
_DIRECT = {"http": ""}
"""No proxy of the environment is asked."""


class ToxiproxyApi:
    """The server of *who*, at *address*:*port*."""

    def __init__(self, who: str, address: str, port: int) -> None:
        self._who = who
        self._calls = type("Calls", (APIConsumer,), {"host": address, "port": port})

    def call(self, verb: str, path: str, body: Mapping[str, object] | None = None) -> object:
        """What the server answers, from its JSON; None when it says nothing.

        Raises:
            StackError: it refused, or did not answer in time.
        """
        try:
            told = {} if body is None else {"json": body}
            answer = getattr(self._calls, verb)(path, timeout=_CALL_S, proxies=dict(_DIRECT), **told)
            answer.raise_for_status()
            found: object = answer.json() if answer.content else None
        except _REFUSALS as error:
            raise StackError(f"Toxiproxy at {self._who} refused {path}", why=str(error)) from error
        return found

    def delays(self) -> dict[str, int]:
        """By how many milliseconds it says that it delays the answers of each proxy.

        Raises:
            StackError: it does not say.
        """
        told = self.call("get", "/proxies")
        assert isinstance(told, dict), told
        return {name: delay_of(proxy) for name, proxy in told.items()}


def proxy_body(name: str, listen: str, upstream: str) -> dict[str, object]:
    """What makes a proxy when it is posted to ``/proxies``."""
    return {"name": name, "enabled": True, "listen": listen, "upstream": upstream}


def delay_body(ms: int) -> dict[str, object]:
    """What delays answers when it is posted to the ``toxics`` of a proxy."""
    return {"type": "latency", "stream": STREAM, "attributes": {"latency": ms, "jitter": 0}}


def delay_of(proxy: Mapping[str, object]) -> int:
    """The delay that the JSON of one *proxy* tells; 0: it does nothing of the kind."""
    toxics = proxy.get("toxics") if proxy.get("enabled") else None
    found = [one for one in toxics or [] if (one["type"], one["stream"]) == ("latency", STREAM)]  # type: ignore[attr-defined]
    return sum(int(one["attributes"]["latency"]) for one in found)
