"""What the sources of Vector really emit: one small set of events for each, to run programs on.

A source that is not here has no samples, and nothing is claimed of programs behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.audit.nodes import Node
from harness.audit.programs import TIME, Event

EventType = Literal["metric", "log"]

_NOW = {TIME: "2024-05-06T07:08:09Z"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One event and what is particular about it."""

    name: str
    type: EventType
    event: Event


# A program that is given a metric sees these and no other path; every other one is null to it.
METRIC_PATHS = frozenset({"name", "namespace", "timestamp", "interval_ms", "kind", "tags", "type"})

_METRICS = (
    Sample("a counter", "metric", {
        "name": "flink_taskmanager_job_task_numRecordsIn", "kind": "absolute", "type": "counter",
        "timestamp": _NOW, "tags": {"host": "taskmanager-1", "task_name": "window"},
    }),
    Sample("a gauge", "metric", {
        "name": "flink_jobmanager_numRunningJobs", "namespace": "edge", "kind": "absolute", "type": "gauge",
        "timestamp": _NOW, "tags": {},
    }),
)  # fmt: skip

_MESSAGES = {
    "a JSON object": '{"key":12,"sum":41,"timestamp":"2024-05-06 07:08:09"}',
    "a JSON object with an ISO timestamp": '{"key":12,"sum":41,"timestamp":"2024-05-06T07:08:09Z"}',
    "a JSON object without a timestamp": '{"key":12,"sum":41}',
    "a JSON array": "[1,2,3]",
    "text that is not JSON": "connection reset by peer",
}

_FROM_KAFKA = {
    "topic": "edge-out", "partition": 3, "offset": 1234, "message_key": "key-00000012", "headers": {},
    "timestamp": _NOW, "source_type": "kafka",
}  # fmt: skip
_FROM_ELSEWHERE = {"timestamp": _NOW, "host": "edge-1"}


def _logs(around: Event) -> tuple[Sample, ...]:
    return tuple(Sample(name, "log", {**around, "message": text}) for name, text in _MESSAGES.items())


_METRIC_SOURCES = (
    "prometheus_scrape", "prometheus_remote_write", "prometheus_pushgateway", "internal_metrics",
    "host_metrics", "statsd", "apache_metrics", "nginx_metrics", "postgresql_metrics",
    "mongodb_metrics", "static_metrics",
)  # fmt: skip
_LOG_SOURCES = (
    "file", "stdin", "socket", "http_server", "syslog", "journald", "docker_logs", "kubernetes_logs",
    "internal_logs", "amqp", "nats", "redis", "mqtt", "aws_sqs", "aws_s3", "exec", "fluent", "logstash",
)  # fmt: skip
SAMPLES: dict[str, tuple[Sample, ...]] = {
    **dict.fromkeys(_METRIC_SOURCES, _METRICS),
    **dict.fromkeys(_LOG_SOURCES, _logs(_FROM_ELSEWHERE)),
    "kafka": _logs(_FROM_KAFKA),
}

ACKNOWLEDGED = frozenset({
    "amqp", "aws_kinesis_firehose", "aws_s3", "aws_sqs", "datadog_agent", "file", "fluent", "gcp_pubsub",
    "http_server", "journald", "kafka", "logstash", "mqtt", "nats", "opentelemetry", "pulsar", "splunk_hec",
})  # fmt: skip
"""Sources that wait for the sinks before they call an event taken."""


def tagged(sample: Sample, source: Node) -> Sample:
    """The sample with the tags that the source's own settings ask for."""
    asked = {
        source.text("instance_tag"): "edge-1:9249",
        source.text("endpoint_tag"): "http://edge-1:9249/metrics",
    }
    own = sample.event.get("tags")
    tags = (own if isinstance(own, dict) else {}) | {name: value for name, value in asked.items() if name}
    return (
        Sample(sample.name, sample.type, {**sample.event, "tags": tags})
        if sample.type == "metric"
        else sample
    )


def as_log(metric: Sample) -> Sample:
    """What ``metric_to_log`` makes of a metric."""
    kept = {key: value for key, value in metric.event.items() if key != "type"}
    value = {str(metric.event.get("type", "gauge")): {"value": 1.0}}
    return Sample(metric.name, "log", {**kept, **value})
