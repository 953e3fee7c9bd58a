"""What a run writes down of its pipeline: what was planned, started and read, and what was not."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from harness.errors import BadInput
from harness.ledger import schema, tables
from harness.model import CaughtUp, Fence, HopRead, JobStarted, NotExecuted, PipelinePlanned
from harness.tests.mock_cluster import PARTITIONS, mock_cluster
from harness.tests.sites import FakeSite

WITHOUT = {"job.archive": ""}
MISSING = "there is no 'vector' in PATH"
WHOLE = Fence(
    partition=0, first_offset=0, end_offset=5, committed_end_offset=5, sentinel_offset=5, position=6
)
CUT = WHOLE.model_copy(update={"position": 3})
SENT = "the agent sent all it held"
THROUGH = "every task saw the closing watermark, and a later checkpoint is complete"
RECORD = b'{"p":0,"o":5,"id":"2/0/15","k":7,"t":1764100000000,"v":0}\n'


@pytest.mark.parametrize(
    ("settings", "agent", "parts"),
    [
        ({}, True, ("source", "results", "archive", "metrics")),
        ({}, False, ("source", "results", "archive")),
        (WITHOUT, True, ("source", "results", "metrics")),
        (WITHOUT, False, ("source", "results")),
    ],
)
def test_the_plan_names_every_hop_that_is_executed(
    tmp_path: Path, settings: dict[str, str], parts: tuple[str, ...], *, agent: bool
) -> None:
    """No archive without an address, no metrics without an agent."""
    site = FakeSite(tmp_path, settings, agent=agent)
    site.hops.open()

    (planned,) = site.events(PipelinePlanned)
    assert planned.parts == parts
    assert (planned.source, planned.results, planned.late) == ("orders", "edge-out", "edge-late")
    assert (planned.archive, planned.window_ms) == (
        settings.get("job.archive", "s3://edge-archive/records"),
        1000,
    )


def test_a_missing_agent_is_on_record_with_its_reason(tmp_path: Path) -> None:
    """Its hop never counts as passed."""
    site = FakeSite(tmp_path, {}, agent=False, missing=MISSING)
    site.hops.open()

    assert [(one.part, one.reason) for one in site.events(NotExecuted)] == [("metrics", MISSING)]


def test_an_agent_that_is_there_is_no_matter_of_record(tmp_path: Path) -> None:
    """What is executed has no reason not to be."""
    site = FakeSite(tmp_path, {}, agent=True)
    site.hops.open()

    assert site.events(NotExecuted) == []


def test_the_topics_are_made_before_the_job_starts(tmp_path: Path) -> None:
    """As many replicas as there are brokers, three at the most."""
    site = FakeSite(tmp_path, {"topics.partitions": "2"}, agent=False)
    site.hops.open()

    assert site.admin.made == {"edge-out": (2, 1), "edge-dlq": (2, 1), "edge-late": (2, 1)}


@pytest.mark.parametrize(
    ("refuses", "gone", "said"),
    [
        ("", "edge-archive", "there is no bucket 'edge-archive' in the object store"),
        ("", "edge-metrics", "there is no bucket 'edge-metrics' in the object store"),
        ("SignatureDoesNotMatch", "", "the object store refuses the credentials for bucket 'edge-archive'"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_refused_before_the_job_starts(
    tmp_path: Path, refuses: str, gone: str, said: str
) -> None:
    """Missing, or not for these credentials: one sentence, and nothing was handed over."""
    site = FakeSite(tmp_path, {}, agent=True)
    site.boto.refuses = refuses
    site.boto.buckets.pop(gone, None)

    with pytest.raises(BadInput, match=said):
        site.hops.open()
    assert site.flink.done == []


def test_every_start_of_the_job_is_on_record(tmp_path: Path) -> None:
    """The first one, an upgrade, and the one after a JobManager that forgot it."""
    site = FakeSite(tmp_path, {}, agent=False)
    site.hops.open()
    said = site.hops.upgrade()
    site.flink.known.clear()
    site.hops.keep(("jobmanager-1",))

    starts = site.events(JobStarted)
    savepoint = "s3://edge-state/savepoints/savepoint-1"
    assert [(start.job_id, start.restored_from) for start in starts] == [
        ("job-1", ""),
        ("job-2", savepoint),
        ("job-3", ""),
    ]
    assert {(start.jar_sha256, start.main) for start in starts} == {("f00d", "edge.EdgeProcessor")}
    assert starts[0].arguments == site.hops.job.arguments()
    assert said == f"started again from {savepoint}"


def test_an_upgrade_without_state_says_so(tmp_path: Path) -> None:
    """For the person who watches."""
    site = FakeSite(tmp_path, {"flink.upgrade": "stateless"}, agent=False)
    site.hops.open()

    assert site.hops.upgrade() == "started again without state"


@pytest.mark.parametrize(
    ("settings", "hit"),
    [({}, ("taskmanager-1", "broker-1")), ({"flink.high_availability": "true"}, ("jobmanager-1",))],
)
def test_the_job_is_handed_over_again_only_when_nothing_else_remembers_it(
    tmp_path: Path, settings: dict[str, str], hit: tuple[str, ...]
) -> None:
    """A TaskManager's death is the JobManager's business, and a JobManager's that of high availability."""
    site = FakeSite(tmp_path, settings, agent=False)
    site.hops.open()
    site.flink.known.clear()
    site.hops.keep(hit)

    assert len(site.events(JobStarted)) == 1


