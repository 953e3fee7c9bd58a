"""What a run left in Docker is found by its labels, told apart from what is still owned, and removed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness.faults import heal, watchdog
from harness.faults.heal import LEFT_BEHIND, NOTHING, Run
from harness.faults.observed import Marked
from harness.stack.docker import left as docker_left
from harness.stack.docker.left import OWNER, RUN, Thing, owned, removals, remove, things

# Stands in for Docker: keeps what it has as files of a folder, "NAME\tRUN\tOWNER" in each.
DOUBLE = """
import os, sys
from pathlib import Path
folder = Path(os.environ["DOCKER_DOUBLE"])
words = sys.argv[1:]
kind = "container" if words[0] in ("ps", "rm") else words[0]
listing = "--format" in words
if listing:
    wanted = words[words.index("--filter") + 1].split("=")[2:]
    for path in sorted(folder.glob(kind + ".*")):
        row = path.read_text()
        if not wanted or row.split("\\t")[1] == wanted[0]:
            print(row)
else:
    for name in (word for word in words if not word.startswith("--") and word not in ("rm", kind)):
        path = folder / (kind + "." + name)
        if (folder / "refuse").exists() or not path.exists():
            sys.exit("Error: no such thing: " + name)
        path.unlink()
"""
GONE = "1 1"


@pytest.fixture(name="docker")
def _docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the double keeps things in."""
    program, kept = tmp_path / "bin" / "docker", tmp_path / "kept"
    program.parent.mkdir()
    kept.mkdir()
    program.write_text(f"#!{sys.executable} -S\n{DOUBLE}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("DOCKER_DOUBLE", str(kept))
    return kept


def keep(folder: Path, kind: str, name: str, run: str = "r1", owner: str = "") -> None:
    """Put a thing there; its owner is gone unless another is named."""
    (folder / f"{kind}.{name}").write_text(f"{name}\t{run}\t{owner or _gone()}")


def _gone() -> str:
    return f"{GONE} {Path('/proc/self/ns/pid').stat().st_ino}"


def everything(folder: Path, **told: str) -> None:
    """One of each kind."""
    for kind in ("container", "network", "volume"):
        keep(folder, kind, f"edge-{kind}", **told)


def test_a_run_is_found_by_its_label(docker: Path) -> None:
    """Of every kind; with a run named only that one's."""
    everything(docker)
    keep(docker, "container", "another", run="r2")

    assert [thing.name for thing in things("r1")] == ["edge-container", "edge-network", "edge-volume"]
    assert {thing.run for thing in things()} == {"r1", "r2"}


def test_what_somebody_owns_is_no_orphan() -> None:
    """A process that lives owns what it made; one that is gone, or whose pid another has, owns nothing."""
    mine = owned("r1")[OWNER]
    pid, ticks, namespace = mine.split()

    def is_orphan(owner: str) -> bool:
        return Thing("container", "c", "r1", owner).is_orphan

    assert owned("r1")[RUN] == "r1"
    assert int(pid) == os.getpid()
    assert not is_orphan(mine)
    assert is_orphan(f"{pid} {int(ticks) + 1} {namespace}")
    assert is_orphan(f"999999999 {ticks} {namespace}")
    assert not is_orphan(f"999999999 {ticks} 1"), "of another pid namespace nobody knows"
    assert not is_orphan("odd")


def test_a_zombie_owns_nothing() -> None:
    """A harness that died and was not reaped yet does not keep its containers."""
    child = subprocess.Popen([sys.executable, "-S", "-c", ""], stdout=subprocess.PIPE)
    ticks = docker_left._ticks(str(child.pid))
    assert child.stdout is not None
    child.stdout.read()
    namespace = Path("/proc/self/ns/pid").stat().st_ino
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert Thing("container", "c", "r1", f"{child.pid} {ticks} {namespace}").is_orphan
    child.wait()


def test_containers_go_before_what_they_use(docker: Path) -> None:
    """A network or a volume in use cannot be removed."""
    everything(docker)

    assert [command[:3] for command in removals(things())] == [
        ("docker", "rm", "--force"),
        ("docker", "network", "rm"),
        ("docker", "volume", "rm"),
    ]
    assert remove("r1") == []
    assert list(docker.iterdir()) == []


def test_what_stays_is_told_in_docker_s_words(docker: Path) -> None:
    """And what somebody else removed meanwhile is no failure."""
    keep(docker, "container", "stuck")
    (docker / "refuse").touch()

    assert remove("r1") == ["Error: no such thing: stuck"]
    assert remove("r2") == []


def test_without_docker_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no docker nobody left anything in it."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert things() == []


def test_heal_removes_orphans_though_no_process_is_left(docker: Path) -> None:
    """A daemon that was restarted has ended every process: the network still holds the addresses."""
    everything(docker)
    said: list[str] = []

    assert heal.heal(only="r1", say=said.append) == NOTHING
    assert "    left in Docker: network edge-network" in said
    assert "  remove 1 by docker network rm: done" in said
    assert said[-1] == "now: nothing"
    assert things() == []


def test_heal_leaves_a_run_that_is_owned(docker: Path) -> None:
    """Its harness lives: it will remove them."""
    everything(docker, owner=owned("r1")[OWNER])

    assert heal.heal(only="r1", say=lambda _: None) == NOTHING
    assert len(things()) == 3


def test_heal_names_what_it_could_not_remove(docker: Path) -> None:
    """With the command, and exit code 4."""
    keep(docker, "container", "stuck")
    (docker / "refuse").touch()
    said: list[str] = []

    assert heal.heal(only="r1", say=said.append) == LEFT_BEHIND
    assert said[-1] == "  docker rm --force stuck"


def test_the_process_of_a_container_goes_with_it() -> None:
    """It is not ended by itself first: Docker removes the container with it."""
    node = Marked(7, 1, "S", "r1", "", "broker-1", "java")
    thing = Thing("container", "c", "r1", "")

    assert Run("r1", "", (node,), (), (), 0, beats=False).orphans == (node,)
    assert Run("r1", "", (node,), (), (), 0, beats=False, in_docker=(thing,)).orphans == ()


def test_the_watchdog_removes_what_a_dead_harness_left(docker: Path) -> None:
    """Only of its own run, and only what nobody owns."""
    everything(docker)
    keep(docker, "container", "another", run="r2")
    watchdog.remove_orphans("r1")

    assert [thing.name for thing in things()] == ["another"]


def test_the_watchdog_of_a_harness_that_ends_in_order_removes_nothing(docker: Path, tmp_path: Path) -> None:
    """The harness itself does, after it has kept the logs."""
    everything(docker, run=tmp_path.name)
    with watchdog.Watch(tmp_path, tmp_path.name):
        pass

    assert len(things()) == 3
