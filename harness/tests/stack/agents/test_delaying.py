"""What an agent does to delay: noted before it is done, undone by whoever undoes what is noted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.errors import FaultError
from harness.stack.agents import agent, delaying, serving
from harness.stack.agents.agent import undo
from harness.stack.agents.agents import Agent
from harness.stack.agents.delaying import Delayed, interface_of
from harness.stack.agents.notes import Notes
from harness.stack.agents.pod_proc import PROC, start_ticks
from harness.stack.agents.pod_signals import ended, lives, send
from harness.stack.agents.remote import Placed, RemoteNode
from harness.stack.namespaces import shaping
from harness.stack.toxiproxy.in_front import Fronted, Toxiproxy
from harness.tests.stack.agents.doubles import Double
from harness.waiting import NotYet, wait_for

UID = "u-1"
IDLE = [sys.executable, "-S", "-c", "import time; print('it listens', flush=True); time.sleep(60)"]


@pytest.fixture
def double(tmp_path: Path) -> Double:
    """The far end."""
    return Double(tmp_path)


@pytest.fixture
def notes(double: Double) -> Notes:
    """What is noted there."""
    return double.notes


@pytest.fixture
def node(double: Double, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteNode]:
    """A pod whose network is this process's own."""
    monkeypatch.setattr(serving, "entering", lambda _pod, argv: list(argv))
    made = Agent("worker-1", "edge-agent-1", double.open)
    yield RemoteNode("edge-kafka-0", "broker", (9092,), "ns", lambda: Placed(UID, "127.0.0.1", made))
    made.close()
    for line in double.notes.read("proxies"):
        pid, ticks = map(int, line.split())
        send(pid, ticks, signal.SIGKILL)
        assert ended(pid, ticks, 5)


def test_a_proxy_is_noted_marked_and_ended_when_undone(node: RemoteNode, notes: Notes) -> None:
    """A harness that is gone leaves no process; what it said can be asked for by its node."""
    assert isinstance(node, Fronted)
    process = node.start_proxy(IDLE, {"HARNESS_FAULT": "latency"})
    known = process.pid, process.start_ticks

    assert notes.read("proxies") == [f"{known[0]} {known[1]}"]
    assert notes.file(f"proxy-{UID}.log").is_file()
    wait_for(lambda: _said(notes), what="its words", seconds=10, every=0.02)
    assert b"HARNESS_FAULT=latency" in (PROC / str(known[0]) / "environ").read_bytes().split(b"\0")
    assert known[1] == start_ticks(known[0])
    assert process.is_alive()
    assert undo(notes)
    assert not process.is_alive()
    assert notes.read("proxies") == []


def _said(notes: Notes) -> None:
    if "it listens" not in notes.file(f"proxy-{UID}.log").read_text():
        raise NotYet("nothing")


