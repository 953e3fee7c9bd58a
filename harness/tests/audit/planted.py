"""A defect for every rule, planted into a file that has none, with the words of the line it must be found on.

``old`` is replaced by ``new`` in a base file. A rule that is about what even a
sound file has is turned round: the base has it (``in_base``), and the edit takes it away.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.bundle import fixtures

SEED = fixtures() / "stacks/edge-seed/manifests"
SOUND = fixtures() / "stacks/edge/manifests"

_SERVER = """\
default.replication.factor=3
min.insync.replicas=2
auto.create.topics.enable=false
unclean.leader.election.enable=false
replica.lag.time.max.ms=10000
transaction.max.timeout.ms=3600000
"""
_PRODUCER = "# sound\nacks=all\nenable.idempotence=true\nlinger.ms=5\ndelivery.timeout.ms=120000\n"
_CONSUMER = (
    "group.id=edge\nenable.auto.commit=false\nauto.offset.reset=earliest\nisolation.level=read_committed\n"
)
PLAIN = {"server.properties": _SERVER, "producer.properties": _PRODUCER, "consumer.properties": _CONSUMER}


def base_text(name: str) -> str:
    """The sound file called *name*."""
    return PLAIN[name] if name in PLAIN else (SOUND / name).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Planted:
    """One defect, found on the first line that has ``marker``; ``given`` is an edit to both files."""

    rule: str
    base: str
    old: str
    new: str
    marker: str
    in_base: bool = False
    given: tuple[str, str] = ("", "")

    def texts(self) -> tuple[str, str]:
        """The file with the defect, and the one without."""
        base = base_text(self.base).replace(*self.given) if self.given[0] else base_text(self.base)
        assert self.old in base, f"{self.rule}: {self.old!r} is not in {self.base}"
        edited = base.replace(self.old, self.new, 1)
        return (base, edited) if self.in_base else (edited, base)

    def line(self) -> int:
        """The line on which the defect must be found."""
        lines = self.texts()[0].splitlines()
        return next(number for number, line in enumerate(lines, 1) if self.marker in line)


def _removed(rule: str, base: str, old: str, marker: str) -> Planted:
    return Planted(rule, base, old, "", marker)


_K, _F, _V = "kafka.yaml", "flink.yaml", "vector.yaml"
_S, _P, _C = "server.properties", "producer.properties", "consumer.properties"
_LISTENERS = """\
    listeners:
    - name: plain
      port: 9092
      type: internal
      tls: false
    - name: tls
      port: 9093
      type: internal
      tls: true
