"""What an agent is asked for by the harness: the verbs, and the stream on which they are asked.

A request is a JSON object: ``do`` names the verb, the rest are its arguments; see ``Serving``. The answer
has ``error`` instead of a result when the verb failed. A pod is named by its uid, a process by its pid and
its start, so neither a pod nor a process that came later is ever hit. Standard library only: agents run it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TextIO, TypeAlias

from harness.stack.agents import burning, delaying, filling
from harness.stack.agents.networks import entering, in_network, network, socket_in
from harness.stack.agents.notes import Notes
from harness.stack.agents.pod_proc import carried, cost, family, mains_of, start_ticks, states, switches
from harness.stack.agents.pod_signals import Turning, ended, hold, lives, running
from harness.stack.agents.pod_traffic import Ears, pour, shout
from harness.stack.agents.volumes import NotItsOwn, Volumes, is_readable, refused
from harness.stack.delays import has_netem
from harness.stack.namespaces import shaping

Json: TypeAlias = dict[str, object]

LEASE_SECONDS = 5.0
_AT_ONCE = 32


class Serving:
    """The verbs: each public method is one, its parameters are the request's arguments."""

    def __init__(self, notes: Notes) -> None:
        self._notes, self._ears = notes, Ears()
        self._turning = Turning(partial(notes.add, "held"), notes.beaten, LEASE_SECONDS)
        self._volumes = Volumes(partial(notes.add, "fillers"))

    def beat(self) -> Json:
        """The harness is there."""
        return {}

    def run(self, pod: str, argv: list[str], text: str = "") -> Json:
        """Run *argv* in the network of *pod* with *text* on its standard input."""
        self._notes.add("pods", pod)
        done = in_network(pod, argv, text)
        return {"rc": done.returncode, "out": done.stdout, "err": done.stderr}

    def connect(self, pod: str, address: str, port: int, seconds: float) -> Json:
        """Whether a TCP connection from *pod* completes in time."""
        with socket_in(network(pod)) as probe:
            probe.settimeout(seconds)
            try:
                probe.connect((address, port))
            except OSError:
                return {"ok": False}
            return {"ok": True}

    def hear(self, pod: str, address: str) -> Json:
        """Count the datagrams that come to *address* in the network of *pod*."""
        return {"port": self._ears.open(socket_in(network(pod), socket.SOCK_DGRAM), address)}

    def heard(self, address: str, port: int) -> Json:
        """How many came, once none comes any more."""
        return {"count": self._ears.heard(address, port)}

    def shout(self, pod: str, address: str, port: int, count: int) -> Json:
        """Send *count* datagrams from *pod*."""
        shout(socket_in(network(pod), socket.SOCK_DGRAM), address, port, count)
        return {}

    def pour(self, pod: str, address: str, port: int, rate: float, seconds: float) -> Json:
        """Send datagrams from *pod* at a rate; how many, and how long it took."""
        opened = socket_in(network(pod), socket.SOCK_DGRAM)
        count, took = pour(opened, address, port, rate, seconds)
        return {"count": count, "seconds": took}

    def find(self, pod: str) -> Json:
        """The first process of each running container of *pod*."""
        return {"found": [[one.pid, one.ticks, one.container] for one in mains_of(pod)]}

    def lives(self, pid: int, ticks: int) -> Json:
        """Whether a process still runs; stopped counts as running."""
        return {"ok": lives(pid, ticks)}

    def look(self, pid: int, ticks: int) -> Json:
        """A process and all that it started: pids, thread states, context switches; empty: it is gone."""
        if not lives(pid, ticks):
            return {"pids": [], "states": [], "switches": 0}
        pids = family(pid)
        letters = [letter for each in pids for letter in states(each)]
        return {"pids": pids, "states": letters, "switches": sum(map(switches, pids))}

    def cost(self, pid: int, ticks: int) -> Json:
        """What a process and all that it started hold and have used; empty: it is gone."""
        if not lives(pid, ticks):
            return {"cost": []}
        held, used = cost(family(pid))
        return {"cost": [held, used, *carried(pid)]}

    def send(self, pid: int, ticks: int, number: int) -> Json:
        """Send a signal to a process; a stop and its end to all that it started, too."""
        return {"sent": hold(pid, ticks, number, partial(self._notes.add, "held"))}

    def starve(self, pid: int, ticks: int, share: float) -> Json:
        """Have a process run *share* of the time."""
        self._turning.begin(pid, ticks, share)
        return {}

    def feed(self, pid: int, ticks: int) -> Json:
        """End that."""
        self._turning.end(pid, ticks)
        return {}

    def starved(self, pid: int, ticks: int) -> Json:
        """Whether it goes on."""
        return {"ok": self._turning.are_taken(pid, ticks)}

    def group(self, pid: int, ticks: int) -> Json:
        """The memory group of a process; empty: it is not seen."""
        return {"group": str(_group(pid, ticks) or "")}

    def fill(self, pid: int, ticks: int) -> Json:
        """Fill the memory group of a process; which process of ours does."""
        found = _group(pid, ticks)
        if found is None:
            raise OSError(f"the memory group of process {pid} is not seen")
        filler = filling.start()
        own = start_ticks(filler.pid)
        self._notes.add("fillers", f"{filler.pid} {own}")
        filling.join(filler, found)
        return {"pid": filler.pid, "ticks": own}

    def burn(self, pid: int, ticks: int) -> Json:
        """Take the processor time that the group of a process gets, for a moment; see ``burning.Burnt``."""
        found = burning.group_of(pid, filling.BEYOND) if lives(pid, ticks) else None
        if found is None:
            raise OSError(f"process {pid} is gone, or the group that limits its processor time is not seen")
        burner = burning.start()
        self._notes.add("burners", f"{burner.pid} {start_ticks(burner.pid)}")
        burnt = burning.burn(found, burner)
        return {"got": burnt.got, "throttled": burnt.throttled}

    def volume(self, pod: str, volume: str) -> Json:
        """The place, size and state of a volume of *pod*; ``why`` it is none that can be filled alone."""
        try:
            place, megabytes, whole = self._volumes.look(pod, volume)
        except NotItsOwn as error:
            return {"why": str(error), "place": "", "megabytes": 0, "whole": False}
        return {"why": "", "place": place, "megabytes": megabytes, "whole": whole}

    def fill_volume(self, pod: str, volume: str) -> Json:
        """Fill a volume of *pod*, for as long as this stream is open."""
        self._volumes.fill(pod, volume)
        return {}

    def free_volume(self, volume: str) -> Json:
        """End that."""
        self._volumes.free(volume)
        return {}

    def try_volume(self, pod: str, volume: str) -> Json:
        """With which error a volume of *pod* refuses a write, 0: none; and whether it can be read."""
        return {"refused": refused(pod, volume), "readable": is_readable(pod, volume)}

    def netem(self) -> Json:
        """Whether this node's kernel delays packets."""
        return {"ok": has_netem()}

    def shape(self, pod: str, device: str, discipline: list[str]) -> Json:
        """Put a queueing discipline of ours on an interface of *pod*."""
        self._notes.add("shaped", pod)
        done = in_network(pod, shaping.placing((), device, discipline))
        return {"rc": done.returncode, "out": done.stdout, "err": done.stderr}

    def proxy(self, pod: str, argv: list[str], environment: dict[str, str]) -> Json:
        """Run a proxy in the network of *pod*; which process it is, and the file of what it says."""
        log = self._notes.file(f"proxy-{pod}.log")
        proxy = delaying.start(entering(pod, argv), environment, log)
        own = start_ticks(proxy.pid)
        self._notes.add("proxies", f"{proxy.pid} {own}")
        delaying.go_on(proxy)
        return {"pid": proxy.pid, "ticks": own, "log": str(log)}

    def looks(self, pid: int, ticks: int, count: int, every_s: float) -> Json:
        """At how many of *count* looks a process ran."""
        ran = running(pid, count, every_s) if lives(pid, ticks) else 0
        return {"running": ran, "processors": os.cpu_count() or 1}

    def wait(self, pid: int, ticks: int, seconds: float) -> Json:
        """Whether a process ended within *seconds*."""
        return {"gone": ended(pid, ticks, seconds)}


def serve(serving: Serving, notes: Notes, told: TextIO, says: TextIO) -> None:
    """Answer every request of *told* on *says* until it ends."""
    lock = threading.Lock()

    def reply(line: str) -> None:
        answer = json.dumps(answered(serving, line))
        with lock:
            says.write(answer + "\n")
            says.flush()

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for line in told:
            notes.beat()
            pool.submit(reply, line)


def answered(serving: Serving, line: str) -> Json:
    """The answer to one request; whatever goes wrong is told in it."""
    try:
        asked = json.loads(line)
        number, do = asked.pop("id"), asked.pop("do")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        return {"id": 0, "error": f"no request: {error}"}
    verb = getattr(serving, do, None) if not str(do).startswith("_") else None
    if verb is None:
        return {"id": number, "error": f"there is no verb {do!r}"}
    try:
        return {"id": number, **verb(**asked)}
    except (OSError, TypeError, ValueError, subprocess.SubprocessError) as error:
        return {"id": number, "error": str(error) or type(error).__name__}


def _group(pid: int, ticks: int) -> Path | None:
    if not lives(pid, ticks):
        raise OSError(f"process {pid} is gone")
    return filling.group_of(pid, filling.BEYOND)
