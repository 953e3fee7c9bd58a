"""Container images from what the local platform runs: built beside Docker, loaded into kind.

An image of Java holds a runtime and jars, nothing else; what a pod runs stands in a file of JVM arguments
(``harness.stack.kubernetes.pod_files``). The harness has an image of its own
(``harness.stack.kind.python_image``). The Dockerfiles lie in ``fixtures/images/NAME``. A label says what an
image was built from: it is not built again from the same.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeAlias

from harness.errors import MissingAbility, StackError
from harness.stack.artifacts import cache_folder
from harness.stack.definition import StackDefinition
from harness.stack.kind.python_image import PythonImage
from harness.stack.software import Software
from harness.stack.vector.component import version_of

PREFIX = "edge-harness/"
"""So begin our images in a manifest; ``--set images.NAME`` puts another in the place of one."""

LIBS, PLUGINS, JAVA = (PurePosixPath(p) for p in ("/opt/edge/libs", "/opt/edge/plugins", "/opt/java"))
_IMAGE = re.compile(r"(?<![\w./:-])(?:[\w.-]+(?::\d+)?/)+(?P<name>[a-z0-9][\w.-]*)(?:[:@][\w.:-]+)?(?![\w/])")
"""A registry or a folder, a name, and a tag or a digest."""

_LABEL = "edge-harness.contents"
_ASKED_S, _BUILD_S, _LOAD_S = 20.0, 300.0, 300.0


Contents: TypeAlias = Iterable[tuple[PurePosixPath, Path]]
"""Where each file goes in a build's context, and where it is."""


class Image(Protocol):
    """One image to build."""

    @property
    def name(self) -> str:
        """What manifests call it, behind ``PREFIX``."""
        ...

    @property
    def version(self) -> str:
        """Its tag."""
        ...

    def contents(self) -> Contents:
        """What its Dockerfile copies.

        Raises:
            MissingAbility: something is not there.
        """
        ...


@dataclass(frozen=True, slots=True)
class JavaImage:
    """A Java program. ``plugins`` are jars that get a folder each."""

    name: str
    version: str
    java: Path
    jars: tuple[Path, ...]
    plugins: tuple[Path, ...] = ()

    def contents(self) -> Iterator[tuple[PurePosixPath, Path]]:
        """The runtime, the jars and the plugins."""
        for path in sorted(self.java.rglob("*")):
            if path.is_file():
                yield "java" / PurePosixPath(path.relative_to(self.java)), path
        for jar in self.jars:
            yield PurePosixPath("libs", jar.name), jar
        for jar in self.plugins:
            yield PurePosixPath("plugins", jar.stem, jar.name), jar


@dataclass(frozen=True, slots=True)
class ProgramImage:
    """One program, called as the image is."""

    name: str
    version: str
    program: Path

    def contents(self) -> Iterator[tuple[PurePosixPath, Path]]:
        """The program, whatever the user's file is called, and though it be a link."""
        yield PurePosixPath("bin", self.name), self.program.resolve()


@dataclass(frozen=True, slots=True)
class BareImage:
    """Nothing but what its Dockerfile says."""

    name: str
    version: str

    def contents(self) -> Contents:
        """Nothing."""
        return ()


def tag_of(image: Image) -> str:
    """``edge-harness/kafka:3.5.1``."""
    return f"{PREFIX}{image.name}:{image.version}"


