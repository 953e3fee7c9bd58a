"""The agent: its verbs on real processes and networks, and what it undoes when nobody asks any more."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.stack.agents import agent, burning, filling, networks, pod_proc, pod_signals, serving
from harness.stack.agents.agent import keep, undo
from harness.stack.agents.notes import STANDING, Notes
from harness.stack.agents.serving import Serving, answered, serve
from harness.waiting import NotYet, wait_for

UID = "0a1b2c3d-1111-2222-3333-444455556666"
NOTHING = {name: 0 for name in STANDING if name != "held"}


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing for a minute."""
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield started
    started.kill()
    started.wait()


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    """An agent's notes."""
    return Notes(tmp_path / "notes")


def asked(notes: Notes, do: str, **given: object) -> dict[str, object]:
    """The answer to one request."""
    return answered(Serving(notes), json.dumps({"id": 7, "do": do, **given}))


def of(process: subprocess.Popen[bytes]) -> dict[str, object]:
    """A process as requests name it."""
    return {"pid": process.pid, "ticks": pod_proc.start_ticks(process.pid)}


def test_every_answer_has_the_number_of_its_request(notes: Notes) -> None:
    """What stands on one line is answered on one line, whoever is quicker."""
    told = io.StringIO('{"id": 1, "do": "beat"}\n{"id": 2, "do": "beat"}\n')
    says = io.StringIO()

    serve(Serving(notes), notes, told, says)

    assert sorted(json.loads(line)["id"] for line in says.getvalue().splitlines()) == [1, 2]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("no json", "no request"),
        ('{"id": 3, "do": "fly"}', "no verb 'fly'"),
        ('{"id": 3, "do": "_lives"}', "no verb '_lives'"),
        ('{"id": 3, "do": "beat", "loud": 1}', "loud"),
        (
            '{"id": 3, "do": "connect", "pod": "none", "address": "127.0.0.1", "port": 1, "seconds": 1}',
            "none",
        ),
    ],
)
def test_a_request_that_cannot_be_done_says_why(notes: Notes, line: str, words: str) -> None:
    """The agent goes on, and the harness gets the words."""
    assert words in str(answered(Serving(notes), line)["error"])


def test_a_stop_is_noted_before_it_is_sent_and_ends_when_undone(
    notes: Notes, process: subprocess.Popen[bytes]
) -> None:
    """A process that the agent stopped continues although the harness never said so."""
    assert asked(notes, "send", **of(process), number=int(signal.SIGSTOP)) == {"id": 7, "sent": True}
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert set(str(asked(notes, "look", **of(process))["states"])) >= {"T"}

    assert undo(notes)

    os.waitid(os.P_PID, process.pid, os.WCONTINUED | os.WNOWAIT)
    assert "T" not in pod_proc.states(process.pid)
    assert notes.read("held") == []


