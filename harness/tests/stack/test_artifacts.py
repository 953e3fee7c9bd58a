"""A jar counts only when it is whole; what is missing or damaged is fetched, and nothing half ever stays."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import bundle
from harness.errors import BadInput, MissingAbility
from harness.stack.artifacts import (
    Jar,
    cache_folder,
    deepest_cause,
    ensure,
    is_good,
    locked_versions,
    read_lock,
    write_lock,
)

LOCKS = bundle.fixtures() / "locks"
CONTENTS = {f"org.example:part-{n}:1.{n}": f"jar number {n}".encode() * 100 for n in range(5)}
JARS = tuple(Jar(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in CONTENTS.items())


class Repository:
    """Gives what ``CONTENTS`` holds, or what a test put in its place, and remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.instead: dict[str, bytes | Exception] = {}

    def fetch(self, jar: Jar, folder: Path) -> Path:
        """See ``harness.stack.artifacts.Fetcher``."""
        self.asked.append(jar.coordinates)
        data = self.instead.get(jar.coordinates, CONTENTS[jar.coordinates])
        if isinstance(data, Exception):
            raise data
        path = folder / jar.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


@pytest.fixture
def repository() -> Repository:
    """A repository of our own."""
    return Repository()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of jars in an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_folder() / "jars"


def test_an_empty_cache_is_filled(store: Path, repository: Repository) -> None:
    """The first start fetches every jar once, in Maven's layout, and nothing else stays behind."""
    paths = ensure(JARS, fetch=repository.fetch)

    assert sorted(repository.asked) == sorted(CONTENTS)
    assert [path.read_bytes() for path in paths] == list(CONTENTS.values())
    assert paths[0] == store / "org/example/part-0/1.0/part-0-1.0.jar"
    assert [path.name for path in store.iterdir()] == ["org"]


@pytest.mark.usefixtures("store")
def test_a_warm_cache_asks_nobody(repository: Repository) -> None:
    """The second start needs no network at all."""
    ensure(JARS, fetch=repository.fetch)
    repository.asked.clear()

    ensure(JARS, fetch=repository.fetch)
    assert repository.asked == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1]), id="cut"),
        pytest.param(lambda path: path.write_bytes(b"J" + path.read_bytes()[1:]), id="one byte changed"),
    ],
)
@pytest.mark.usefixtures("store")
def test_a_damaged_jar_is_fetched_again(repository: Repository, damage: Callable[[Path], object]) -> None:
    """Of five jars only the damaged one is fetched, and is whole afterwards."""
    paths = ensure(JARS, fetch=repository.fetch)
    repository.asked.clear()
    damage(paths[2])

    assert ensure(JARS, fetch=repository.fetch) == paths
    assert repository.asked == [JARS[2].coordinates]
    assert is_good(paths[2], JARS[2])


def test_a_jar_that_is_not_the_locked_one_is_not_kept(store: Path, repository: Repository) -> None:
    """A mirror that serves something else is told with both sums, and nothing of it stays."""
    repository.instead[JARS[1].coordinates] = b"something else"

    with pytest.raises(MissingAbility, match=f"{JARS[1].coordinates} as fetched is not what the lock names"):
        ensure(JARS, fetch=repository.fetch)
    assert not (store / JARS[1].path).exists()
    assert not list(store.glob(".partial-*"))


def test_an_interrupted_download_does_not_count(store: Path, repository: Repository) -> None:
    """Half a file that a dead run left behind is not taken for a jar."""
    half = store / ".partial-dead" / JARS[0].path
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")

    ensure(JARS, fetch=repository.fetch)
    assert JARS[0].coordinates in repository.asked


@pytest.mark.usefixtures("store")
def test_without_a_network_the_error_is_one_short_sentence(repository: Repository) -> None:
    """The deepest cause is told in words: no address, no chain of wrappers."""
    offline = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    try:
        raise RuntimeError("GET https://repo.example/x: max retries exceeded") from offline
    except RuntimeError as wrapper:
        repository.instead[JARS[0].coordinates] = wrapper

    with pytest.raises(MissingAbility) as raised:
        ensure(JARS[:1], fetch=repository.fetch)
    assert str(raised.value) == (
        "org.example:part-0:1.0 could not be fetched: Temporary failure in name resolution. "
        "Fix: the first run needs the network (a mirror: set it up for Maven); later runs do not"
    )


