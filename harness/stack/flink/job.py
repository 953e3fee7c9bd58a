"""The Flink job as a jar: ours, compiled from ``fixtures/flink-job`` where it is needed, or the user's own.

The harness comes with the job's source, not with a binary that nobody can read. It is compiled by a
compiler that needs no JDK, against the very jars it will run on, and kept in the cache under a
fingerprint of all that went into it.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from harness.errors import BadInput, StackError, unknown_name
from harness.stack.artifacts import cache_folder, sha256_of
from harness.stack.java import Java

MAIN = "edge.EdgeProcessor"
"""The main class of the job that comes with the harness."""

COMPILER_VERSION = "3.32.0"
"""Of the compiler that ``fixtures/locks/ecj-*.lock`` names; the last line of it that runs on Java 11."""

_PACKAGES = ("lang", "util", "net", "io", "util.concurrent", "time")
OPENED = (
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in _PACKAGES),
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
)
"""What Flink 1.x needs of a Java that keeps its inside closed (16 and later; 11 takes these flags too)."""

_COMPILER_MAIN = "org.eclipse.jdt.internal.compiler.batch.Main"
_TARGET = ("-source", "11", "-target", "11", "-encoding", "UTF-8", "-proc:none", "-nowarn", "-g")
_COMPILE_SECONDS = 120.0
_ERROR = re.compile(r"\d+\. ERROR in (?P<file>\S+) \(at line (?P<line>\d+)\)\n(?:[ \t].*\n)+(?P<words>\S.*)")


def built_job(java: Java, flink_jars: Sequence[Path], compiler: Path, source: Path) -> Path:
    """The jar of the job whose Maven folder is *source*, from the cache or compiled now (2 s).

    Raises:
        BadInput: it does not compile, or there is no source.
        StackError: the compiler could not be run.
    """
    folder = source / "src" / "main" / "java"
    files = sorted(folder.rglob("*.java"))
    if not files:
        raise BadInput(f"{folder} holds no Java source")
    final = cache_folder() / "jobs" / f"{_fingerprint(java, flink_jars, compiler, folder, files)}.jar"
    if final.is_file():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        classes, made = Path(scratch) / "classes", Path(scratch) / "job.jar"
        compile_java(java, flink_jars, compiler, files, classes)
        _pack(classes, made)
        # Another run may have been faster: its jar is the same to the bit.
        made.replace(final)
    return final


def compile_java(
    java: Java, classpath: Sequence[Path], compiler: Path, files: Sequence[Path], classes: Path
) -> None:
    """Compile *files* for Java 11 into the folder *classes*.

    Raises:
        BadInput: they do not compile; carries the first message with its file and line.
        StackError: the compiler could not be run.
    """
    argv = [str(java.executable), "-XX:TieredStopAtLevel=1", "-cp", str(compiler), _COMPILER_MAIN, *_TARGET]
    argv += ["-cp", ":".join(map(str, classpath)), "-d", str(classes), *map(str, files)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_COMPILE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError("the job could not be compiled", why=str(error)) from error
    if done.returncode:
        raise _refused(done.stderr or done.stdout)


def _refused(output: str) -> BadInput | StackError:
    if found := _ERROR.search(output):
        return BadInput(f"{found['file']}:{found['line']} does not compile", why=found["words"])
    lines = output.strip().splitlines()
    return StackError("the job could not be compiled", why=lines[0] if lines else "the compiler said nothing")


def check_job(jar: Path, main: str) -> str:
    """The SHA-256 of *jar*, in hex, after a look inside: it is a jar and holds the class *main*.

    Raises:
        BadInput: there is no such file, it is no jar, or it has no such class.
    """
    if not jar.is_file():
        raise BadInput(f"job.jar {jar} is not there", fix="--set job.jar=PATH, or edge-processor for our own")
    try:
        with zipfile.ZipFile(jar) as archive:
            classes = {_class_name(name) for name in archive.namelist() if name.endswith(".class")}
    except (zipfile.BadZipFile, OSError) as error:
        raise BadInput(f"job.jar {jar} is not a jar", why=str(error), fix="build it again") from error
    if main not in classes:
        raise unknown_name(f"class in {jar.name} for job.main", main, _candidates(main, classes))
    return sha256_of(jar)


def _class_name(entry: str) -> str:
    return entry.removesuffix(".class").replace("/", ".")


def _candidates(main: str, classes: set[str]) -> list[str]:
    """Of the outer classes those with the asked one's simple name, else all of a small jar."""
    simple = main.rpartition(".")[2].lower()
    outer = sorted(name for name in classes if "$" not in name)
    return [name for name in outer if name.rpartition(".")[2].lower() == simple] or outer[:500]


def _fingerprint(
    java: Java, flink_jars: Sequence[Path], compiler: Path, folder: Path, files: Sequence[Path]
) -> str:
    # Jars are locked, so their names stand for their bytes.
    parts = [java.version, compiler.name, *_TARGET, *sorted(jar.name for jar in flink_jars)]
    parts += [f"{file.relative_to(folder)} {sha256_of(file)}" for file in files]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"edge-processor-{digest[:16]}"


def _pack(classes: Path, jar: Path) -> None:
    entries = {"META-INF/MANIFEST.MF": f"Manifest-Version: 1.0\nMain-Class: {MAIN}\n\n".encode()}
    for file in sorted(classes.rglob("*.class")):
        entries[str(file.relative_to(classes))] = file.read_bytes()
    with zipfile.ZipFile(jar, "w") as archive:
        for name, data in entries.items():
            # ZipInfo's own date is 1980: the same source gives the same jar.
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
