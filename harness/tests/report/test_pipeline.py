"""What the page says of a pipeline: hops, panels over time, resources, and what was not executed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.findings import RunDocument
from harness.ledger.evidence import Samples, load
from harness.report.advice import next_step
from harness.report.document import prepare
from harness.report.gauges import Gauges
from harness.report.headline import Trouble
from harness.report.html import write_report
from harness.report.junit import write_junit
from harness.report.rows import ReportDocument
from harness.report.terminal import summary_lines
from harness.rundir import RunDirectory
from harness.tests.checkers.build import Story, at
from harness.tests.documents import first_column
from harness.tests.report.build import build, document
from harness.tests.report.edge import CUT, edge, edge_document
from harness.tests.source import ROOT
from harness.verdict import Kind, Verdict

NEW = (
    *("results_exact", "results_single", "every_record_placed", "state_kept", "archive_complete"),
    *("archive_single", "archive_intact", "metrics_complete"),
    *("processing_latency", "throughput", "error_rate", "resource_utilisation"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The model run, without Vector."""
    return edge(tmp_path_factory.mktemp("edge"))


@pytest.fixture(scope="module")
def report(run: RunDirectory) -> ReportDocument:
    """What its page says."""
    return prepare(run)


def test_every_hop_has_its_row(report: ReportDocument) -> None:
    """Hops come in the order of the pipeline, with what was counted, and why one was not read to the end."""
    rows = {row.name: row for row in report.hops}

    assert [*rows] == ["source log", "window results", "dead letters", "archive", "metrics bucket"]
    assert rows["source log"].counted == "1,344,000 records, 12 partitions"
    assert (rows["source log"].missing, rows["source log"].repeated) == ("0", "0")
    assert rows["archive"].counted == "91 objects", "what there is none of is not listed"
    assert (rows["archive"].state, rows["archive"].tone) == ("not to the end", "unknown")
    assert "still being written" in rows["archive"].why
    assert rows["archive"].repeated == "–", "nobody looked, and that is no zero"


def test_an_instant_is_no_count(tmp_path: Path) -> None:
    """What a worker tells for the checkers alone, in milliseconds, is not among what was counted."""
    (row,) = [row for row in prepare(edge(tmp_path, vector=True)).hops if row.name == "metrics bucket"]

    assert row.counted == "9,100 events"


def test_a_violation_shows_in_its_hop(tmp_path: Path) -> None:
    """What a checker counts is in the row of its hop, with the checker's sentence and tone."""
    run = edge(tmp_path)
    broken = [
        found.model_copy(
            update={"verdict": Verdict.FAIL, "violations": 3, "summary": "3 records are missing."}
        )
        if found.checker == "archive_complete"
        else found
        for found in run.read_document().findings
    ]
    run.write_document(
        edge_document(findings=[f.model_dump() for f in broken], verdict=Verdict.FAIL, exit_code=1)
    )

    (row,) = [row for row in prepare(run).hops if row.name == "archive"]

    assert (row.missing, row.tone, row.why) == ("3", "fail", "3 records are missing.")


def test_what_was_not_executed_is_told_everywhere(run: RunDirectory, report: ReportDocument) -> None:
    """Below the verdict, in the facts, in the hop's row, on the terminal and, skipped, in the JUnit file."""
    page = write_report(run).read_text()
    suite = ET.fromstring(write_junit(run).read_text())[0]  # noqa: S314 - written by the harness
    (skipped,) = suite.iter("skipped")
    verdict = page[page.index('<div class="verdict') : page.index("Scenario:")]

    assert "Not executed, and so not proven: metrics." in verdict
    assert ("Not executed", "1 part") in report.facts
    assert report.hops[-1].state == "not executed"
    assert "no binary vector" in report.hops[-1].why
    assert any(
        line.startswith("  not executed metrics: ") for line in summary_lines(run.read_document(), run)
    )
    assert "no binary vector" in skipped.get("message", "")
    assert suite.get("skipped") == "1"


def test_a_run_without_a_pipeline_says_nothing_of_one(tmp_path: Path) -> None:
    """Brokers alone have no hops, no panels, no empty headings, and nothing that was left out."""
    page = write_report(build(tmp_path, document())).read_text()

    for word in ("Hop by hop", "<h2>Pipeline", "<h2>Resources", "Not executed", "missing-part"):
        assert word not in page


def test_the_panels_are_drawn_and_told(run: RunDirectory, report: ReportDocument) -> None:
    """Each probe that ran has its panels, one that did not has none, and the words hold the peaks."""
    assert report.pipeline is not None
    titles = [panel.title for panel in report.pipeline.panels]
    page = write_report(run).read_text()

    assert len(titles) == 7
    assert not any("Vector" in title for title in titles)
    assert "Without" not in report.pipeline.words
    assert "without an answer: objects 20 s" in report.pipeline.words
    assert all(page.count(f">{title}<") == 2 for title in titles), "once wide, once narrow"
    assert len(page) < 2_000_000
    assert "<script" not in page


