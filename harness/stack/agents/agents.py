"""Agents on the nodes of a cluster: how faults reach pods that the harness does not see into.

On each node with a pod of the stack stands one short-lived privileged pod (``harness.stack.agents.agent``),
labelled with the run. The harness talks to each over one stream that stays open, and beats once a second:
when the beating stops, the agent undoes by itself what no kernel lets expire. The pods belong to whoever owns
them in the cluster, the run's Job, and go with it; besides they have a deadline of their own.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass

from harness.errors import FaultError, HarnessError
from harness.stack.agents.burning import BURN_S, Burnt
from harness.stack.agents.pod_traffic import LEAD_S
from harness.stack.agents.turns import Looked
from harness.stack.kubernetes.lines import Channel, LineStream
from harness.stack.seams import Cost, Done, Look
from harness.waiting import NotYet, wait_for

AGENT = ("python3", "-P", "-S", "-m", "harness.stack.agents.agent")
"""The agent's program in the image of the harness."""

BEAT_SECONDS = 1.0
_ANSWER_S = 20.0
_REOPENED_S = 15.0
_ENDED: dict[str, object] = {"ended": True, "error": "its stream ended"}
_REPEATABLE = {
    *("beat", "run", "connect", "find", "lives", "look", "cost", "send", "group", "wait", "netem", "volume"),
    *("feed", "starved", "looks", "free_volume", "try_volume"),
}
"""What may be done twice: looks, signals, and commands in networks, which are made to be repeated."""
_FILLED_S = 40.0


@dataclass(frozen=True, slots=True)
class VolumeTold:
    """A volume as an agent sees it: where its node has it, its size, and whether it is as it should be.

    ``why`` it cannot be filled alone; empty: it can.
    """

    why: str
    place: str
    megabytes: int
    whole: bool


