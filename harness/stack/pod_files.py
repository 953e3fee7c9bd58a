"""What the pods are told, rendered from the stack's own files as on the local platform: one ConfigMap.

Each pod has ``POD.args``, the arguments of its JVM one a line (java's ``@argfiles``), and its component's
configuration beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from harness.stack.definition import NodeDefinition, StackDefinition
from harness.stack.flink_files import (
    Memory,
    cluster_settings,
    render_config,
    task_manager_memory,
    task_manager_settings,
)
from harness.stack.images import JAVA, LIBS
from harness.stack.java import Java
from harness.stack.kafka_files import CLUSTER_ID, KafkaSoftware, brokers_of, properties_of, render_properties
from harness.stack.objects import StoreSoftware, server_properties
from harness.stack.software import Software

CONFIG, DATA = PurePosixPath("/etc/edge"), PurePosixPath("/var/lib/edge")
_FLINK_CONFIG = "/etc/flink"
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_SCRATCH = ("io.tmp.dirs", "blob.storage.directory", "fs.s3a.buffer.dir", "web.upload.dir")


def pod_files(definition: StackDefinition, folder: Path, software: Software) -> dict[str, str]:
    """Every file of the ConfigMap, by name."""
    inside = _in_image(software)
    found = {name: (folder / name).read_text() for name in _logging(folder)}
    for number, node in enumerate(brokers_of(definition), 1):
        found |= _broker(definition, folder, inside, node, number)
    if definition.flink is not None:
        for node in (*definition.nodes_of("jobmanager"), *definition.nodes_of("taskmanager")):
            found |= _flink(definition, folder, inside, node)
    for node in definition.nodes_of("s3"):
        found |= _store(definition, inside, node)
    return found


def _logging(folder: Path) -> list[str]:
    wanted = ("log4j.properties", "log4j-console.properties", "logback.xml")
    return [name for name in wanted if (folder / name).exists()]


def _in_image(software: Software) -> Software:
    """The same software at its places in an image."""
    java = Java(Path(JAVA / "bin" / "java"), software.java.version, software.java.source)
    jars = {name: tuple(Path(LIBS / jar.name) for jar in own) for name, own in software.jars.items()}
    return Software(java, jars)


def _broker(
    definition: StackDefinition, folder: Path, software: Software, node: NodeDefinition, number: int
) -> dict[str, str]:
    properties = properties_of(definition, folder, number, Path(DATA / "kafka"))
    config = str(CONFIG / f"{node.name}.properties")
    kafka: KafkaSoftware = software.kafka
    flags = (f"-Dlog4j.configuration=file:{CONFIG}/log4j-console.properties", "-XX:+ExitOnOutOfMemoryError")
    runs = kafka.command("kafka.Kafka", config, heap_mb=definition.kafka.heap_mb, flags=flags)
    told = ("format", "-t", CLUSTER_ID, "-c", config, "--ignore-formatted")
    return {
        f"{node.name}.properties": render_properties(properties),
        f"{node.name}.args": _lines(runs),
        f"{node.name}.format.args": _lines(kafka.command("kafka.tools.StorageTool", *told, heap_mb=128)),
    }


def _flink(
    definition: StackDefinition, folder: Path, software: Software, node: NodeDefinition
) -> dict[str, str]:
    flink = definition.flink
    assert flink is not None
    own = dict.fromkeys(_SCRATCH, str(DATA))
    if node.role == "taskmanager":
        main, memory = _TASK_MANAGER, task_manager_memory(flink)
        own |= task_manager_settings(flink) | {
            "taskmanager.bind-host": "0.0.0.0",  # noqa: S104 - inside the pod's own network
            "taskmanager.resource-id": node.name,
        }
    else:
        main, memory = _JOB_MANAGER, Memory(flink.job_manager_mb)
    flags = (*memory.flags, f"-Dlog4j.configuration=file:{CONFIG}/log4j-console.properties")
    argv = software.command("flink", main, "--configDir", _FLINK_CONFIG, heap_mb=memory.heap_mb, flags=flags)
    settings = cluster_settings(definition, folder) | own
    return {f"{node.name}.args": _lines(argv), f"{node.name}.flink-conf.yaml": render_config(settings)}


def _store(definition: StackDefinition, software: Software, node: NodeDefinition) -> dict[str, str]:
    objects = definition.objects
    assert objects is not None
    config = f"{node.name}.properties"
    settings = server_properties(objects, objects.port, Path(DATA))
    settings["s3proxy.endpoint"] = f"http://0.0.0.0:{objects.port}"
    store = StoreSoftware(software.java, software.jars["s3proxy"], Path(CONFIG / "logback.xml"))
    argv = store.command(("--properties", str(CONFIG / config)), heap_mb=objects.heap_mb)
    return {config: render_properties(settings), f"{node.name}.args": _lines(argv)}


def _lines(argv: Sequence[str]) -> str:
    """The arguments behind the executable, as java reads them from a file."""
    return "".join(f'"{word}"\n' for word in argv[1:])
