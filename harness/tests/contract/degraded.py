"""Stories of faults that degrade: told inside the enclosure, as data for the tests to judge."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from harness.clock import MONOTONIC
from harness.faults.disks import disks
from harness.faults.journal import read_lines
from harness.faults.observed import processor_seconds
from harness.faults.reach import Pair
from harness.faults.spec import FaultSpec
from harness.faults.storage import write_probe
from harness.faults.throttle import both_ways
from harness.faults.traffic import Way, arrived
from harness.tests.contract.arena import Arena
from harness.tests.contract.stories import Seen, Story, blocks_in_force, injector_for, open_pairs, opened


def one_degraded(folder: Path, given: object) -> Seen:
    """Inject one fault on broker-1 and measure everything of it and of broker-2, before, during and after."""
    spec = FaultSpec.from_json(given)
    arena = Arena(folder.name, folder)
    before = measured(arena)
    with injector_for(arena, folder) as injector:
        rehearsed = injector.rehearse(spec)
        started = time.monotonic()
        with injector.inject(spec) as fault:
            proven = time.monotonic() - started
            during = measured(arena)
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return {
        "before": before,
        "during": during,
        "after": measured(arena),
        "left": {"blocks": blocks_in_force(arena), "disciplines": disciplines(arena)},
        "open": open_pairs(arena),
        "observed": fault.observed,
        "proof": fault.proof,
        "healing": fault.healing_proof,
        "steps": [line["step"] for line in lines],
        "undo": lines[0]["undo"],
        "rehearsed": list(rehearsed.commands) == lines[0]["commands"],
        "proven_s": proven,
    }


def measured(arena: Arena) -> Seen:
    """Of broker-1, and of broker-2 as the bystander: Mbit/s both ways, datagrams of 500, writing, running."""
    found: Seen = {}
    observer = arena.nodes["observer"]
    for name in ("broker-1", "broker-2"):
        node, service = arena.nodes[name], arena.services[name]
        rates = both_ways(node, observer, 0.5)
        used = processor_seconds(service.process.pid)
        running = [not service.process.is_stopped() for _ in _looks(100)]
        found[name] = {
            "mbit": [rate * 8 / 1e6 for rate in rates],
            "arrived": [arrived(Way(observer, node), 500), arrived(Way(node, observer), 500)],
            "write": os.strerror(write_probe(arena.services[name].disk)),  # type: ignore[attr-defined] # it has one
            "running": sum(running) / len(running),
            "used": processor_seconds(service.process.pid) - used,
            "alive": service.process.is_alive(),
        }
    return found


def _looks(count: int) -> list[None]:
    found = []
    for _ in range(count):
        MONOTONIC.sleep(0.005)
        found.append(None)
    return found


def disciplines(arena: Arena) -> int:
    """How many queueing disciplines of ours all kernels hold."""
    shown = [
        subprocess.run(node.enter(["tc", "qdisc"]), capture_output=True, text=True, check=True).stdout
        for node in arena.nodes.values()
    ]
    return sum(text.count("ed9e:") for text in shown)


def died_of_it(folder: Path, given: object) -> Seen:
    """Fill the disk of a server that ends when it cannot keep what it is sent."""
    spec = FaultSpec.from_json(given)
    arena = Arena(folder.name, folder)
    victim = arena.services["broker-1"].process
    connection = opened(arena, Pair("load-1", "broker-1"))
    with injector_for(arena, folder) as injector, injector.inject(spec) as fault:
        for _ in range(2000):
            try:
                connection.sendall(b"x" * 4096)
                connection.recv(4096)
            except OSError:
                break
        victim.wait_gone(5)
        during = victim.is_alive()
    now = arena.services["broker-1"].process
    steps = [line["step"] for line in read_lines(folder / "journal.jsonl")]
    whole = all(disk.whole for disk in disks())
    return {
        "died": not during,
        "observed": fault.observed,
        "same_process": now is victim,
        "alive": now.is_alive(),
        "healing": fault.healing_proof,
        "steps": steps,
        "whole": whole,
        "open": open_pairs(arena),
    }


STORIES: dict[str, Story] = {story.__name__: story for story in (one_degraded, died_of_it)}
