"""A class data sharing archive of a broker's classes: it almost halves the start of a JVM.

The wheel's runtime comes without one, and KIP-975 measured the same gain with the
official image. It depends on the Java and the jars only, so it is made once: a lone
broker starts on loopback and lists what it loads, then the JVM dumps those classes.
A JVM that finds an archive unfit ignores it.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from harness.errors import StackError
from harness.stack.artifacts import cache_folder
from harness.stack.kafka_files import CLUSTER_ID, KafkaSoftware, render_properties
from harness.stack.netns import Observer
from harness.waiting import NotYet, wait_for

_START_S = 60.0
_DUMP_S = 120.0
_PORT, _CONTROLLER_PORT = 29092, 29093
_HEAP_MB = 256


def with_archive(software: KafkaSoftware, version: str) -> KafkaSoftware:
    """*software* with the archive for its Java and jars, made first where there is none.

    Without the archive brokers only start slower, so a JVM that cannot make one (not HotSpot,
    say) is not an error.
    """
    archive = cache_folder() / "classes" / f"{version}-{_fingerprint(software)}.jsa"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
            if not _make(software, Path(scratch), archive):
                return software
    return replace(software, archive=archive)


def _fingerprint(software: KafkaSoftware) -> str:
    # The JVM checks name, size and time of every jar; the sizes are locked with the version.
    parts = [str(software.java.executable), software.java.version, *map(str, software.jars)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _make(software: KafkaSoftware, scratch: Path, archive: Path) -> bool:
    classes, made = scratch / "classes", scratch / "archive.jsa"
    _list_classes(software, scratch, classes)
    flags = ("-Xshare:dump", f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={made}")
    argv = software.command("kafka.Kafka", heap_mb=_HEAP_MB, flags=flags)
    done = subprocess.run(argv, capture_output=True, timeout=_DUMP_S, check=False)
    if done.returncode == 0:
        made.replace(archive)
    return done.returncode == 0


def _list_classes(software: KafkaSoftware, scratch: Path, classes: Path) -> None:
    config = scratch / "server.properties"
    config.write_text(render_properties(_lone_broker(scratch / "data")))
    format_it = ("format", "-t", CLUSTER_ID, "-c", str(config))
    argv = software.command("kafka.tools.StorageTool", *format_it, heap_mb=_HEAP_MB)
    subprocess.run(argv, capture_output=True, timeout=_START_S, check=True)
    flags = (f"-XX:DumpLoadedClassList={classes}",)
    argv = software.command("kafka.Kafka", str(config), heap_mb=_HEAP_MB, flags=flags)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as broker:
        try:
            wait_for(lambda: _listens(broker), what="a lone broker to start", seconds=_START_S)
        finally:
            broker.terminate()


def _listens(broker: subprocess.Popen[bytes]) -> None:
    if broker.poll() is not None:
        raise StackError(
            "a lone broker did not start", why=f"exit code {broker.returncode}", fix="harness doctor"
        )
    if not Observer("127.0.0.1").can_connect("127.0.0.1", _PORT, seconds=0.2):
        raise NotYet("its port is closed")


def _lone_broker(data: Path) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{_CONTROLLER_PORT}",
        "listeners": f"PLAINTEXT://127.0.0.1:{_PORT},CONTROLLER://127.0.0.1:{_CONTROLLER_PORT}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
    }
