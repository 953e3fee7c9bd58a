"""The docker platform on a real Docker: scenarios run unchanged, faults land and heal, nothing is left.

``tox -e docker`` runs these, as root beside Docker; no image is pulled. With a ``toxiproxy-server`` in PATH,
or its published image in Docker, delays are proven as well; without, that they are refused.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.clock import MONOTONIC, seconds_between
from harness.errors import StackError
from harness.faults.answers import answers_ms
from harness.faults.gate import ask
from harness.faults.heal import heal
from harness.faults.observed import marked_processes
from harness.stack.docker import images as docker_images
from harness.stack.docker import left as docker_left
from harness.stack.docker.standing_proxy import FRONT
from harness.stack.namespaces.netns import NamespaceNode, Observer
from harness.tests.contract import docker_stories
from harness.tests.contract.docker_stories import DELAY_MS, LEASE_S
from harness.tests.contract.each import EACH, LACKS
from harness.tests.contract.loose import LOOSE
from harness.tests.source import ROOT
from harness.waiting import NotYet, wait_for

HERE, BROKER = Observer("198.18.0.1"), NamespaceNode("broker-1", "broker", "198.18.0.11")
STORE, ANSWER_S = NamespaceNode("s3-1", "s3", "198.18.0.61", (9000,)), 2.0
FAULTS = ("wipe", *(kind for kind in EACH if kind not in LACKS["docker"] and kind != "latency"))
LACKING = tuple(LACKS["docker"])
OPEN = "20 of 20 connections open"
"""From each of five nodes to each of the four that serve, but to itself."""

RUN_S, STORY_S, GONE_S = 600, 400, 60
pytestmark = [pytest.mark.contract, pytest.mark.nightly]


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[None]:
    """Root beside a Docker that answers; nothing of ours in it before, nothing after."""
    assert os.geteuid() == 0
    docker_images.require_docker()
    assert docker_left.things() == []
    yield
    assert docker_left.things() == []


class Told(NamedTuple):
    """What the story of all faults saw."""

    roles: dict[str, object]
    faults: dict[str, dict[str, object]]
    left: int
    proxies: list[str]


@pytest.fixture(name="told", scope="module")
def _told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """One boot of three brokers for every fault."""
    folder = tmp_path_factory.mktemp("faults")
    story = docker_stories.start("faults", folder)
    said, _ = story.communicate(timeout=STORY_S)
    assert (story.returncode, said) == (0, "")
    return Told(**json.loads((folder / "result.json").read_text()))


def test_roles_are_found(told: Told) -> None:
    """Who leads is one of the brokers of the stack, by the names of stack.yaml."""
    brokers = ["broker-1", "broker-2", "broker-3"]

    assert told.roles["brokers"] == brokers
    assert told.roles["leader"] in brokers


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_lands_and_heals(told: Told, fault: str) -> None:
    """What it must take away is gone, what it must leave is there, and all of it comes back, proven."""
    seen = told.faults[fault]

    assert seen["observed"], seen
    assert OPEN in str(seen["healing"])
    assert told.left == 0


@pytest.mark.parametrize("fault", LACKING)
def test_what_cannot_be_made_is_said(told: Told, fault: str) -> None:
    """As not expressible, before anything is touched."""
    assert "not expressible" in told.faults[fault], told.faults[fault]


def test_a_cut_is_quick(told: Told) -> None:
    """It is in force within a second and a half."""
    assert 0 < float(str(told.faults["partition"]["inject_s"])) < 1.5


def test_answers_are_delayed_by_toxiproxy_or_it_is_said_why_not(told: Told) -> None:
    """With an image of Toxiproxy clients wait, and brokers do not; without, the fault is not expressible."""
    seen = told.faults["latency"]
    proxy = docker_images.proxy_image(docker_stories.prepared().definition)

    if proxy.tag:
        assert told.proxies == ["broker-1", "broker-2", "broker-3", "s3-1"]
        assert seen["observed"], seen
        assert "by Toxiproxy, for clients alone" in str(seen["proof"])
    else:
        assert told.proxies == []
        assert proxy.missing in str(seen.get("not expressible", ""))


def test_links_carry_data_again_after_a_kill(tmp_path: Path) -> None:
    """A harness killed in a cut: a lease and two seconds later it carries data; then all is removed."""
    story = in_force("cut", tmp_path)
    assert not connects()
    os.kill(story.pid, signal.SIGKILL)
    killed = MONOTONIC.now()
    wait_for(lambda: _connected_or_removed(tmp_path.name), what="the cut to lapse", seconds=30, every=0.1)

    assert seconds_between(killed, MONOTONIC.now()) <= LEASE_S + 2
    wait_for(lambda: _gone(tmp_path.name), what="the watchdog to remove it", seconds=GONE_S)
    story.communicate()


def test_heal_removes_what_nobody_else_does(tmp_path: Path) -> None:
    """A harness killed with its watchdog: heal ends the cut, and removes containers, network, disks."""
    story = in_force("cut", tmp_path)
    ours = [one.pid for one in marked_processes(tmp_path.name) if not one.node and _is_here(one.pid)]
    assert story.pid in ours
    for pid in ours:
        os.kill(pid, signal.SIGKILL)
    story.communicate()
    kinds = {thing.kind for thing in docker_left.things(tmp_path.name)}
    said: list[str] = []

    assert kinds == {"container", "network", "volume"}
    assert heal(only=tmp_path.name, say=said.append) == 0, said
    assert any("cut: " in line for line in said), said
    assert docker_left.things(tmp_path.name) == []
    assert marked_processes(tmp_path.name) == []


def test_a_delay_ends_with_a_harness_that_stopped(tmp_path: Path) -> None:
    """The watchdog empties the proxies of a harness that does not beat any more, and leaves the stack."""
    if not docker_images.proxy_image(docker_stories.prepared().definition).tag:
        said, _ = docker_stories.start("delayed", tmp_path).communicate(timeout=STORY_S)
        assert "NotExpressible" in said
        return
    story = in_force("delayed", tmp_path)
    asked = MONOTONIC.now()
    assert _answer_ms() >= DELAY_MS
    os.kill(story.pid, signal.SIGSTOP)
    try:
        wait_for(_is_prompt, what="the delay to end", seconds=30, every=0.2)
        assert seconds_between(asked, MONOTONIC.now()) <= LEASE_S + 4
        assert {thing.kind for thing in docker_left.things(tmp_path.name)} >= {"container"}
    finally:
        os.kill(story.pid, signal.SIGKILL)
        os.kill(story.pid, signal.SIGCONT)
    wait_for(lambda: _gone(tmp_path.name), what="the watchdog to remove it", seconds=GONE_S)
    story.communicate()


def test_a_store_answers_again_after_a_harness_that_stopped(tmp_path: Path) -> None:
    """Nobody takes the gate away from it: its lease and the kernel's run out, and clients are led no more."""
    story = in_force("refused", tmp_path)
    assert ask(STORE, ANSWER_S).status == 503
    os.kill(story.pid, signal.SIGSTOP)
    stopped = MONOTONIC.now()
    try:
        wait_for(_store_answers, what="the store to answer", seconds=30, every=0.1)
        assert seconds_between(stopped, MONOTONIC.now()) <= LEASE_S + 2
    finally:
        os.kill(story.pid, signal.SIGKILL)
        os.kill(story.pid, signal.SIGCONT)
    wait_for(lambda: _gone(tmp_path.name), what="the watchdog to remove it", seconds=GONE_S)
    story.communicate()
    assert marked_processes(tmp_path.name) == []


