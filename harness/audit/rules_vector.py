"""Rules for Vector's sources, sinks and the pod that runs it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.audit.documents import Kind
from harness.audit.findings import Severity
from harness.audit.nodes import Node
from harness.audit.rules import Case, Hit, Table
from harness.audit.samples import ACKNOWLEDGED
from harness.audit.topology import Component, wrong_input
from harness.audit.workloads import workloads

TABLE = Table(Kind.VECTOR)
_rule = TABLE.rule
_LOCALHOST = re.compile(r"(?:^|//)(?:localhost|127(?:\.\d+){3}|\[::1\])(?=[:/]|$)")
_LEAST_DISK_BUFFER = 268_435_488
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_CREDENTIAL_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE")


def _sinks(case: Case, *types: str) -> Iterator[Component]:
    return (one for one in case.topology.each("sinks") if not types or one.type in types)


def _told(case: Case, *variables: str) -> bool:
    return any(workload.has_variable(*variables) for workload in workloads(case))


def _vector_version(case: Case) -> tuple[int, ...]:
    return next((one.vector_version for one in workloads(case) if one.vector_version), ())


def _buffers(sink: Component) -> tuple[Node, ...]:
    """The stages of the sink's buffer: one, or a list of them."""
    found = sink.node.at("buffer")
    return () if found is None else found.items or (found,)


def _has_disk_buffer(sink: Component) -> bool:
    return any(stage.text("type") == "disk" for stage in _buffers(sink))


@_rule(
    "VECTOR-INPUTS", Severity.ERROR,
    what="an input that nothing has",
    why="Vector refuses the whole configuration and does not start",
    fix="name a source, a transform or TRANSFORM.OUTPUT",
)  # fmt: skip
def _inputs(case: Case) -> Iterator[Hit]:
    for one in case.topology.each("transforms", "sinks"):
        unknown = [name for name in one.inputs if not case.topology.base(name)]
        for name in unknown or ([] if one.inputs else ["(none)"]):
            told = f"{one.name} reads from {name}, which nothing has"
            yield case.hit(one.group, one.name, "inputs", what=told)


@_rule(
    "VECTOR-UNREAD", Severity.WARNING,
    what="a component that nobody reads",
    why="what it makes goes nowhere; Vector says so in one line of its log",
    fix="name it in the inputs of a sink, or remove it",
)  # fmt: skip
def _unread(case: Case) -> Iterator[Hit]:
    read = {
        base.name
        for one in case.topology.each("transforms", "sinks")
        for name in one.inputs
        for base in case.topology.base(name)
    }
    for one in case.topology.each("sources", "transforms"):
        if one.name not in read:
            yield case.hit(one.group, one.name, what=f"nobody reads {one.name}")


@_rule(
    "VECTOR-EVENT-TYPE", Severity.ERROR,
    what="a transform gets the wrong type of event",
    why="metric_to_log takes metrics and log_to_metric takes logs; Vector refuses the topology",
    fix="give it the other type, or remove it",
)  # fmt: skip
def _event_type(case: Case) -> Iterator[Hit]:
    for one in case.topology.each("transforms"):
        wrong = wrong_input(one, case.topology.arriving(one) or ())
        if wrong:
            yield case.hit(one.group, one.name, "inputs", what=f"{one.name} ({one.type}) gets {wrong}s")


@_rule(
    "VECTOR-LOCALHOST", Severity.ERROR,
    what="localhost is the pod itself",
    why="inside a pod nothing listens there, so every scrape fails; outside of one it is right only beside"
    " the scraped process",
    fix="name the Service and its port, as in http://edge-processing-metrics:9249/metrics",
    scenario="pipeline",
)  # fmt: skip
def _localhost(case: Case) -> Iterator[Hit]:
    for source in case.topology.each("sources"):
        for key in ("endpoints", "endpoint", "bootstrap_servers"):
            for node in source.node.list_of(key):
                if _LOCALHOST.search(node.text()):
                    severity = None if case.document.inside else Severity.NOTE
                    told = f"{source.name} reads from {node.text()}"
                    yield case.hit("sources", source.name, key, what=told, severity=severity)