def test_nothing_of_a_proxy_runs_before_it_is_noted(
    node: RemoteNode, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that dies in between leaves a process that only waits, and ends with it."""
    waiting: list[subprocess.Popen[bytes]] = []

    def fail(started: subprocess.Popen[bytes]) -> None:
        waiting.append(started)
        assert notes.read("proxies") == [f"{started.pid} {start_ticks(started.pid)}"]
        raise OSError("killed")

    monkeypatch.setattr(delaying, "go_on", fail)
    with pytest.raises(FaultError, match="could not proxy: killed"):
        node.start_proxy(IDLE, {})
    (started,) = waiting
    assert lives(started.pid, start_ticks(started.pid))
    assert started.stdin is not None
    started.stdin.close()

    assert started.wait(10) == 0
    assert notes.file(f"proxy-{UID}.log").read_text() == ""


def test_a_proxy_that_cannot_run_says_why(
    node: RemoteNode, tmp_path: Path, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words lie on the agent's machine, and are fetched from there for the error."""
    proxy = Toxiproxy(node, Path("/no/toxiproxy-server"), tmp_path)
    process = node.start_proxy(["/no/toxiproxy-server"], {})
    process.wait_gone(10)
    assert "No such file or directory" in double.notes.file(f"proxy-{UID}.log").read_text()

    said = telling(monkeypatch, "a\nb\n")
    assert proxy.log_tail(2) == "a | b"
    assert said == [["tail", "-n", "2", str(double.notes.file(f"proxy-{UID}.log"))]]


def telling(monkeypatch: pytest.MonkeyPatch, out: str, rc: int = 0, err: str = "") -> list[list[str]]:
    """Have every command in a pod's network say *out*; what ran."""
    ran: list[list[str]] = []

    def in_network(_pod: str, argv: list[str], _text: str = "") -> subprocess.CompletedProcess[str]:
        ran.append(argv)
        return subprocess.CompletedProcess(argv, rc, out, err)

    monkeypatch.setattr(serving, "in_network", in_network)
    return ran


def test_a_discipline_is_noted_before_it_is_put(
    node: RemoteNode, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tc says comes back whole, and the command replaces nothing."""
    ran: list[tuple[list[str], list[str]]] = []

    def in_network(_pod: str, argv: list[str]) -> subprocess.CompletedProcess[str]:
        ran.append((argv, notes.read("shaped")))
        return subprocess.CompletedProcess(argv, 2, "", "Exclusivity flag on")

    monkeypatch.setattr(serving, "in_network", in_network)
    assert isinstance(node, Delayed)
    done = node.shape("eth0", ["netem", "delay", "1ms"])

    assert (2, "Exclusivity flag on") == (done.rc, done.err)
    assert ran == [
        (["tc", "qdisc", "add", "dev", "eth0", "root", "handle", "ed9e:", "netem", "delay", "1ms"], [UID])
    ]


@pytest.mark.parametrize(("left", "noted"), [("", []), ("it is still there", [UID])])
def test_a_discipline_that_is_not_removed_stays_noted(
    notes: Notes, monkeypatch: pytest.MonkeyPatch, left: str, noted: list[str]
) -> None:
    """So it is tried again, and whoever heals is told that something is left."""

    def remove(enter: Sequence[str]) -> list[str]:
        assert list(enter) == ["enter", UID]
        if left:
            raise OSError(left)
        return []

    monkeypatch.setattr(agent, "network_of", lambda _uid: Path("/proc/self/ns/net"))
    monkeypatch.setattr(agent, "entering", lambda pod, argv: ["enter", pod, *argv])
    monkeypatch.setattr(shaping, "remove", remove)
    notes.add("shaped", UID)

    assert undo(notes) is not bool(noted)
    assert notes.read("shaped") == noted


def test_a_pod_that_is_gone_took_its_discipline_along(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left to be removed, and nothing stays noted."""
    monkeypatch.setattr(agent, "network_of", lambda _uid: None)
    notes.add("shaped", UID)

    assert undo(notes)
    assert notes.read("shaped") == []


@pytest.mark.parametrize("has", [True, False])
def test_a_kernel_is_asked_on_its_own_machine(
    node: RemoteNode,
    monkeypatch: pytest.MonkeyPatch,
    has: bool,  # noqa: FBT001
) -> None:
    """The harness's own may be another, and its pod may try nothing."""
    monkeypatch.setattr(serving, "has_netem", lambda: has)

    assert node.has_netem() is has


TOLD = json.dumps(
    [
        {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}]},
        {},
        {"ifname": "net1", "addr_info": [{"local": "10.0.0.1"}, {"local": "10.0.0.7"}]},
    ]
)


@pytest.mark.parametrize(
    ("told", "address", "name"),
    [(TOLD, "10.0.0.7", "net1"), (TOLD, "10.0.0.9", ""), ("[{}]", "10.0.0.7", ""), ("", "10.0.0.7", "")],
)
def test_an_interface_is_known_by_the_pods_address(told: str, address: str, name: str) -> None:
    """Whatever it is called: not every network of a cluster calls it eth0."""
    assert interface_of(told, address) == name


@pytest.mark.parametrize(("out", "rc", "err"), [(TOLD.replace("127", "126"), 0, ""), (TOLD, 1, "no ip")])
def test_an_address_that_no_interface_has_is_an_error(
    node: RemoteNode, monkeypatch: pytest.MonkeyPatch, out: str, rc: int, err: str
) -> None:
    """Nothing is slowed down by guess."""
    telling(monkeypatch, out, rc, err)

    with pytest.raises(FaultError, match=rf"no interface of edge-kafka-0 has its address 127\.0.*{err}"):
        node.find_interface()
