"""Containers on this machine, by testcontainers: the stacks of the local platform, one container a node."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager

from harness.doctor import preflight
from harness.errors import MissingAbility
from harness.launch import fetch, machine_lock, marks
from harness.order import Order
from harness.platforms import Entry
from harness.platforms.booting import ordered
from harness.stack.booted import BootedStack
from harness.stack.docker import images as docker_images
from harness.stack.docker import left as docker_left
from harness.stack.kind import beside
from harness.stack.namespaces import enclosure
from harness.stack.parts import find_parts


class DockerPlatform:
    """See ``harness.platforms.Platform``."""

    def enter(self, entry: Entry) -> int:
        """Run beside Docker, and remove what a harness that was killed left there."""
        prepared = entry.prepared
        if os.geteuid():
            raise MissingAbility(
                "--platform docker needs root",
                why="it enters the networks of containers, and signals their processes",
                fix="sudo harness run …",
            )
        docker_images.require_docker()
        preflight(entry.directory.parent)
        with machine_lock(entry.directory.name):
            fetch(prepared)
            software = prepared.software
            find_parts(prepared.definition, prepared.folder, software)
            docker_images.make(prepared.definition, software)
            argv = [sys.executable, "-m", "harness", *entry.argv]
            environment = dict(os.environ) | marks(entry.directory, entry.seed)
            try:
                return enclosure.keep(beside.command(argv), environment)
            finally:
                docker_left.remove(entry.directory.name)

    def boot(self, order: Order) -> AbstractContextManager[BootedStack]:
        """Its containers, on a network of their own."""
        from harness.stack.docker.platform import booted  # noqa: PLC0415 - testcontainers is heavy, and not needed outside

        return ordered(booted, order)
