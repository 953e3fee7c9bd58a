"""Stories of faults that degrade: told inside the enclosure, as data for the tests to judge."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.clock import MONOTONIC
from harness.errors import HarnessError, NotExpressible
from harness.faults.degrade import (
    bandwidth,
    disk_full,
    latency,
    loss,
    s3_cuts_bodies,
    s3_hangs,
    s3_refuses,
    s3_slow,
    starve,
)
from harness.faults.disks import disks
from harness.faults.injection import Injector
from harness.faults.journal import Journal, read_lines
from harness.faults.places import object_store
from harness.faults.reach import Pair
from harness.faults.selectors import broker
from harness.faults.spec import FaultSpec, isolate, kill
from harness.faults.traffic import Way, arrived, bytes_per_second
from harness.faults.watchdog import Watch
from harness.stack.delays import Delays, has_netem
from harness.stack.disks import write_probe
from harness.stack.namespaces.netns import NamespaceNode, Observer
from harness.stack.objects.component import ObjectStore
from harness.stack.seams import HasDisk, Node, Service
from harness.tests.contract import object_stories
from harness.tests.contract.arena import Arena, FixedRoles
from harness.tests.contract.stories import (
    PointedJournal,
    Seen,
    Story,
    blocks_in_force,
    injector_for,
    open_pairs,
    opened,
)

BOTH = ("broker-1", "broker-2")


def one_degraded(folder: Path, given: object) -> Seen:
    """Inject one fault on broker-1 and measure everything of it and of broker-2, during and after."""
    spec = FaultSpec.from_json(given)
    arena = Arena(folder.name, folder)
    with injector_for(arena, folder) as injector:
        rehearsed = injector.rehearse(spec)
        with injector.inject(spec) as fault:
            during = measured(arena)
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return {
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
    }


def measured(arena: Arena) -> Seen:
    """Of broker-1, and of broker-2 beside it: Mbit/s out and in, datagrams of 500, writing, running."""
    observer, running = arena.nodes["observer"], running_shares(arena, 60)
    found: Seen = {}
    for name in BOTH:
        ways = Way(arena.nodes[name], observer), Way(observer, arena.nodes[name])
        service = arena.services[name]
        assert isinstance(service, HasDisk)
        found[name] = {
            # The better of two: a busy machine may leave the receiver waiting, never hurry it.
            "mbit": [max(bytes_per_second(way, 0.15) for _ in "12") * 8 / 1e6 for way in ways],
            "arrived": [arrived(way, 500) for way in ways],
            "write": os.strerror(write_probe(service.disk)),
            "alive": service.process.is_alive(),
            "running": running[name],
        }
    return found


def running_shares(arena: Arena, looks: int) -> dict[str, float]:
    """At which share of *looks*, 6 ms apart, each was not stopped."""
    seen: dict[str, int] = dict.fromkeys(BOTH, 0)
    for _ in range(looks):
        MONOTONIC.sleep(0.006)
        for name in BOTH:
            seen[name] += not arena.services[name].process.is_stopped()
    return {name: count / looks for name, count in seen.items()}


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


def not_here(folder: Path, given: object) -> Seen:
    """Ask for what the kernel may not have, where there is no proxy; tell what becomes of it."""
    spec = FaultSpec.from_json(given)
    arena = Arena(folder.name, folder, Delays(has_netem(), missing="there is no proxy"))
    refused, proof = "", ""
    with injector_for(arena, folder) as injector:
        try:
            with injector.inject(spec) as fault:
                proof = fault.proof if fault.observed else ""
        except NotExpressible as error:
            refused = error.sentence()
    steps = [line["step"] for line in read_lines(folder / "journal.jsonl")]
    return {"refused": refused, "proof": proof, "last": steps[-1:], "disciplines": disciplines(arena)}


def healed_under_a_cut(folder: Path, _: object) -> Seen:
    """Heal a limit, a loss and a full disk of a node that is cut off and whose server is dead meanwhile."""
    arena = Arena(folder.name, folder)
    specs = (bandwidth(broker(1), to_mbit=4), loss(broker(1), share=0.3), disk_full(broker(1)))
    with injector_for(arena, folder) as injector, contextlib.ExitStack() as faults:
        degraded = [faults.enter_context(injector.inject(spec)) for spec in specs]
        faults.enter_context(injector.inject(kill(broker(1))))
        faults.enter_context(injector.inject(isolate(broker(1))))
        for fault in degraded:
            fault.heal()
        under = [fault.healing_proof for fault in degraded]
    return {"under": under, "left": blocks_in_force(arena) + disciplines(arena), "open": open_pairs(arena)}


@dataclass(frozen=True)
class Unplugged(NamespaceNode):
    """A node whose cable is out of reach; its nft transactions go through *warp* on their way."""

    warp: str = "cat"

    @property
    def cable(self) -> str:
        """None."""
        return ""

    def enter(self, argv: Sequence[str]) -> list[str]:
        """With what becomes of a transaction."""
        warped = ["sh", "-c", f"{self.warp} | nft -f -"] if list(argv) == ["nft", "-f", "-"] else argv
        return super().enter(warped)


def policed(folder: Path, given: object) -> Seen:
    """Limit broker-1, whose cable is out of reach, in a kernel that hears what *given* makes of it."""
    arena = Arena(folder.name, folder)
    old = arena.nodes["broker-1"]
    arena.replace_node(Unplugged(old.name, old.role, old.address, old.ports, warp=str(given)))
    with injector_for(arena, folder) as injector:
        rehearsed = injector.rehearse(bandwidth(broker(1), to_mbit=8))
        with injector.inject(bandwidth(broker(1), to_mbit=8)) as fault:
            limited = _flows(arena, "broker-1", 1.2, 1.0) if fault.observed else []
            other = _flows(arena, "broker-2")
    return {
        "limited": limited,
        "free": other + _flows(arena, "broker-1"),
        "left": [blocks_in_force(arena), disciplines(arena)],
        "observed": fault.observed,
        "proof": fault.proof,
        "healing": fault.healing_proof,
        "commands": list(rehearsed.commands),
    }


def _flows(arena: Arena, name: str, lead_s: float = 0.1, seconds: float = 0.3) -> list[float]:
    """Mbit/s of a TCP connection out of *name* and into it, after a lead that drains what is kept."""
    node, other = arena.nodes[name], arena.nodes["broker-3"]
    found = []
    for way in (Way(node, other), Way(other, node)):
        bytes_per_second(way, lead_s)
        found.append(bytes_per_second(way, seconds) * 8 / 1e6)
    return found


EVERYTHING = (
    loss(broker(1), share=0.5),
    bandwidth(broker(2), to_mbit=2),
    disk_full(broker(3)),
    starve(broker(2), share=0.1),
)


def all_degraded(folder: Path, stop_at: object) -> Seen:
    """Every kind at once; stops for good at one of the journal's points, -1: at the last, and beats on."""
    assert isinstance(stop_at, int)
    arena = Arena(folder.name, folder)
    journal = PointedJournal(folder, stop_at, arena)
    with (
        Watch(folder, folder.name),
        Injector(arena, journal, topic="orders", ready_seconds=10) as injector,
        contextlib.ExitStack() as faults,
    ):
        for spec in EVERYTHING:
            faults.enter_context(injector.inject(spec))
        journal.point("all in force")
        if stop_at < 0:
            (folder / "ready").touch()
            threading.Event().wait()
    return {"points": journal._point}