def test_silence_is_drawn_as_silence(report: ReportDocument) -> None:
    """While the store did not answer its line is interrupted and the strip below it says why."""
    assert report.pipeline is not None
    (panel,) = [panel for panel in report.pipeline.panels if "Object store" in panel.title]
    gauge = panel.traces[0].gauge
    inside = (gauge.at_s > CUT[0]) & (gauge.at_s < CUT[1])

    assert panel.silent == (CUT,)
    assert np.isnan(gauge.value[inside]).all()


def test_the_marks_are_the_failed_checkpoints(report: ReportDocument) -> None:
    """Every newly failed checkpoint is a stroke, every completed one a dot at its duration."""
    assert report.pipeline is not None
    (panel,) = [panel for panel in report.pipeline.panels if "Checkpoints" in panel.title]

    assert panel.failed is not None
    assert panel.done is not None
    assert ((panel.failed >= CUT[0]) & (panel.failed < CUT[1])).all()
    assert len(panel.failed) == 10
    assert panel.traces[0].gauge.value.shape == panel.done.shape


def test_resources_share_a_scale_and_leave_gaps(report: ReportDocument) -> None:
    """Nodes keep their order, a column's top is its highest peak, a dead node's lines are interrupted."""
    assert report.resources is not None
    rows = dict(report.resources.rows)

    assert [*rows][:2] == ["broker-1", "broker-2"]
    assert report.resources.tops[1] == max(cells[1].peak for cells in rows.values())
    assert np.isnan(rows["taskmanager-2"][0].gauges[0].value).any()
    assert not np.isnan(rows["taskmanager-1"][0].gauges[0].value).any()
    assert "GB of memory" in report.resources.summary


@pytest.mark.parametrize("name", NEW)
def test_each_new_finding_has_advice_of_its_own(name: str) -> None:
    """No step is that of another guarantee: an archive that lacks records is not told to look at acks."""
    kind = Kind.BUDGET if name in NEW[-4:] else Kind.GUARANTEE
    steps = {each: next_step(Trouble(each, kind, Verdict.FAIL, "")) for each in NEW}
    old = {
        next_step(Trouble(each, Kind.GUARANTEE, Verdict.FAIL, "")) for each in ("no_loss", "read", "other")
    }

    assert steps[name] not in old
    assert list(steps.values()).count(steps[name]) == 1


def _gauges(*rows: tuple[float, str, str, float]) -> Gauges:
    story = Story(fenced=False)
    t, source, name, value = zip(*rows, strict=True) if rows else ((), (), (), ())
    samples = Samples(
        np.array([at(s) for s in t], np.int64),
        np.array(source, np.object_),
        np.array(name, np.object_),
        np.array(value, np.float64),
    )
    return Gauges(replace(story.evidence(), samples=samples))


def test_samples_of_one_instant_are_merged() -> None:
    """What a probe saw at once is summed or its highest taken; other sources stay out."""
    gauges = _gauges((1, "a", "n", 2.0), (1, "b", "n", 3.0), (1, "c", "n", 50.0), (2, "a", "n", 4.0))

    summed = gauges.line("n", lambda source: source != "c")
    highest = gauges.line("n", lambda source: source != "c", "max")

    assert summed.value.tolist() == [5.0, 4.0]
    assert highest.value.tolist() == [3.0, 4.0]


def test_a_counter_that_falls_began_anew() -> None:
    """Only a rise is news: not the first value, not a fall, not a standstill."""
    gauges = _gauges(*[(s, "f", "done", v) for s, v in enumerate((5.0, 5.0, 6.0, 0.0, 1.0))])

    assert gauges.rises("done", "f").tolist() == [2.0, 4.0]


@given(st.lists(st.booleans(), max_size=12))
def test_silence_is_every_second_without_an_answer(oks: list[bool]) -> None:
    """The stretches cover each failed sample up to the next one, do not touch, and nothing else."""
    gauges = _gauges(*[(float(s), "p", "p_ok", float(ok)) for s, ok in enumerate(oks)])
    silent = gauges.silent("p")

    covered = {s for s in range(len(oks)) if any(start <= s < end for start, end in silent)}

    assert covered == {s for s, ok in enumerate(oks) if not ok}
    assert all(one[1] < two[0] for one, two in pairwise(silent))


def test_the_names_of_samples_are_explained(tmp_path: Path) -> None:
    """What the panels are drawn from is in the table of sample names."""
    names = set(load(edge(tmp_path, vector=True)).samples.name.tolist())
    explained = set(first_column(ROOT / "reports" / "README.md", "## Sample names"))

    assert {name for name in names if not name.endswith("_ok")} <= explained


def test_a_document_of_the_pipeline_is_a_document() -> None:
    """The model run's verdict can be read back."""
    assert RunDocument.model_validate(edge_document().model_dump(by_alias=True)) == edge_document()
