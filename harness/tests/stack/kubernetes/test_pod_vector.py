"""The metrics agent as a pod: when it is applied, what its refusal says, whose life it is in, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from harness import bundle
from harness.errors import BadInput, StackError
from harness.stack.assembly import Assembly
from harness.stack.booted import BootedStack
from harness.stack.definition import StackDefinition, read_definition
from harness.stack.java import find_java
from harness.stack.kafka.admin import KafkaAdmin
from harness.stack.kind.cluster import KindMachines
from harness.stack.kubernetes import pods
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.owned import Manifest
from harness.stack.kubernetes.pod_vector import PodAgent, with_agent
from harness.stack.kubernetes.pods import FollowedNode, OwnMachine
from harness.stack.kubernetes.pods_seen import Choice, PodSeen
from harness.stack.parts import Parts
from harness.stack.software import Software
from harness.tests.faults.fakes import FakeNode
from harness.tests.webserver import Answers, WebServer

STACKS = bundle.fixtures() / "stacks"
POD = "edge-vector-0"
RUN = f"r-{os.getpid()}"
"""Nobody else's: who tests beside us has processes with marks, too."""

PAGE = 'vector_component_received_events_total{component_type="prometheus_scrape"} 12 1\n'
CROSSED = '√ Loaded ["/etc/edge/vector.toml"]\n\nComponent errors\n----------------\nx Sink "o": no region\n'
ENDED = "INFO vector: Vector has started.\nINFO vector: Vector has stopped.\n"
TICK_MS = 20


class FakeApi(Api):
    """Keeps what is applied; its pod is ready, or ``stuck``, and says ``checked`` and ``log``."""

    def __init__(self, checked: str = "", log: str = ENDED, *, stuck: bool = False) -> None:
        self.checked, self._said, self._stuck = checked, log, stuck
        self.applied: list[str] = []
        self.order: list[str] = []

    def config_map(self, name: str, files: object) -> None:
        """Keep its name."""
        self.applied.append(name)

    def apply(self, manifests: Iterable[Manifest]) -> None:
        """Keep their names."""
        self.applied += [manifest["metadata"]["name"] for manifest in manifests]

    def wait_ready(self, names: Iterable[str], seconds: float, choose: Choice = dict) -> dict[str, PodSeen]:
        """At once, or never."""
        if self._stuck:
            raise StackError(f"pod {POD} cannot start", why="CrashLoopBackOff; its last words: killed")
        return {name: PodSeen(name, "127.0.0.1", "worker", ready=True, restarts=0, said="") for name in names}

    def log(self, pod: str, lines: int | None = None, container: str | None = None) -> str:
        """What the check said."""
        return self.checked if container == "check" else ""

    def last_log(self, pod: str, seconds: float) -> Iterator[str]:
        """Line by line; the rest is there only after the pod was taken away."""
        self.order.append("follow")
        first, *rest = self._said.splitlines(keepends=True)
        yield first
        self.order.append("read")
        yield from rest

    def patch(self, version: str, kind: str, name: str, change: Manifest) -> None:
        """Remember it."""
        self.order.append(f"{kind} {name} {change['spec']['replicas']}")


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A Vector's two ports in one."""
    with WebServer() as one:
        one.says("/health", Answers('{"ok": true}'))
        one.says("/metrics", Answers(PAGE))
        yield one


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """The agent's container: a process with its marks, in a network that need not be entered."""
    monkeypatch.setattr(pods, "_innermost", lambda _pid: 1)
    monkeypatch.setattr(FollowedNode, "_follow", lambda _node, _pid: None)
    monkeypatch.setattr(FollowedNode, "can_connect", lambda *_, **__: True)
    process = started()
    yield process
    process.kill()
    process.wait()


