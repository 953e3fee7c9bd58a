"""Beside Docker: ``python -m harness.stack.kind.beside COMMAND…``.

The command runs in the machine's own network, where the bridge of the containers ends, with a mount namespace
of its own in which ``/run/netns`` is empty: the names that it gives to the networks of containers are gone
with it. It dies with whoever started it. Standard library only: see ``harness.stack.namespaces.enclosure``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from harness.errors import MissingAbility
from harness.stack.kind.gateway import own_networks
from harness.stack.namespaces import syscalls
from harness.stack.namespaces.enclosure import INSIDE, search_path


def command(argv: Sequence[str]) -> list[str]:
    """The command that runs *argv* beside Docker."""
    return [sys.executable, "-m", __name__, str(os.getpid()), *argv]


def main() -> NoReturn:
    """Furnish this process and become the command."""
    parent, *argv = sys.argv[1:]
    try:
        syscalls.die_with_parent()
        if os.getppid() != int(parent):
            sys.exit(1)  # it died before the kernel was asked
        # What Docker mounts later, the disks of the nodes, is to be seen here.
        own_networks(syscalls.MS_SLAVE)
    except OSError as error:
        refused = MissingAbility(
            "the networks of containers cannot be named", why=str(error), fix="run as root, beside Docker"
        )
        sys.stderr.write(f"harness: {refused.sentence()}\n")
        sys.exit(refused.exit_code)
    environment = dict(os.environ) | {INSIDE: "1", "PATH": search_path()}
    os.execvpe(argv[0], argv, environment)  # noqa: S606 - an argv list, no shell


if __name__ == "__main__":
    main()
