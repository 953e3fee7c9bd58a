"""Talking to agents: over a stream that stays open, breaks and is opened again, or never answers."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import FaultError, NotExpressible, StackError
from harness.faults.starve import Starvation
from harness.faults.traffic import Way, arrived, can_speak, poured
from harness.stack.agents import agents
from harness.stack.agents.agents import Agent, beating
from harness.stack.agents.pod_proc import start_ticks
from harness.stack.agents.remote import Placed, RemoteNode, RemoteProcess, main_process
from harness.stack.agents.turns import Turned
from harness.stack.namespaces.netns import Observer
from harness.stack.running import run_at
from harness.stack.seams import Distant, Done, Remote
from harness.tests.stack.agents.doubles import Double, Exec
from harness.waiting import NotYet, wait_for

UID = "u-1"


@pytest.fixture
def double(tmp_path: Path) -> Double:
    """The far end."""
    return Double(tmp_path)


@pytest.fixture
def agent(double: Double) -> Iterator[Agent]:
    """The near end."""
    made = Agent("worker-1", "edge-agent-1", double.open)
    yield made
    made.close()


def test_a_process_is_found_looked_at_and_gone(agent: Agent) -> None:
    """A pod's first process is a process of the seams, on a machine that is not this one."""
    process = main_process(agent, UID, "ns")

    assert isinstance(process, RemoteProcess)
    assert isinstance(process, Distant)
    assert (process.pid, process.start_ticks) == (4, 9)
    assert not process.is_alive()
    assert not process.is_stopped()
    process.wait_gone(0)
    with pytest.raises(ProcessLookupError):
        process.send(signal.SIGKILL)


def test_a_pod_without_a_process_has_none_and_one_with_two_is_refused(agent: Agent, double: Double) -> None:
    """Which of several containers is meant nobody knows, so none is hit."""
    double.found = []
    assert main_process(agent, UID, "ns") is None
    double.found = [[4, 9, "a"], [5, 9, "b"]]
    with pytest.raises(NotExpressible, match="2 containers"):
        main_process(agent, UID, "ns")


def test_many_ask_at_the_same_time(agent: Agent) -> None:
    """Each gets the answer to its own question."""
    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(agent.look(1, 1).pids)) for _ in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert seen == [()] * 20


def test_an_agent_that_was_killed_is_asked_again(agent: Agent, double: Double) -> None:
    """Kubelet starts it again; meanwhile a stream opens and ends, which is not yet an agent that listens."""
    agent.open()
    double.dies = 3

    assert agent.find(UID) == [(4, 9, "c")]
    assert double.opened == 4


def test_what_must_not_be_done_twice_is_told(agent: Agent, double: Double) -> None:
    """Nobody knows how far it came; the next question is answered by the agent that was started again."""
    agent.open()
    double.dies = 1
    with pytest.raises(FaultError, match=r"the agent on worker-1 could not fill: its stream ended: killed"):
        agent.fill(1, 1)

    assert agent.find(UID) == [(4, 9, "c")]
    assert double.opened == 2


def test_streams_that_ended_leave_nothing_open(agent: Agent, double: Double) -> None:
    """However often an agent has to be spoken to anew: a run has a bounded number of files."""
    agent.open()
    before = _files()
    for _ in range(10):
        double.dies = 1
        assert agent.find(UID) == [(4, 9, "c")]

    assert double.opened == 11
    wait_for(lambda: _as_few(before), what="files to be closed", seconds=5, every=0.01)


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _as_few(before: int) -> None:
    gc.collect()  # the thread of a stream may hold it for another moment
    if (now := _files()) > before:
        raise NotYet(f"{now} files are open, {before} before")


def test_a_question_to_a_stream_that_has_just_ended_is_not_waited_for(agent: Agent, double: Double) -> None:
    """It ended between the look at it and the question: nobody would ever answer."""
    agent.open()
    stream = agent._stream
    assert stream is not None
    stream.close()

    assert "ended" in agent._answer(stream, 60, {"do": "find", "pod": UID})


def test_an_agent_that_is_gone_for_good_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which node, and what the cluster says."""
    monkeypatch.setattr(agents, "_REOPENED_S", 0.3)

    def refuse() -> Exec:
        raise StackError("no exec", why="pod edge-agent-1 not found")

    with pytest.raises(StackError, match=r"the agent on worker-1 to listen .* edge-agent-1 not found"):
        Agent("worker-1", "edge-agent-1", refuse).open()


def test_an_agent_that_does_not_answer_is_not_waited_for(
    agent: Agent, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question has a deadline."""
    monkeypatch.setattr(agents, "_ANSWER_S", 0.1)
    double.mute = True

    with pytest.raises(FaultError, match="the agent on worker-1 does not answer: asked to find"):
        agent.find(UID)