def test_what_stood_is_told_when_it_is_undone_at_once(
    notes: Notes,
    process: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """For whoever heals before the lease has run out; a second time nothing stands."""
    monkeypatch.setattr(agent, "Notes", lambda _folder: notes)
    asked(notes, "send", **of(process), number=int(signal.SIGSTOP))
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    codes = [agent.main(["undo"]), agent.main(["undo"])]

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert codes == [0, 0]
    assert first == {"held": 1, **NOTHING, "left": False}
    assert second == {"held": 0, **NOTHING, "left": False}
    assert "T" not in pod_proc.states(process.pid)


def test_a_stranger_with_the_pid_is_not_hit(notes: Notes, process: subprocess.Popen[bytes]) -> None:
    """A process that began at another time is another process."""
    other = {**of(process), "ticks": 1}

    assert asked(notes, "send", **other, number=int(signal.SIGKILL))["sent"] is False
    assert asked(notes, "look", **other)["states"] == []
    assert asked(notes, "wait", **other, seconds=0)["gone"] is True
    assert process.poll() is None


def test_a_death_is_waited_for(notes: Notes, process: subprocess.Popen[bytes]) -> None:
    """It is gone as soon as the kernel says so, and not before."""
    assert asked(notes, "wait", **of(process), seconds=0)["gone"] is False
    known = of(process)
    asked(notes, "send", **known, number=int(signal.SIGKILL))
    process.wait()

    assert asked(notes, "wait", **known, seconds=5)["gone"] is True


def test_nobody_asking_for_one_lease_undoes_once(notes: Notes, process: subprocess.Popen[bytes]) -> None:
    """With a harness that beats nothing is undone; without one it is, after the lease."""
    notes.beat()
    asked(notes, "send", **of(process), number=int(signal.SIGSTOP))
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    beating = threading.Event()

    def beat() -> None:
        for _ in range(6):
            notes.beat()
            beating.wait(0.2)

    thread = threading.Thread(target=beat)
    thread.start()
    keep(notes, lease=0.9, silence=0.8)
    thread.join()
    assert "T" in pod_proc.states(process.pid), "it was undone although the harness beat"

    keep(notes, lease=0.4, silence=1.0)

    os.waitid(os.P_PID, process.pid, os.WCONTINUED | os.WNOWAIT)
    assert "T" not in pod_proc.states(process.pid)


def test_a_pod_is_known_by_its_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The uid in the path, with underscores too; the sandbox is no container, a child is no first process."""
    container = "c" * 64
    group = f"0::/../kubepods-pod{UID.replace('-', '_')}.slice/cri-containerd-{container}.scope"
    pretend(tmp_path, 10, "pause", 1, f"0::/kubepods/burstable/pod{UID}/{'a' * 64}")
    pretend(tmp_path, 11, "java", 1, group)
    pretend(tmp_path, 12, "sh", 7, group)
    pretend(tmp_path, 13, "java", 1, "0::/kubepods/podother/" + container)
    monkeypatch.setattr(pod_proc, "PROC", tmp_path)

    assert pod_proc.processes_of(UID) == [10, 11, 12]
    assert [(main.pid, main.container) for main in pod_proc.mains_of(UID)] == [(11, container)]


def pretend(proc: Path, pid: int, name: str, inner: int, group: str) -> None:
    """A process in a made-up /proc."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "comm").write_text(f"{name}\n")
    (folder / "cgroup").write_text(f"{group}\n")
    (folder / "status").write_text(f"Name:\t{name}\nNSpid:\t{pid}\t{inner}\n")
    (folder / "stat").write_text(f"{pid} ({name}) S 1 " + " ".join(["0"] * 17) + " 99 0 0\n")


def test_the_network_of_the_machine_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod in its machine's own network is refused: a cut there would cut off the machine."""
    monkeypatch.setattr(pod_proc, "processes_of", lambda _uid: [os.getpid()])

    assert pod_proc.network_of(UID) is None


def test_a_connection_is_tried_from_the_pods_network(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that listens connects, one that does not, does not."""
    monkeypatch.setattr(serving, "network", lambda _pod: Path("/proc/self/ns/net"))
    if os.geteuid():
        monkeypatch.setattr("harness.stack.namespaces.syscalls.setns", lambda _fd, _kind: None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        given = {"pod": UID, "address": "127.0.0.1", "seconds": 1.0}
        assert asked(notes, "connect", **given, port=port)["ok"] is True
    assert asked(notes, "connect", **given, port=port)["ok"] is False


def test_what_a_process_costs_is_told(notes: Notes, process: subprocess.Popen[bytes]) -> None:
    """Memory, processor time and traffic; of one that is gone nothing."""
    cost = asked(notes, "cost", **of(process))["cost"]

    assert isinstance(cost, list)
    assert cost[0] > 1_000_000
    assert len(cost) == 4
    assert asked(notes, "cost", pid=process.pid, ticks=1)["cost"] == []


def test_a_network_is_looked_up_once_for_each_of_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the process lives by which it was entered; then it is looked up again."""
    asked: list[str] = []
    holder = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    def look_up(uid: str) -> Path:
        asked.append(uid)
        return Path(f"/proc/{holder.pid}/ns/net")

    monkeypatch.setattr(networks, "network_of", look_up)
    monkeypatch.setattr(networks, "_networks", {})
    assert networks.network(UID) == networks.network(UID) == Path(f"/proc/{holder.pid}/ns/net")
    assert asked == [UID]
    holder.kill()
    holder.wait()
    networks.network(UID)

    assert asked == [UID, UID]


def test_who_fills_memory_is_noted_joins_the_group_and_is_ended_when_undone(
    notes: Notes, process: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody beyond the group loses memory, and a harness that is gone leaves nobody who fills."""
    idle = [sys.executable, "-c", "import sys, time; sys.stdin.read(1); time.sleep(60)"]
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(idle, stdin=subprocess.PIPE))
        return started[-1]

    monkeypatch.setattr(filling, "start", start)
    monkeypatch.setattr(filling, "group_of", lambda *_: tmp_path)
    filled = asked(notes, "fill", **of(process))

    (filler,) = started
    assert (tmp_path / "cgroup.procs").read_text() == str(filler.pid) == str(filled["pid"])
    assert notes.read("fillers") == [f"{filled['pid']} {filled['ticks']}"]
    assert undo(notes)
    assert filler.wait(5) == -signal.SIGKILL
    assert process.poll() is None


def test_a_group_that_is_not_seen_is_not_filled(
    notes: Notes, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any process of ours is started."""
    monkeypatch.setattr(filling, "group_of", lambda *_: None)
    monkeypatch.setattr(filling, "start", lambda: pytest.fail("it was started"))

    assert asked(notes, "group", **of(process))["group"] == ""
    assert "is not seen" in str(asked(notes, "fill", **of(process))["error"])


def test_who_burns_processor_time_is_noted_before_it_begins_and_ended_when_undone(
    notes: Notes, process: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A harness that is gone leaves nobody who burns: the agent that is asked no more ends it at once."""
    (tmp_path / "cpu.stat").write_text("nr_throttled 4\n")
    monkeypatch.setattr(burning, "group_of", lambda *_: tmp_path)
    answers: list[dict[str, object]] = []
    asking = threading.Thread(target=lambda: answers.append(asked(notes, "burn", **of(process))))
    asking.start()

    def joined() -> int:
        told = tmp_path / "cgroup.procs"
        if not told.exists() or not told.read_text():
            raise NotYet("it has not joined")
        return int(told.read_text())

    burner = wait_for(joined, what="the burner", seconds=5, every=0.01)
    assert notes.read("burners") == [f"{burner} {pod_proc.start_ticks(burner)}"]
    assert undo(notes)
    asking.join()

    assert "ended meanwhile" in str(answers[0]["error"])
    assert pod_proc.start_ticks(burner) == -1
    assert process.poll() is None


def test_a_processor_group_that_is_not_seen_is_not_burnt_in(
    notes: Notes, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one of a process that is gone; no process of ours is started."""
    monkeypatch.setattr(burning, "group_of", lambda *_: None)
    monkeypatch.setattr(burning, "start", lambda: pytest.fail("it was started"))

    assert "is not seen" in str(asked(notes, "burn", **of(process))["error"])
    assert "is gone" in str(asked(notes, "burn", pid=process.pid, ticks=1)["error"])
    assert notes.read("burners") == []


BUSY = [sys.executable, "-S", "-c", "while True: sum(range(1000))"]


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A process that uses all it gets."""
    started = subprocess.Popen(BUSY)
    yield started
    started.kill()
    started.wait()


def test_an_agent_gives_turns_until_it_is_told_to_end_them(
    notes: Notes, busy: subprocess.Popen[bytes]
) -> None:
    """The process runs at about as many looks as asked, never at all of them; then at every one."""
    serving = Serving(notes)

    def ask(do: str, **given: object) -> dict[str, object]:
        notes.beat()
        return answered(serving, json.dumps({"id": 7, "do": do, **of(busy), **given}))

    ask("starve", share=0.3)
    assert ask("starved")["ok"] is True
    assert "starved already" in str(ask("starve", share=0.3)["error"])
    ran = ask("looks", count=200, every_s=0.006)["running"]
    ask("feed")
    ask("feed")

    assert isinstance(ran, int)
    assert 10 <= ran <= 130, "a busy machine may give less, never much more"
    assert ask("starved")["ok"] is False
    assert ask("looks", count=20, every_s=0.006)["running"] == 20


def test_turns_end_when_nobody_asks_any_more(
    notes: Notes, busy: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever undoes what is noted lets it continue; an agent that went on would stop it again."""
    monkeypatch.setattr("harness.stack.agents.serving.LEASE_SECONDS", 0.5)
    serving = Serving(notes)
    notes.beat()
    answered(serving, json.dumps({"id": 7, "do": "starve", **of(busy), "share": 0.3}))

    def over() -> None:
        if answered(serving, json.dumps({"id": 8, "do": "starved", **of(busy)}))["ok"]:
            raise NotYet("turns are given")

    wait_for(over, what="the turns to end", seconds=10, every=0.05)

    assert notes.read("held") == [f"{busy.pid} {pod_proc.start_ticks(busy.pid)}"]
    assert pod_signals.running(busy.pid, 20, 0.006) == 20
