"""Which image each container of the docker platform runs. None is ever pulled: what is not here is named.

Kafka, Flink and the S3 server are built from the locked jars (``harness.stack.kind.images``). Toxiproxy is
the published image where Docker has it, or is built from the binary that the user names; it may be missing.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import bundle
from harness.errors import BadInput, MissingAbility, unknown_name
from harness.stack.artifacts import sha256_of
from harness.stack.definition import StackDefinition
from harness.stack.delays import find_toxiproxy
from harness.stack.kind.images import Image, ProgramImage, build, images_of, tag_of
from harness.stack.software import Software

PUBLISHED = "shopify/toxiproxy:2.12.0"
"""As its makers name it, but for the registry: yours is named with ``--set images.toxiproxy=``."""

_TOXIPROXY = "toxiproxy"
_REPLACEABLE = ("kafka", "flink", "s3proxy", _TOXIPROXY)
_COMPONENTS = {"broker": "kafka", "zookeeper": "kafka", "load": "kafka", "s3": "s3proxy"}
"""By the role of a node, for those that do not run Flink."""

_ASK_S = 20.0


@dataclass(frozen=True, slots=True)
class ProxyImage:
    """The image of Toxiproxy: its ``tag``, and the ``binary`` to build it from; or why there is none."""

    tag: str = ""
    binary: Path | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Images:
    """The image of each component by its name, and that of the proxy."""

    tags: Mapping[str, str]
    proxy: ProxyImage

    def of_role(self, role: str) -> str:
        """The image of a node that plays *role*."""
        return self.tags[_COMPONENTS.get(role, "flink")]


def require_docker() -> None:
    """Return when a Docker daemon answers.

    Raises:
        MissingAbility: there is no ``docker``, or it cannot talk to its daemon.
    """
    argv = ["docker", "version", "--format", "{{.Server.Version}}"]
    done = _asked(argv)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise MissingAbility("the Docker daemon does not answer", why=why, fix="start it: dockerd")


def make(definition: StackDefinition, software: Software) -> None:
    """Build what is ours, and find the rest.

    Raises:
        BadInput: an image that was named is not here, or is of nothing that runs.
        MissingAbility: the image that ours begin with is not here.
        StackError: a build failed; carries its last words.
    """
    for name, tag in definition.images.items():
        if name not in _REPLACEABLE:
            raise unknown_name("image", name, _REPLACEABLE)
        if not is_here(tag):
            what = f"there is no image {tag} for images.{name}"
            raise BadInput(what, why="nothing is pulled unasked", fix=f"docker pull {tag}")
    for name, image in _ours(definition, software).items():
        build(image, _dockerfile(name))
    proxy = proxy_image(definition)
    if proxy.binary is not None:
        build(_of_binary(proxy.binary), _dockerfile(_TOXIPROXY))


def images_for(definition: StackDefinition, software: Software) -> Images:
    """The images of what *definition* runs, once they are made."""
    ours = {name: tag_of(image) for name, image in _ours(definition, software).items()}
    return Images(ours | definition.images, proxy_image(definition))


def proxy_image(definition: StackDefinition) -> ProxyImage:
    """The image of Toxiproxy: the one that was named, else from the binary that was, else what there is.

    Raises:
        BadInput: the named binary is no Toxiproxy.
    """
    if named := definition.images.get(_TOXIPROXY):
        return ProxyImage(named)
    told = definition.toxiproxy.binary
    binary = find_toxiproxy(told)
    if "/" not in told and is_here(PUBLISHED):
        return ProxyImage(PUBLISHED)
    if binary is not None:
        return ProxyImage(tag_of(_of_binary(binary)), binary)
    fix = "name one with --set images.toxiproxy=NAME, or a binary with --set toxiproxy.binary=PATH"
    return ProxyImage(missing=f"there is no image of Toxiproxy; {fix}")


def _ours(definition: StackDefinition, software: Software) -> dict[str, Image]:
    """Those that are built; the load's workers are processes here."""
    found = images_of(definition, software)
    return {name: image for name, image in found.items() if name in _REPLACEABLE}


def _of_binary(binary: Path) -> Image:
    """Toxiproxy from a *binary*; the tag tells one binary from another."""
    return ProgramImage(_TOXIPROXY, sha256_of(binary)[:12], binary)


def is_here(tag: str) -> bool:
    """Whether Docker has the image; raises as ``require_docker`` does."""
    return _asked(["docker", "image", "inspect", "--format", "{{.Id}}", tag]).returncode == 0


def _asked(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=_ASK_S, check=False)
    except FileNotFoundError as error:
        raise MissingAbility("there is no docker in PATH", fix="install Docker") from error
    except subprocess.TimeoutExpired as error:
        why = f"no word within {_ASK_S:g} s"
        raise MissingAbility("the Docker daemon does not answer", why=why, fix="restart it") from error


def _dockerfile(name: str) -> Path:
    """The Dockerfile of our image *name*, whose base is here."""
    path = bundle.fixtures() / "images" / name / "Dockerfile"
    lines = path.read_text(encoding="utf-8").splitlines()
    base = next(line.split()[1] for line in lines if line.startswith("FROM "))
    if not is_here(base):
        what = f"the image {base}, on which ours are built, is not here"
        raise MissingAbility(what, why="nothing is pulled unasked", fix=f"docker pull {base}")
    return path
