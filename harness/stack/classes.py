"""A class data sharing archive of a Java program's classes: it almost halves the start of a JVM.

The wheel's runtime comes without one, and KIP-975 measured the same gain with Kafka's official image. It
depends on the Java and the jars only, so it is made once: the program starts alone on loopback and
lists what it loads, then the JVM dumps those classes. A JVM that finds an archive unfit ignores it.
What a program loads through class loaders of its own is not archived.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.errors import StackError
from harness.stack.artifacts import cache_folder
from harness.stack.java import Java
from harness.stack.namespaces.netns import Observer
from harness.waiting import NotYet, wait_for

_START_S = 60.0
_DUMP_S = 120.0
_LIST = ".classes"


class Command(Protocol):
    """How a program is started."""

    def __call__(self, flags: Sequence[str], arguments: Sequence[str]) -> list[str]:
        """The argv of one JVM with further *flags*; without arguments the program is not run."""
        ...


def _idle(_scratch: Path) -> None:
    """A program whose start alone loads what it needs."""


def listing(scratch: Path, name: str) -> str:
    """The flag by which a JVM lists in *scratch*, under a *name* of its own, the classes that it loads."""
    return f"-XX:DumpLoadedClassList={scratch / name}{_LIST}"


def listed(scratch: Path) -> list[str]:
    """What the JVMs listed in *scratch* so far, each class once."""
    lists = sorted(scratch.glob(f"*{_LIST}"))
    return list(dict.fromkeys(line for file in lists for line in file.read_text().splitlines()))


@dataclass(frozen=True, slots=True)
class Program:
    """A Java program that can be started alone on loopback.

    Args:
        name: the archive's name begins with it; it holds the version.
        java: what runs it.
        jars: its class path.
        command: how it is started.
        prepare: lays down what a lone start needs in a scratch folder, and returns its arguments.
        port: where it listens on loopback once it runs.
        use: uses it once, so that the classes of its work are known too; it gets the scratch folder, in
            which further JVMs of the same class path may list theirs (``listing``).
    """

    name: str
    java: Java
    jars: Sequence[Path]
    command: Command
    prepare: Callable[[Path], Sequence[str]]
    port: int
    use: Callable[[Path], object] = _idle


def shared_classes(program: Program) -> Path | None:
    """The archive for the Java and the jars of *program*, made first where there is none.

    Without it a program only starts slower, so a JVM that cannot make one (not HotSpot, say) is
    not an error: None.

    Raises:
        StackError: the program does not start.
    """
    archive = cache_folder() / "classes" / f"{program.name}-{_fingerprint(program)}.jsa"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
            if not _make(program, Path(scratch), archive):
                return None
    return archive


def _fingerprint(program: Program) -> str:
    # The JVM checks name, size and time of every jar; the sizes are locked with the version.
    parts = [str(program.java.executable), program.java.version, *map(str, program.jars)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _make(program: Program, scratch: Path, archive: Path) -> bool:
    classes, made = scratch / "all", scratch / "archive.jsa"
    _list_classes(program, scratch)
    classes.write_text("\n".join(listed(scratch)) + "\n")
    flags = ("-Xshare:dump", f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={made}")
    done = subprocess.run(program.command(flags, ()), capture_output=True, timeout=_DUMP_S, check=False)
    if done.returncode == 0:
        made.replace(archive)
    return done.returncode == 0


def _list_classes(program: Program, scratch: Path) -> None:
    argv = program.command((listing(scratch, "lone"),), program.prepare(scratch))
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as lone:
        try:
            wait_for(
                lambda: _listens(lone, program), what=f"a lone {program.name} to start", seconds=_START_S
            )
            program.use(scratch)
        finally:
            lone.terminate()


def _listens(lone: subprocess.Popen[bytes], program: Program) -> None:
    if lone.poll() is not None:
        raise StackError(
            f"a lone {program.name} did not start",
            why=f"exit code {lone.returncode}",
            fix="harness doctor",
        )
    if not Observer("127.0.0.1").can_connect("127.0.0.1", program.port, seconds=0.2):
        raise NotYet("its port is closed")
