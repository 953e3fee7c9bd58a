"""The object store component: S3Proxy on a disk of its own, behind the gate through which faults reach it.

The node's process is the gate (``harness.stack.objects.s3_gate``); the server is its child on loopback. What
ends, stops or continues the one does so to both, and no client can get past the gate.

Why S3Proxy 4 and ``filesystem-nio2``: 2.6.0 answers 500 where Hadoop's S3A deletes the markers of folders
that are not empty, and lists parts of uploads in progress as objects (gaul/s3proxy#297).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.s3 import Access, ObjectError, S3Client, connect
from harness.stack.classes import Program, shared_classes
from harness.stack.components import ObjectsDefinition
from harness.stack.java import QUICK, Java, java_for
from harness.stack.kafka.files import render_properties
from harness.stack.seams import Node
from harness.stack.service import NodeProcess
from harness.waiting import NotYet, wait_for

_MAIN = "org.gaul.s3proxy.Main"
_LONE_PORT = 29094
_LONE_HEAP_MB = 128
_PROBE = "harness-probe"


@runtime_checkable
class KeepsObjects(Protocol):
    """A service that is an object store."""

    def client(self, *, read_seconds: float = 10.0, attempts: int = 3) -> S3Client:
        """A new client of it."""
        ...


@dataclass(frozen=True, slots=True)
class StoreSoftware:
    """What runs an object store: the stack's Java, the jars of its lock, and the configuration of its log."""

    java: Java
    jars: Sequence[Path]
    logback: Path
    archive: Path | None = None

    @property
    def runtime(self) -> Java:
        """The Java that it runs on: the stack's own may be too old for it."""
        return java_for("s3proxy", self.java)

    def command(
        self, arguments: Sequence[str], *, heap_mb: int = _LONE_HEAP_MB, flags: Sequence[str] = ()
    ) -> list[str]:
        """The argv of one JVM."""
        shared = [f"-XX:SharedArchiveFile={self.archive}"] if self.archive else []
        told = (f"-Dlogback.configurationFile={self.logback}", "-XX:+ExitOnOutOfMemoryError")
        classes = ":".join(map(str, self.jars))
        jvm = (str(self.runtime.executable), f"-Xmx{heap_mb}m", *QUICK, *shared, *told, *flags)
        return [*jvm, "-cp", classes, _MAIN, *arguments]

    def with_archive(self, definition: ObjectsDefinition) -> StoreSoftware:
        """The same with the archive of its classes, made first where there is none."""
        here = Access(
            f"http://127.0.0.1:{_LONE_PORT}", definition.access_key, definition.secret_key, definition.region
        )
        program = Program(
            name=f"s3proxy-{definition.version}",
            java=self.runtime,
            jars=self.jars,
            command=lambda flags, arguments: self.command(arguments, flags=flags),
            prepare=lambda scratch: _lone(definition, scratch),
            port=_LONE_PORT,
            use=lambda _scratch: _used(connect(here), _PROBE),
        )
        return replace(self, archive=shared_classes(program))


