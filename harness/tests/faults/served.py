"""What stands behind the proxies and gates of a test: a server on loopback, a kernel that leads to them."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.clock import MONOTONIC
from harness.tests.faults.fakes import FakeNode

PEER = FakeNode("peer", "observer", "127.0.0.9")


@dataclass
class Server:
    """A server on loopback that answers one byte, *seconds* later; silent: it closes without an answer."""

    seconds: float = 0.0
    silent: bool = False
    _socket: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    def serve(self) -> None:
        """Until it is closed."""
        with contextlib.suppress(OSError):
            while True:
                with self._socket.accept()[0] as client:
                    client.recv(100)
                    MONOTONIC.sleep(self.seconds)
                    if not self.silent:
                        client.sendall(b"x")

    def close(self) -> None:
        """No further connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@dataclass
class Kernel(FakeNode):
    """A node whose nft tells of one set, with so many connections led and so many peers in it."""

    led: int = 5
    elements: int = 1
    ruled: bool = True
    to: int = 61001

    def enter(self, argv: Sequence[str]) -> list[str]:
        """A program that answers in nft's place."""
        name = f"via_{self.ports[0]}_{self.to}"
        elements = [{"elem": {"val": PEER.address}}] * self.elements
        rule = [{"match": {"right": f"@{name}"}}, {"counter": {"packets": self.led}}]
        items: list[object] = [{"set": {"name": name, "elem": elements}}, {"rule": {"expr": rule}}]
        told = json.dumps({"nftables": items if self.ruled else []})
        return [sys.executable, "-S", "-c", f"print({told!r})"]
