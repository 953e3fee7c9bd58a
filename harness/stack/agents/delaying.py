"""What makes a pod's answers late on its own node: a discipline on its interface, or a proxy at its ports.

Standard library only: agents run it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.stack.seams import Done, Remote

# Nothing of it runs before it is noted, and it keeps the pid by which it is noted.
_WAIT = "import os, sys\nif sys.stdin.read(1): os.execvp(sys.argv[1], sys.argv[1:])"


@runtime_checkable
class Delayed(Remote, Protocol):
    """A node whose packets somebody on its own machine delays for the harness.

    All raise FaultError when that cannot be done.
    """

    def find_interface(self) -> str:
        """The name, in its own network, of the interface that has its address."""
        ...

    def has_netem(self) -> bool:
        """Whether its kernel delays packets, found out by doing it once in a network of its own."""
        ...

    def shape(self, device: str, discipline: Sequence[str]) -> Done:
        """Put *discipline* on *device*, as ours; it goes by itself a lease after the harness is gone."""
        ...


def interface_of(told: str, address: str) -> str:
    """The interface with *address*, by what ``ip -j address show`` *told*; empty: none has it."""
    found: list[dict[str, object]] = json.loads(told or "[]")
    return next((str(each["ifname"]) for each in found if address in _addresses(each)), "")


def _addresses(interface: Mapping[str, object]) -> list[object]:
    known = interface.get("addr_info")
    return [each.get("local") for each in known] if isinstance(known, list) else []


def start(argv: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A process that waits to become *argv*, see ``go_on``; what it says goes to *log*."""
    waiting = [sys.executable, "-I", "-S", "-c", _WAIT, *argv]
    own = {**os.environ, **environment}
    with open(log, "wb") as said:
        return subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=said, stderr=said, env=own)


def go_on(waiting: subprocess.Popen[bytes]) -> None:
    """Let it become what it waits to be."""
    assert waiting.stdin is not None
    waiting.stdin.write(b"x")
    waiting.stdin.close()
