"""The job that comes along compiles without a JDK and passes its tests; a user's jar is looked into."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness import bundle
from harness.errors import BadInput, StackError
from harness.stack.artifacts import cache_folder, ensure, read_lock
from harness.stack.flink.job import (
    COMPILER_VERSION,
    MAIN,
    OPENED,
    built_job,
    check_job,
    compile_java,
)
from harness.stack.java import Java, find_java

LOCKS = bundle.fixtures() / "locks"
SOURCE = bundle.fixtures() / "flink-job"
HELLO = "package edge;\n\npublic class Hello {\n    static int one() {\n        return 1;\n    }\n}\n"


def jars(component: str, version: str) -> tuple[Path, ...]:
    """The jars of a lock, fetched when they are not there yet."""
    return ensure(read_lock(LOCKS, component, version))


def compiler() -> Path:
    """The compiler's jar."""
    return jars("ecj", COMPILER_VERSION)[0]


def project(folder: Path, text: str = HELLO) -> Path:
    """A Maven folder with one class."""
    file = folder / "src" / "main" / "java" / "edge" / "Hello.java"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return folder


def jar_of(path: Path, names: Iterable[str]) -> Path:
    """A jar with the entries *names*, all empty."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return path


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of built jobs in an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder() / "jobs"


def test_a_jar_that_holds_the_class_is_answered_with_its_sum(tmp_path: Path) -> None:
    """What was run can be told apart by its sum."""
    jar = jar_of(tmp_path / "job.jar", ["edge/EdgeProcessor.class", "META-INF/MANIFEST.MF"])

    assert check_job(jar, MAIN) == hashlib.sha256(jar.read_bytes()).hexdigest()


def test_a_jar_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The error names the setting."""
    with pytest.raises(BadInput, match=r"job\.jar \S+/none\.jar is not there\. Fix: --set job\.jar=PATH"):
        check_job(tmp_path / "none.jar", MAIN)


def test_a_file_that_is_no_jar_is_told(tmp_path: Path) -> None:
    """Bytes that are no archive are refused before Flink sees them."""
    (tmp_path / "job.jar").write_bytes(b"not a jar")

    with pytest.raises(BadInput, match=r"job\.jar \S+ is not a jar"):
        check_job(tmp_path / "job.jar", MAIN)


def test_a_folder_is_no_jar(tmp_path: Path) -> None:
    """A folder in the place of the jar is told as missing."""
    with pytest.raises(BadInput, match="is not there"):
        check_job(tmp_path, MAIN)


@pytest.mark.parametrize(
    ("holds", "asked", "near"),
    [
        ("com/acme/EdgeProcessor.class", "edge.EdgeProcessor", "com.acme.EdgeProcessor"),
        ("edge/EdgeProcessor.class", "edge.EdgeProcesor", "edge.EdgeProcessor"),
        ("edge/EdgeProcessor.class", "edge.edgeprocessor", "edge.EdgeProcessor"),
    ],
)
def test_a_class_that_is_not_inside_is_answered_with_the_nearest(
    tmp_path: Path, holds: str, asked: str, near: str
) -> None:
    """Another package or a slip of the pen is met with the class that was meant, never with an inner one."""
    jar = jar_of(tmp_path / "job.jar", [holds, "edge/Other$EdgeProcessor.class", "edge/Unlike.class"])

    with pytest.raises(
        BadInput, match=rf"there is no class in job\.jar for job\.main '{asked}'\. Fix: did you mean '{near}'"
    ):
        check_job(jar, asked)


def test_a_folder_without_source_is_refused(tmp_path: Path) -> None:
    """Nothing is compiled when there is nothing to compile."""
    with pytest.raises(BadInput, match="holds no Java source"):
        built_job(Java(Path("/nowhere/java"), "17", "test"), [], Path("ecj.jar"), tmp_path)


@pytest.mark.usefixtures("jobs")
def test_a_java_that_does_not_start_is_told(tmp_path: Path) -> None:
    """Without a Java there is no job, and that is not the source's fault."""
    with pytest.raises(StackError, match=r"the job could not be compiled: .*No such file"):
        built_job(Java(Path("/nowhere/java"), "17", "test"), [], Path("ecj.jar"), project(tmp_path))


def test_the_hashes_of_the_vectors_are_right() -> None:
    """The file that holds both languages together says what splitmix64 says, worked out once more here."""
    vectors = json.loads((SOURCE / "vectors.json").read_text())

    assert [vector["hash"] for vector in vectors] == [
        hash61(vector["producer"], vector["partition"], vector["sequence"]) for vector in vectors
    ]
    assert len(vectors) == 12


def hash61(producer: int, partition: int, sequence: int) -> int:
    """The hash of a record id, with whole numbers that never overflow."""
    parts = (
        (producer, 0x9E3779B97F4A7C15),
        (partition, 0xC2B2AE3D27D4EB4F),
        (sequence, 0x165667B19E3779F9),
    )
    mixed = 0
    for number, factor in parts:
        mixed ^= number * factor % 2**64
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
    return (mixed ^ mixed >> 31) >> 3


@pytest.mark.contract
def test_what_does_not_compile_is_told_by_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in the source is one sentence: where it is and what the compiler says of it."""
    tool = compiler()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    broken = project(tmp_path, HELLO.replace("return 1", 'return "one"'))

    with pytest.raises(
        BadInput,
        match=r"Hello\.java:5 does not compile: Type mismatch: cannot convert from String to int",
    ):
        built_job(find_java(), [], tool, broken)
    assert not list((cache_folder() / "jobs").glob("*"))


@pytest.mark.contract
def test_the_same_source_gives_the_same_jar_and_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second call needs no compiler, a rebuilt jar is the same, a changed source makes a new one."""
    tool = compiler()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    jar = built_job(find_java(), [], tool, project(tmp_path))
    bytes_before = jar.read_bytes()

    no_compiler = Path("/nowhere") / tool.name
    assert built_job(find_java(), [], no_compiler, tmp_path) == jar
    jar.unlink()
    assert built_job(find_java(), [], tool, tmp_path).read_bytes() == bytes_before
    assert built_job(find_java(), [], tool, project(tmp_path, HELLO.replace("1", "2"))) != jar


@pytest.mark.contract
@pytest.mark.parametrize("version", ["1.17.2", "1.20.1"])
def test_the_job_passes_its_own_tests(tmp_path: Path, version: str) -> None:
    """On each Flink with a lock the job compiles, holds its main class, and all its JUnit tests pass."""
    java, flink = find_java(), jars("flink", version)
    job = built_job(java, flink, compiler(), SOURCE)
    check_job(job, MAIN)

    classpath = [job, *flink, *jars("flink-test", version)]
    files = sorted((SOURCE / "src" / "test" / "java").rglob("*.java"))
    compile_java(java, classpath, compiler(), files, tmp_path)
    suites = [f"edge.{file.stem}" for file in files if file.stem.endswith("Test")]
    path = ":".join(map(str, [tmp_path, *classpath]))
    argv = [str(java.executable), "-Xmx256m", "-XX:TieredStopAtLevel=1", *OPENED, "-cp", path]
    done = subprocess.run(
        [*argv, "org.junit.runner.JUnitCore", *suites],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:5000]
    written = sum(file.read_text(encoding="utf-8").count("@Test") for file in files)
    assert f"OK ({written} tests)" in done.stdout
