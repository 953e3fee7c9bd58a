"""What Flink's processes need: their configuration, their memory, their plugins.

Flink's own start scripts ask a JVM of its own how to cut a process's memory up. The
rule is simple enough to be told here, and saves two seconds per process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.durations import milliseconds
from harness.errors import BadInput
from harness.stack.components import FlinkDefinition
from harness.stack.definition import StackDefinition

_REPORTER = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"
_INTERVAL, _MIN_PAUSE = "execution.checkpointing.interval", "execution.checkpointing.min-pause"
RPC_PORT, BLOB_PORT, DATA_PORT = 6123, 6124, 6121
ZOOKEEPER_PORT = 2181

_METASPACE_MB, _OVERHEAD_MB, _NETWORK_MB, _OFF_HEAP_MB, _FRAMEWORK_MB = 160, 64, 64, 64, 96


@dataclass(frozen=True, slots=True)
class Memory:
    """How much of a process of ``total_mb`` is heap; the rest is what a JVM and Flink need beside it."""

    total_mb: int
    network_mb: int = 0

    @property
    def heap_mb(self) -> int:
        """The heap, MB."""
        return self.total_mb - _METASPACE_MB - _OVERHEAD_MB - _OFF_HEAP_MB - self.network_mb

    @property
    def flags(self) -> tuple[str, ...]:
        """The JVM flags beside the heap's."""
        return (
            f"-XX:MaxDirectMemorySize={_OFF_HEAP_MB + self.network_mb}m",
            f"-XX:MaxMetaspaceSize={_METASPACE_MB}m",
        )


def task_manager_memory(flink: FlinkDefinition) -> Memory:
    """The memory of a TaskManager."""
    return Memory(flink.task_manager_mb, _NETWORK_MB)


def task_manager_settings(flink: FlinkDefinition) -> dict[str, str]:
    """The memory options that a TaskManager must be told one by one when no script computes them."""
    task_heap = task_manager_memory(flink).heap_mb - _FRAMEWORK_MB
    return {
        "taskmanager.cpu.cores": str(float(flink.slots)),
        "taskmanager.memory.framework.heap.size": f"{_FRAMEWORK_MB}m",
        "taskmanager.memory.framework.off-heap.size": f"{_OFF_HEAP_MB}m",
        "taskmanager.memory.task.heap.size": f"{task_heap}m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.network.min": f"{_NETWORK_MB}m",
        "taskmanager.memory.network.max": f"{_NETWORK_MB}m",
        "taskmanager.memory.managed.size": "0m",
        "taskmanager.memory.jvm-metaspace.size": f"{_METASPACE_MB}m",
        "taskmanager.memory.jvm-overhead.min": f"{_OVERHEAD_MB}m",
        "taskmanager.memory.jvm-overhead.max": f"{_OVERHEAD_MB}m",
    }


def read_config(path: Path) -> dict[str, str]:
    """The keys and values of a ``flink-conf.yaml``.

    Raises:
        BadInput: it is not a flat mapping.
    """
    try:
        # Flink takes values as they are written: 010 is no eight, and 1:30 no ninety.
        raw = yaml.BaseLoader(path.read_text(encoding="utf-8")).get_single_data() or {}
    except OSError as error:
        why = error.strerror or str(error)
        raise BadInput(f"flink.config {path} cannot be read", why=why) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{path} is not a Flink configuration", why=str(error)) from error
    if not isinstance(raw, dict):
        raise BadInput(f"{path} is not a Flink configuration", why="it is not a mapping of keys")
    if nested := [key for key, value in raw.items() if not isinstance(value, str)]:
        raise BadInput(f"{path} is not a Flink configuration", why=f"{nested[0]} is not one plain value")
    return raw


def render_config(settings: Mapping[str, str]) -> str:
    """The text of a ``flink-conf.yaml``, as Flink's own line by line reader takes it.

    Raises:
        BadInput: a value that this reader would cut short without a word.
    """
    if cut := [key for key, value in settings.items() if "#" in value or len(value.splitlines()) > 1]:
        raise BadInput(f"Flink cannot be told {cut[0]}", why="its value holds a # or a line break")
    return "".join(f"{key}: {value}\n" for key, value in sorted(settings.items()))