@_rule(
    "VECTOR-NOT-MOUNTED", Severity.ERROR,
    what="no workload mounts this ConfigMap",
    why="a ConfigMap alone runs nothing: there is no Vector, and nothing says so",
    fix="add a Deployment (or DaemonSet) of Vector that mounts it, and audit both files together",
    versions="all",
)  # fmt: skip
def _not_mounted(case: Case) -> Iterator[Hit]:
    if case.document.inside and not workloads(case):
        called = f'"{case.document.called}"'
        yield Hit(case.document.line, f"data.{called}", f"no workload mounts {case.document.inside}")


@_rule(
    "VECTOR-CONFIG-PATH", Severity.WARNING,
    what="Vector looks for another file",
    why="the official image reads /etc/vector/vector.yaml since 0.34; vector.toml there is never opened, "
    "and Vector runs its demonstration instead",
    fix="start it with --config /etc/vector/vector.toml, or set VECTOR_CONFIG",
    versions="Vector 0.34 and newer",
)  # fmt: skip
def _config_path(case: Case) -> Iterator[Hit]:
    told = any(workload.names_its_config for workload in workloads(case))
    old = (0,) < _vector_version(case) < (0, 34)
    if case.document.inside and case.document.called != "vector.yaml" and not told and not old:
        called = case.document.called
        yield Hit(case.document.line, f'data."{called}"', f"Vector looks for vector.yaml, not for {called}")


@_rule(
    "VECTOR-METRICS-TO-S3", Severity.WARNING,
    what="metrics go to aws_s3 as they are",
    why="up to 0.29 aws_s3 takes logs only and Vector refuses the topology; from 0.30 it takes metrics "
    "with encoding.codec = json, in the shape of Vector's own model",
    fix="put metric_to_log before the sink",
    versions="refused up to 0.29, accepted from 0.30",
    scenario="pipeline",
)  # fmt: skip
def _metrics_to_s3(case: Case) -> Iterator[Hit]:
    for sink in _sinks(case, "aws_s3"):
        if any(sample.type == "metric" for sample in case.topology.arriving(sink) or ()):
            refused = (0,) < _vector_version(case) < (0, 30)
            yield case.hit("sinks", sink.name, "inputs", severity=Severity.ERROR if refused else None)


@_rule(
    "VECTOR-S3-REGION", Severity.ERROR,
    what="neither region nor endpoint",
    why="Vector then asks the environment, a profile and the machine's metadata service; when none answers"
    " it does not start: \"Could not determine region from Vector configuration or default providers\"",
    fix="set region, and endpoint for a store of your own",
    scenario="pipeline",
)  # fmt: skip
def _s3_region(case: Case) -> Iterator[Hit]:
    for sink in _sinks(case, "aws_s3"):
        given = sink.node.text("region") or sink.node.text("endpoint")
        if not given and not _told(case, *_REGION_VARIABLES):
            yield case.hit("sinks", sink.name, "region")


@_rule(
    "VECTOR-S3-CREDENTIALS", Severity.NOTE,
    what="no credentials in sight",
    why="the provider chain looks in the environment, a profile and the metadata service; without any, "
    "every upload is refused and the buffer fills",
    fix="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from a Secret, or auth in the sink",
)  # fmt: skip
def _s3_credentials(case: Case) -> Iterator[Hit]:
    for sink in _sinks(case, "aws_s3"):
        if sink.node.at("auth") is None and not _told(case, *_CREDENTIAL_VARIABLES):
            yield case.hit("sinks", sink.name, "auth")


@_rule(
    "VECTOR-S3-PREFIX", Severity.WARNING,
    what="objects of a day have no folder",
    why="key_prefix is date=%F unless set, without a slash at its end: the names run together as "
    "date=2024-05-061714979289-….log.gz",
    fix='set key_prefix = "date=%F/"',
)  # fmt: skip
def _s3_prefix(case: Case) -> Iterator[Hit]:
    for sink in _sinks(case, "aws_s3"):
        prefix = sink.node.at("key_prefix")
        if prefix is None or (prefix.text() and not prefix.text().endswith("/")):
            yield case.hit("sinks", sink.name, "key_prefix")


