"""A container's process is found by its marks and hit through its pidfd; its network follows its pod."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from harness.errors import NotExpressible, StackError
from harness.stack.kubernetes import pods
from harness.stack.kubernetes.pods import Address, FollowedNode, PodService, main_process, other_end
from harness.stack.process import KnownProcess
from harness.stack.seams import Passive, Supervised, Wired
from harness.waiting import NotYet, wait_for

RUN = f"r-{os.getpid()}"
"""Nobody else's: who tests beside us has processes with marks, too."""

# What ip does, in a folder of the test's own: a name is a file on which a network is mounted.
_IP = """\
#!/bin/sh -e
echo "$@" >> {folder}/told
name="{folder}/$3"
case "$2" in
  attach) : > "$name"; mount --bind "/proc/$4/ns/net" "$name" || {{ rm "$name"; exit 1; }} ;;
  delete) umount "$name"; rm "$name" ;;
esac
"""


@pytest.fixture(autouse=True)
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of named networks: the machine's own is left alone."""
    folder = tmp_path / "netns"
    folder.mkdir()
    program = tmp_path / "ip"
    program.write_text(_IP.format(folder=folder))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(pods, "NAMED", folder)
    yield folder
    for mounted in folder.glob("edge-*"):
        subprocess.run(["umount", mounted], check=True)


@contextlib.contextmanager
def one_process(*before: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives as long as the block, in a network of its own behind ``unshare --net``."""
    argv = [*before, sys.executable, "-S", "-c", "print(flush=True); input()"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def followed(pids: list[int]) -> FollowedNode:
    """A node that is whichever of *pids* comes last; its cable is the loopback."""
    return FollowedNode("edge-kafka-0", "broker", (9092,), lambda: pids[-1] if pids else 0, interface="lo")


def started(node: str = "edge-kafka-0", run: str = RUN) -> subprocess.Popen[bytes]:
    """A process with the marks of a container."""
    marks = {**os.environ, "HARNESS_NODE": node, "HARNESS_RUN": run}
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=marks)


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """One such process, taken for the first of its pid namespace."""
    monkeypatch.setattr(pods, "_innermost", lambda _pid: 1)
    process = started()
    yield process
    process.kill()
    process.wait()


def a_service() -> PodService:
    """What runs in the pod."""
    node = FollowedNode("edge-kafka-0", "broker", (9092,), partial(main_process, "edge-kafka-0", RUN))
    return PodService(node, lambda _s: "it serves", lambda _n: "its last words")


def test_a_container_is_known_by_its_marks(container: subprocess.Popen[bytes]) -> None:
    """The node's name and the run's id name one process; another run's is nobody's."""
    wait_for(lambda: _is(container.pid, RUN), what="its marks", seconds=5)

    assert main_process("edge-kafka-0", "r2") == 0
    assert main_process("edge-kafka-1", RUN) == 0


def _is(pid: int, run: str) -> None:
    if main_process("edge-kafka-0", run) != pid:
        raise NotYet("it has not begun")


def test_a_container_is_stopped_and_continued(container: subprocess.Popen[bytes]) -> None:
    """A stop holds it until it is continued, and it lives all the while."""
    process = KnownProcess(container.pid)
    process.send(signal.SIGSTOP)
    wait_for(lambda: _in(process, stopped=True), what="the stop", seconds=5)
    assert process.is_alive()
    process.send(signal.SIGCONT)
    wait_for(lambda: _in(process, stopped=False), what="its end", seconds=5)


def _in(process: KnownProcess, *, stopped: bool) -> None:
    if process.is_stopped() is not stopped:
        raise NotYet("not yet")


def test_a_dead_container_stays_the_last_one_until_the_next(container: subprocess.Popen[bytes]) -> None:
    """Between a death and the kubelet's start the service still knows who died; then it knows the new one."""
    service = a_service()
    wait_for(lambda: _is(container.pid, RUN), what="its marks", seconds=5)
    first = service.process
    first.send(signal.SIGKILL)
    container.wait()
    first.wait_gone(5)

    assert service.process.pid == container.pid
    again = started()
    try:
        service.start()
        assert service.process.pid == again.pid
    finally:
        again.kill()
        again.wait()


def test_a_pod_is_supervised_and_keeps_its_claim() -> None:
    """Somebody starts it again, and nobody wipes it under its container."""
    service = a_service()

    assert isinstance(service, Supervised)
    assert service.log_tail() == "its last words"
    with pytest.raises(NotExpressible, match="edge-kafka-0 cannot be wiped here"):
        service.wipe()


def test_a_pod_that_never_ran_is_an_error() -> None:
    """No process with its marks, no service."""
    with pytest.raises(StackError, match="edge-kafka-0 was never started"):
        _ = a_service().process


def test_a_name_follows_the_pod_into_another_network(named: Path) -> None:
    """When another pod takes the place, what enters by the name enters the new one's network."""
    with one_process("unshare", "--net") as second:
        with one_process() as first:
            pids = [first.pid]
            node = followed(pids)
            assert node.enter(["nft"]) == ["nsenter", f"--net={named / 'edge-kafka-0'}", "--", "nft"]
            assert (named / "edge-kafka-0").samefile(f"/proc/{first.pid}/ns/net")
            pids.append(second.pid)
            assert node.main() is not None
            assert (named / "edge-kafka-0").samefile(f"/proc/{first.pid}/ns/net")
        node.enter(["nft"])
        assert (named / "edge-kafka-0").samefile(f"/proc/{second.pid}/ns/net")
        assert node.address == "127.0.0.1"  # the last one: there is none yet where the loopback is down

    told = (named / "told").read_text().splitlines()
    assert [line.split()[1] for line in told] == ["attach", "delete", "attach"]


def test_a_network_that_is_named_already_is_not_named_again(named: Path) -> None:
    """A container that the kubelet started again is still in its pod's network."""
    with one_process() as second:
        with one_process() as first:
            pids = [first.pid]
            node = followed(pids)
            node.main()
            pids.append(second.pid)
        found = node.main()

    assert found is not None
    assert found.pid == second.pid
    assert len((named / "told").read_text().splitlines()) == 1


def test_an_address_stays_until_there_is_another() -> None:
    """A pod that is gone still has the address that clients know; one that never was has none."""
    pids: list[int] = []
    node = followed(pids)
    assert (node.main(), node.address) == (None, "")
    with one_process() as first:
        pids.append(first.pid)
        assert node.address == "127.0.0.1"
    pids.clear()

    assert node.address == "127.0.0.1"
    last = node.main()
    assert last is not None
    assert (last.pid, last.is_alive()) == (first.pid, False)


def test_a_connection_is_opened_in_the_network_of_the_pod() -> None:
    """From a network of its own nothing of this machine is reached; from this one it is."""
    with socket.create_server(("127.0.0.1", 0)) as server, one_process("unshare", "--net") as away:
        port = server.getsockname()[1]
        with one_process() as here:
            assert followed([here.pid]).can_connect("127.0.0.1", port, seconds=5)
        assert not followed([away.pid]).can_connect("127.0.0.1", port, seconds=0.5)


def test_nobody_looks_through_all_processes_at_every_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """While there is no pod it is looked for a few times a second, however often somebody asks."""
    looks: list[str] = []

    def find() -> int:
        looks.append("looked")
        return 0

    with one_process() as first:
        node = followed([first.pid])
        node.main()
    node.find = find
    node.main()
    monkeypatch.setattr(pods, "_LOOK_AGAIN_S", 1e9)
    for _ in range(5):
        node.main()

    assert len(looks) == 1


def test_a_process_that_ended_while_it_was_looked_at_is_none() -> None:
    """Between the look and the pidfd a pid may be gone: it is looked for again, and nothing fails."""
    with one_process() as gone:
        pass
    dead = subprocess.Popen(["true"])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)

    for pid in (gone.pid, dead.pid):  # one whose pid is free again, one that nobody reaped yet
        assert followed([pid]).main() is None
    dead.wait()