class ObjectStore(NodeProcess):
    """The S3 server of a node; see ``harness.stack.seams.Service``.

    Args:
        node: its first port serves clients, through the gate; the server has the next one, on loopback.
        definition: the credentials, the region and the buckets.
        software: what runs it; the jars are those of ``fixtures/locks/s3proxy-VERSION.lock``.
        disk: the folder of the objects, on a disk of its own.
        logs: where the logs, the server's configuration, and the gate's two files go.
        environment: variables that mark the processes of a run.
    """

    def __init__(
        self,
        node: Node,
        definition: ObjectsDefinition,
        *,
        software: StoreSoftware,
        disk: Path,
        logs: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.control = logs / f"{node.name}.gate.json"
        self.stats = logs / f"{node.name}.gate-stats.json"
        self._definition = definition
        config = logs / f"{node.name}.properties"
        config.write_text(render_properties(server_properties(definition, node.ports[0] + 1, disk)))
        server = software.command(("--properties", str(config)), heap_mb=definition.heap_mb)
        argv = [*self._gate(node), "--", *server]
        imports = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, sys.path)])}
        super().__init__(node, argv, environment=imports | {**environment}, disk=disk, logs=logs)

    @property
    def access(self) -> Access:
        """How clients get in."""
        told = self._definition
        endpoint = f"http://{self.node.address}:{self.node.ports[0]}"
        return Access(endpoint, told.access_key, told.secret_key, told.region)

    def client(self, *, read_seconds: float = 10.0, attempts: int = 3) -> S3Client:
        """A new client of this store."""
        return connect(self.access, read_seconds=read_seconds, attempts=attempts)

    def before_start(self) -> None:
        """End whatever fault of its past life is in force."""
        self.disk.mkdir(parents=True, exist_ok=True)
        self.control.unlink(missing_ok=True)

    def wait_ready(self, seconds: float) -> str:
        """Return when every bucket took, gave back and deleted an object; missing buckets are made."""
        self.wait_listening(seconds)
        client = self.client(read_seconds=5.0, attempts=1)
        return prove_buckets(self.node.name, client, self._definition.buckets, seconds, alive=self.must_live)

    def _gate(self, node: Node) -> list[str]:
        listen, upstream = f"{node.address}:{node.ports[0]}", f"127.0.0.1:{node.ports[0] + 1}"
        module = [sys.executable, "-P", "-m", "harness.stack.objects.s3_gate"]
        return [*module, listen, upstream, str(self.control), str(self.stats)]


def server_properties(definition: ObjectsDefinition, port: int, data: Path) -> dict[str, str]:
    """What S3Proxy is told: where it listens, whom it serves, and where the objects lie."""
    return {
        "s3proxy.endpoint": f"http://127.0.0.1:{port}",
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": definition.access_key,
        "s3proxy.credential": definition.secret_key,
        # Newer clients send checksums of their own accord.
        "s3proxy.ignore-unknown-headers": "true",
        "s3proxy.jetty.max-threads": "64",
        "jclouds.provider": "filesystem-nio2",
        "jclouds.identity": definition.access_key,
        "jclouds.credential": definition.secret_key,
        "jclouds.filesystem.basedir": str(data),
        "jclouds.region": definition.region,
    }


def prove_buckets(
    name: str,
    client: S3Client,
    buckets: Sequence[str],
    seconds: float,
    *,
    alive: Callable[[], None] = lambda: None,
) -> str:
    """Return, with the proof in words, when each bucket took, gave back and deleted an object.

    Buckets that are missing are made. *alive* raises when nobody has to wait any longer.

    Raises:
        StackError: not within *seconds*.
    """
    for bucket in buckets:
        proven = partial(_proven, client, bucket, alive)
        wait_for(
            proven, what=f"{name} to serve bucket {bucket}", seconds=seconds, fix=f"see the log of {name}"
        )
    return f"{name} took, gave back and deleted an object in {', '.join(buckets)}"


def _proven(client: S3Client, bucket: str, alive: Callable[[], None]) -> None:
    alive()
    try:
        whole = _used(client, bucket)
    except ObjectError as error:
        raise NotYet(error.sentence()) from error
    if not whole:
        raise NotYet("it gave back something else than it took")


def _used(client: S3Client, bucket: str) -> bool:
    """Make *bucket*, and tell whether it gives back what it took."""
    client.make_bucket(bucket)
    client.put(bucket, _PROBE, bucket.encode())
    found = client.get(bucket, _PROBE)
    client.objects(bucket)
    client.delete(bucket, _PROBE)
    return found == bucket.encode()


def _lone(definition: ObjectsDefinition, scratch: Path) -> Sequence[str]:
    data, config = scratch / "data", scratch / "lone.properties"
    data.mkdir()
    config.write_text(render_properties(server_properties(definition, _LONE_PORT, data)))
    return ("--properties", str(config))