def _store_answers() -> None:
    answer = ask(STORE, ANSWER_S)
    if not answer.is_normal:
        raise NotYet(str(answer))


def test_a_network_that_somebody_has_is_named(tmp_path: Path) -> None:
    """The addresses of the stack are taken: one sentence names the command that frees them."""
    taken = ["docker", "network", "create", "--internal", "--subnet", "198.18.0.0/25", "somebody-elses"]
    subprocess.run(taken, check=True, capture_output=True)
    try:
        done = drill("quickstart", out=tmp_path)
    finally:
        subprocess.run(["docker", "network", "rm", "somebody-elses"], check=True, capture_output=True)

    assert done.returncode == 254
    assert "the Docker network somebody-elses has addresses of 198.18.0.0/24" in done.stderr
    assert "docker network rm somebody-elses" in done.stderr


def test_an_image_that_is_nowhere_is_named(tmp_path: Path) -> None:
    """Nothing is pulled: the image is named with the command that gets it, before anything starts."""
    done = drill("quickstart", "--set", "images.kafka=edge-harness/kafka:none", out=tmp_path)

    assert done.returncode == 254
    assert "docker pull edge-harness/kafka:none" in done.stderr


def test_the_quickstart_passes(tmp_path: Path) -> None:
    """A broker is killed, another cut off from all, every record is proven, and nothing is left."""
    done = drill("quickstart", out=tmp_path)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (told,) = tmp_path.glob("*/run.json")
    assert json.loads(told.read_text())["platform"] == "docker"
    assert docker_left.things() == []


