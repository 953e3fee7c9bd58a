"""Machines of kind are stopped, paused and started by Docker; every other container is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import StackError
from harness.stack.kind import machines
from harness.stack.kind.cluster import KindMachines
from harness.tests.stack.docked import Docked, install

WORKER = "edge-harness-worker"
VERBS = [machines.stop, machines.pause, machines.start, machines.state_of, machines.network_of]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docked:
    """A Docker with one machine of ours."""
    made = install(tmp_path / "docker", monkeypatch)
    made.add(WORKER)
    return made


def test_a_machine_is_stopped_paused_and_started(docker: Docked) -> None:
    """Each verb by Docker's own command; starting ends a pause, too, and a machine that runs is left so."""
    machines.pause(WORKER)
    assert machines.state_of(WORKER) == "paused"
    machines.start(WORKER)
    machines.stop(WORKER)
    assert machines.state_of(WORKER) == "exited"
    machines.start(WORKER)
    machines.start(WORKER)

    assert docker.changes() == [f"{verb} {WORKER}" for verb in ("pause", "unpause", "kill", "start")]
    assert docker.state(WORKER) == "running"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", ["running", "paused", "exited"])
def test_a_container_without_the_label_of_kind_is_never_touched(
    docker: Docked, verb: Callable[[str], object], state: str
) -> None:
    """Whatever its name and its state are, somebody else's container is none of ours."""
    docker.add("edge-harness-worker9", state, cluster="")

    with pytest.raises(OSError, match="edge-harness-worker9 is no machine of a kind cluster"):
        verb("edge-harness-worker9")
    assert docker.changes() == []


@pytest.mark.parametrize("verb", [*VERBS, machines.pid_of])
@pytest.mark.parametrize("name", ["", "--all", "a b", "x;reboot", "Worker", "../x", "a\n", "a" * 64])
def test_a_name_that_is_none_never_reaches_docker(
    docker: Docked, verb: Callable[[str], object], name: str
) -> None:
    """A journal is read by whoever heals: what stands there as a machine may be anything."""
    if verb is machines.pid_of:
        assert machines.pid_of(name) == 0
    else:
        with pytest.raises(OSError, match="is no name of a machine"):
            verb(name)
    assert not (docker.folder / "told").exists()


def test_the_states_are_those_of_one_cluster(docker: Docked) -> None:
    """Stopped ones included, those of other clusters and other containers left out."""
    docker.add("edge-harness-worker2", "exited")
    docker.add("other-worker", cluster="other")
    docker.add("database", cluster="")

    assert machines.states("edge-harness") == {WORKER: "running", "edge-harness-worker2": "exited"}
    assert machines.states("nobody") == {}


def test_a_pid_is_that_of_a_machine_that_runs(docker: Docked) -> None:
    """None while it is off, and none of a machine that is not there."""
    assert machines.pid_of(WORKER) == 4711
    machines.stop(WORKER)

    assert machines.pid_of(WORKER) == 0
    assert machines.pid_of("edge-harness-worker7") == 0
    assert docker.state(WORKER) == "exited"


def test_only_machines_that_do_not_run_are_started(docker: Docked) -> None:
    """Each once, by the verb that its state needs."""
    docker.add("edge-harness-worker2", "paused")
    docker.add("edge-harness-worker3", "exited")
    every = ["edge-harness-worker3", WORKER, "edge-harness-worker2", "edge-harness-worker3"]

    assert machines.start_all(every) == ["edge-harness-worker2", "edge-harness-worker3"]
    assert docker.changes() == ["unpause edge-harness-worker2", "start edge-harness-worker3"]
    assert machines.start_all(every) == []


def test_one_machine_that_is_gone_does_not_keep_the_others_off(docker: Docked) -> None:
    """A name that Docker does not know, or that is none, is told after all others were started."""
    docker.add("edge-harness-worker3", "exited")

    with pytest.raises(OSError, match=r"'--x' is no name.*; Error: No such object: edge-harness-worker2"):
        machines.start_all(["--x", "edge-harness-worker2", "edge-harness-worker3"])
    assert docker.state("edge-harness-worker3") == "running"


def test_docker_is_quoted_when_it_refuses(docker: Docked) -> None:
    """Its own words, as an error of the stack for whoever injects."""
    docker.add("edge-harness-worker2", "exited")
    power = KindMachines()

    with pytest.raises(StackError, match=r"machine edge-harness-worker2 does not obey: .*is exited"):
        power.pause("edge-harness-worker2")
    with pytest.raises(StackError, match="does not obey: Error: No such object"):
        power.state("edge-harness-worker7")


def test_no_docker_is_an_error_of_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Docker has no machines to stop."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(StackError, match="machine edge-harness-worker does not obey"):
        KindMachines().stop(WORKER)


def test_the_machines_of_kind_obey(docker: Docked) -> None:
    """What faults call is what Docker is told."""
    power = KindMachines()
    power.stop(WORKER)
    power.start(WORKER)
    power.pause(WORKER)

    assert power.state(WORKER) == "paused"
    assert docker.changes() == [f"{verb} {WORKER}" for verb in ("kill", "start", "pause")]


def test_the_network_of_a_machine_is_entered_by_its_first_process(docker: Docked) -> None:
    """A machine that does not run has none."""
    machines.pause(WORKER)
    entered = machines.network_of(WORKER)
    assert entered == ("nsenter", f"--target={machines.pid_of(WORKER)}", "--net", "--")
    machines.stop(WORKER)

    with pytest.raises(OSError, match=f"{WORKER} does not run"):
        machines.network_of(WORKER)
