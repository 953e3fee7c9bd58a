"""Into the network of a cluster: ``python -m harness.stack.kind.gateway PID DNS COMMAND…``.

The command runs in the network of process PID with a mount namespace of its own, in which name look-up goes
to the cluster's DNS server and ``/run/netns`` is empty. Processes stay those of the machine, for faults reach
pods by their processes. Standard library only: see ``harness.stack.namespaces.enclosure``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from harness.errors import MissingAbility
from harness.stack.namespaces import syscalls
from harness.stack.namespaces.enclosure import INSIDE, search_path

_NETWORKS = Path("/run/netns")


def enter(pid: int, dns: str) -> None:
    """Move this process into the network of *pid*.

    Raises:
        MissingAbility: the kernel refuses.
    """
    try:
        network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        syscalls.setns(network, syscalls.CLONE_NEWNET)
        os.close(network)
        own_networks(syscalls.MS_PRIVATE)
        _use_names_of(dns)
    except OSError as error:
        raise MissingAbility(
            "the cluster's network cannot be entered", why=str(error), fix="run as root, beside Docker"
        ) from error


def own_networks(propagation: int) -> None:
    """Give this process a mount namespace with an empty ``/run/netns``.

    *propagation*: whether it sees what is mounted outside later (``MS_SLAVE``) or not (``MS_PRIVATE``).

    Raises:
        OSError: the kernel refuses.
    """
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "none", syscalls.MS_REC | propagation)
    _NETWORKS.mkdir(parents=True, exist_ok=True)
    syscalls.mount("tmpfs", str(_NETWORKS), "tmpfs", 0, "mode=0755")


def _use_names_of(dns: str) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="edge-resolv-", delete=False) as file:
        # Strimzi's brokers call themselves POD.SERVICE.NAMESPACE.svc.
        file.write(f"nameserver {dns}\nsearch cluster.local\n")
    made = Path(file.name)
    made.chmod(0o644)
    syscalls.mount(file.name, "/etc/resolv.conf", "", syscalls.MS_BIND)
    made.unlink()


def command(pid: int, dns: str, argv: Sequence[str]) -> list[str]:
    """The command that runs *argv* in the network of *pid*."""
    return [sys.executable, "-m", __name__, str(pid), dns, *argv]


def main() -> NoReturn:
    """Enter and become the command."""
    pid, dns, *argv = sys.argv[1:]
    try:
        enter(int(pid), dns)
    except MissingAbility as error:
        sys.stderr.write(f"harness: {error.sentence()}\n")
        sys.exit(error.exit_code)
    syscalls.die_with_parent()
    environment = dict(os.environ) | {INSIDE: "1", "PATH": search_path()}
    os.execvpe(argv[0], argv, environment)  # noqa: S606 - an argv list, no shell


if __name__ == "__main__":
    main()
