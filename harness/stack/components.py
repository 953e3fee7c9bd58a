"""The components of a stack as data: what ``stack.yaml`` says of each, and nothing of how it is run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.model import Frozen


class OperatorDefinition(Frozen):
    """An operator that runs a component of the stack, installed from its published release.

    Args:
        runs: the component.
        release: what a user downloads, in words.
        deployment: the operator's Deployment in its release.
        kinds: the custom resources that it brings, ``KIND.GROUP/VERSION``.
        environment: what it is told beside what its release says.
        zookeeper: the Kafka that it runs keeps its metadata in ZooKeeper.
    """

    runs: Literal["kafka", "flink"]
    release: str
    deployment: str
    kinds: tuple[str, ...] = Field(min_length=1)
    environment: dict[str, str] = {}
    zookeeper: bool = False


class KubernetesDefinition(Frozen):
    """The stack as pods.

    Args:
        load: where producers stand; ``load_workers`` is Locust in its place.
        nodeports: the way in from outside.
        vector: the metrics agent, applied once its bucket is there.
        tried: manifests that are shown to the API server and not kept; what it says goes on record.
        overrides: images by the last word of what manifests call them: ``images.kafka``.
        releases: where the releases of operators lie, by their names: ``operators.strimzi``.
    """

    namespace: str = Field(default="edge-harness", pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    manifests: tuple[str, ...] = Field(min_length=1)
    load: tuple[str, ...] = ()
    load_workers: tuple[str, ...] = ()
    nodeports: tuple[str, ...] = ()
    vector: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    overrides: dict[str, str] = {}
    operators: dict[str, OperatorDefinition] = {}
    releases: dict[str, str] = {}


class LoadDefinition(Frozen):
    """How a load is driven, whatever the story asks of it.

    Args:
        workers: Locust workers, in pods where the stack is pods; 0: as many processes as the story says.
        through: how clients get to pods: by the pods' network, or from outside by ports of the nodes.
        share: of the rate that the story asks for, for machines that are too small for all of it.
    """

    workers: int = Field(default=0, ge=0, le=64)
    through: Literal["network", "nodeport"] = "network"
    share: float = Field(default=1.0, ge=0.001, le=1.0)


class DockerDefinition(Frozen):
    """The stack as containers. ``overrides`` are images in the place of ours: ``images.kafka``."""

    overrides: dict[str, str] = {}


class KafkaDefinition(Frozen):
    """The Kafka component. ``overrides`` are broker properties from ``--set`` or a scenario."""

    version: str
    properties: str
    heap_mb: int = Field(ge=128, le=16_384)
    data_mb: int = Field(ge=64, le=1_000_000)
    client_port: int = Field(ge=1024, le=65_535)
    controller_port: int = Field(ge=1024, le=65_535)
    overrides: dict[str, str] = {}


class FlinkDefinition(Frozen):
    """The Flink session cluster. ``overrides`` are keys of ``flink-conf.yaml``.

    ``high_availability`` keeps the JobManager's state in ZooKeeper and the object store, so that a new one
    takes the jobs over. ``upgrade`` is what a job's restart by its operator begins from, in the words
    of the Flink operator: a savepoint, the last checkpoint, or nothing.
    """

    version: str
    config: str
    job_manager_mb: int = Field(ge=384, le=65_536)
    task_manager_mb: int = Field(ge=512, le=65_536)
    data_mb: int = Field(ge=16, le=1_000_000)
    slots: int = Field(ge=1, le=64)
    parallelism: int = Field(ge=1, le=64)
    high_availability: bool = False
    upgrade: Literal["savepoint", "last-state", "stateless"] = "last-state"
    rest_port: int = Field(default=8081, ge=1024, le=65_535)
    metrics_port: int = Field(default=9249, ge=1024, le=65_535)
    overrides: dict[str, str] = {}


class JobDefinition(Frozen):
    """The Flink job: which jar, and what it is told.

    Args:
        jar: ``edge-processor`` is the job that comes with the harness, built from its source; else a path.
        main: the job's main class.
        guarantee: the delivery guarantee of its Kafka sinks.
        window_ms: the length of its tumbling event-time windows.
        out_of_order_ms: how far event time may run backwards before a record is late.
        idle_ms: a source partition without records for that long does not hold the watermark back.
        dedup_ttl_ms: for how long the job remembers a record's id.
        transaction_timeout_ms: after which a broker aborts a transaction that nobody ended.
        archive: where every valid record goes, an object store address; empty: nowhere.
        invalid: what becomes of a record that cannot be processed: it is set aside, or the job fails on it.
        start: where a job without state begins: at the group's committed offsets, or at the log's end.
    """

    jar: str = "edge-processor"
    main: str = "edge.EdgeProcessor"
    guarantee: Literal["exactly-once", "at-least-once", "none"] = "exactly-once"
    window_ms: int = Field(default=1_000, ge=1)
    out_of_order_ms: int = Field(default=500, ge=0)
    idle_ms: int = Field(default=15_000, ge=1)
    dedup_ttl_ms: int = Field(default=120_000, ge=1)
    transaction_timeout_ms: int = Field(default=600_000, ge=1_000)
    archive: str = "s3://edge-archive/records"
    invalid: Literal["dead-letter", "fail"] = "dead-letter"
    start: Literal["committed", "latest"] = "committed"


class TopicsDefinition(Frozen):
    """Where the job's results go; the load's own topic is the job's source."""

    results: str = "edge-out"
    dead_letters: str = "edge-dlq"
    late: str = "edge-late"
    partitions: int = Field(default=6, ge=1, le=1_000)


class ObjectsDefinition(Frozen):
    """The object store: an S3 server with its buckets, on a disk of its own."""

    version: str
    port: int = Field(default=9000, ge=1024, le=65_535)
    heap_mb: int = Field(default=192, ge=64, le=16_384)
    data_mb: int = Field(ge=16, le=1_000_000)
    region: str = "us-east-1"
    access_key: str = Field(default="edge", min_length=1)
    secret_key: str = Field(default="edge-secret", min_length=1)  # of a server that lives as long as one run
    buckets: tuple[str, ...] = ("edge-archive", "edge-metrics", "edge-state")


class VectorDefinition(Frozen):
    """The metrics agent. ``binary`` is a name in PATH or a path; without it its hop is not executed."""

    binary: str = "vector"
    config: str = "vector.toml"
    data_mb: int = Field(default=600, ge=1, le=1_000_000)
    api_port: int = Field(default=8686, ge=1024, le=65_535)
    metrics_port: int = Field(default=9598, ge=1024, le=65_535)
    bucket: str = "edge-metrics"


class ToxiproxyDefinition(Frozen):
    """What delays connections where the kernel cannot. ``binary`` is a name in PATH or a path."""

    binary: str = "toxiproxy-server"