def test_a_network_that_cannot_be_named_is_an_error(named: Path) -> None:
    """The process lives, so this is nothing that another look would mend."""
    (named / "edge-kafka-0").mkdir()

    with one_process() as here, pytest.raises(StackError, match="the network of edge-kafka-0 cannot be"):
        followed([here.pid]).main()
    (named / "edge-kafka-0").rmdir()


def test_a_pod_that_is_not_there_connects_to_nobody() -> None:
    """There is no network to connect from: that is no, and not an error of the probe."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not followed([]).can_connect("127.0.0.1", server.getsockname()[1], seconds=5)


def test_an_address_can_be_cut_off_and_not_entered() -> None:
    """Behind a Service's address stands no network of its own, so nothing runs or connects there."""
    address = Address("api", "api", "10.96.0.1", (443,))

    assert isinstance(address, Passive)
    assert not isinstance(address, Wired)
    assert not isinstance(followed([]), Passive)
    assert not address.can_connect("127.0.0.1", 1, seconds=1)
    with pytest.raises(NotExpressible, match=r"nft cannot run at api\. Fix: choose it as the peer"):
        address.enter(["nft", "-f", "-"])


def shows(links: str) -> list[str]:
    """Stands before ``ip``, and answers *links* in its place."""
    return [sys.executable, "-c", f"print({links!r})"]


@pytest.mark.parametrize(("index", "found"), [(7, "veth1"), (9, "")])
def test_the_other_end_of_a_cable_is_found_by_its_number(index: int, found: str) -> None:
    """The kernel tells one end the other's number; where no interface has it there is none."""
    near = shows(f'[{{"ifname": "eth0", "ifindex": 2, "link_index": {index}}}]')
    far = shows('[{"ifname": "lo", "ifindex": 1}, {"ifname": "veth1", "ifindex": 7}]')

    assert other_end(near, far, "eth0") == found


def test_a_cable_that_nobody_knows_is_out_of_reach() -> None:
    """A pod on no machine that could be asked has no cable, and is asked no further."""
    node = FollowedNode("edge-kafka-0", "broker", (9092,), lambda: 0)

    assert (node.machine, node.cable) == ("", "")