class Agent:
    """The agent on one node of the cluster; safe to call from any thread.

    Args:
        machine: the cluster's node.
        pod: the agent's pod, by name.
        opened: opens a new stream to it.
    """

    def __init__(self, machine: str, pod: str, opened: Callable[[], Channel]) -> None:
        self.machine, self.pod = machine, pod
        self._opened, self._lock = opened, threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[dict[str, object]]] = {}
        self._stream: LineStream | None = None

    def run(self, pod: str, argv: Sequence[str], text: str = "") -> Done:
        """What *argv* says in the network of *pod*."""
        told = self._ask("run", pod=pod, argv=list(argv), text=text)
        return Done(int(str(told["rc"])), str(told["out"]), str(told["err"]))

    def connects(self, pod: str, address: str, port: int, seconds: float) -> bool:
        """Whether a TCP connection from *pod* completes in time."""
        given = {"pod": pod, "address": address, "port": port, "seconds": seconds}
        return bool(self._ask("connect", patience=seconds, **given)["ok"])

    def hear(self, pod: str, address: str) -> int:
        """Count the datagrams that come to *address* of *pod*; the port."""
        return int(str(self._ask("hear", pod=pod, address=address)["port"]))

    def heard(self, address: str, port: int) -> int:
        """How many came, once none comes any more."""
        return int(str(self._ask("heard", address=address, port=port)["count"]))

    def shout(self, pod: str, address: str, port: int, count: int) -> None:
        """Send *count* datagrams from *pod*; returns when they are sent."""
        self._ask("shout", pod=pod, address=address, port=port, count=count)

    def pour(self, pod: str, address: str, port: int, rate: float, seconds: float) -> tuple[int, float]:
        """Send datagrams from *pod* at a rate; see ``harness.stack.agents.pod_traffic.pour``."""
        given = {"pod": pod, "address": address, "port": port, "rate": rate, "seconds": seconds}
        told = self._ask("pour", patience=LEAD_S + seconds, **given)
        return int(str(told["count"])), float(str(told["seconds"]))

    def find(self, pod: str) -> list[tuple[int, int, str]]:
        """The first process of each running container of *pod*: pid, start in ticks, container."""
        return [
            (pid, ticks, container) for pid, ticks, container in _rows(self._ask("find", pod=pod)["found"])
        ]

    def lives(self, pid: int, ticks: int) -> bool:
        """Whether a process still runs."""
        return bool(self._ask("lives", pid=pid, ticks=ticks)["ok"])

    def look(self, pid: int, ticks: int) -> Look:
        """A process and all that it started."""
        told = self._ask("look", pid=pid, ticks=ticks)
        states = tuple(str(letter) for letter in _listed(told["states"]))
        pids = tuple(int(str(each)) for each in _listed(told["pids"]))
        return Look(pids, states, int(str(told["switches"])))

    def cost(self, pid: int, ticks: int) -> Cost | None:
        """What a process and all that it started cost; None: it is gone."""
        found = [float(str(each)) for each in _listed(self._ask("cost", pid=pid, ticks=ticks)["cost"])]
        return Cost(int(found[0]), found[1], int(found[2]), int(found[3])) if found else None

    def send(self, pid: int, ticks: int, number: int) -> bool:
        """Send a signal; False: it is gone."""
        return bool(self._ask("send", pid=pid, ticks=ticks, number=number)["sent"])

    def starve(self, pid: int, ticks: int, share: float) -> None:
        """Have a process run *share* of the time, for as long as this agent is asked for something."""
        self._ask("starve", pid=pid, ticks=ticks, share=share)

    def feed(self, pid: int, ticks: int) -> None:
        """End that."""
        self._ask("feed", pid=pid, ticks=ticks)

    def is_starved(self, pid: int, ticks: int) -> bool:
        """Whether it goes on."""
        return bool(self._ask("starved", pid=pid, ticks=ticks)["ok"])

    def looks(self, pid: int, ticks: int, count: int, every_s: float) -> Looked:
        """At how many of *count* looks a process ran."""
        asked = {"pid": pid, "ticks": ticks, "count": count, "every_s": every_s}
        told = self._ask("looks", patience=2 * count * every_s, **asked)
        return Looked(int(str(told["running"])), int(str(told["processors"])))

    def group(self, pid: int, ticks: int) -> str:
        """The memory group of a process; empty: it is not seen."""
        return str(self._ask("group", pid=pid, ticks=ticks)["group"])

    def fill(self, pid: int, ticks: int) -> tuple[int, int]:
        """Fill the memory group of a process; pid and start of the process that does."""
        told = self._ask("fill", pid=pid, ticks=ticks)
        return int(str(told["pid"])), int(str(told["ticks"]))

    def burn(self, pid: int, ticks: int) -> Burnt:
        """Take the processor time that the group of a process gets, for a moment."""
        told = self._ask("burn", patience=BURN_S, pid=pid, ticks=ticks)
        return Burnt(float(str(told["got"])), int(str(told["throttled"])))

    def volume(self, pod: str, volume: str) -> VolumeTold:
        """A volume of *pod*, by the name of its PersistentVolume."""
        told = self._ask("volume", pod=pod, volume=volume)
        size, whole = int(str(told["megabytes"])), bool(told["whole"])
        return VolumeTold(str(told["why"]), str(told["place"]), size, whole)

    def fill_volume(self, pod: str, volume: str) -> None:
        """Fill it; its room comes back when this stream ends, too."""
        self._ask("fill_volume", patience=_FILLED_S, pod=pod, volume=volume)

    def free_volume(self, volume: str) -> None:
        """Give it its room back; idempotent."""
        self._ask("free_volume", volume=volume)

    def try_volume(self, pod: str, volume: str) -> tuple[int, bool]:
        """The error number with which it refuses a write, 0: none; and whether it can be read."""
        told = self._ask("try_volume", pod=pod, volume=volume)
        return int(str(told["refused"])), bool(told["readable"])

    def has_netem(self) -> bool:
        """Whether the node's kernel delays packets."""
        return bool(self._ask("netem")["ok"])

    def shape(self, pod: str, device: str, discipline: Sequence[str]) -> Done:
        """What tc says when *discipline* is put on an interface of *pod*, as ours."""
        told = self._ask("shape", pod=pod, device=device, discipline=list(discipline))
        return Done(int(str(told["rc"])), str(told["out"]), str(told["err"]))

    def proxy(self, pod: str, argv: Sequence[str], environment: Mapping[str, str]) -> tuple[int, int, str]:
        """Run a proxy in the network of *pod*; its pid, its start, and the file there of what it says."""
        told = self._ask("proxy", pod=pod, argv=list(argv), environment=dict(environment))
        return int(str(told["pid"])), int(str(told["ticks"])), str(told["log"])

    def gone(self, pid: int, ticks: int, seconds: float) -> bool:
        """Whether it ends within *seconds*."""
        return bool(self._ask("wait", patience=seconds, pid=pid, ticks=ticks, seconds=seconds)["gone"])

    def open(self) -> None:
        """Open the stream; returns when the agent answers.

        Raises:
            FaultError: it does not.
        """
        self._ask("beat")

    def beat(self) -> None:
        """Tell the agent that the harness is there; does not wait."""
        stream = self._stream
        if stream is not None and stream.is_open:
            stream.send(json.dumps({"id": 0, "do": "beat"}))

    def close(self) -> None:
        """End the stream."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _ask(self, do: str, patience: float = 0.0, **given: object) -> dict[str, object]:
        told = self._told(do, patience, given)
        if "ended" in told and do in _REPEATABLE:  # its container is started again
            told = self._told(do, patience, given)
        if "error" in told:
            raise FaultError(f"the agent on {self.machine} could not {do}", why=str(told["error"]))
        return told

    def _told(self, do: str, patience: float, given: Mapping[str, object]) -> dict[str, object]:
        try:
            return self._answer(self._connected(), _ANSWER_S + patience, {"do": do, **given})
        except TookTooLong as error:
            raise FaultError(f"the agent on {self.machine} does not answer", why=f"asked to {do}") from error

    def _answer(self, stream: LineStream, seconds: float, asked: Mapping[str, object]) -> dict[str, object]:
        number, answer = next(self._numbers), Future[dict[str, object]]()
        self._waiting[number] = answer
        try:
            if not stream.is_open:  # it ended before anybody knew that we wait
                return _ENDED
            stream.send(json.dumps({"id": number, **asked}))
            return answer.result(seconds)
        finally:
            self._waiting.pop(number, None)

    def _connected(self) -> LineStream:
        with self._lock:
            if self._stream is None or not self._stream.is_open:
                what = f"the agent on {self.machine} to listen"
                self._stream = wait_for(self._reopened, what=what, seconds=_REOPENED_S, every=0.25)
            return self._stream

    def _reopened(self) -> LineStream:
        # Its container may be starting again: kubelet does that at once. Where there is none yet, a stream
        # opens all the same, and ends with the reason.
        try:
            stream = LineStream(self._opened(), self._heard, self._ended)
        except HarnessError as error:
            raise NotYet(error.why or error.what) from error
        told = self._answer(stream, _ANSWER_S, {"do": "beat"})
        if "error" in told:
            stream.close()
            raise NotYet(str(told["error"]))
        return stream

    def _heard(self, line: str) -> None:
        try:
            told = json.loads(line)
            waiting = self._waiting.pop(int(told.get("id", 0)), None)
        except (ValueError, AttributeError):
            return  # no answer: something else that was printed there
        if waiting is not None:
            waiting.set_result(told)

    def _ended(self, said: str) -> None:
        for number in list(self._waiting):
            waiting = self._waiting.pop(number, None)
            if waiting is not None and not waiting.done():
                waiting.set_result({**_ENDED, "error": f"its stream ended{f': {said}' if said else ''}"})


@contextlib.contextmanager
def beating(agents: Mapping[str, Agent], every: float = BEAT_SECONDS) -> Iterator[None]:
    """Beat for every one of *agents* while the block runs, late comers too; then their streams end."""
    ending = threading.Event()

    def beat() -> None:
        while not ending.wait(every):
            for agent in list(agents.values()):
                agent.beat()

    thread = threading.Thread(target=beat, name="agents-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        for agent in list(agents.values()):
            agent.close()


def _rows(told: object) -> Iterator[tuple[int, int, str]]:
    for row in _listed(told):
        pid, ticks, container = _listed(row)
        yield int(str(pid)), int(str(ticks)), str(container)


def _listed(told: object) -> list[object]:
    return told if isinstance(told, list) else []
