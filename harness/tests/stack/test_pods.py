"""A container's process is found by its marks and hit through its pidfd; the kubelet starts it again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.errors import NotExpressible, StackError
from harness.stack import pods
from harness.stack.pods import PodNode, PodService, main_process
from harness.stack.process import KnownProcess
from harness.stack.seams import Supervised
from harness.waiting import NotYet, wait_for

NODE = PodNode("edge-kafka-0", "broker", "127.0.0.1", (9092,))


def started(node: str = "edge-kafka-0", run: str = "r1") -> subprocess.Popen[bytes]:
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
    return PodService(NODE, "r1", lambda _s: "it serves", lambda _n: "its last words")


def test_a_container_is_known_by_its_marks(container: subprocess.Popen[bytes]) -> None:
    """The node's name and the run's id name one process; another run's is nobody's."""
    wait_for(lambda: _is(container.pid, "r1"), what="its marks", seconds=5)

    assert main_process("edge-kafka-0", "r2") == 0
    assert main_process("edge-kafka-1", "r1") == 0


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
    wait_for(lambda: _is(container.pid, "r1"), what="its marks", seconds=5)
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
