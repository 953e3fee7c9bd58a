"""What a broker needs on its disk: properties, and data folders formatted for KRaft.

Formatting costs a JVM per broker, almost as much as the broker's own start. Its
result depends only on the version, the node and the cluster id, so it is made
once with Kafka's own StorageTool and kept in the cache.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StackError
from harness.stack.artifacts import cache_folder
from harness.stack.components import KafkaDefinition
from harness.stack.definition import NodeDefinition, StackDefinition
from harness.stack.java import QUICK, Java

CLUSTER_ID = "ZWRnZS1oYXJuZXNzLTAwMQ"
"""The same for every run: enclosures cannot meet, and it lets formatted folders be kept."""

_FORMAT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class KafkaSoftware:
    """What runs a broker: a Java, the jars, and an archive of their classes when there is one."""

    java: Java
    jars: tuple[Path, ...]
    archive: Path | None = None

    def command(self, main: str, *arguments: str, heap_mb: int, flags: Sequence[str] = ()) -> list[str]:
        """The argv of one JVM."""
        classpath = ":".join(map(str, self.jars))
        shared = [f"-XX:SharedArchiveFile={self.archive}"] if self.archive else []
        heap = [f"-Xmx{heap_mb}m", *QUICK, *shared, "-Djava.awt.headless=true"]
        return [str(self.java.executable), *heap, *flags, "-cp", classpath, main, *arguments]


def brokers_of(definition: StackDefinition) -> tuple[NodeDefinition, ...]:
    """The nodes that run a broker; node ids count from 1 in this order."""
    return tuple(node for node in definition.nodes if node.role == "broker")


def properties_of(definition: StackDefinition, folder: Path, node_id: int, data: Path) -> dict[str, str]:
    """Every property of broker *node_id*: the stack's file, ``--set``, then what the harness decides."""
    kafka, brokers = definition.kafka, brokers_of(definition)
    here = brokers[node_id - 1].address
    voters = ",".join(f"{n}@{node.address}:{kafka.controller_port}" for n, node in enumerate(brokers, 1))
    decided = {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://{here}:{kafka.client_port},CONTROLLER://{here}:{kafka.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{here}:{kafka.client_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
    }
    return parse_properties((folder / kafka.properties).read_text()) | kafka.overrides | decided


def parse_properties(text: str) -> dict[str, str]:
    """Key and value of each ``key=value`` line; comments and blank lines are passed over."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith(("#", "!")))
    return {key.strip(): value.strip() for key, _, value in pairs}


def render_properties(properties: Mapping[str, str]) -> str:
    """The text of a properties file."""
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def formatted_folders(software: KafkaSoftware, definition: StackDefinition, folder: Path) -> list[Path]:
    """One formatted data folder for each broker, from the cache or made in parallel.

    Raises:
        StackError: StorageTool refused; carries its words.
    """
    count = len(brokers_of(definition))
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda n: _formatted(software, definition, folder, n), range(1, count + 1)))


def _formatted(software: KafkaSoftware, definition: StackDefinition, folder: Path, node_id: int) -> Path:
    properties = properties_of(definition, folder, node_id, Path("/nowhere"))
    final = cache_folder() / "formatted" / _fingerprint(definition.kafka, properties)
    if (final / "meta.properties").is_file():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        made = _format(software, properties, Path(scratch))
        # Another run may have been faster: its folder is as good.
        if not final.exists():
            made.rename(final)
    return final


def _fingerprint(kafka: KafkaDefinition, properties: Mapping[str, str]) -> str:
    text = f"{CLUSTER_ID}\n{kafka.version}\n{render_properties(properties)}"
    return f"{kafka.version}-{properties['node.id']}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _format(software: KafkaSoftware, properties: Mapping[str, str], scratch: Path) -> Path:
    data, config = scratch / "data", scratch / "server.properties"
    config.write_text(render_properties({**properties, "log.dirs": str(data)}))
    arguments = ("format", "-t", CLUSTER_ID, "-c", str(config))
    argv = software.command("kafka.tools.StorageTool", *arguments, heap_mb=128)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_FORMAT_SECONDS, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise StackError("a broker's disk could not be formatted", why=words[0] if words else "no output")
    return data


def lay_down(formatted: Path, data: Path) -> None:
    """Fill the empty folder *data* with a formatted one."""
    shutil.copytree(formatted, data, dirs_exist_ok=True)
