"""What the pods are told, rendered from the stack's own files as on the local platform: one ConfigMap.

Each pod has ``POD.args``, the arguments of its JVM one a line (java's ``@argfiles``), and its component's
configuration beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from harness.stack.definition import NodeDefinition, StackDefinition
from harness.stack.flink.component import ZOOKEEPER, ZOOKEEPER_HEAP_MB
from harness.stack.flink.files import (
    ZOOKEEPER_PORT,
    Memory,
    cluster_settings,
    render_config,
    task_manager_memory,
    task_manager_settings,
)
from harness.stack.java import Java
from harness.stack.kafka.files import CLUSTER_ID, KafkaSoftware, brokers_of, properties_of, render_properties
from harness.stack.kind.images import JAVA, LIBS
from harness.stack.kubernetes.entrance import Entrance
from harness.stack.objects.component import StoreSoftware, server_properties
from harness.stack.software import Software
from harness.stack.vector.agent import GRACE_S
from harness.stack.vector.component import environment_of, watching
from harness.stack.vector.config import VectorConfig, read_config

CONFIG, DATA = PurePosixPath("/etc/edge"), PurePosixPath("/var/lib/edge")
NOWHERE: Mapping[str, Entrance] = {}
FLINK_CONFIG = "/etc/flink"
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_WATCHED = "vector-watched.toml"
_SCRATCH = ("io.tmp.dirs", "blob.storage.directory", "fs.s3a.buffer.dir", "web.upload.dir")


def pod_files(
    definition: StackDefinition,
    folder: Path,
    software: Software,
    outside: Mapping[str, Entrance] = NOWHERE,
    *,
    objects_at: str = "",
) -> dict[str, str]:
    """Every file of the ConfigMap, by name.

    *outside* are the brokers' ways in from outside; *objects_at* is where Flink finds the object store when
    that is not the store's own address.
    """
    inside = _in_image(software)
    found = {name: (folder / name).read_text() for name in _logging(folder)}
    own = brokers_of(definition) if definition.operator_of("kafka") is None else ()
    for number, node in enumerate(own, 1):
        found |= _broker(definition, folder, inside, node, number, outside.get(node.name))
    if definition.flink is not None and definition.operator_of("flink") is None:
        for node in (*definition.nodes_of("jobmanager"), *definition.nodes_of("taskmanager")):
            found |= _flink(definition, folder, inside, node, objects_at)
        for node in definition.nodes_of("zookeeper") if definition.flink.high_availability else ():
            found |= _zookeeper(inside, node)
    for node in definition.nodes_of("s3"):
        found |= _store(definition, inside, node)
    return found | _agent(definition, folder)


def _logging(folder: Path) -> list[str]:
    wanted = ("log4j.properties", "log4j-console.properties", "logback.xml")
    return [name for name in wanted if (folder / name).exists()]


def _in_image(software: Software) -> Software:
    """The same software at its places in an image."""
    java = Java(Path(JAVA / "bin" / "java"), software.java.version, software.java.source)
    jars = {name: tuple(Path(LIBS / jar.name) for jar in own) for name, own in software.jars.items()}
    return Software(java, jars)


def _broker(
    definition: StackDefinition,
    folder: Path,
    software: Software,
    node: NodeDefinition,
    number: int,
    outside: Entrance | None,
) -> dict[str, str]:
    properties = properties_of(definition, folder, number, Path(DATA / "kafka"))
    properties = properties if outside is None else outside.beside(properties)
    config = str(CONFIG / f"{node.name}.properties")
    kafka: KafkaSoftware = software.kafka
    flags = (f"-Dlog4j.configuration=file:{CONFIG}/log4j.properties", "-XX:+ExitOnOutOfMemoryError")
    runs = kafka.command("kafka.Kafka", config, heap_mb=definition.kafka.heap_mb, flags=flags)
    told = ("format", "-t", CLUSTER_ID, "-c", config, "--ignore-formatted")
    return {
        f"{node.name}.properties": render_properties(properties),
        f"{node.name}.args": _lines(runs),
        f"{node.name}.format.args": _lines(kafka.command("kafka.tools.StorageTool", *told, heap_mb=128)),
    }


def _flink(
    definition: StackDefinition, folder: Path, software: Software, node: NodeDefinition, objects_at: str
) -> dict[str, str]:
    flink = definition.flink
    assert flink is not None
    own = dict.fromkeys(_SCRATCH, str(DATA)) | ({"s3.endpoint": objects_at} if objects_at else {})
    if node.role == "taskmanager":
        main, memory = _TASK_MANAGER, task_manager_memory(flink)
        own |= task_manager_settings(flink) | {
            "taskmanager.bind-host": "0.0.0.0",  # noqa: S104 - inside the pod's own network
            "taskmanager.resource-id": node.name,
        }
    else:
        main, memory = _JOB_MANAGER, Memory(flink.job_manager_mb)
    flags = (*memory.flags, f"-Dlog4j.configuration=file:{CONFIG}/log4j-console.properties")
    argv = software.command("flink", main, "--configDir", FLINK_CONFIG, heap_mb=memory.heap_mb, flags=flags)
    settings = cluster_settings(definition, folder) | own
    return {f"{node.name}.args": _lines(argv), f"{node.name}.flink-conf.yaml": render_config(settings)}


def _zookeeper(software: Software, node: NodeDefinition) -> dict[str, str]:
    log4j = f"-Dlog4j.configuration=file:{CONFIG}/log4j-console.properties"
    flags = (log4j, "-Dzookeeper.admin.enableServer=false")
    told = (str(ZOOKEEPER_PORT), str(DATA))
    argv = software.command("kafka", ZOOKEEPER, *told, heap_mb=ZOOKEEPER_HEAP_MB, flags=flags)
    return {f"{node.name}.args": _lines(argv)}


def _store(definition: StackDefinition, software: Software, node: NodeDefinition) -> dict[str, str]:
    objects = definition.objects
    assert objects is not None
    config = f"{node.name}.properties"
    settings = server_properties(objects, objects.port, Path(DATA))
    settings["s3proxy.endpoint"] = f"http://0.0.0.0:{objects.port}"
    store = StoreSoftware(software.java, software.jars["s3proxy"], Path(CONFIG / "logback.xml"))
    argv = store.command(("--properties", str(CONFIG / config)), heap_mb=objects.heap_mb)
    return {config: render_properties(settings), f"{node.name}.args": _lines(argv)}


def agent_variables(definition: StackDefinition) -> dict[str, str]:
    """What the metrics agent's container has in its environment: its files, and what they refer to."""
    if definition.vector is None:
        return {}
    files = (Path(definition.vector.config).name, _WATCHED)
    return {
        "VECTOR_CONFIG": ",".join(str(CONFIG / name) for name in files),
        "VECTOR_DATA_DIR": str(DATA),
        "VECTOR_GRACEFUL_SHUTDOWN_LIMIT_SECS": str(GRACE_S),
        **environment_of(definition),
    }


def agent_config(definition: StackDefinition, folder: Path) -> VectorConfig:
    """The metrics agent's configuration as its pod reads it.

    Raises:
        BadInput: it is none.
    """
    assert definition.vector is not None
    config = folder / definition.vector.config
    return read_config(config.read_text(encoding="utf-8"), config.name, agent_variables(definition))


def _agent(definition: StackDefinition, folder: Path) -> dict[str, str]:
    vector = definition.vector
    if vector is None:
        return {}
    config, added = folder / vector.config, watching(agent_config(definition, folder), vector, Path(DATA))
    return {config.name: config.read_text(encoding="utf-8"), _WATCHED: added}


def _lines(argv: Sequence[str]) -> str:
    """The arguments behind the executable, as java reads them from a file."""
    return "".join(f'"{word}"\n' for word in argv[1:])
