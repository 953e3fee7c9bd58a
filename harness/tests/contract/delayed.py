"""Stories of nodes behind a proxy that delays: told inside the enclosure, as data for the tests to judge."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from harness.clock import MONOTONIC
from harness.errors import HarnessError
from harness.faults.degrade import latency
from harness.faults.injection import Injector
from harness.faults.nft import standing
from harness.faults.observed import marked_processes
from harness.faults.proxied import Proxied
from harness.faults.reach import Pair
from harness.faults.selectors import broker
from harness.faults.spec import isolate, pause
from harness.faults.watchdog import Watch, end_proxies
from harness.stack.delays import Delays
from harness.stack.seams import Node
from harness.tests.contract.arena import Arena
from harness.tests.contract.stories import (
    PointedJournal,
    Seen,
    Story,
    blocks_in_force,
    drained,
    echo,
    injector_for,
    open_pairs,
    opened,
)

DELAY_MS = 100
TO_1 = Pair("load-1", "broker-1")
_WAYS = (TO_1, Pair("broker-2", "broker-1"), Pair("load-1", "broker-2"), Pair("broker-1", "broker-2"))


def delayed(folder: Path, given: object) -> Seen:
    """Put broker-1 behind the proxy *given*; time echoes between everybody, and see old connections end."""
    arena = behind(given, folder)
    known_to_a_firewall(arena.nodes["broker-1"])
    direct, bystander = opened(arena, TO_1), opened(arena, Pair("load-1", "broker-2"))
    before = echoes_ms(arena)
    with injector_for(arena, folder) as injector:
        spec = latency(broker(1), ms=DELAY_MS)
        rehearsed = injector.rehearse(spec)
        with injector.inject(spec) as fault:
            through = opened(arena, TO_1)
            fates = {"direct": echo(direct), "bystander": echo(bystander), "proxied": echo(through)}
            during, proxies = echoes_ms(arena), len(proxies_of(folder.name))
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return {
        "times": [before, during, echoes_ms(arena)],
        "fates": {**fates, "healed": drained(through)},
        "proxies": [proxies, len(proxies_of(folder.name))],
        "left": [blocks_in_force(arena), sum(len(standing(node).vias) for node in arena.nodes.values())],
        "open": open_pairs(arena),
        "observed": fault.observed,
        "proof": fault.proof,
        "healing": fault.healing_proof,
        "steps": [line["step"] for line in lines],
        "undo": lines[0]["undo"],
        "rehearsed": [
            list(rehearsed.commands) == lines[1]["commands"],
            list(rehearsed.undo_commands) == lines[-2]["commands"],
        ],
    }


def known_to_a_firewall(node: Node) -> None:
    """From now on the node's kernel knows each connection: none that is open is led anywhere else."""
    rules = "table inet other { chain known { type filter hook input priority 0; ct state new counter; }; }\n"
    subprocess.run(node.enter(["nft", "-f", "-"]), input=rules, text=True, check=True)


def behind(binary: object, folder: Path) -> Arena:
    """An arena where the proxy at *binary* is all that delays."""
    return Arena(folder.name, folder, Delays(netem=False, toxiproxy=Path(str(binary))))


def proxies_of(run: str) -> list[str]:
    """Where processes of *run* are that are faults themselves."""
    return [process.node for process in marked_processes(run) if process.fault]


def echoes_ms(arena: Arena) -> dict[str, list[float]]:
    """How many milliseconds five echoes take along each way, each on a connection of its own, ascending."""
    return {str(way): sorted(_echo_ms(arena, way) for _ in range(5)) for way in _WAYS}


def _echo_ms(arena: Arena, way: Pair) -> float:
    with opened(arena, way) as connection:
        started = time.monotonic()
        assert echo(connection) == "echoed", way
        return (time.monotonic() - started) * 1e3


def lapsed(folder: Path, given: object) -> Seen:
    """Stop renewing the lease: a connection through the proxy, and one that is opened after."""
    arena = behind(given, folder)
    with (
        injector_for(arena, folder, lease_seconds=2) as injector,
        injector.inject(latency(broker(1), ms=DELAY_MS)) as fault,
    ):
        through = opened(arena, TO_1)
        held = echo(through)
        injector._cuts.close()
        while blocks_in_force(arena):
            MONOTONIC.sleep(0.05)
        after, ms = echo(through), _echo_ms(arena, TO_1)
    return {"held": held, "lapsed": after, "ms": ms, "observed": fault.observed, "proof": fault.proof}


def held_behind_a_proxy(folder: Path, given: object) -> Seen:
    """Hold a delay; stop for good at one of the journal's points, -1: at none, beat on, be looked at."""
    assert isinstance(given, list)
    arena = behind(given[0], folder)
    journal = PointedJournal(folder, given[1], arena)
    with (
        Watch(folder, folder.name),
        Injector(arena, journal, ready_seconds=10) as injector,
        injector.inject(latency(broker(1), ms=DELAY_MS)) as fault,
    ):
        journal.point("in force")
        pid = arena.services["broker-1"].process.pid
        argv = [sys.executable, "-P", "-m", "harness.tests.contract.prober", str(folder), str(pid)]
        looking = subprocess.Popen(argv)
        (folder / "ready").touch()
        while not (folder / "go-on").exists():
            MONOTONIC.sleep(0.05)
    looking.kill()
    looking.wait()
    left = len(proxies_of(folder.name)), blocks_in_force(arena)
    return {"observed": fault.observed, "proof": fault.proof, "left": left, "open": open_pairs(arena)}


def healed_beside_others(folder: Path, given: object) -> Seen:
    """Heal a delay while its service is paused and cut off; a proxy that ends by itself is noticed."""
    arena = behind(given, folder)
    spec = latency(broker(1), ms=DELAY_MS)
    with injector_for(arena, folder) as injector:
        with injector.inject(spec) as late, injector.inject(pause(broker(1))):
            late.heal()
        with injector.inject(spec) as far, injector.inject(isolate(broker(1))):
            far.heal()
        with injector.inject(spec) as dead:
            end_proxies(folder.name)
            assert isinstance(dead.mechanism, Proxied)
            while dead.mechanism.fronts["broker-1"].is_alive:
                MONOTONIC.sleep(0.01)
        twice = ""
        with injector.inject(spec) as first:
            try:
                with injector.inject(spec):
                    pass
            except HarnessError as error:
                twice = error.sentence()
    return {
        "under": [late.healing_proof, far.healing_proof],
        "observed": [late.observed, far.observed, dead.observed, first.observed],
        "dead": dead.proof,
        "twice": twice,
        "open": open_pairs(arena),
    }


STORIES: dict[str, Story] = {
    story.__name__: story for story in (delayed, lapsed, held_behind_a_proxy, healed_beside_others)
}
