"""``heal`` and the watchdog on plain processes: whom they touch, whom they leave alone, what they say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.clock import MONOTONIC
from harness.faults import heal
from harness.faults.clusters_left import deletion, open_machines
from harness.faults.disks import Disk
from harness.faults.heal import LEFT_BEHIND, NOTHING, Run, _undoings
from harness.faults.observed import Marked, marked_processes, namespace, resume, start_ticks, stat_fields
from harness.faults.remains import BrokenDisk, LimitedPod, Network
from harness.faults.watchdog import Watch, _start_machines
from harness.stack.kind.machine_disks import MachineDisk
from harness.stack.kind.machines import CORDONED, START
from harness.tests.stack.docked import install

# Not beside others: what these do or see is every marked process of the machine.
pytestmark = pytest.mark.contract

Spawn = Callable[..., subprocess.Popen[bytes]]
SLEEPER = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    """Starts a sleeping process that is marked as belonging to the run named like the test's folder."""
    started: list[subprocess.Popen[bytes]] = []

    def start(node: str, *, run: str = "", fault: str = "") -> subprocess.Popen[bytes]:
        mark = {"HARNESS_RUN": run or tmp_path.name, "HARNESS_DIR": str(tmp_path), "HARNESS_NODE": node}
        mark["HARNESS_FAULT"] = fault
        process = subprocess.Popen(SLEEPER, env=dict(os.environ) | mark)
        started.append(process)
        _wait(lambda: b"HARNESS_RUN" in Path(f"/proc/{process.pid}/environ").read_bytes())
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_stopped_process_of_a_node_is_resumed(spawn: Spawn, tmp_path: Path) -> None:
    """Heal lets a stopped node continue, leaves other stopped processes alone, and repeats harmlessly."""
    node, bystander = _stopped(spawn("broker-1")), _stopped(spawn(""))

    first, words = _heal(tmp_path)
    second, again = _heal(tmp_path)

    assert (NOTHING, NOTHING) == (first, second)
    assert f"  resume broker-1 (pid {node}): done" in words
    assert not [line for line in again if "resume" in line]
    assert [False, True] == [stat_fields(pid)[0] == "T" for pid in (node, bystander)]


def test_a_run_that_beats_is_left_alone(spawn: Spawn, tmp_path: Path) -> None:
    """A run whose harness lives and whose heartbeat is fresh keeps its faults, and is named."""
    _beat_of(tmp_path, os.getpid())
    node = _stopped(spawn("broker-1"))

    code, words = _heal(tmp_path)

    assert NOTHING == code
    assert f"run {tmp_path.name} is alive and was left alone; to end it: harness heal --abort" in words
    assert "T" == stat_fields(node)[0]


def test_an_old_heartbeat_does_not_protect(spawn: Spawn, tmp_path: Path) -> None:
    """A harness that exists but does not beat has its faults undone and is itself left."""
    _beat_of(tmp_path, os.getpid())
    os.utime(tmp_path / "heartbeat", (1, 1))
    node = _stopped(spawn("broker-1"))

    assert NOTHING == _heal(tmp_path)[0]
    assert "T" != stat_fields(node)[0]


def test_a_node_whose_harness_is_gone_is_ended(spawn: Spawn, tmp_path: Path) -> None:
    """Processes of nodes that nobody will end are ended; others of that run are not."""
    (tmp_path / "heartbeat").write_text(f"{os.getpid()} 1 {namespace(os.getpid(), 'pid')}\n")
    node, other = spawn("broker-1"), spawn("")

    code, words = _heal(tmp_path)

    assert -signal.SIGKILL == node.wait(5)
    assert None is other.poll()
    assert (NOTHING, True) == (code, f"  end broker-1 (pid {node.pid}): done" in words)


def test_another_run_is_not_looked_at(spawn: Spawn, tmp_path: Path) -> None:
    """With one run named, the processes of all others stay as they are."""
    stranger = _stopped(spawn("broker-1", run="another-run"))

    assert (NOTHING, ["found: nothing", "now: nothing"]) == _heal(tmp_path)
    assert "T" == stat_fields(stranger)[0]