def started() -> subprocess.Popen[bytes]:
    """A process with the marks of the agent's container that says when it has begun."""
    marks = {**os.environ, "HARNESS_NODE": POD, "HARNESS_RUN": RUN}
    argv = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    process = subprocess.Popen(argv, env=marks, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def definition(server: WebServer) -> StackDefinition:
    """The stack as pods, with an agent that answers at *server*."""
    read = read_definition(STACKS, "edge-plain", {})
    port = int(server.url("").rpartition(":")[2])
    assert read.vector is not None
    nodes = tuple(
        node.model_copy(update={"address": "127.0.0.1"}) if node.role == "vector" else node
        for node in read.nodes
    )
    agent = read.vector.model_copy(update={"api_port": port, "metrics_port": port})
    return read.model_copy(update={"nodes": nodes, "vector": agent})


def assembly(server: WebServer, folder: Path, parts: Parts) -> Assembly:
    """What the agent's pod is made from."""
    software = Software(find_java(), {})
    return Assembly(definition(server), STACKS / "edge", software, parts, folder, {"HARNESS_RUN": RUN})


def standing(folder: Path) -> BootedStack:
    """A stack that stands without an agent."""
    names = (*(node.name for node in read_definition(STACKS, "edge-plain", {}).nodes), "dns", "observer")
    nodes = {name: FakeNode(name, name, "127.0.0.1") for name in names if name != POD}
    return BootedStack(nodes, {}, KafkaAdmin({1: ("edge-kafka-0", "127.0.0.1")}, 1), folder)


def manifests() -> Iterator[Manifest]:
    """The agent's; only looked at when there is one."""
    yield {"metadata": {"name": "edge-vector"}}


def grip(api: Api) -> OwnMachine:
    """That of a harness on the cluster's own machine."""
    return OwnMachine(RUN, api, KindMachines())


def an_agent(api: Api, folder: Path, server: WebServer) -> PodAgent:
    """The agent of a stack that it completed."""
    stack = with_agent(standing(folder), assembly(server, folder, Parts()), api, grip(api), manifests())
    assert isinstance(stack.agent, PodAgent)
    return stack.agent


@pytest.mark.usefixtures("container")
def test_the_agent_completes_a_stack_that_stands(tmp_path: Path, server: WebServer) -> None:
    """Its variables come before its pod; then it is a node, a service and the agent; the observer is last."""
    api = FakeApi()
    stack = with_agent(standing(tmp_path), assembly(server, tmp_path, Parts()), api, grip(api), manifests())

    assert api.applied == ["edge-vector", "edge-vector"]
    assert list(stack.nodes)[-4:] == ["edge-s3-0", POD, "dns", "observer"]
    assert isinstance(stack.agent, PodAgent)
    assert stack.services[POD] == stack.agent
    assert stack.agent.answers.said().scraped == 12
    assert stack.agent.answers.asked() == {"pages": 3, "interval_ms": 2000}


def test_without_a_vector_the_stack_stays_as_it_is(tmp_path: Path, server: WebServer) -> None:
    """Nothing is applied that could not start."""
    api, stack = FakeApi(), standing(tmp_path)
    parts = Parts(vector_missing="there is no 'vector' in PATH")

    assert with_agent(stack, assembly(server, tmp_path, parts), api, grip(api), manifests()) is stack
    assert api.applied == []


def test_where_its_process_is_out_of_sight_it_is_not_run(tmp_path: Path, server: WebServer) -> None:
    """Nobody could say whose life an event belongs to; nothing is applied."""
    api = FakeApi()

    with pytest.raises(BadInput, match="Vector cannot run here"):
        with_agent(standing(tmp_path), assembly(server, tmp_path, Parts()), api, object(), manifests())
    assert api.applied == []


def test_a_refused_configuration_is_told_in_vectors_words(tmp_path: Path, server: WebServer) -> None:
    """What its check complained of is one sentence of bad input."""
    api = FakeApi(CROSSED, stuck=True)

    with pytest.raises(BadInput) as raised:
        an_agent(api, tmp_path, server)
    assert str(raised.value) == 'vector refuses vector.toml: Sink "o": no region'


@pytest.mark.parametrize(
    "checked", ["", '√ Loaded ["/etc/edge/vector.toml"]\n', "no such file: libssl.so.3\n"]
)
def test_a_pod_that_cannot_start_for_another_reason_says_that(
    tmp_path: Path, server: WebServer, checked: str
) -> None:
    """Where the check found no fault, the cluster's own words stand."""
    with pytest.raises(StackError, match="CrashLoopBackOff; its last words: killed"):
        an_agent(FakeApi(checked, stuck=True), tmp_path, server)


def test_a_life_begins_when_its_process_did(
    tmp_path: Path, server: WebServer, container: subprocess.Popen[bytes]
) -> None:
    """By the wall clock, the same each time it is asked for, another after a death."""
    agent = an_agent(FakeApi(), tmp_path, server)
    first = agent.started_ms
    assert agent.started_ms == first
    container.kill()
    container.wait()
    assert agent.started_ms == first

    before = time.time_ns() // 1_000_000
    again = started()
    after = time.time_ns() // 1_000_000
    try:
        agent.start()
        assert before - TICK_MS <= agent.started_ms <= after + TICK_MS
        assert first < agent.started_ms
    finally:
        again.kill()
        again.wait()


@pytest.mark.parametrize(
    ("log", "whole"), [(ENDED, True), (ENDED + "Failed to gracefully shut down in time.\n", False)]
)
def test_its_log_is_followed_before_its_pod_is_taken_away(
    tmp_path: Path, server: WebServer, container: subprocess.Popen[bytes], log: str, *, whole: bool
) -> None:
    """Only its last words tell whether all was sent; they are kept, for the pod takes its log along."""
    api = FakeApi(log=log)
    agent = an_agent(api, tmp_path, server)
    container.send_signal(signal.SIGKILL)
    container.wait()

    assert agent.stop(5) is whole
    assert api.order == ["follow", "StatefulSet edge-vector 0", "read"]
    assert (tmp_path / f"{POD}.log").read_text() == log


@pytest.mark.usefixtures("container")
def test_an_agent_that_does_not_end_is_an_error(tmp_path: Path, server: WebServer) -> None:
    """Its log may have been cut while it still runs; then it did not send all."""
    with pytest.raises(StackError, match="still runs"):
        an_agent(FakeApi(), tmp_path, server).stop(0.01)
