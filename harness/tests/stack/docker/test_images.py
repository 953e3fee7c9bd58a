"""Each container's image is here before anything starts: built, or named with the command that gets it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import bundle
from harness.errors import BadInput, MissingAbility
from harness.stack.definition import StackDefinition, read_definition
from harness.stack.docker import images as docker_images
from harness.stack.docker.images import (
    PUBLISHED,
    images_for,
    make,
    proxy_image,
    require_docker,
)
from harness.stack.java import Java
from harness.stack.kind.images import tag_of
from harness.stack.software import Software

STACKS = bundle.fixtures() / "stacks"
BASE = "debian:bookworm-slim"


def definition(**settings: str) -> StackDefinition:
    """The whole pipeline; ``__`` in a setting's name stands for a dot."""
    return read_definition(STACKS, "edge", {key.replace("__", "."): v for key, v in settings.items()})


def software(folder: Path) -> Software:
    """A Java and one jar of each component."""
    jars = {name: (folder / f"{name}.jar",) for name in ("kafka", "flink", "flink-s3", "s3proxy")}
    return Software(Java(folder / "jre/bin/java", "17", "test"), jars)


@pytest.fixture(name="here")
def _here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Stands in for Docker: has the images it is told, and notes what it builds."""

    def install(*images: str) -> list[str]:
        built: list[str] = []
        monkeypatch.setattr(docker_images, "is_here", lambda tag: tag in images)
        monkeypatch.setattr(docker_images, "build", lambda image, _: built.append(tag_of(image)))
        return built

    return install


@pytest.fixture(name="toxiproxy")
def _toxiproxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that says that it is Toxiproxy; not in PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"), prepend="")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "bin" / "toxiproxy-server"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\necho toxiproxy-server version 2.12.0\n")
    path.chmod(0o755)
    return path


def test_every_component_gets_its_image(here: Callable[..., list[str]], tmp_path: Path) -> None:
    """Those that are ours are built; one that is replaced is not."""
    built = here(BASE, "mirror/kafka:1", PUBLISHED)
    stack = definition(images__kafka="mirror/kafka:1")
    make(stack, software(tmp_path))

    assert built == ["edge-harness/flink:1.17.2", "edge-harness/s3proxy:4.1.0"]
    found = images_for(stack, software(tmp_path))
    assert (found.of_role("broker"), found.of_role("load")) == ("mirror/kafka:1", "mirror/kafka:1")
    assert (found.of_role("taskmanager"), found.of_role("s3")) == tuple(built)
    assert found.proxy.tag == PUBLISHED


@pytest.mark.parametrize(
    ("images", "settings", "error", "words"),
    [
        ((BASE,), {"images__kafka": "mirror/kafka:1"}, BadInput, "docker pull mirror/kafka:1"),
        ((BASE,), {"images__kafak": "x"}, BadInput, "there is no image 'kafak'. Fix: did you mean 'kafka'"),
        ((BASE,), {"images__toxiproxy": "mirror/toxi:1"}, BadInput, "docker pull mirror/toxi:1"),
        ((), {}, MissingAbility, f"docker pull {BASE}"),
    ],
)
def test_what_is_not_here_is_not_pulled(
    here: Callable[..., list[str]],
    tmp_path: Path,
    images: tuple[str, ...],
    settings: dict[str, str],
    error: type[Exception],
    words: str,
) -> None:
    """It is named with the command that gets it, and nothing is built."""
    built = here(*images)

    with pytest.raises(error) as raised:
        make(definition(**settings), software(tmp_path))
    assert words in str(raised.value)
    assert built == []


def test_a_named_image_of_toxiproxy_comes_first(here: Callable[..., list[str]], toxiproxy: Path) -> None:
    """Then a named binary, then what Docker has, then what lies in PATH."""
    here(PUBLISHED)
    named = definition(images__toxiproxy="mirror/toxi:1", toxiproxy__binary=str(toxiproxy))
    by_path = definition(toxiproxy__binary=str(toxiproxy))

    assert proxy_image(named).tag == "mirror/toxi:1"
    assert proxy_image(by_path).binary == toxiproxy
    assert proxy_image(definition()).tag == PUBLISHED


def test_a_toxiproxy_in_path_is_built(
    here: Callable[..., list[str]], toxiproxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Docker has no image of it; the tag tells the binary."""
    built = here(BASE)
    monkeypatch.setenv("PATH", str(toxiproxy.parent), prepend=":")
    make(definition(), software(tmp_path))

    assert built[-1] == proxy_image(definition()).tag
    assert built[-1].startswith("edge-harness/toxiproxy:")


def test_without_a_toxiproxy_the_rest_runs(
    here: Callable[..., list[str]], toxiproxy: Path, tmp_path: Path
) -> None:
    """Why there is none is kept, for the fault that needs it."""
    built = here(BASE)
    make(definition(), software(tmp_path))
    proxy = proxy_image(definition())

    assert len(built) == 3
    assert (proxy.tag, proxy.binary) == ("", None)
    assert "--set images.toxiproxy=NAME" in proxy.missing
    assert toxiproxy.is_file(), "it was there, and nobody named it"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no docker in PATH. Fix: install Docker"),
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "does not answer: Cannot connect"),
        ("exit 1", "does not answer: no reason given"),
    ],
)
def test_a_docker_that_does_not_answer_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, words: str
) -> None:
    """What is missing, and what to do about it."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin" if text else str(tmp_path))
    if text:
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "docker").chmod(0o755)

    with pytest.raises(MissingAbility, match=words):
        require_docker()


def test_a_docker_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No question goes without a bound."""
    (tmp_path / "docker").write_text("#!/bin/sh\nexec sleep 5\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(docker_images, "_ASK_S", 0.05)

    with pytest.raises(MissingAbility, match=r"the Docker daemon does not answer: no word within 0\.05 s"):
        docker_images.is_here("kafka:1")
