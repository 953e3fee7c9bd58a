"""What happens to the parts of a pipeline inside the enclosure, told as data for the tests to judge."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from harness import bundle, launch
from harness.errors import BadInput, HarnessError
from harness.hops import Hops, Site
from harness.rundir import EventLog, RunDirectory
from harness.stack.artifacts import cache_folder, ensure
from harness.stack.booted import BootedStack
from harness.stack.components import ObjectsDefinition
from harness.stack.definition import read_definition
from harness.stack.flink.classes import JOB_MANAGER, with_flink_archive
from harness.stack.java import find_java
from harness.stack.namespaces.disks import make_disk
from harness.stack.namespaces.netns import NamespaceNode, Observer, build_network
from harness.stack.objects.component import ObjectStore, StoreSoftware
from harness.stack.parts import Parts, find_parts
from harness.stack.service import NodeService
from harness.tests.contract.arena import PORT, SERVER
from harness.tests.contract.object_stories import running
from harness.tests.sites import STACKS, FakeAdmin
from harness.tests.stack.flinks import FakeFlink

Seen = dict[str, object]


def service_life(folder: Path, _: object) -> Seen:
    """A service is started, used, killed, wiped and started again; what it refuses on the way."""
    node = NamespaceNode("jobmanager-1", "jobmanager", "198.18.0.31", (PORT,))
    build_network(Observer("198.18.0.1"), [node], prefix=24)
    disk = make_disk(node.name, 16)
    service = NodeService(
        node,
        [sys.executable, "-S", "-c", SERVER, str(PORT), str(disk / "kept")],
        environment={"HARNESS_RUN": folder.name},
        disk=disk,
        logs=folder,
        ready=lambda _seconds: "it echoes",
    )
    service.start()
    seen: Seen = {"ready": service.wait_ready(10), "again": _refused(service.start)}
    (disk / "folder").mkdir()
    seen |= {"in use": _refused(service.wipe), "carries": _environment(service.process.pid)}
    _kill(service)
    seen |= {"dead": _refused(lambda: service.wait_ready(10)), "kept": _entries(disk)}
    service.wipe()
    seen["wiped"] = _entries(disk)
    service.start()
    seen["second life"] = service.wait_ready(10)
    _kill(service)
    return seen


def flink_archive(folder: Path, _: object) -> Seen:
    """An archive of Flink's classes is made in a fresh cache; a JobManager tells what it takes from it."""
    prepared = launch.prepare("edge", {})
    ensure(tuple(jar for own in prepared.jars.values() for jar in own))
    jars = cache_folder() / "jars"
    os.environ["XDG_CACHE_HOME"] = str(folder)
    cache_folder().mkdir()
    (cache_folder() / "jars").symlink_to(jars)
    software, job = prepared.software, find_parts(prepared.definition, prepared.folder, prepared.software).job
    software = with_flink_archive(software, prepared.definition, prepared.folder, job)
    asked = software.command("flink", JOB_MANAGER, heap_mb=128, flags=("-Xshare:on", "-Xlog:class+load"))
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    return {
        "shared": [line for line in done.stdout.splitlines() if f" {JOB_MANAGER} " in line],
        "of the job": b"org/apache/kafka/clients/producer/KafkaProducer"
        in software.archives["flink"].read_bytes(),
        "left over": [entry.name for entry in software.archives["flink"].parent.iterdir()],
    }


def store_refuses(folder: Path, _: object) -> Seen:
    """A pipeline is opened on a real store: without its bucket, with a wrong secret, and as it should be."""
    with running(folder) as store:
        definition = read_definition(STACKS, "edge", {}).objects
        assert definition is not None
        stranger = definition.model_copy(update={"secret_key": "not-the-stores"})
        return {
            "no bucket": _opened(folder / "one", store, {"job.archive": "s3://no-such/records"}),
            "no right": _opened(folder / "two", _other(store, stranger, folder), {}),
            "good": _opened(folder / "three", store, {}),
        }


def _other(store: ObjectStore, definition: ObjectsDefinition, folder: Path) -> ObjectStore:
    """The same store as somebody with other credentials knows it."""
    (folder / "other").mkdir()
    software = StoreSoftware(find_java(), (), bundle.fixtures() / "stacks/edge/logback.xml")
    return ObjectStore(
        store.node,
        definition,
        software=software,
        disk=store.disk,
        logs=folder / "other",
        environment={},
    )


def _opened(folder: Path, store: ObjectStore, settings: dict[str, str]) -> Seen:
    """The refusal, its exit code, and what Flink was asked to do."""
    folder.mkdir()
    directory, flink = RunDirectory.create(folder, "run-1"), FakeFlink()
    stack = BootedStack({}, {"s3-1": store}, FakeAdmin(), folder, flink)
    site = Site(read_definition(STACKS, "edge", settings), STACKS / "edge", stack, Parts(job=Path("job.jar")))
    hops = Hops(site, directory, EventLog(directory), source="orders")
    try:
        hops.open()
    except BadInput as error:
        return {"said": error.sentence(), "code": int(error.exit_code), "flink": flink.done}
    return {"said": "", "code": 0, "flink": flink.done}


def _kill(service: NodeService) -> None:
    with contextlib.suppress(ProcessLookupError):
        service.process.send(signal.SIGKILL)
    service.process.wait_gone(10)


def _refused(call: Callable[[], object]) -> str:
    try:
        call()
    except HarnessError as error:
        return error.what
    return ""


def _entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _environment(pid: int) -> list[str]:
    """The names of a process's variables."""
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return sorted(word.partition(b"=")[0].decode() for word in words if word)


PIPELINE_STORIES = (service_life, flink_archive, store_refuses)