STORE_SPECS = {
    "refuse": s3_refuses(),
    "refuse half": s3_refuses(status=429, share=0.5),
    "slow": s3_slow(delay_ms=400),
    "truncate": s3_cuts_bodies(),
    "hang": s3_hangs(),
    "far": latency(object_store(), ms=400),
    "full": disk_full(object_store()),
}


@dataclass(frozen=True)
class StoreStack:
    """An object store and the observer; see ``harness.stack.seams.Stack``."""

    store: ObjectStore
    logs: Path
    delays: Delays
    roles: FixedRoles = field(default_factory=FixedRoles)
    bootstrap: str = ""

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Both."""
        return {"s3-1": self.store.node, "observer": Observer("198.18.0.1")}

    @property
    def services(self) -> Mapping[str, Service]:
        """The store."""
        return {"s3-1": self.store}


def store_degraded(folder: Path, given: object) -> Seen:
    """Every fault of the object store, one after the other, on the real one; used by a client meanwhile."""
    seen: Seen = {}
    with (
        object_stories.running(folder) as store,
        contextlib.closing(Journal(folder / "journal.jsonl")) as journal,
        Injector(
            StoreStack(store, folder, Delays(netem=False, toxiproxy=Path(str(given)))),
            journal,
            ready_seconds=20,
        ) as injector,
    ):
        for name, spec in STORE_SPECS.items():
            with injector.inject(spec) as fault:
                failed = _put_fails(store)
            seen[name] = [fault.observed, fault.proof, failed, _put_fails(store)]
    return seen


def _put_fails(store: ObjectStore) -> str:
    """Why a small object cannot be stored in half a second and read back; empty: it can."""
    client, started = store.client(read_seconds=0.6, attempts=1), time.monotonic()
    try:
        client.put("edge-archive", "probe", b"x" * 100_000)
        whole = client.get("edge-archive", "probe") == b"x" * 100_000
    except HarnessError as error:
        return error.sentence()
    return "" if whole and time.monotonic() - started < 0.5 else "late or not whole"


_ALL = (one_degraded, died_of_it, healed_under_a_cut, not_here, policed, all_degraded, store_degraded)
STORIES: dict[str, Story] = {story.__name__: story for story in _ALL}