@pytest.mark.usefixtures("store")
def test_a_network_that_reads_along_wants_its_certificate_named(repository: Repository) -> None:
    """Whoever is behind such a network is told which variable helps, not to look for a mirror."""
    refused = ssl.SSLCertVerificationError(1, "self-signed certificate in certificate chain")
    repository.instead[JARS[0].coordinates] = refused

    with pytest.raises(MissingAbility, match=r"Fix: name the file .* in SSL_CERT_FILE"):
        ensure(JARS[:1], fetch=repository.fetch)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("timed out"), "timed out"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (RuntimeError("404 Not Found for url: https://repo.example/a.jar"), "404 Not Found for url:"),
        (RuntimeError("not found in {'central': 'https://repo.example'}"), "not found in {'central':"),
        (KeyError(), "KeyError"),
    ],
)
def test_the_deepest_cause_has_no_address(error: Exception, words: str) -> None:
    """Whatever the library says, addresses are cut out of it."""
    assert deepest_cause(error) == words


@pytest.mark.usefixtures("store")
def test_progress_counts_bytes_up_to_the_total(repository: Repository) -> None:
    """The bar moves with every jar and ends full."""
    seen: list[tuple[int, int]] = []
    ensure(JARS, lambda done, total: seen.append((done, total)), fetch=repository.fetch)

    total = sum(jar.size for jar in JARS)
    assert len(seen) == len(JARS)
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)


@pytest.mark.usefixtures("store")
def test_a_cache_that_cannot_be_written_is_told(repository: Repository) -> None:
    """A file in the place of the cache folder is one sentence that names it."""
    cache_folder().parent.mkdir(exist_ok=True)
    cache_folder().write_text("a file")

    with pytest.raises(MissingAbility, match=f"cannot write {cache_folder() / 'jars'}"):
        ensure(JARS, fetch=repository.fetch)


def test_a_classifier_is_part_of_the_name() -> None:
    """A jar beside the main one (its tests, say) lies where Maven puts it: the classifier at the end."""
    jar = Jar("org.example:part:1.0:tests", "00", 1)

    assert jar.path == Path("org/example/part/1.0/part-1.0-tests.jar")


@pytest.mark.parametrize("version", ["1.17.2", "1.20.1"])
def test_flink_comes_in_three_locks(version: str) -> None:
    """Flink with ZooKeeper's client for high availability; its S3 plugin; what the job's tests need."""
    flink = {jar.path.name for jar in read_lock(LOCKS, "flink", version)}

    assert f"flink-runtime-{version}.jar" in flink
    assert any(name.startswith("flink-shaded-zookeeper-3-") for name in flink)
    assert not any(name.startswith("flink-s3") for name in flink)
    (plugin,) = read_lock(LOCKS, "flink-s3", version)
    assert plugin.path.name == f"flink-s3-fs-hadoop-{version}.jar"
    tests = {jar.path.name for jar in read_lock(LOCKS, "flink-test", version)}
    assert f"flink-streaming-java-{version}-tests.jar" in tests


@pytest.mark.parametrize("version", ["3.5.1", "3.9.1"])
def test_the_locks_that_come_with_the_harness_are_whole(version: str) -> None:
    """Each lock names Kafka itself at its version, every jar once, with a sum of 64 digits."""
    jars = read_lock(LOCKS, "kafka", version)

    assert f"org.apache.kafka:kafka_2.13:{version}" in {jar.coordinates for jar in jars}
    assert len({jar.path for jar in jars}) == len(jars)
    assert {len(jar.sha256) for jar in jars} == {64}


def test_an_unknown_version_is_answered_with_the_nearest() -> None:
    """A version without a lock names the one that was meant, as a setting."""
    with pytest.raises(
        BadInput, match=r"there is no kafka\.version '3\.5\.2'\. Fix: did you mean '3\.5\.1'\?"
    ):
        read_lock(LOCKS, "kafka", "3.5.2")


def test_only_versions_of_the_component_are_offered() -> None:
    """The lock of another component whose name begins alike is not a version of this one."""
    assert locked_versions(LOCKS, "kafka") == ["3.5.1", "3.9.1"]


@pytest.mark.parametrize(
    "line",
    ["a:b:1", "a:b sha256:00 5", "a:b:1:c:d sha256:00 5", "a:b:1 sha256:00 many", "a:b:1 sha256:00 5 more"],
)
def test_a_damaged_lock_is_refused(tmp_path: Path, line: str) -> None:
    """A line that is not coordinates, sum and size is told as it stands."""
    (tmp_path / "kafka-1.lock").write_text(f"# heading\n{line}\n")

    with pytest.raises(BadInput, match=f"has a damaged line: {line}"):
        read_lock(tmp_path, "kafka", "1")


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Writing sorts, reading gives the same jars."""
    write_lock(tmp_path / "kafka-1.lock", reversed(JARS), "heading")

    assert read_lock(tmp_path, "kafka", "1") == JARS
