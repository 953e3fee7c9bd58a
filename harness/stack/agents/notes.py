"""What an agent has done on its node and must undo, noted where it outlives its container.

Standard library only: agents run it.
"""

from __future__ import annotations

import threading
from pathlib import Path

FOLDER = Path("/run/edge-agent")
PROCESSES = ("fillers", "burners", "proxies")
"""Processes of ours: they fill memory or a disk, burn processor time, delay answers."""

STANDING = ("held", "pods", "shaped", *PROCESSES)
"""What is noted: processes that were stopped, pods in whose network commands ran, pods with a discipline of
ours on an interface, and what runs for us."""


class Notes:
    """What stands on this node, kept where it outlives the container: ``held`` and ``pods``, a line each.

    The modification time of ``beat`` is when somebody last asked for something.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def beat(self) -> None:
        """Somebody is there."""
        (self._folder / "beat").touch()

    def beaten(self) -> int:
        """When somebody last was, as the file system has it."""
        try:
            return (self._folder / "beat").stat().st_mtime_ns
        except OSError:
            return -1

    def file(self, name: str) -> Path:
        """Where something else may be kept beside the notes."""
        return self._folder / name

    def add(self, name: str, line: str) -> None:
        """Note *line* under *name*, before what it tells of is done."""
        with self._lock:
            if line not in self.read(name):
                with open(self._folder / name, "a", encoding="utf-8") as file:
                    file.write(line + "\n")

    def read(self, name: str) -> list[str]:
        """What is noted under *name*."""
        try:
            return (self._folder / name).read_text(encoding="utf-8").splitlines()
        except OSError:
            return []

    def clear(self) -> None:
        """Nothing stands any more."""
        for name in STANDING:
            (self._folder / name).unlink(missing_ok=True)
