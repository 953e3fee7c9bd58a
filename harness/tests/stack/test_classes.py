"""Archives of classes: made once from what a lone program and its helpers list, and never needed."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness import bundle
from harness.errors import StackError
from harness.stack.classes import Program, listed, listing, shared_classes
from harness.stack.definition import read_definition
from harness.stack.flink.classes import LoneCluster
from harness.stack.flink.files import read_config
from harness.stack.java import Java
from harness.stack.software import Software

STACKS = bundle.fixtures() / "stacks"
JAVA = Java(Path("/opt/java/bin/java"), "17.0.9", "a test")

# Does what a JVM does with the two flags: dump a list's classes, or list what it loads and run.
JVM = """
import pathlib, socket, sys
told = dict(word.partition("=")[::2] for word in sys.argv[1:])
if "-Xshare:dump" in told:
    classes = pathlib.Path(told["-XX:SharedClassListFile"]).read_text()
    pathlib.Path(told["-XX:SharedArchiveFile"]).write_text(classes)
    sys.exit(1 if "broken" in told else 0)
pathlib.Path(told["-XX:DumpLoadedClassList"]).write_text(told["classes"].replace(",", "\\n") + "\\n")
if "port" in told:
    server = socket.create_server(("127.0.0.1", int(told["port"])))
    while True:
        server.accept()
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program of two classes that listens, in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    return Program("tool-1", JAVA, (), jvm, lambda _: ("classes=a/A,b/B", f"port={port}"), port)


def jvm(flags: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """The argv of the stand-in."""
    return [sys.executable, "-S", "-c", JVM, *flags, *arguments]


def test_an_archive_holds_what_every_jvm_of_a_program_loaded(program: Program) -> None:
    """Those that its use starts list theirs beside the first one's; each class counts once."""

    def use(scratch: Path) -> None:
        subprocess.run(jvm((listing(scratch, "helper"),), ("classes=b/B,c/C",)), check=True)
        assert sorted(listed(scratch)) == ["a/A", "b/B", "c/C"]

    archive = shared_classes(replace(program, use=use))

    assert archive is not None
    assert archive.name.startswith("tool-1-")
    assert sorted(archive.read_text().split()) == ["a/A", "b/B", "c/C"]
    assert [archive] == list(archive.parent.iterdir())


def test_an_archive_is_made_once_for_a_java_and_its_jars(program: Program) -> None:
    """The second start takes what is there; another jar or another Java does not fit it."""
    archive = shared_classes(program)
    never = replace(program, prepare=lambda _: pytest.fail("it was started again"))

    assert shared_classes(never) == archive
    assert shared_classes(replace(program, jars=(Path("new.jar"),))) != archive
    assert shared_classes(replace(program, java=replace(JAVA, version="17.0.10"))) != archive


def test_a_jvm_that_cannot_make_one_is_no_error(program: Program, tmp_path: Path) -> None:
    """Programs only start slower, and nothing half made is left behind."""
    broken = replace(program, command=lambda flags, arguments: jvm((*flags, "broken"), arguments))

    assert shared_classes(broken) is None
    assert list((tmp_path / "edge-harness" / "classes").iterdir()) == []


def test_a_program_that_does_not_start_is_told(program: Program) -> None:
    """It would not start in the stack, either."""
    dying = replace(program, prepare=lambda _: ("classes=a/A",))

    with pytest.raises(StackError, match="a lone tool-1 did not start: exit code 0"):
        shared_classes(dying)


def test_a_lone_cluster_needs_nothing_but_loopback(tmp_path: Path) -> None:
    """Neither the store, nor ZooKeeper, nor other nodes; and two metrics pages have two ports."""
    definition = read_definition(STACKS, "edge", {"flink.high_availability": "true"})
    software = Software(JAVA, {"flink": (Path("/f.jar"),)})
    assert definition.flink is not None
    program = LoneCluster(software, definition, STACKS / "edge", None, definition.flink).program()
    arguments = program.prepare(tmp_path)
    told = read_config(tmp_path / "flink-conf.yaml")

    assert (program.name, program.port, arguments) == ("flink-1.17.2", 8081, ("--configDir", str(tmp_path)))
    assert told["jobmanager.rpc.address"] == told["rest.address"] == told["taskmanager.host"] == "127.0.0.1"
    assert not [key for key in told if key.startswith("high-availability")]
    assert told["state.checkpoints.dir"].startswith(f"file://{tmp_path}")
    assert told["metrics.reporter.prom.port"] == "9249-9250"
    assert program.command(("-Xshare:dump",), ())[-3:-1] == ["-cp", "/f.jar"]