"""
_STORAGE = "    storage:\n      type: jbod\n"
_VOLUME = "        type: persistent-claim\n        size: 100Gi\n        deleteClaim: false\n"
_V1 = ("kafka.strimzi.io/v1beta2\nkind: Kafka\n", "kafka.strimzi.io/v1\nkind: Kafka\n")
_TAG = "edge/edge-processor:1.17.2"

KAFKA = [
    _removed("KAFKA-LISTENERS", _K, _LISTENERS, "  kafka:"),
    Planted("KAFKA-ZOOKEEPER", _K, "  zookeeper:", "  zookeeperr:", "spec:"),
    Planted("KAFKA-ZOOKEEPER-GONE", _K, "version: 3.5.1", "version: 4.0.0", "  zookeeper:"),
    Planted("KAFKA-OPERATOR-RANGE", _K, "version: 3.5.1", "version: 4.0.0", "version: 3.5.1", in_base=True),
    _removed("KAFKA-NO-VERSION", _K, "    version: 3.5.1\n", "  kafka:"),
    Planted("KAFKA-API-VERSION", _K, *_V1, "apiVersion", in_base=True),
    Planted("KAFKA-MOVED-TO-POOLS", _K, *_V1, "replicas: 3"),
    _removed(
        "KAFKA-ENTITY-OPERATOR", _K, "  entityOperator:\n    topicOperator: {}\n    userOperator: {}\n",
        "spec:"
    ),
    _removed("KAFKA-PROTOCOL-VERSION", _K, '      inter.broker.protocol.version: "3.5"\n', "    config:"),
    Planted("KAFKA-SPREAD", _K, "        affinity:\n", "        other:\n", "  kafka:"),
    Planted("KAFKA-REPLICAS", _K, "    replicas: 3\n    listeners", "    replicas: 2\n    listeners",
            "replicas: 2"),
    Planted("KAFKA-EPHEMERAL", _K, _VOLUME, "        type: ephemeral\n", "type: ephemeral"),
    Planted("KAFKA-CLAIM-KEPT", _K, "deleteClaim: false", "deleteClaim: true", "deleteClaim", in_base=True),
    Planted("KAFKA-CLAIM-DELETED", _K, "deleteClaim: false", "deleteClaim: true", "deleteClaim: true"),
    Planted("KAFKA-RESOURCES", _K, "requests:\n        memory: 4Gi", "requests:\n        m: 4Gi",
            "    resources:"),
    Planted("KAFKA-QUALITY-OF-SERVICE", _K, "limits:\n        memory: 4Gi", "limits:\n        memory: 6Gi",
            "6Gi"),
    Planted("KAFKA-PLAINTEXT", _K, "tls: false", "tls: true", "tls: false", in_base=True),
    Planted("KAFKA-KRAFT-LEADER", _K, "metadata:\n  name: edge-kafka\n",
            "metadata:\n  name: edge-kafka\n  annotations: {strimzi.io/kraft: enabled}\n", "version: 3.5.1"),
    Planted("KAFKA-HANGING-TRANSACTIONS", _K, "version: 3.5.1", "version: 3.6.1", "version: 3.5.1",
            in_base=True),
    Planted("TOPIC-REPLICAS", _K, "12\n  replicas: 3", "12\n  replicas: 1", "  replicas: 1"),
    Planted("KAFKA-REPLICATION-OVER-BROKERS", _K, "default.replication.factor: 3",
            "default.replication.factor: 5", "factor: 5"),
    Planted("KAFKA-FORBIDDEN-SETTING", _K, "      min.insync",
            "      broker.session.timeout.ms: 6000\n      min.insync",
            "broker.session.timeout.ms"),
    Planted("SITE-REQUESTS", _K, "      requests:\n        memory: 4Gi\n        cpu: \"500m\"\n", "",
            "    resources:",
            in_base=True),
]  # fmt: skip

BROKER = [
    Planted("KAFKA-REPLICATION", _S, "factor=3", "factor=1", "default.replication"),
    Planted("KAFKA-INTERNAL-REPLICATION", _S, "min.ins", "offsets.topic.replication.factor=1\nmin.ins",
            "offsets"),
    Planted("KAFKA-MIN-ISR-ONE", _S, "replicas=2", "replicas=1", "min.insync"),
    Planted("KAFKA-MIN-ISR-ALL", _S, "replicas=2", "replicas=3", "min.insync"),
    Planted("KAFKA-UNCLEAN-ELECTION", _S, "election.enable=false", "election.enable=true", "unclean"),
    _removed("KAFKA-UNCLEAN-UNSAID", _S, "unclean.leader.election.enable=false\n", "default"),
    Planted("KAFKA-AUTO-CREATE", _S, "topics.enable=false", "topics.enable=true", "auto.create"),
    _removed("KAFKA-REPLICA-LAG", _S, "replica.lag.time.max.ms=10000\n", "default"),
    Planted("KAFKA-TRANSACTION-MAXIMUM", _S, "=3600000", "=60000", "transaction.max"),
]  # fmt: skip

FLINK = [
    Planted("FLINK-STATELESS", _F, "last-state", "stateless", "upgradeMode"),
    _removed("FLINK-UPGRADE-UNSUPPORTED", _F, "    state.checkpoints.dir: s3://edge-state/checkpoints\n",
             "upgradeMode"),
    Planted("FLINK-RESTART-FAILED", _F, 'failed: "true"', 'failed: "false"', "job.restart.failed"),
    Planted("FLINK-JAR-NOT-IN-IMAGE", _F, _TAG, "flink:1.17.2", "jarURI"),
    Planted("FLINK-IMAGE-MOVES", _F, _TAG, "flink:1.17", "image:"),
    Planted("FLINK-VERSION-MISMATCH", _F, _TAG, "flink:1.18.1", "flinkVersion"),
    Planted("FLINK-VERSION-OLD", _F, "v1_17", "v1_20", "flinkVersion", in_base=True),
    Planted("FLINK-ONE-TASK-MANAGER", _F, 'numberOfTaskSlots: "2"', 'numberOfTaskSlots: "4"',
            "numberOfTaskSlots"),
    Planted("FLINK-NAME-LONG", _F, "  name: edge-processing\n", f"  name: {'e' * 46}\n", "  name: eee"),
    Planted("FLINK-SERVICE-ACCOUNT", _F, "---\n# What Vector",
            "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: flink}\n---\n# What Vector",
            "serviceAccount", in_base=True),
    Planted("FLINK-OBJECT-STORE-PLUGIN", _F, "ENABLE_BUILT_IN_PLUGINS", "OTHER", "state.checkpoints.dir",
            given=(_TAG, "flink:1.17.2")),
    Planted("FLINK-SINK-UNSEEN", _F, "    - --guarantee\n    - exactly-once\n", "", "    args:"),
    Planted("FLINK-SINK-GUARANTEE", _F, "exactly-once", "none", "    args:"),
    Planted("FLINK-TRANSACTION-TIMEOUT", _F, '"900000"', '"60000"', "    args:",
            given=('"1800000"', '"900000"')),
    _removed("FLINK-NO-CHECKPOINTS", _F, "    execution.checkpointing.interval: 10s\n", "flinkConfiguration"),
    Planted("FLINK-CHECKPOINT-PLACE", _F, "s3://edge-state/checkpoints", "file:///tmp/c",
            "state.checkpoints.dir"),
    _removed("FLINK-SAVEPOINT-PLACE", _F, "    state.savepoints.dir: s3://edge-state/savepoints\n",
             "flinkConfiguration"),
    Planted("FLINK-NO-RESTART", _F, "exponential-delay", "none", "restart-strategy"),
    _removed("FLINK-RESTART-UNSAID", _F, "    restart-strategy: exponential-delay\n", "flinkConfiguration"),
    Planted("FLINK-RESTART-FEW", _F, "restart-strategy: exponential-delay",
            'restart-strategy: fixed-delay\n    restart-strategy.fixed-delay.attempts: "3"', "attempts"),
    _removed("FLINK-NO-HA", _F, "    high-availability.type: kubernetes\n", "flinkConfiguration"),
    _removed("FLINK-HA-PLACE", _F, "    high-availability.storageDir: s3://edge-state/ha\n",
             "flinkConfiguration"),
    Planted("FLINK-CHECKPOINT-TOLERANCE", _F, '"1000"', '"0"', "tolerable"),
    Planted("FLINK-AT-LEAST-ONCE", _F, "    state.backend",
            "    execution.checkpointing.mode: AT_LEAST_ONCE\n    state.backend",
            "AT_LEAST_ONCE"),
    _removed("FLINK-CHECKPOINT-PAUSE", _F, "    execution.checkpointing.min-pause: 5s\n",
             "flinkConfiguration"),
    Planted("FLINK-CHECKPOINT-KEPT", _F, "RETAIN_ON", "DELETE_ON", "retention"),
    Planted("FLINK-NO-METRICS", _F,
            "    metrics.reporter.prom.factory.class: org.apache.flink.metrics.prometheus."
            'PrometheusReporterFactory\n    metrics.reporter.prom.port: "9249"\n', "", "flinkConfiguration"),
    Planted("FLINK-HEARTBEAT", _F, '"15000"', "50s", "heartbeat.timeout"),
    _removed("FLINK-STATE-BACKEND", _F, "    state.backend: hashmap\n", "flinkConfiguration"),
]  # fmt: skip

_DISK = 'buffer = { type = "disk", max_size = 1073741824, when_full = "block" }'
VECTOR = [
    Planted("VECTOR-INPUTS", _V, '"edge_metrics_as_logs", ', '"edge_metrics_as_log", ',
            "edge_metrics_as_log\""),
    Planted("VECTOR-UNREAD", _V, '"edge_metrics_as_logs", ', "", "[transforms.edge_metrics_as_logs]"),
    Planted("VECTOR-EVENT-TYPE", _V, 'inputs = ["edge_metrics"]', 'inputs = ["edge_events"]',
            '["edge_events"]'),
    Planted("VECTOR-LOCALHOST", _V, "edge-processing-jobmanager-metrics", "localhost", "endpoints"),
    Planted("VECTOR-NOT-MOUNTED", _V, "configMap: {name: vector-config}", "emptyDir: {}", "vector.toml: |"),
    Planted("VECTOR-CONFIG-PATH", _V, "args: [--config, /etc/vector/vector.toml]", "args: []",
            "vector.toml: |"),
    Planted("VECTOR-METRICS-TO-S3", _V, '"edge_metrics_as_logs", ', '"edge_metrics", ',
            '["edge_metrics", "edge_p'),
    _removed("VECTOR-S3-REGION", _V, '      region = "us-east-1"\n      endpoint = "http://minio:9000"\n',
             "[sinks.edge_storage]"),
    Planted("VECTOR-S3-CREDENTIALS", _V, "name: AWS_ACCESS_KEY_ID", "name: OTHER", "[sinks.edge_storage]"),
    Planted("VECTOR-S3-PREFIX", _V, '"date=%F/"', '"date=%F"', "key_prefix"),
    _removed("VECTOR-S3-FRAMING", _V, '      framing.method = "newline_delimited"\n', "[sinks.edge_storage]"),
    _removed("VECTOR-MEMORY-BUFFER", _V, f"      {_DISK}\n", "[sinks.edge_storage]"),
    Planted("VECTOR-BUFFER-DROPS", _V, _DISK, _DISK.replace("block", "drop_newest"), "drop_newest"),
    Planted("VECTOR-DISK-BUFFER-SMALL", _V, "1073741824", "100000000", "100000000"),
    Planted("VECTOR-DATA-DIR", _V, "mountPath: /var/lib/vector", "mountPath: /data", "data_dir"),
    _removed("VECTOR-ACKNOWLEDGEMENTS", _V, "    acknowledgements.enabled = true\n", "[sinks.edge_storage]"),
    Planted("VECTOR-SCRAPE-GAPS", _V, 'type = "prometheus_scrape"', 'type = "statsd"', "prometheus_scrape",
            in_base=True),
    Planted("VECTOR-UNWATCHED", _V, 'type = "internal_metrics"', 'type = "host_metrics"',
            "[sources.edge_metrics]"),
    Planted("VECTOR-NO-HEALTH", _V, "enabled = true\n      address", "enabled = false\n      address",
            "enabled = false"),
    Planted("VECTOR-API-KEYS", _V, "      enabled = true\n",
            "      enabled = true\n      playground = false\n", "playground"),
    Planted("VECTOR-KAFKA-START", _V, '"earliest"', '"latest"', "auto_offset_reset"),
    Planted("VECTOR-KAFKA-ISOLATION", _V, "read_committed", "read_uncommitted", "isolation.level"),
    Planted("VECTOR-VRL-COMPILE", _V, "parse_json!(.message)", "parse_json(.message)", "parse_json"),
    Planted("VECTOR-VRL-NEVER", _V, "parse_json!(.message)", "parse_json!(.text)", "parse_json"),
    _removed("VECTOR-VRL-BRITTLE", _V, "      drop_on_error = true\n      reroute_dropped = true\n",
             "parse_json"),
    Planted("VECTOR-VRL-ON-LOGS", _V, 'inputs = ["edge_events"]', 'inputs = ["edge_metrics"]', "parse_json"),
    Planted("VECTOR-VRL-UNTRIED", _V, "parse_json!(.message)", "parse_json!(get_secret(\"x\"))", "origin ="),
    Planted("VECTOR-METRIC-ROOT", _V, 'inputs = ["edge_events"]', 'inputs = ["edge_metrics"]', ". = object!"),
    Planted("VECTOR-DROP-ON-ERROR", _V, "drop_on_error = true", "drop_on_error = false", "drop_on_error"),
    Planted("VECTOR-DROPPED-UNREAD", _V, '"edge_processing.dropped"', '"edge_metrics_as_logs"',
            "reroute_dropped"),
    Planted("VECTOR-EVENT-WIPED", _V, "        .topic = origin.topic\n        .partition = origin.partition\n"
            "        .offset = origin.offset\n", "", ". = object!"),
    _removed("VECTOR-TIME-ZONE", _V, '    timezone = "UTC"\n', "parse_timestamp"),
]  # fmt: skip

CLIENTS = [
    Planted("PRODUCER-ACKS", _P, "acks=all", "acks=1", "acks=1"),
    _removed("PRODUCER-ACKS-UNSAID", _P, "acks=all\n", "# sound"),
    Planted("PRODUCER-IDEMPOTENCE", _P, "idempotence=true", "idempotence=false", "idempotence"),
    Planted("PRODUCER-ORDER", _P, "idempotence=true", "idempotence=false", "# sound"),
    Planted("PRODUCER-IN-FLIGHT", _P, "linger", "max.in.flight.requests.per.connection: 6\nlinger",
            "in.flight"),
    Planted("PRODUCER-RETRIES", _P, "linger", "retries = 0\nlinger", "retries"),
    Planted("PRODUCER-DELIVERY-TIMEOUT", _P, "=120000", "=5000", "delivery"),
    Planted("PRODUCER-TRANSACTION-TIMEOUT", _P, "linger", "transaction.timeout.ms=3600000\nlinger",
            "transaction"),
    Planted("CONSUMER-AUTO-COMMIT", _C, "commit=false", "commit=true", "auto.commit"),
    Planted("CONSUMER-START", _C, "earliest", "latest", "offset.reset"),
    Planted("CONSUMER-ISOLATION", _C, "=read_committed", "=read_uncommitted", "isolation"),
]  # fmt: skip

ALL = [*KAFKA, *BROKER, *FLINK, *VECTOR, *CLIENTS]
