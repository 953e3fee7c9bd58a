"""What happens to a real object store inside the enclosure, told as data for the tests to judge."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from harness.bundle import fixtures
from harness.errors import HarnessError
from harness.faults.observed import pids, stat_fields
from harness.faults.signals import Pause
from harness.faults.watchdog import resume_stopped
from harness.s3 import Access, ObjectError, S3Client, check_access, connect
from harness.stack.artifacts import ensure, read_lock
from harness.stack.components import ObjectsDefinition
from harness.stack.definition import read_definition
from harness.stack.java import find_java
from harness.stack.namespaces.disks import make_disk
from harness.stack.namespaces.netns import NamespaceNode, Observer, build_network
from harness.stack.objects.component import ObjectStore, StoreSoftware
from harness.stack.objects.gate import GateState, GateStats, Kind, clear_state, read_stats, write_state
from harness.waiting import NotYet, wait_for

Seen = dict[str, object]

BUCKET = "edge-archive"
BODY = bytes(range(256)) * 1024
"""256 KB."""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ObjectStore]:
    """One object store on a node of its own, ready."""
    stacks = fixtures() / "stacks"
    definition = read_definition(stacks, "edge", {}).objects
    assert definition
    store = _store(definition, stacks / "edge" / "logback.xml", folder)
    try:
        store.start()
        store.wait_ready(20)
        yield store
    finally:
        with contextlib.suppress(HarnessError, ProcessLookupError):
            store.process.send(signal.SIGKILL)
            store.process.wait_gone(10)


def _store(definition: ObjectsDefinition, logback: Path, folder: Path) -> ObjectStore:
    jars = ensure(read_lock(fixtures() / "locks", "s3proxy", definition.version))
    software = StoreSoftware(find_java(), jars, logback)
    node = NamespaceNode("s3-1", "s3", "198.18.0.61", (definition.port,))
    build_network(Observer("198.18.0.1"), [node], prefix=24)
    return ObjectStore(
        node,
        definition,
        software=software.with_archive(definition),
        disk=make_disk("s3-1", 256),
        logs=folder,
        environment={"HARNESS_RUN": folder.name},
    )


def serving(folder: Path, _: object) -> Seen:
    """A store is started, used, asked for what it does not have, killed, started again and wiped."""
    start = time.monotonic()
    with running(folder) as store:
        ready = time.monotonic() - start
        client = store.client()
        client.put(BUCKET, "records/one", BODY)
        _upload(client, store.access)
        seen: Seen = {
            "ready_s": ready,
            "whole": client.get(BUCKET, "records/one") == BODY,
            "objects": [(each.name, each.bytes) for each in client.objects(BUCKET, "records/")],
            "uploads": client.uploads(BUCKET, "records/"),
            "no bucket": _refused(lambda: check_access(client, "nowhere")),
            "no right": _refused(lambda: check_access(_stranger(store.access), BUCKET)),
            "nothing": _refused(lambda: client.get(BUCKET, "records/none")),
            "in use": _refused(store.wipe),
        }
        store.process.send(signal.SIGKILL)
        store.process.wait_gone(10)
        seen["children"] = _left_over()
        seen["closed"] = _refused(lambda: store.client(attempts=1).get(BUCKET, "records/one"))
        store.start()
        store.wait_ready(20)
        seen["kept"] = store.client().get(BUCKET, "records/one") == BODY
        store.process.send(signal.SIGTERM)
        store.process.wait_gone(10)
        store.wipe()
        seen["wiped"] = [path.name for path in store.disk.iterdir()]
    return seen


def paused(folder: Path, _: object) -> Seen:
    """A store is paused and healed, paused again, and let continue by a watchdog that finds it."""
    with running(folder) as store:
        pause = Pause({"s3-1": store}, 20)
        noted = sorted(int(note["pid"]) for note in pause.undo)
        seen: Seen = {"commands": pause.commands, "noted": noted == sorted(store.process.pids())}
        pause.inject()
        landed = pause.landed()
        seen |= {"landed": landed.ok, "stopped": _stopped(store), "held": pause.still().ok}
        pause.heal()
        healed = pause.healed()
        seen |= {"healed": healed.ok, "running": _stopped(store), "words": [landed.words, healed.words]}
        store.process.send(signal.SIGSTOP)
        wait_for(lambda: _held(store), what="the stop", seconds=5, every=0.005)
        with contextlib.redirect_stderr(io.StringIO()):  # what it logs
            resumed = resume_stopped(folder, folder.name, why="a test")
        seen["resumed"] = sorted(resumed) == sorted(store.process.pids())
        return seen | {"afterwards": _stopped(store), "ready": store.wait_ready(20)}


def _held(store: ObjectStore) -> None:
    if not store.process.is_stopped():
        raise NotYet("it is not stopped")


def _stopped(store: ObjectStore) -> list[bool]:
    """Whether the gate and the server behind it, which is the only Java here, are stopped."""
    servers = [pid for pid in pids() if _read(Path(f"/proc/{pid}/comm")) == "java"]
    return [stat_fields(pid)[0] == "T" for pid in (store.process.pid, *servers)]


def _upload(client: S3Client, access: Access) -> None:
    """One multipart upload that is completed, one that is not."""
    boto = client._boto
    assert access.endpoint
    parts = [os.urandom(5 << 20), b"the end"]
    for name in ("records/whole", "records/open"):
        upload = boto.create_multipart_upload(Bucket=BUCKET, Key=name)["UploadId"]  # type: ignore[attr-defined]
        wanted = {"Bucket": BUCKET, "Key": name, "UploadId": upload}
        tags = [
            boto.upload_part(**wanted, PartNumber=number, Body=part)["ETag"]  # type: ignore[attr-defined]
            for number, part in enumerate(parts, 1)
        ]
        if name == "records/whole":
            told = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
            boto.complete_multipart_upload(**wanted, MultipartUpload={"Parts": told})  # type: ignore[attr-defined]


def _stranger(access: Access) -> S3Client:
    return connect(Access(access.endpoint, access.access_key, "wrong", access.region))


def _refused(call: Callable[[], object]) -> str:
    """The error's sentence, or "" when there was none."""
    try:
        call()
    except HarnessError as error:
        return error.sentence()
    return ""


