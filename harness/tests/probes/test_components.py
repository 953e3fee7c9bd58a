"""Each probe reads its component's answers as that component writes them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from harness.bundle import fixtures
from harness.errors import StackError
from harness.probes.flink import FlinkProbe
from harness.probes.kafka import KafkaProbe
from harness.probes.objects import ObjectsProbe
from harness.probes.pipeline import pipeline_probes
from harness.probes.sampler import Sample
from harness.probes.vector import VectorProbe
from harness.prometheus import parse
from harness.stack.definition import read_definition
from harness.stack.flink.rest import FlinkRest
from harness.tests.mock_cluster import mock_cluster
from harness.tests.webserver import Answers, WebServer


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A server on loopback that answers as a test tells it to."""
    with WebServer() as running:
        yield running


def _by_key(samples: list[Sample]) -> dict[tuple[str, str], float]:
    return {(source, name): value for source, name, value in samples}


def _flink(server: WebServer, *, completed: int = 7) -> FlinkProbe:
    """A job, in the words of Flink 1.17's REST interface."""
    latest = {"end_to_end_duration": 412, "state_size": 2_500_000} if completed else None
    told = {
        "/jobs/overview": {"jobs": [_job("old", 1), _job("new", 2)]},
        "/jobs/new/metrics?get=numRestarts": [{"id": "numRestarts", "value": "3"}],
        "/jobs/new/checkpoints": {
            "counts": {"completed": completed, "failed": 1, "restored": 0},
            "latest": {"completed": latest, "failed": None},
        },
    }
    for path, answer in told.items():
        server.says(path, Answers(text=json.dumps(answer)))
    return FlinkProbe([server.url("")])


def _job(name: str, start: int) -> dict[str, object]:
    tasks = {"total": 4, "running": 3, "scheduled": 1}
    return {"jid": name, "name": "edge", "state": "RUNNING", "start-time": start, "tasks": tasks}


def test_flink_tells_of_its_newest_job(server: WebServer) -> None:
    """Tasks, restarts and checkpoints, and nothing that its tasks know better."""
    seen = _by_key(_flink(server).sample())

    assert seen == {
        ("flink", "tasks_running"): 3,
        ("flink", "tasks_total"): 4,
        ("flink", "restarts"): 3,
        ("flink", "checkpoints_completed"): 7,
        ("flink", "checkpoints_failed"): 1,
        ("flink", "checkpoint_ms"): 412,
        ("flink", "checkpoint_mb"): 2.5,
    }


def test_no_checkpoint_took_no_time(server: WebServer) -> None:
    """Before the first one is complete there is no duration and no size."""
    assert ("flink", "checkpoint_ms") not in _by_key(_flink(server, completed=0).sample())


def test_flink_without_a_job_is_no_sample(server: WebServer) -> None:
    """No job yet, nonsense, and a JobManager that is away all mean: not known."""
    server.says("/jobs/overview", Answers(text='{"jobs": []}'))
    with pytest.raises(StackError, match="no job"):
        FlinkProbe([server.url("")]).sample()
    server.says("/jobs/overview", Answers(text='{"jobs": [{"jid": 1}]}'))
    with pytest.raises(StackError, match="no sense"):
        FlinkProbe([server.url("")]).sample()


def test_the_next_job_manager_is_asked_when_one_is_away(server: WebServer) -> None:
    """With two JobManagers the second serves once the first is silent."""
    _flink(server)
    probe = FlinkProbe(["http://127.0.0.1:9", server.url("")])

    with pytest.raises(StackError):
        probe.sample()

    assert ("flink", "tasks_running") in _by_key(probe.sample())


VECTOR = """\
# HELP vector_buffer_events buffer_events
# TYPE vector_buffer_events gauge
vector_buffer_events{buffer_id="out",component_id="out",component_kind="sink",stage="0"} 12 1795644174083
vector_buffer_events{buffer_id="hole",component_id="hole",component_kind="sink",stage="0"} 30 1795644174083
vector_component_errors_total{component_id="bad",error_type="conversion_failed",host="vm"} 545 1795644174083
vector_component_errors_total{component_id="edge",url="http://127.0.0.1:2/metrics"} 5 1795644174083
vector_component_discarded_events_total{component_id="bad",intentional="false"} 545 1795644174083
vector_component_discarded_events_total{component_id="filter",intentional="true"} 9000 1795644174083
vector_component_received_events_total{component_id="hole",component_kind="sink"} %d 1795644174083
"""
"""As Vector 0.56's own exporter wrote it, shortened."""


