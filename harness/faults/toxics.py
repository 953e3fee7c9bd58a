"""Delays in the proxies that stand between nodes and clients, as the proxies themselves tell them.

A toxic cannot expire, so anybody who finds the proxy finds what it delays, and ends it: ``heal`` and the
watchdog. Standard library only. Only a proxy of a stack is ever asked: its address is one of the range that
is set aside for benchmarks.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

from harness.faults.observed import Marked, marked_processes

_STACKS = ipaddress.ip_network("198.18.0.0/15")
_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Delaying:
    """The proxy of *node*, whose API is at *address*:*port*, and that holds some toxic."""

    node: str
    address: str
    port: int

    @property
    def reset(self) -> str:
        """The command that ends every delay in it, as a person would paste it."""
        return f"curl -X POST http://{self.address}:{self.port}/reset"


def delaying(processes: Iterable[Marked]) -> list[Delaying]:
    """Those of the proxies among *processes* that delay; one that does not answer delays nobody."""
    found = (_proxy(process.proxy) for process in processes if process.proxy)
    return [proxy for proxy in found if proxy is not None and _has_toxics(proxy)]


def reset(proxy: Delaying) -> None:
    """End every delay in *proxy*; its connections stay.

    Raises:
        OSError: it did not.
    """
    _asked(proxy, "POST", "/reset")


def reset_all(run: str) -> list[str]:
    """End every delay in the proxies of *run*; returns whose answers they delayed."""
    found = delaying(marked_processes(run))
    for proxy in found:
        reset(proxy)
    return [proxy.node for proxy in found]


def _proxy(told: str) -> Delaying | None:
    node, _, place = told.partition("@")
    address, _, port = place.rpartition(":")
    try:
        inside = ipaddress.ip_address(address) in _STACKS
        return Delaying(node, address, int(port)) if inside else None
    except ValueError:
        return None


def _has_toxics(proxy: Delaying) -> bool:
    try:
        told = json.loads(_asked(proxy, "GET", "/proxies"))
        return any(one.get("toxics") for one in told.values())
    except (OSError, ValueError, AttributeError):
        return False


def _asked(proxy: Delaying, verb: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(proxy.address, proxy.port, timeout=_SECONDS)
    try:
        with closing(connection):
            connection.request(verb, path)
            answer = connection.getresponse()
            text = answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"the proxy of {proxy.node} does not answer: {error}") from error
    if answer.status >= 400:
        raise OSError(f"the proxy of {proxy.node} answers {answer.status}")
    return text