def test_beats_go_out_until_the_block_ends(agent: Agent, double: Double) -> None:
    """The agent knows that the harness lives, and its input ends when it does not."""
    agent.open()
    with beating({"worker-1": agent}, every=0.01):
        wait_for(lambda: _some(double), what="beats", seconds=5, every=0.01)

    assert agent._stream is None


def _some(double: Double) -> None:
    if double.beats < 3:
        raise NotYet(f"{double.beats} beats")


def test_commands_run_where_the_node_is(agent: Agent) -> None:
    """A command at a remote node is the agent's to run; as a person would paste it, it is kubectl's."""
    node = RemoteNode("edge-kafka-0", "broker", (9092,), "ns", lambda: Placed(UID, "10.0.0.1", agent))
    assert isinstance(node, Remote)
    with pytest.raises(FaultError, match="could not run: pod u-1 has no network of its own"):
        run_at(node, ["true"], seconds=1)

    assert " ".join(node.enter(["nft", "-f", "-"])) == (
        "kubectl --namespace ns exec -i edge-agent-1 -- "
        "python3 -P -S -m harness.stack.agents.agent in u-1 nft -f -"
    )


@pytest.fixture
def pod_here(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> RemoteNode:
    """A pod whose network is this process's own."""
    monkeypatch.setattr("harness.stack.agents.serving.network", lambda _pod: Path("/proc/self/ns/net"))
    monkeypatch.setattr("harness.stack.namespaces.syscalls.setns", lambda _fd, _kind: None)
    return RemoteNode("edge-kafka-0", "broker", (9092,), "ns", lambda: Placed(UID, "127.0.0.1", agent))


def test_datagrams_are_sent_and_counted_by_agents(pod_here: RemoteNode) -> None:
    """Between two pods, and between a pod and the harness, either way: each that gets along is counted."""
    here = Observer("127.0.0.1")
    ways = [Way(pod_here, pod_here), Way(here, pod_here), Way(pod_here, here)]

    assert can_speak(pod_here)
    assert [arrived(way, 500) for way in ways] == [500, 500, 500]


def test_a_datagram_that_is_not_sent_is_not_counted(pod_here: RemoteNode) -> None:
    """What is lost is what is missing: the end that listens counts nothing of its own."""
    port = pod_here.hear()
    pod_here.shout("127.0.0.1", port, 300)
    assert pod_here.heard(port) == 300
    with pytest.raises(FaultError, match=f"nobody listens at 127.0.0.1:{port}"):
        pod_here.heard(port)


def test_what_agents_pour_is_paced_and_the_lead_is_not_counted(
    pod_here: RemoteNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is sent for a while, and of what comes, only what came after the lead counts."""
    monkeypatch.setattr("harness.stack.agents.pod_traffic.LEAD_S", 0.2)

    sent, came = poured(Way(pod_here, Observer("127.0.0.1")), 1e6, 0.2)

    assert 0.5e6 < sent < 1.1e6
    assert came == sent


def test_commands_run_here_when_the_node_is_here() -> None:
    """Everywhere else it is a command of this machine."""

    class Here:
        """A node of this machine."""

        name = role = address = "here"
        ports: tuple[int, ...] = ()

        def enter(self, argv: Sequence[str]) -> list[str]:
            """The command itself."""
            return list(argv)

        def can_connect(self, address: str, port: int, *, seconds: float) -> bool:
            """Not asked here."""
            raise AssertionError(address, port, seconds)

    assert run_at(Here(), ["cat"], "text", seconds=5) == Done(0, "text", "")


def test_starvation_is_given_and_proven_by_an_agent(agent: Agent, double: Double, tmp_path: Path) -> None:
    """Turns, looks and processor time are its own machine's; healed, it runs at every look."""
    busy = subprocess.Popen([sys.executable, "-S", "-c", "while True: sum(range(1000))"])
    process = RemoteProcess(busy.pid, start_ticks(busy.pid), agent, "ns")
    assert isinstance(process, Turned)
    fault = Starvation({"edge-kafka-0": Running(process)}, 0.3, 1)
    try:
        with beating({"worker-1": agent}, every=0.1):
            fault.inject()
            landed, still = fault.landed(), fault.still()
            fault.heal()
            fault.heal()
            healed = fault.healed()
    finally:
        busy.kill()
        busy.wait()

    assert (True, True, True) == (landed.ok, still.ok, healed.ok), (landed, still, healed)
    assert all(command.startswith("kubectl --namespace ns exec edge-agent-1") for command in fault.commands)
    assert ({"do": "continue", "node": "edge-kafka-0", "by": "agent"},) == fault.undo


@dataclass
class Running:
    """A service with one process."""

    process: RemoteProcess

    def start(self) -> None:
        """Never."""

    def wait_ready(self, seconds: float) -> str:
        """At once."""
        return "ready"

    def wipe(self) -> None:
        """Never."""
