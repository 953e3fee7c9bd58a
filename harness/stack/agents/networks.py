"""The networks of pods on an agent's node: commands and sockets in them. Standard library: agents run it."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from harness.stack.agents.pod_proc import network_of, start_ticks
from harness.stack.namespaces import syscalls

COMMAND_S = 5.0
"""How long a command may take."""

_networks: dict[str, tuple[Path, int]] = {}
"""Where the network of a pod was entered last, and since when that process runs."""


def in_network(pod: str, argv: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """What *argv* says in the network of *pod*.

    Raises:
        OSError: the pod has no process here, or there is no such program.
        subprocess.SubprocessError: it took too long.
    """
    return subprocess.run(
        entering(pod, argv),
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_S,
    )


def entering(pod: str, argv: Sequence[str]) -> list[str]:
    """The argv that runs *argv* in the network of *pod*.

    Raises:
        OSError: it has none of its own here.
    """
    return ["nsenter", f"--net={network(pod)}", "--", *argv]


def network(pod: str) -> Path:
    """The network of *pod*, as a file that enters it.

    Raises:
        OSError: it has none of its own here.
    """
    # Looking through all processes each time would cost more than what is then done.
    path, ticks = _networks.get(pod, (Path(), -1))
    if ticks >= 0 and start_ticks(_holder(path)) == ticks:
        return path
    found = network_of(pod)
    if found is None:
        raise OSError(f"pod {pod} has no network of its own on this node")
    _networks[pod] = (found, start_ticks(_holder(found)))
    return found


def _holder(entry: Path) -> int:
    """The process by which a network is entered."""
    return int(entry.parts[-3])


def socket_in(entry: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket made in the network *entry*: it stays there. This thread goes there and comes back."""
    home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    away = os.open(entry, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(away, syscalls.CLONE_NEWNET)
        try:
            return socket.socket(socket.AF_INET, kind)
        finally:
            syscalls.setns(home, syscalls.CLONE_NEWNET)
    finally:
        os.close(away)
        os.close(home)