def test_what_is_left_is_named_with_its_command() -> None:
    """What could not be undone ends in exit code 4 and in commands to paste."""
    node = Marked(7, 1, "T", "r1", "", "broker-1", "java")
    enter = ("nsenter", "--net=/run/netns/broker-2", "--")
    network = Network(99, "broker-2", enter, elements=3, shaped=("eth0",))
    disk = BrokenDisk(Disk("/run/edge/broker-3", Path(), "0:9", 64), ("restore", "it"))
    proxy = Marked(8, 1, "S", "r1", "", "broker-1", "toxiproxy-server", "latency")
    run = Run("r1", "", (node, proxy), (network,), (disk,), harness=0, beats=False)
    said: list[str] = []

    assert LEFT_BEHIND == heal._conclude([run], abort=False, say=said.append)
    assert [
        "UNSAFE: faults are left behind. By hand:",
        "  kill -CONT 7",
        "  kill -KILL 8",
        "  nsenter --net=/run/netns/broker-2 -- nft delete table inet harness",
        "  nsenter --net=/run/netns/broker-2 -- tc qdisc del dev eth0 root handle ed9e:",
        "  restore it",
        "  kill -KILL 7",
    ] == said


def test_pods_that_nobody_will_delete_go_with_their_cluster() -> None:
    """A pod's process is not ended, it would come back: its cluster goes, or its namespace in a kept one."""
    mine = Marked(7, 1, "S", "r1", "", "edge-kafka-0", "java", cluster="edge-harness")
    kept = Marked(8, 1, "S", "r1", "", "edge-kafka-1", "java", cluster="edge-harness/edge")
    odd = Marked(9, 1, "S", "r1", "", "edge-kafka-2", "java", cluster="x; reboot")
    run = Run("r1", "", (mine, kept, odd), (), (), 0, beats=False)
    alive = Run("r1", "", (mine,), (), (), 4711, beats=True)

    assert run.orphans == ()
    assert run.clusters == ("edge-harness", "edge-harness/edge")
    assert alive.clusters == ()
    assert deletion("edge-harness") == ("kind", "delete", "cluster", "--name", "edge-harness")
    assert deletion("edge-harness/edge")[-3:] == ("delete", "namespace", "edge")


def test_disks_of_claims_and_limits_of_pods_are_told_and_undone() -> None:
    """Also while the harness is there and only hangs: nobody deletes its pods, so they go on whole."""
    hurt = MachineDisk("edge-harness-worker", "edge.data-edge-kafka-0.1234abcd")
    limited = LimitedPod("edge-kafka-1", (("kubectl", "patch", "pod"),))
    run = Run("r1", "", (), (), (), 4711, beats=False, claims=(hurt,), limited=(limited,))

    words = [words for words, _ in _undoings(run)]
    assert words == [f"restore the disk {hurt.name}", "give edge-kafka-1 its limits back"]
    assert ["limited: edge-kafka-1", f"disk not whole: {hurt.name}"] == heal._faults_of(run)
    said: list[str] = []
    assert heal._conclude([run], abort=False, say=said.append) == LEFT_BEHIND
    assert "  kubectl patch pod" in said


def test_limits_are_given_back_or_it_is_said() -> None:
    """Command by command; the words of whoever refuses are passed on."""
    LimitedPod("edge-kafka-1", (("true",),)).give_back()
    with pytest.raises(OSError, match="no room"):
        LimitedPod("edge-kafka-1", (("sh", "-c", "echo no room >&2; false"),)).give_back()


def test_machines_are_opened_before_their_cluster_is_deleted() -> None:
    """The API server cannot delete a namespace while its own machine is off."""
    kept = Marked(8, 1, "S", "r1", "", "edge-kafka-1", "java", cluster="edge-harness/edge")
    run = Run("r1", "", (kept,), (), (), 0, beats=False)

    words = [words for words, _ in _undoings(run)]
    assert words == [
        f"{what} edge-harness/edge"
        for what in (
            "open the machines of",
            "unshape the machines of",
            "free",
            "delete",
            "delete the disks of",
        )
    ] + ["remove what is cluster-wide in edge-harness"]


