"""The docker platform refuses before it touches anything, and cleans up whatever became of the run inside."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from harness import platforms
from harness.errors import BadInput, MissingAbility
from harness.launch import Prepared, prepare
from harness.platforms import Entry
from harness.platforms import docker as outside
from harness.stack.docker import images as docker_images
from harness.stack.docker import left as docker_left
from harness.stack.namespaces import enclosure


def an_entry(folder: Path, **settings: str) -> Entry:
    """A run that is about to enter."""
    return Entry(("run", "quickstart"), prepare("edge-kafka", settings, "docker"), folder / "r1", 7)


def test_it_is_a_platform() -> None:
    """Found by its name, without testcontainers."""
    assert isinstance(platforms.platform("docker"), outside.DockerPlatform)
    assert "docker" in platforms.NAMES


def test_without_root_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Docker is asked for anything."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(docker_images, "require_docker", lambda: pytest.fail("it was asked"))

    with pytest.raises(MissingAbility, match="--platform docker needs root"):
        outside.DockerPlatform().enter(an_entry(tmp_path))


@pytest.mark.parametrize("ends", [0, 1, 137])
def test_what_is_left_inside_is_removed_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: int
) -> None:
    """The run's containers go with the command, however the harness inside ended; its exit code stays."""
    removed: list[str] = []
    started: list[list[str]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name in ("preflight", "fetch", "find_parts"):
        monkeypatch.setattr(outside, name, lambda *_: None)
    monkeypatch.setattr(outside, "machine_lock", lambda _: nullcontext())
    monkeypatch.setattr(docker_images, "require_docker", lambda: None)
    monkeypatch.setattr(docker_images, "make", lambda *_: None)
    monkeypatch.setattr(docker_left, "remove", removed.append)
    monkeypatch.setattr(Prepared, "software", None)

    def keep(argv: list[str], environment: dict[str, str]) -> int:
        assert environment["HARNESS_RUN"] == "r1"
        started.append(argv)
        return ends

    monkeypatch.setattr(enclosure, "keep", keep)

    assert outside.DockerPlatform().enter(an_entry(tmp_path)) == ends
    assert started[0][-2:] == ["run", "quickstart"]
    assert removed == ["r1"]


def test_the_local_platform_takes_no_images() -> None:
    """A setting that would do nothing is an error; of pods and of containers it is one of theirs."""
    with pytest.raises(BadInput, match="the local platform runs no images"):
        prepare("edge-kafka", {"images.kafka": "mirror/kafka:1"})

    assert prepare("edge-kafka", {"images.kafka": "m"}, "docker").definition.docker.overrides == {
        "kafka": "m"
    }
    in_pods = prepare("edge-kafka", {"images.kafka": "m"}, "kind").definition
    assert (in_pods.images, in_pods.docker.overrides) == ({"kafka": "m"}, {})
