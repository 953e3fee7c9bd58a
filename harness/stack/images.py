"""Container images from the jars that the local platform runs: built beside Docker, loaded into kind.

An image holds a Java runtime and jars, nothing else; what a pod runs stands in a file of JVM arguments
(``harness.stack.pod_files``). The Dockerfiles lie in ``fixtures/images/NAME``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import MissingAbility, StackError
from harness.stack.artifacts import cache_folder
from harness.stack.definition import StackDefinition
from harness.stack.software import Software

PREFIX = "edge-harness/"
"""So begin our images in a manifest; ``--set images.NAME`` puts another in the place of one."""

LIBS, PLUGINS, JAVA = (PurePosixPath(p) for p in ("/opt/edge/libs", "/opt/edge/plugins", "/opt/java"))
_BUILD_S, _LOAD_S = 300.0, 300.0


@dataclass(frozen=True, slots=True)
class Image:
    """One image to build. ``plugins`` are jars that get a folder each."""

    name: str
    version: str
    java: Path
    jars: tuple[Path, ...]
    plugins: tuple[Path, ...] = ()

    @property
    def tag(self) -> str:
        """``edge-harness/kafka:3.5.1``."""
        return f"{PREFIX}{self.name}:{self.version}"


def images_of(definition: StackDefinition, software: Software) -> dict[str, Image]:
    """The images of the components of *definition* by name, but for those that ``--set images.`` replaces."""
    home = software.java.executable.parent.parent
    kafka = Image("kafka", definition.kafka.version, home, software.jars["kafka"])
    found = {"kafka": kafka}
    if definition.flink is not None:
        jars = software.jars
        found["flink"] = Image("flink", definition.flink.version, home, jars["flink"], jars["flink-s3"])
    if definition.objects is not None:
        found["s3proxy"] = Image("s3proxy", definition.objects.version, home, software.jars["s3proxy"])
    assert definition.kubernetes is not None
    return {name: image for name, image in found.items() if name not in definition.kubernetes.overrides}


def build(image: Image, dockerfile: Path) -> None:
    """Build *image*; what did not change since the last time is taken from Docker's cache.

    Raises:
        MissingAbility: there is no Docker.
        StackError: the build failed; carries its last words.
    """
    context = cache_folder() / "images" / f"{image.name}-{image.version}"
    _lay_out(image, context)
    argv = ["docker", "build", "--quiet", "--pull=false", "--tag", image.tag, "--file", str(dockerfile)]
    run([*argv, str(context)], what=f"image {image.tag} could not be built", seconds=_BUILD_S)


def load(tags: Sequence[str], cluster: str) -> None:
    """Bring images into every node of *cluster*; none, where each was replaced."""
    if not tags:
        return
    argv = ["kind", "load", "docker-image", "--name", cluster, *tags]
    run(argv, what=f"images could not be loaded into {cluster}", seconds=_LOAD_S)


def run(argv: Sequence[str], *, what: str, seconds: float) -> str:
    """What *argv* prints.

    Raises:
        MissingAbility: the program is not there.
        StackError: it failed, or took longer than *seconds*; *what* with its last words.
    """
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)
    except FileNotFoundError as error:
        raise MissingAbility(f"there is no {argv[0]} in PATH", fix=f"install {argv[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise StackError(what, why=f"{argv[0]} took longer than {seconds:g} s") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise StackError(what, why=" | ".join(words[-3:]) or f"exit code {done.returncode}")
    return done.stdout


def named(image: str, tags: Mapping[str, str]) -> str:
    """The image that a manifest's *image* stands for."""
    name = image.removeprefix(PREFIX)
    return tags.get(name, image) if image.startswith(PREFIX) else image


def _lay_out(image: Image, context: Path) -> None:
    """The build's context: links where the file system allows them."""
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(image.java, context / "java", copy_function=_linked)
    (context / "libs").mkdir()
    for jar in image.jars:
        _linked(jar, context / "libs" / jar.name)
    for jar in image.plugins:
        place = context / "plugins" / jar.stem
        place.mkdir(parents=True)
        _linked(jar, place / jar.name)


def _linked(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