@_rule(
    "VECTOR-S3-FRAMING", Severity.NOTE,
    what="how records are parted is left to the codec",
    why="a reader that expects one record a line must not depend on a default that goes with the codec",
    fix='set framing.method = "newline_delimited"',
)  # fmt: skip
def _s3_framing(case: Case) -> Iterator[Hit]:
    for sink in _sinks(case, "aws_s3"):
        if not sink.node.text("framing", "method"):
            yield case.hit("sinks", sink.name, "framing", "method")


@_rule(
    "VECTOR-MEMORY-BUFFER", Severity.ERROR,
    what="what waits to be sent is in memory",
    why="the buffer is 500 events in memory unless set, and a batch waits for up to 300 s: a killed Vector"
    " loses all of it",
    fix='set buffer = {type = "disk", max_size = 268435488, when_full = "block"}, on a disk that stays',
    scenario="vector_memory_buffer_lost",
)  # fmt: skip
def _memory_buffer(case: Case) -> Iterator[Hit]:
    for sink in _sinks(case):
        if sink.type in {"prometheus_exporter", "console", "blackhole"} or _has_disk_buffer(sink):
            continue
        seconds = sink.node.text("batch", "timeout_secs") or "300"
        told = f"{sink.name} keeps up to {seconds} s of events in memory"
        yield case.hit("sinks", sink.name, "buffer", what=told)


@_rule(
    "VECTOR-BUFFER-DROPS", Severity.WARNING,
    what="a full buffer throws events away",
    why="when_full: drop_newest loses whatever comes while the sink is slower than the source",
    fix='set when_full = "block"',
    scenario="uplink_to_s3_gone",
)  # fmt: skip
def _buffer_drops(case: Case) -> Iterator[Hit]:
    for sink in _sinks(case):
        if any(node.text("when_full") == "drop_newest" for node in _buffers(sink)):
            yield case.hit("sinks", sink.name, "buffer", "when_full")


@_rule(
    "VECTOR-DISK-BUFFER-SMALL", Severity.ERROR,
    what="a disk buffer below its least size",
    why=f"Vector refuses less than {_LEAST_DISK_BUFFER} bytes and does not start",
    fix=f"set max_size = {_LEAST_DISK_BUFFER} or more; it is what the site survives of an outage",
    scenario="uplink_to_s3_gone",
)  # fmt: skip
def _disk_buffer_small(case: Case) -> Iterator[Hit]:
    for sink in _sinks(case):
        for node in _buffers(sink):
            size = node.number("max_size")
            if node.text("type") == "disk" and size is not None and size < _LEAST_DISK_BUFFER:
                yield case.hit("sinks", sink.name, "buffer", "max_size")


@_rule(
    "VECTOR-DATA-DIR", Severity.WARNING,
    what="the disk buffer lies in the container",
    why="data_dir is on no volume, so a container that restarts begins with an empty buffer",
    fix="mount a volume at data_dir; a claim also survives the pod, an emptyDir the container only",
    scenario="vector_killed",
)  # fmt: skip
def _data_dir(case: Case) -> Iterator[Hit]:
    folder = case.root.text("data_dir") or "/var/lib/vector"
    buffered = any(_has_disk_buffer(sink) for sink in _sinks(case))
    for workload in workloads(case) if buffered else ():
        kept = workload.keeps(folder)
        if kept in {"", "emptyDir"}:
            severity = Severity.NOTE if kept else None
            told = (
                f"{folder} is an emptyDir, which goes with the pod" if kept else f"{folder} is on no volume"
            )
            yield case.hit("data_dir", what=told, severity=severity)


