"""What answers, or does not, behind the proxies of a test: a server on loopback, for tests alone."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field

from harness.clock import MONOTONIC


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