def test_the_death_of_the_command_ends_the_run(tmp_path: Path) -> None:
    """The harness inside dies with it, and the watchdog removes what both leave."""
    with subprocess.Popen(command("quickstart", out=tmp_path), cwd=ROOT) as running:
        beats = partial(_beats, tmp_path, running)
        run = wait_for(beats, what="the run", seconds=RUN_S, every=0.2)
        running.kill()

    wait_for(lambda: _gone(run), what="the watchdog to remove it", seconds=GONE_S)
    assert [one.pid for one in marked_processes(run) if one.node] == []


def _beats(out: Path, running: subprocess.Popen[bytes]) -> str:
    """The run whose watchdog has begun to watch."""
    if running.poll() is not None:
        raise StackError(f"it ended with exit code {running.returncode}")
    for heartbeat in out.glob("*/heartbeat"):
        return heartbeat.parent.name
    raise NotYet("it does not beat yet")


def drill(*arguments: str, out: Path) -> subprocess.CompletedProcess[str]:
    """A run to its end."""
    argv = command(*arguments, out=out)
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=RUN_S, check=False)


def command(*arguments: str, out: Path) -> list[str]:
    """``harness run`` on docker, with budgets for a busy machine."""
    argv = [sys.executable, "-m", "harness", "run", *arguments, "--platform", "docker", *LOOSE]
    return [*argv, "--out", str(out)]


def in_force(story: str, folder: Path) -> subprocess.Popen[str]:
    """A story that says that its fault is in force, and waits."""
    running = docker_stories.start(story, folder)
    assert running.stdout is not None
    line = running.stdout.readline()
    assert line == "in force\n", line + (running.communicate()[0] if running.poll() is not None else "")
    return running


def connects() -> bool:
    """Whether a connection to broker-1 opens from here."""
    return HERE.can_connect(BROKER.address, 9092, seconds=0.3)


def _answer_ms() -> float:
    """How long broker-1 takes to answer a client."""
    return answers_ms(HERE, BROKER, FRONT, count=1, patience=5)[0]


def _is_prompt() -> None:
    if (ms := _answer_ms()) >= DELAY_MS:
        raise NotYet(f"it answers after {ms:.0f} ms")


def _connected_or_removed(run: str) -> None:
    if docker_left.things(run) and not connects():
        raise NotYet("it is cut off")


def _gone(run: str) -> None:
    if left := docker_left.things(run):
        raise NotYet(f"{len(left)} things are left")


def _is_here(pid: int) -> bool:
    """Whether it is a process of this pid namespace, and not of a container."""
    return Path(f"/proc/{pid}/ns/pid").stat().st_ino == Path("/proc/self/ns/pid").stat().st_ino
