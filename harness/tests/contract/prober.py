"""Looks on from outside the harness: ``python -m harness.tests.contract.prober FOLDER PID``.

Appends one line every 50 ms: the instant, whether load-1 connects to broker-1, how many
milliseconds an echo takes there (-1: there is none), and the state of process PID.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

from harness.clock import MONOTONIC
from harness.faults.observed import stat_fields
from harness.stack.namespaces.netns import NamespaceNode
from harness.tests.contract.arena import PORT


def _look(folder: Path, pid: int) -> None:
    node = NamespaceNode("load-1", "load", "198.18.0.11")
    with open(folder / "seen.jsonl", "a", encoding="utf-8") as file:
        while True:
            connects = node.can_connect("198.18.0.1", PORT, seconds=0.05)
            ms = _echo_ms(node) if connects else -1.0
            line = {"t": time.monotonic(), "connects": connects, "ms": ms, "state": stat_fields(pid)[0]}
            file.write(json.dumps(line) + "\n")
            file.flush()
            MONOTONIC.sleep(0.05)


def _echo_ms(node: NamespaceNode) -> float:
    with node.open_socket(socket.SOCK_STREAM) as connection:
        connection.settimeout(0.5)
        try:
            connection.connect(("198.18.0.1", PORT))
            started = time.monotonic()
            connection.sendall(b"x")
            answered = connection.recv(1)
            return (time.monotonic() - started) * 1e3 if answered else -1.0
        except OSError:
            return -1.0


if __name__ == "__main__":
    _look(Path(sys.argv[1]), int(sys.argv[2]))