def _left_over() -> list[str]:
    """Java processes of this enclosure."""
    found = Path("/proc").glob("[0-9]*/comm")
    return [name for path in found if (name := _read(path)) == "java"]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def gate_faults(folder: Path, _: object) -> Seen:
    """Every fault of the gate, what clients saw of it, and what the gate says it did."""
    with running(folder) as store:
        client = store.client(read_seconds=1.0, attempts=1)
        client.put(BUCKET, "big", BODY)
        watched = _Watched(store, client)
        return {
            "refuse": watched.under("refuse", share=0.5, status=503, methods=("GET",)),
            "refuse put": watched.under("refuse", put=True),
            "slow": watched.under("slow", delay_ms=200, count=3),
            "thin": watched.under("slow", bytes_per_s=1_000_000, count=2),
            "truncate": watched.under("truncate", cut_after=100_000, methods=("GET",)),
            "hang": watched.under("hang", count=2),
            "other method": watched.under("refuse", methods=("DELETE",)),
            "expired": watched.lease(0.5),
            "after": watched.under(None),
            "parallel": watched.parallel(),
        }


class _Watched:
    """Calls under a fault, and the difference they make in the gate's own figures."""

    def __init__(self, store: ObjectStore, client: S3Client) -> None:
        self._store, self._client = store, client

    def under(
        self, kind: Kind | None, *, count: int = 6, put: bool = False, lease: float = 30.0, **how: object
    ) -> Seen:
        """*count* calls, one after another, while *kind* is in force."""
        before = self._figures()
        if kind:
            write_state(self._store.control, GateState(kind, time.monotonic() + lease, **how))  # type: ignore[arg-type]
        told = [self._call(put=put) for _ in range(count)]
        clear_state(self._store.control)
        return {
            "ends": [end for end, _ in told],
            "seconds": [seconds for _, seconds in told],
            "figures": self._since(before, count),
        }

    def lease(self, seconds: float) -> Seen:
        """A hanging store that nobody heals."""
        write_state(self._store.control, GateState("hang", time.monotonic() + seconds))
        client = self._store.client(read_seconds=5.0, attempts=1)
        start = time.monotonic()
        first = _ending(lambda: client.get(BUCKET, "big"))
        hung = time.monotonic() - start
        return {"first": first, "hung_s": hung, "then": _ending(lambda: client.get(BUCKET, "big"))}

    def parallel(self) -> Seen:
        """Eight readers at once through a thin line: it is one line."""
        write_state(self._store.control, GateState("slow", time.monotonic() + 30, bytes_per_s=2_000_000))
        start = time.monotonic()
        client = self._store.client(read_seconds=10, attempts=1)
        with ThreadPoolExecutor(8) as pool:
            whole = list(pool.map(lambda _: client.get(BUCKET, "big") == BODY, range(8)))
        clear_state(self._store.control)
        return {"whole": all(whole), "seconds": time.monotonic() - start}

    def _call(self, *, put: bool) -> tuple[str, float]:
        start = time.monotonic()
        if put:
            end = _ending(lambda: self._client.put(BUCKET, "put", BODY))
        else:
            end = _ending(lambda: self._client.get(BUCKET, "big"))
        return end, round(time.monotonic() - start, 3)

    def _figures(self) -> GateStats:
        time_to_tell = time.monotonic() + 0.3
        while time.monotonic() < time_to_tell:
            os.sched_yield()
        return read_stats(self._store.stats)

    def _since(self, before: GateStats, _: int) -> dict[str, int]:
        then, now = asdict(before), asdict(self._figures())
        return {name: now[name] - then[name] for name in now}


def _ending(call: Callable[[], object]) -> str:
    try:
        return "whole" if call() in (None, BODY) else "other"
    except ObjectError as error:
        return error.code or "no answer"


OBJECT_STORIES = (serving, paused, gate_faults)