def images_of(
    definition: StackDefinition, software: Software, vector: Path | None = None
) -> dict[str, Image]:
    """The images of the components of *definition* by name, but for those that ``--set images.`` replaces.

    *vector* is the metrics agent's binary, if there is one.
    """
    home = software.java.executable.parent.parent
    found: dict[str, Image] = {}
    if definition.operator_of("kafka") is None:
        found["kafka"] = JavaImage("kafka", definition.kafka.version, home, software.jars["kafka"])
    else:
        found["load"] = BareImage("load", "1")  # brokers' images are an operator's: none of ours is there
    if definition.flink is not None and definition.operator_of("flink") is None:
        jars = software.jars
        found["flink"] = JavaImage("flink", definition.flink.version, home, jars["flink"], jars["flink-s3"])
    if definition.objects is not None:
        found["s3proxy"] = JavaImage("s3proxy", definition.objects.version, home, software.jars["s3proxy"])
    if definition.load.workers:
        found["harness"] = PythonImage()
    if definition.vector is not None and vector is not None:
        found["vector"] = ProgramImage("vector", version_of(vector), vector)
    return {name: image for name, image in found.items() if name not in definition.images}


def build(image: Image, dockerfile: Path) -> None:
    """Build *image*, unless the one that is there was built from the same.

    Raises:
        MissingAbility: there is no Docker, or something that the image needs is not on this machine.
        StackError: the build failed; carries its last words.
    """
    tag, contents = tag_of(image), list(image.contents())
    label = f"{_LABEL}={_digest(contents, dockerfile)}"
    if tag in _built(label):
        return
    context = cache_folder() / "images" / f"{image.name}-{image.version}"
    _lay_out(contents, context)
    argv = ["docker", "build", "--quiet", "--pull=false", "--tag", tag, "--label", label]
    argv += ["--file", str(dockerfile), str(context)]
    try:
        run(argv, what=f"image {tag} could not be built", seconds=_BUILD_S)
    except StackError as error:
        raise _explained(error, image) from error


def load(tags: Sequence[str], cluster: str) -> None:
    """Bring images into every node of *cluster*; none, where each was replaced."""
    if not tags:
        return
    argv = ["kind", "load", "docker-image", "--name", cluster, *tags]
    run(argv, what=f"images could not be loaded into {cluster}", seconds=_LOAD_S)


def present(tags: Iterable[str]) -> list[str]:
    """Those of *tags* that Docker has here; a cluster's machines fetch the others by themselves.

    One that is named by its digest is left to them, too: kind brings tags.
    """
    ask, what = ["docker", "image", "ls", "--quiet"], "Docker did not list its images"
    named = sorted({tag for tag in tags if "@" not in tag})
    return [tag for tag in named if run([*ask, tag], what=what, seconds=_ASKED_S).strip()]


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


def name_of(image: str) -> str:
    """The last word of an image's name: ``kafka`` of ``mirror/kafka:3.5.1``."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def replaced(text: str, images: Mapping[str, str]) -> str:
    """*text* with another image wherever the last word of an image's name is a key of *images*.

    What replaces an image is left alone: ``kafka`` in ``mirror/kafka`` is not replaced again.
    """
    return _IMAGE.sub(lambda found: images.get(found["name"], found[0]), text)


def _explained(error: StackError, image: Image) -> Exception:
    if "GLIBC_" not in error.why:
        return error
    why = f"this machine's C library is newer than the base image's: {error.why}"
    fix = f"--set images.{image.name}=… names one that was built on Debian 12 or older"
    return MissingAbility(error.what, why=why, fix=fix)


def _built(label: str) -> list[str]:
    """The images with *label*."""
    argv = ["docker", "image", "ls", "--filter", f"label={label}", "--format", "{{.Repository}}:{{.Tag}}"]
    return run(argv, what="Docker did not list its images", seconds=_ASKED_S).split()


def _digest(contents: Contents, dockerfile: Path) -> str:
    """What an image is built from, in short: a file that has its size and time is taken for unchanged."""
    told = hashlib.sha256(dockerfile.read_bytes())
    for place, path in contents:
        seen = path.stat()
        told.update(f"{place}\0{seen.st_size}\0{seen.st_mtime_ns}\n".encode())
    return told.hexdigest()


def _lay_out(contents: Contents, context: Path) -> None:
    """The build's context: links where the file system allows them."""
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    for place, path in contents:
        target = context / place
        target.parent.mkdir(parents=True, exist_ok=True)
        _linked(path, target)


def _linked(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