def cluster_settings(definition: StackDefinition, folder: Path) -> dict[str, str]:
    """What all Flink processes are told: the stack's file, ``--set``, then what the harness decides.

    Raises:
        BadInput: the file is no configuration, or the stack lacks what high availability needs.
    """
    flink = _flink(definition)
    return read_config(folder / flink.config) | flink.overrides | _decided(definition, flink)


def checkpointing(settings: Mapping[str, str]) -> bool:
    """Whether the cluster's jobs take checkpoints."""
    return bool(settings.get(_INTERVAL))


def checkpoint_interval_s(settings: Mapping[str, str]) -> float:
    """The least time between the beginnings of two checkpoints, in seconds; 0 when none are taken.

    A value that Flink does not take either counts as 0: the cluster itself refuses it.
    """
    told = (milliseconds(settings.get(key, "")) or 0 for key in (_INTERVAL, _MIN_PAUSE))
    return max(told) / 1000 if checkpointing(settings) else 0.0


def lay_out_plugins(jars: tuple[Path, ...], folder: Path) -> Path:
    """A plugins folder that holds *jars*, each in a folder of its own."""
    for jar in jars:
        place = folder / jar.stem
        place.mkdir(parents=True, exist_ok=True)
        (place / jar.name).symlink_to(jar)
    return folder


def _decided(definition: StackDefinition, flink: FlinkDefinition) -> dict[str, str]:
    leader = definition.nodes_of("jobmanager")[0].address
    settings = {
        "jobmanager.rpc.address": leader,
        "jobmanager.rpc.port": str(RPC_PORT),
        "jobmanager.bind-host": "0.0.0.0",  # noqa: S104 - inside the node's own network
        "blob.server.port": str(BLOB_PORT),
        "rest.address": leader,
        "rest.port": str(flink.rest_port),
        "rest.bind-address": "0.0.0.0",  # noqa: S104
        "taskmanager.numberOfTaskSlots": str(flink.slots),
        "taskmanager.data.port": str(DATA_PORT),
        "taskmanager.rpc.port": str(RPC_PORT - 1),
        "parallelism.default": str(flink.parallelism),
        "metrics.reporters": "prom",
        "metrics.reporter.prom.factory.class": _REPORTER,
        "metrics.reporter.prom.port": str(flink.metrics_port),
        "web.submit.enable": "true",
        # What REST tells of jobs and checkpoints is at most so many ms old; Flink's own is 3 s.
        "web.refresh-interval": "100",
    }
    return settings | _object_store(definition) | _high_availability(definition, flink)


def _object_store(definition: StackDefinition) -> dict[str, str]:
    if definition.objects is None:
        return {}
    address = definition.nodes_of("s3")[0].address
    return {
        "s3.endpoint": f"http://{address}:{definition.objects.port}",
        "s3.endpoint.region": definition.objects.region,
        "s3.path.style.access": "true",
        "s3.access-key": definition.objects.access_key,
        "s3.secret-key": definition.objects.secret_key,
    }


def _high_availability(definition: StackDefinition, flink: FlinkDefinition) -> dict[str, str]:
    if not flink.high_availability:
        return {}
    keepers = definition.nodes_of("zookeeper")
    if not keepers:
        raise BadInput(
            "flink.high_availability needs a zookeeper node", fix="add one to the nodes of stack.yaml"
        )
    return {
        "high-availability": "zookeeper",
        "high-availability.zookeeper.quorum": ",".join(f"{n.address}:{ZOOKEEPER_PORT}" for n in keepers),
        "high-availability.storageDir": "s3://edge-state/ha",
        "high-availability.jobmanager.port": str(RPC_PORT),
        "high-availability.cluster-id": "/edge",
    }


def _flink(definition: StackDefinition) -> FlinkDefinition:
    assert definition.flink is not None, "only asked for a stack with Flink"
    return definition.flink
