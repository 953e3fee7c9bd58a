"""The embedded default: real processes in network namespaces of one enclosure."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from typing import NoReturn

from harness.doctor import preflight
from harness.launch import fetch, machine_lock, marks
from harness.order import Order
from harness.platforms import Entry
from harness.platforms.booting import ordered
from harness.stack.booted import BootedStack
from harness.stack.local import booted
from harness.stack.namespaces import enclosure
from harness.stack.parts import find_parts


class Local:
    """See ``harness.platforms.Platform``."""

    def enter(self, entry: Entry) -> NoReturn:
        """Become the keeper of an enclosure."""
        prepared = entry.prepared
        preflight(entry.directory.parent)
        with machine_lock(entry.directory.name):
            fetch(prepared)
            find_parts(prepared.definition, prepared.folder, prepared.software)
            command = enclosure.keeper([sys.executable, "-m", "harness", *entry.argv])
            environment = dict(os.environ) | marks(entry.directory, entry.seed)
            os.execve(command[0], command, environment)  # noqa: S606 - an argv list, no shell

    def boot(self, order: Order) -> AbstractContextManager[BootedStack]:
        """Its processes, on nodes of its own network."""
        return ordered(booted, order)