@_rule(
    "VECTOR-ACKNOWLEDGEMENTS", Severity.WARNING,
    what="events count as taken before they are delivered",
    why="without acknowledgements a source is told at once; what is under way when Vector dies is lost, "
    "though Kafka would have sent it again",
    fix="set acknowledgements.enabled = true",
    versions="0.20 and newer",
    scenario="vector_killed",
)  # fmt: skip
def _acknowledgements(case: Case) -> Iterator[Hit]:
    if case.root.flag("acknowledgements", "enabled") or case.root.flag("acknowledgements"):
        return
    for sink in _sinks(case):
        sources = [case.topology.components[name] for name in case.topology.ancestors(sink)]
        can = any(one.type in ACKNOWLEDGED for one in sources if one.group == "sources")
        if not sink.node.flag("acknowledgements", "enabled") and can:
            yield case.hit("sinks", sink.name, "acknowledgements", "enabled")


@_rule(
    "VECTOR-SCRAPE-GAPS", Severity.NOTE,
    what="scrapes that are missed are gone",
    why="prometheus_scrape cannot acknowledge and keeps no place: while Vector is down nothing is kept for"
    " it",
    fix="accept gaps, or let the sender keep what matters in Kafka",
    scenario="vector_killed",
)  # fmt: skip
def _scrape_gaps(case: Case) -> Iterator[Hit]:
    for source in case.topology.each("sources"):
        if source.type == "prometheus_scrape":
            yield case.hit("sources", source.name, "type")


@_rule(
    "VECTOR-UNWATCHED", Severity.WARNING,
    what="nobody sees Vector's own errors",
    why="component_errors_total and buffer_discarded_events_total are the only sign that events fail or "
    "are thrown away, and nothing exports them",
    fix="add a source of type internal_metrics and a sink of type prometheus_exporter",
    scenario="seed_vrl_never_matches",
)  # fmt: skip
def _unwatched(case: Case) -> Iterator[Hit]:
    if not any(source.type == "internal_metrics" for source in case.topology.each("sources")):
        yield case.hit("sources")


@_rule(
    "VECTOR-NO-HEALTH", Severity.NOTE,
    what="no health endpoint",
    why="without the API there is no /health for a probe, so a Vector that hangs is never restarted",
    fix="set api.enabled = true and probe port 8686",
)  # fmt: skip
def _no_health(case: Case) -> Iterator[Hit]:
    if not case.root.flag("api", "enabled"):
        yield case.hit("api", "enabled")


@_rule(
    "VECTOR-API-KEYS", Severity.WARNING,
    what="an API setting that newer versions refuse",
    why="GraphQL is gone in 0.55, and api.graphql and api.playground are rejected there: Vector does not "
    "start",
    fix="remove it",
    versions="Vector 0.55 and newer",
)  # fmt: skip
def _api_keys(case: Case) -> Iterator[Hit]:
    for key in ("graphql", "playground"):
        if case.root.at("api", key) is not None:
            yield case.hit("api", key)


@_rule(
    "VECTOR-KAFKA-START", Severity.WARNING,
    what="a new consumer group skips what is there",
    why="auto_offset_reset is largest unless set: whatever was written before the first start is never read",
    fix='set auto_offset_reset = "earliest"',
    scenario="vector_killed",
)  # fmt: skip
def _kafka_start(case: Case) -> Iterator[Hit]:
    for source in case.topology.each("sources"):
        reset = source.node.text("auto_offset_reset")
        if source.type == "kafka" and reset not in {"earliest", "smallest", "beginning"}:
            yield case.hit("sources", source.name, "auto_offset_reset")


@_rule(
    "VECTOR-KAFKA-ISOLATION", Severity.WARNING,
    what="aborted transactions are read as well",
    why="isolation.level=read_uncommitted delivers results that Flink's sink has taken back",
    fix='set librdkafka_options."isolation.level" = "read_committed"',
    scenario="sink_without_exactly_once",
)  # fmt: skip
def _kafka_isolation(case: Case) -> Iterator[Hit]:
    for source in case.topology.each("sources"):
        options = source.node.near("librdkafka_options")
        if source.type == "kafka" and options.text("isolation.level") == "read_uncommitted":
            yield case.hit("sources", source.name, "librdkafka_options", "isolation.level")