@pytest.mark.parametrize(("watermark", "reached"), [(2**60, True), (None, False)])
def test_a_wait_that_was_in_vain_took_no_time(
    tmp_path: Path, watermark: int | None, *, reached: bool
) -> None:
    """``took_s`` is None when the job did not catch up; what it was allowed is kept beside it."""
    site = FakeSite(tmp_path, {}, agent=False)
    site.hops.open()
    site.flink.watermark = watermark
    site.hops.wait_caught_up(within=0.5)

    (caught,) = site.events(CaughtUp)
    assert (caught.within_s, caught.took_s is not None) == (0.5, reached)


def settling(site: FakeSite) -> None:
    """The job has seen the closing watermark, and completes a checkpoint each time it is looked at."""

    def happens() -> None:
        site.flink.seen = replace(site.flink.seen, completed=site.flink.seen.completed + 1)

    site.flink.watermark, site.flink.each_look = 2**60, happens


def hops(site: FakeSite) -> dict[str, HopRead]:
    """What was told of each hop, once."""
    told = site.events(HopRead)
    assert len({one.hop for one in told}) == len(told)
    return {one.hop: one for one in told}


def test_what_cannot_be_read_is_told_and_incomplete(tmp_path: Path) -> None:
    """Brokers and store are gone: every hop says so, none is left out, and the run goes on."""
    site = FakeSite(tmp_path, {}, agent=True)
    site.hops.open()
    settling(site)
    site.hops.closing()
    site.boto.refuses = "SlowDown"
    site.hops.read((WHOLE,))

    told = hops(site)
    assert sorted(told) == ["archive", "dead-letters", "late", "metrics", "results", "source"]
    assert [name for name, one in told.items() if one.complete] == ["source"]
    assert all(told[name].detail for name in told)
    assert "SlowDown: said the store" in told["archive"].detail


@pytest.mark.parametrize(("fences", "complete"), [((WHOLE, WHOLE), True), ((WHOLE, CUT), False)])
def test_the_source_is_complete_when_every_partition_was_read_through(
    tmp_path: Path, fences: tuple[Fence, ...], *, complete: bool
) -> None:
    """One that was not is enough."""
    site = FakeSite(tmp_path, WITHOUT, agent=False)
    site.hops.open()
    settling(site)
    site.hops.closing()
    site.hops.read(fences)

    assert hops(site)["source"].complete is complete
    assert sorted(hops(site)) == ["dead-letters", "late", "results", "source"]


@pytest.mark.parametrize(
    ("settled", "detail"), [(True, THROUGH), (False, "last seen: watermark None, wanted {wanted}; 4 of 4")]
)
def test_an_archive_is_complete_when_its_job_is_at_its_end(
    tmp_path: Path, detail: str, *, settled: bool
) -> None:
    """It is read and counted in any case."""
    site = FakeSite(tmp_path, {}, agent=False)
    site.hops.open()
    if settled:
        settling(site)
    wanted = site.hops.closing() - 501  # out of order by 500 ms, and the watermark is one behind
    site.boto.buckets["edge-archive"]["records/part-0.ndjson.gz"] = gzip.compress(RECORD)
    site.hops.read((WHOLE,))

    archive = hops(site)["archive"]
    assert archive.complete is settled
    assert archive.detail.startswith(detail.format(wanted=wanted))
    assert archive.counts["objects"] == 1


@pytest.mark.parametrize(
    ("sends_all", "talks", "detail"),
    [(True, True, SENT), (False, True, "the agent still holds events"), (True, False, SENT)],
)
def test_the_metrics_are_complete_when_the_agent_sent_all(
    tmp_path: Path, detail: str, *, sends_all: bool, talks: bool
) -> None:
    """The agent's own account goes with them; of one that says nothing, only what was asked of it."""
    site = FakeSite(tmp_path, {}, agent=True)
    assert site.agent is not None
    site.hops.open()
    settling(site)
    site.hops.closing()
    site.agent.sends_all, site.agent.talks = sends_all, talks
    site.hops.read((WHOLE,))

    told = hops(site)["metrics"]
    assert (told.complete, told.detail) == (sends_all, detail)
    assert told.counts["pages"] == 3
    assert ("scraped" in told.counts) is talks


def result(site: FakeSite) -> None:
    """One window result in the results topic; all topics are there."""
    producer = Producer({"bootstrap.servers": site.admin.bootstrap})
    for name in ("edge-out", "edge-dlq", "edge-late"):
        producer.list_topics(name, timeout=5)  # the mock makes it when asked
    names = ("key", "window", "count", "sum", "min", "max", "fingerprint", "total_count", "total_sum")
    told = dict.fromkeys((*names, "made_ms"), 1)
    producer.produce("edge-out", json.dumps(told).encode(), "key-00000001", partition=1)
    assert producer.flush(10) == 0


@pytest.mark.contract
@pytest.mark.parametrize(("settled", "detail"), [(True, THROUGH), (False, "last seen: watermark None")])
def test_a_topic_is_complete_when_settled_and_read_through(
    tmp_path: Path, detail: str, *, settled: bool
) -> None:
    """Results are read and counted in any case; only a job at its end makes them all there are."""
    settings = {"topics.partitions": str(PARTITIONS)} | WITHOUT
    with mock_cluster() as bootstrap:
        site = FakeSite(tmp_path, settings, agent=False, bootstrap=bootstrap, seconds=20.0)
        site.hops.open()
        result(site)
        if settled:
            settling(site)
        site.hops.closing()
        site.hops.read((WHOLE,))

    results = hops(site)["results"]
    assert (results.complete, results.counts) == (settled, {"results": 1, "unreadable": 0})
    assert results.detail.startswith(detail)
    assert [fence.complete for fence in results.fences] == [True] * PARTITIONS
    assert hops(site)["late"].complete is settled
    assert tables.read(site.directory.ledger, "results", schema.RESULTS)[0].num_rows == 1
