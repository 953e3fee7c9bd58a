"""The jars of a component: exact coordinates and sha256 sums in a lock, files in the user's cache.

A lock (``fixtures/locks/NAME.lock``) has one jar a line::

    GROUP:ARTIFACT:VERSION[:CLASSIFIER] sha256:HEX BYTES

Every start hashes every jar. A missing or damaged one is fetched again through
Maven's layout by ``jgo`` into a folder of its own and moved into place only when
its sum is right, so an interrupted download never counts.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from harness.errors import BadInput, MissingAbility, unknown_name
from harness.rundir import unwritable

Progress = Callable[[int, int], None]
"""Called with (bytes fetched so far, bytes to fetch)."""

_DOWNLOADS_AT_ONCE = 8
_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked jar."""

    coordinates: str
    sha256: str
    size: int

    @property
    def path(self) -> Path:
        """Where it lies below a repository folder, in Maven's layout."""
        group, artifact, version, *classifier = self.coordinates.split(":")
        return Path(*group.split("."), artifact, version, "-".join((artifact, version, *classifier)) + ".jar")


Fetcher: TypeAlias = Callable[[Jar, Path], Path]
"""Fetches one jar into a folder of the caller's and returns the file; any exception means it could not."""


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/edge-harness``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "edge-harness"


def read_lock(folder: Path, component: str, version: str) -> tuple[Jar, ...]:
    """The jars that *folder* locks for *component* at *version*.

    Raises:
        BadInput: there is no such lock, or a line of it is damaged.
    """
    path = folder / f"{component}-{version}.lock"
    if not path.is_file():
        raise unknown_name(f"{component}.version", version, locked_versions(folder, component))
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return tuple(_parsed(line, path) for line in lines)


def locked_versions(folder: Path, component: str) -> list[str]:
    """Every version of *component* that *folder* has a lock for, the newest last."""
    found = folder.glob(f"{component}-[0-9]*.lock")
    names = [path.name.removeprefix(f"{component}-").removesuffix(".lock") for path in found]
    return sorted(names, key=lambda name: ([int(part) for part in re.findall(r"\d+", name)], name))


def write_lock(path: Path, jars: Iterable[Jar], heading: str) -> None:
    """Write a lock; lines sorted, so that two locks compare well."""
    lines = sorted(f"{jar.coordinates} sha256:{jar.sha256} {jar.size}" for jar in jars)
    path.write_text("\n".join([f"# {heading}", *lines]) + "\n")


def fetch_from_maven(jar: Jar, folder: Path) -> Path:
    """Fetch *jar* from the repositories that Maven's settings name, into *folder*."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - 0.25 s that a warm cache never pays

    context = MavenContext(repo_cache=folder, timeout=_TIMEOUT_S)
    return Path(context.create_dependency(jar.coordinates).artifact.resolve())


def ensure(
    jars: Iterable[Jar], progress: Progress | None = None, *, fetch: Fetcher = fetch_from_maven
) -> tuple[Path, ...]:
    """The paths of *jars* in the cache, each verified, fetched first where missing or damaged.

    Raises:
        MissingAbility: a jar cannot be fetched or stored.
    """
    store = cache_folder() / "jars"
    wanted = tuple(jars)
    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        good = pool.map(lambda jar: is_good(store / jar.path, jar), wanted)
        bad = [jar for jar, fine in zip(wanted, good, strict=True) if not fine]
    if bad:
        _fetch(bad, store, progress or (lambda _done, _total: None), fetch)
    return tuple(store / jar.path for jar in wanted)


def is_good(path: Path, jar: Jar) -> bool:
    """Whether the file at *path* is *jar*, to the bit."""
    try:
        return path.stat().st_size == jar.size and sha256_of(path) == jar.sha256
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(jars: list[Jar], store: Path, progress: Progress, fetch: Fetcher) -> None:
    total, done = sum(jar.size for jar in jars), 0
    try:
        store.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".partial-", dir=store))
    except OSError as error:
        raise unwritable(store, error) from error
    try:
        with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
            running = {pool.submit(_fetch_one, jar, scratch, store, fetch): jar for jar in jars}
            for finished in as_completed(running):
                _raise_first(finished.exception(), running[finished], pool)
                done += running[finished].size
                progress(done, total)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _raise_first(error: BaseException | None, jar: Jar, pool: ThreadPoolExecutor) -> None:
    if error is None:
        return
    pool.shutdown(wait=False, cancel_futures=True)
    if isinstance(error, MissingAbility):
        raise error
    raise MissingAbility(
        f"{jar.coordinates} could not be fetched", why=deepest_cause(error), fix=_fix(error)
    ) from error


def _fix(error: BaseException) -> str:
    """What helps: a network that reads along has a certificate of its own, and wants it named."""
    if isinstance(_deepest(error), ssl.SSLCertVerificationError):
        return "name the file with your network's certificate authority in SSL_CERT_FILE"
    return "the first run needs the network (a mirror: set it up for Maven); later runs do not"


def deepest_cause(error: BaseException) -> str:
    """What went wrong at the bottom of a chain of exceptions, in words and without addresses."""
    error = _deepest(error)
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    plain = re.sub(r"\s*\S*https?://\S*", "", (words.splitlines() or [""])[0]).strip()
    return plain or type(error).__name__


def _deepest(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _fetch_one(jar: Jar, scratch: Path, store: Path, fetch: Fetcher) -> None:
    fetched = fetch(jar, scratch)
    if not is_good(fetched, jar):
        raise MissingAbility(
            f"{jar.coordinates} as fetched is not what the lock names",
            why=f"sha256 {sha256_of(fetched)}, locked {jar.sha256}",
            fix="check the mirror in use; nothing of it was kept",
        )
    final = store / jar.path
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        fetched.replace(final)
    except OSError as error:
        raise unwritable(final, error) from error


def _parsed(line: str, path: Path) -> Jar:
    match line.split():
        case [coordinates, digest, size] if coordinates.count(":") in {2, 3} and size.isdigit():
            return Jar(coordinates, digest.removeprefix("sha256:"), int(size))
    raise BadInput(f"{path} has a damaged line", why=line[:80], fix="restore the file from the release")