def test_every_machine_of_a_cluster_is_started_and_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those of that cluster; what was cordoned is known by our label, which goes with it."""
    docker = install(tmp_path / "docker", monkeypatch)
    docker.add("edge-harness-control-plane")
    docker.add("edge-harness-worker", "paused")
    docker.add("edge-harness-worker2", "exited")
    docker.add("other-worker", "exited", cluster="other")
    docker.add("database", "exited", cluster="")
    open_machines("edge-harness/edge")

    kubectl = "exec edge-harness-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf"
    assert docker.changes() == [
        "unpause edge-harness-worker",
        "start edge-harness-worker2",
        f"{kubectl} uncordon -l {CORDONED}",
        f"{kubectl} label node -l {CORDONED} {CORDONED}-",
    ]


def test_the_watchdog_starts_only_what_the_journal_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the notes of the faults that stop machines; another machine that is off is somebody's own affair."""
    docker = install(tmp_path / "docker", monkeypatch)
    for name in ("edge-harness-worker", "edge-harness-worker2", "edge-harness-worker3"):
        docker.add(name, "exited")
    assert _start_machines(tmp_path) == []
    _journal(
        tmp_path,
        {"do": START, "node": "edge-harness-worker"},
        {"do": "unshape", "node": "edge-harness-worker2"},
    )

    assert _start_machines(tmp_path) == ["edge-harness-worker"]
    assert docker.changes() == ["start edge-harness-worker"]


@pytest.mark.parametrize("node", ["database", "--all", "x; reboot", None, 7])
def test_the_watchdog_starts_no_stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: object
) -> None:
    """What the journal names and is no machine of a cluster is left alone, and the others are started."""
    docker = install(tmp_path / "docker", monkeypatch)
    docker.add("database", "exited", cluster="")
    docker.add("edge-harness-worker", "exited")
    _journal(tmp_path, {"do": START, "node": node}, {"do": START, "node": "edge-harness-worker"})

    with pytest.raises(OSError, match=r"is no|No such object"):
        _start_machines(tmp_path)
    assert docker.changes() == ["start edge-harness-worker"]


def test_a_machine_runs_again_when_the_harness_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog starts it and says so."""
    docker = install(tmp_path / "docker", monkeypatch)
    docker.add("edge-harness-worker", "exited")
    with Watch(tmp_path, tmp_path.name):
        _journal(tmp_path, {"do": START, "node": "edge-harness-worker"})

    assert docker.state("edge-harness-worker") == "running"
    words = "the harness ended: started the machines ['edge-harness-worker']"
    assert words in (tmp_path / "watchdog.log").read_text()


def test_a_proxy_that_delays_is_ended(spawn: Spawn, tmp_path: Path) -> None:
    """By heal, in any run that is not healthy; the node's own process beside it lives on."""
    _beat_of(tmp_path, os.getpid())
    os.utime(tmp_path / "heartbeat", (1, 1))
    proxy, node = spawn("broker-1", fault="latency"), spawn("broker-1")

    code, words = _heal(tmp_path)

    assert -signal.SIGKILL == proxy.wait(5)
    assert None is node.poll()
    assert (NOTHING, True) == (code, f"  end the proxy of broker-1 (pid {proxy.pid}): done" in words)
    assert f"    delayed: broker-1 (pid {proxy.pid})" in words


def test_the_watchdog_ends_a_proxy_that_delays(spawn: Spawn, tmp_path: Path) -> None:
    """When the harness ends; only processes that are faults themselves."""
    with Watch(tmp_path, tmp_path.name):
        proxy, node = spawn("broker-1", fault="latency"), spawn("broker-1")

    assert -signal.SIGKILL == proxy.wait(5)
    assert None is node.poll()
    assert "the harness ended: ended the proxies of ['broker-1']" in (tmp_path / "watchdog.log").read_text()


def test_an_undo_that_fails_does_not_stop_the_next() -> None:
    """A failing undo is said, not raised."""
    said: list[str] = []

    heal._isolated("resume broker-1", _refuse, said.append)

    assert ["  resume broker-1: failed, no"] == said