def test_vector_tells_of_errors_buffers_and_rates(server: WebServer) -> None:
    """Errors and buffered events are summed, what is dropped on purpose is not, rates need two samples."""
    probe = VectorProbe("vector-1", server.url("/metrics"))

    server.says("/metrics", Answers(text=VECTOR % 100))
    first = _by_key(probe.sample())
    server.says("/metrics", Answers(text=VECTOR % 150))
    second = _by_key(probe.sample())

    assert first["vector-1", "errors_total"] == 550
    assert first["vector-1", "buffer_events"] == 42
    assert first["vector-1", "discarded_total"] == 545
    assert ("vector-1/hole", "records_in_per_s") not in first
    assert second["vector-1/hole", "records_in_per_s"] > 0


def test_a_counter_that_fell_is_no_negative_rate(server: WebServer) -> None:
    """After a restart Vector counts from zero: that sample has no rate."""
    probe = VectorProbe("vector-1", server.url("/metrics"))
    for total in (100, 10):
        server.says("/metrics", Answers(text=VECTOR % total))
        seen = _by_key(probe.sample())

    assert ("vector-1/hole", "records_in_per_s") not in seen


def test_an_exporter_of_something_else_is_no_vector(server: WebServer) -> None:
    """Zero errors are only told by a Vector that answers."""
    server.says("/metrics", Answers(text="flink_jobs 1\n"))

    with pytest.raises(StackError, match="nothing of Vector"):
        VectorProbe("vector-1", server.url("/metrics")).sample()


def test_labels_may_hold_anything() -> None:
    """Braces, commas and escaped quotes inside a label's value do not end it."""
    (found,) = parse('a_total{url="http://x/{y},\\"z\\"",b="2"} 1e3 17\n# a_total 2\n\nbroken{ 3\n')

    assert (found.name, found.labels["b"], found.value) == ("a_total", "2", 1000)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever an exporter writes, the parser gives samples or none."""
    assert all(one.name for one in parse(text))


@pytest.mark.parametrize(("status", "answered"), [(200, True), (403, True), (500, False), (503, False)])
def test_any_answer_but_a_server_error_counts(server: WebServer, status: int, answered: bool) -> None:  # noqa: FBT001
    """A refusal comes from a server that is there; a server error does not."""
    server.says("/", Answers(status=status))
    probe = ObjectsProbe("s3-1", server.url("/"))

    if answered:
        ((source, name, value),) = probe.sample()
        assert (source, name) == ("s3-1", "latency_ms")
        assert 0 < value < 5000
    else:
        with pytest.raises(StackError, match=str(status)):
            probe.sample()


def test_kafka_tells_how_far_a_group_is_behind() -> None:
    """Lag is the end less what is committed, all of it before the first commit, and topics grow."""
    with mock_cluster() as bootstrap:
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        _produce(producer, 10)
        probe = KafkaProbe(bootstrap, "edge-processor", ["orders"])
        first = _by_key(probe.sample())
        _commit(bootstrap, 4)
        _produce(producer, 5)
        second = _by_key(probe.sample())

    assert first["edge-processor", "lag_records"] == 10
    assert second["edge-processor", "lag_records"] == 11
    assert second["orders/0", "lag_records"] == 11
    assert second["orders", "appended_per_s"] > 0


def test_kafka_that_is_away_is_no_sample() -> None:
    """Without a broker there is no number, and no wait beyond a second or so."""
    probe = KafkaProbe("127.0.0.1:9", "edge-processor", ["orders"])

    started = time.monotonic()
    with pytest.raises(StackError, match="did not tell"):
        probe.sample()

    assert time.monotonic() - started < 5


def _produce(producer: Producer, number: int) -> None:
    for _ in range(number):
        producer.produce("orders", b"x", partition=0)
    assert producer.flush(10) == 0


def _commit(bootstrap: str, offset: int) -> None:
    settings = {"bootstrap.servers": bootstrap, "group.id": "edge-processor", "log_level": 0}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition("orders", 0, offset)], asynchronous=False)
    consumer.close()


def test_a_stack_gets_the_probes_of_its_components() -> None:
    """The pipeline gets one for each, without Vector one less, and brokers alone none."""
    edge = read_definition(fixtures() / "stacks", "edge", {})
    alone = read_definition(fixtures() / "stacks", "edge-kafka", {})

    cluster = FlinkRest(["http://127.0.0.1:9"])
    with_vector = pipeline_probes(edge, cluster, bootstrap="127.0.0.1:9", source="orders")
    without = pipeline_probes(edge, cluster, bootstrap="127.0.0.1:9", source="orders", vector=False)

    assert [probe.name for probe in with_vector] == ["kafka", "flink", "tasks", "objects", "vector"]
    assert [probe.name for probe in without] == ["kafka", "flink", "tasks", "objects"]
    assert pipeline_probes(alone, None, bootstrap="127.0.0.1:9", source="orders") == []
