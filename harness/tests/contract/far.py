"""Stories of a node that only an agent reaches: who delays its answers there, and who undoes that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.faults.degrade import latency
from harness.faults.injection import Injector
from harness.faults.nft import standing
from harness.faults.selectors import broker
from harness.faults.throttle import End
from harness.stack.agents import agent, networks
from harness.stack.agents.agents import Agent
from harness.stack.agents.notes import STANDING, Notes
from harness.stack.agents.pod_proc import stat_fields
from harness.stack.agents.remote import Placed, RemoteNode
from harness.stack.delays import Delays
from harness.stack.namespaces.netns import Onlooker
from harness.stack.process import KnownProcess
from harness.tests.contract.arena import PORT, Arena
from harness.tests.contract.stories import Seen, Story, blocks_in_force, injector_for, open_pairs
from harness.tests.stack.agents.doubles import Double

DELAY_MS, LEASE_S = 100, 1.0
FAR = "broker-1"


@dataclass
class Beyond:
    """The arena with broker-1 on another machine, as far as the harness can tell, and what is noted there."""

    arena: Arena
    node: RemoteNode
    notes: Notes

    def proxies(self) -> list[int]:
        """The pids of the proxies that are noted, and live."""
        pids = [int(line.split()[0]) for line in self.notes.read("proxies")]
        return [pid for pid in pids if stat_fields(pid)[:1] not in ([], ["Z"])]


@contextlib.contextmanager
def beyond(folder: Path, toxiproxy: object) -> Iterator[Beyond]:
    """An arena whose first broker an agent alone reaches; the harness stands in a pod without rights."""
    arena = Arena(folder.name, folder, Delays(netem=True, toxiproxy=Path(str(toxiproxy))))
    process = arena.services[FAR].process
    assert isinstance(process, KnownProcess)
    double = Double(folder / "notes", found=[[process.pid, process.start_ticks, "c"]])
    made = Agent("worker-1", "edge-agent-1", double.open)
    placed = Placed("u-1", arena.nodes[FAR].address, made)
    node = RemoteNode(FAR, "broker", (PORT,), "ns", lambda: placed)
    arena.replace_node(node)
    arena.replace_node(Onlooker(arena.nodes["observer"].address))
    network = Path(f"/proc/{process.pid}/ns/net")
    with pytest.MonkeyPatch.context() as patch:
        for module in (networks, agent):
            patch.setattr(module, "network_of", lambda _uid: network)
        yield Beyond(arena, node, double.notes)
        made.close()


def delayed_by_agent(folder: Path, given: object) -> Seen:
    """Delay the far broker by the proxy *given*, in force and after; see who runs, and what is noted."""
    with beyond(folder, given) as far, injector_for(far.arena, folder) as injector:
        with injector.inject(latency(broker(1), ms=DELAY_MS)) as fault:
            proxies = far.proxies()
            marks = Path(f"/proc/{proxies[0]}/environ").read_bytes().decode().split("\0")
            held = standing(far.node).vias
        return {
            "observed": fault.observed,
            "proof": fault.proof,
            "healing": fault.healing_proof,
            "proxies": [len(proxies), len(far.proxies())],
            "marked": "HARNESS_FAULT=latency" in marks,
            "rules": [len(held), len(standing(far.node).vias)],
            "left": blocks_in_force(far.arena),
            "open": open_pairs(far.arena),
        }


def abandoned_by_agent(folder: Path, given: object) -> Seen:
    """The harness falls silent in the middle of a delay by the proxy *given*; its agent goes on."""
    with beyond(folder, given) as far, injector_for(far.arena, folder, lease_seconds=1) as injector:
        with injector.inject(latency(broker(1), ms=DELAY_MS)) as fault:
            during = len(far.proxies())
            _fall_silent(injector, far.notes)
            after, rules = len(far.proxies()), len(standing(far.node).vias)
            noted = {name: far.notes.read(name) for name in STANDING if name != "pods"}
        return {
            "proxies": [during, after],
            "rules": rules,
            "noted": noted,
            "observed": fault.observed,
            "healing": fault.healing_proof,
            "open": open_pairs(far.arena),
        }


def _fall_silent(injector: Injector, notes: Notes) -> None:
    """Nobody renews or asks any more; returns when the agent has undone what stood, and ended."""
    injector._cuts.close()
    agent.keep(notes, lease=LEASE_S, silence=LEASE_S + 1)


def shaped_by_agent(folder: Path, given: object) -> Seen:
    """A discipline of ours put, found, removed and left to the agent; and one that is somebody else's."""
    assert isinstance(given, list)
    with beyond(folder, "/bin/false") as far:
        device = far.node.find_interface()
        end = End(tuple(far.node.enter([])), device, far.node)
        end.put(given)
        noted, found = far.notes.read("shaped"), end.found()
        end.clear()
        end.clear()
        cleared = end.found()
        end.put(given)
        agent.keep(far.notes, lease=LEASE_S, silence=LEASE_S + 1)
        undone = end.found()
        far.node.run(["tc", "qdisc", "add", "dev", device, "root", "handle", "5:", *given])
        return {
            "device": device,
            "noted": noted,
            "found": [one.kind if one else "" for one in (found, cleared, undone)],
            "refused": _refused(end, given),
            "unknown": _refused(replace(end, device="lo"), ["no-such-kind"]),
            "foreign": '"5:"' in far.node.run(["tc", "-j", "qdisc", "show", "dev", device]).out,
            "netem": far.node.has_netem(),
        }


def _refused(end: End, discipline: list[str]) -> str:
    try:
        end.put(discipline)
    except HarnessError as error:
        end.clear()
        return error.sentence()
    return ""


STORIES: dict[str, Story] = {
    story.__name__: story for story in (delayed_by_agent, abandoned_by_agent, shaped_by_agent)
}