def test_journals_tell_of_faults_that_their_runs_never_healed(tmp_path: Path) -> None:
    """A stored run that died with a fault open is named, although nothing of it can be left."""
    (tmp_path / "r9").mkdir()
    line = {"fault": 1, "step": "injected", "name": "pause controller()"}
    (tmp_path / "r9/journal.jsonl").write_text(json.dumps(line) + "\n")
    said: list[str] = []

    assert NOTHING == heal.heal(only="no-such-run", folders=[tmp_path], say=said.append)
    assert "  journal of r9: pause controller() was never healed by its run" in said


def test_the_watchdog_resumes_what_is_stopped_when_the_harness_ends(spawn: Spawn, tmp_path: Path) -> None:
    """Closing the pipe, which any death of the harness does, resumes the run's stopped nodes."""
    with Watch(tmp_path, tmp_path.name):
        node = _stopped(spawn("broker-1"))

    assert "T" != stat_fields(node)[0]
    assert f"the harness ended: resumed [{node}]" in (tmp_path / "watchdog.log").read_text()


def test_the_watchdog_leaves_faults_alone_while_the_heart_beats(spawn: Spawn, tmp_path: Path) -> None:
    """With a lease of 2 s a stopped node stays stopped for 3 s: the heartbeat moves each second."""
    with Watch(tmp_path, tmp_path.name, lease_seconds=2):
        node = _stopped(spawn("broker-1"))
        MONOTONIC.sleep(3)
        state = stat_fields(node)[0]

    assert "T" == state


def test_the_watchdog_goes_by_the_journal_too(tmp_path: Path) -> None:
    """A paused process that carries no mark is found by its pid and start in the journal."""
    unmarked = subprocess.Popen(SLEEPER)
    try:
        note = {"do": "continue", "pid": str(unmarked.pid), "ticks": str(start_ticks(unmarked.pid))}
        (tmp_path / "journal.jsonl").write_text(
            json.dumps({"undo": [note, {"do": "continue", "pid": "x"}]}) + "\n"
        )
        with Watch(tmp_path, tmp_path.name):
            _stopped(unmarked)
        assert "T" != stat_fields(unmarked.pid)[0]
    finally:
        unmarked.kill()
        unmarked.wait()


def test_a_reused_pid_is_not_resumed(spawn: Spawn) -> None:
    """A process that started at another time than noted is a stranger."""
    node = _stopped(spawn("broker-1"))

    assert (False, "T") == (resume(node, start_ticks(node) + 1), stat_fields(node)[0])
    assert resume(node, start_ticks(node))


def test_marked_processes_carry_what_the_platform_set(spawn: Spawn, tmp_path: Path) -> None:
    """A marked process is found with its run, directory and node."""
    process = spawn("broker-2")

    found = marked_processes(tmp_path.name)

    assert [(process.pid, str(tmp_path), "broker-2")] == [(one.pid, one.directory, one.node) for one in found]


def test_heal_starts_quickly_and_without_third_parties() -> None:
    """Heal must run where nothing else does: it imports the standard library and this package only."""
    listing = "import sys, harness.faults.heal, harness.faults.watchdog; print('\\n'.join(sys.modules))"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-S", "-c", listing], capture_output=True, text=True, cwd=root, check=True
    )

    tops = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"harness", "__main__"} == tops - sys.stdlib_module_names - {"__mp_main__"}


def _stopped(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGSTOP)
    _wait(lambda: stat_fields(process.pid)[0] == "T")
    return process.pid


def _journal(folder: Path, *notes: dict[str, object]) -> None:
    (folder / "journal.jsonl").write_text(json.dumps({"undo": notes}) + "\n")


def _beat_of(folder: Path, pid: int) -> None:
    (folder / "heartbeat").write_text(f"{pid} {start_ticks(pid)} {namespace(pid, 'pid')}\n")


def _heal(folder: Path) -> tuple[int, list[str]]:
    said: list[str] = []
    return heal.heal(only=folder.name, say=said.append), said


def _refuse() -> None:
    raise OSError("no")


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        MONOTONIC.sleep(0.005)
