"""The findings of a run's workloads: the verdict of each history, and what a run knows beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.anomalies.stored import findings
from harness.anomalies.words import told
from harness.checkers.compose import judge
from harness.errors import EvidenceError
from harness.findings import Finding
from harness.history.lines import write_lines
from harness.ledger import evidence
from harness.model import (
    Budgets,
    Event,
    Guarantee,
    RunEnded,
    RunStarted,
    WorkloadEnded,
    WorkloadPlanned,
)
from harness.names import AnomalyName
from harness.rundir import EventLog, RunDirectory
from harness.tests.anomalies.planted import both
from harness.tests.anomalies.told import Story
from harness.verdict import Verdict

WALL = "2026-01-01T00:00:00.000Z"


def planned(*proves: AnomalyName) -> WorkloadPlanned:
    """A workload whose topic is ``transfers``."""
    told = {"topics": ("transfers",), "partitions": 1, "replication": 3, "writers": 2, "members": 0}
    return WorkloadPlanned(t=1, wall=WALL, workload="transfers", proves=proves, **told)  # type: ignore[arg-type]


def ended(*troubles: str) -> WorkloadEnded:
    """Its end."""
    return WorkloadEnded(t=2, wall=WALL, workload="transfers", operations=7, upsets=1, troubles=troubles)


def stored(
    folder: Path, story: Story | None, *events: Event, asked: tuple[AnomalyName, ...] = ()
) -> RunDirectory:
    """A run with that history, sealed."""
    directory = RunDirectory.create(folder, "run-1")
    log = EventLog(directory)
    log.append(
        RunStarted(
            t=0,
            wall=WALL,
            run_id="run-1",
            scenario="one",
            title="One.",
            platform="local",
            stack="edge-kafka",
            seed=1,
            guarantees=tuple(Guarantee(name=name) for name in asked),
            budgets=Budgets(),
            command=("harness",),
        )
    )
    for event in (*events, RunEnded(t=3, wall=WALL)):
        log.append(event)
    log.close()
    if story is not None:
        directory.history.mkdir()
        write_lines(directory.history / "transfers.jsonl", story.operations)
    return directory


def by_name(directory: RunDirectory) -> dict[str, Finding]:
    """Its findings."""
    return {found.checker: found for found in findings(directory)}


def whole() -> Story:
    """Two records that came back."""
    return Story().send(0, 0).send(1, 1).poll(0, 2, (0, 0), (1, 1)).fence(2)


def test_a_history_that_cannot_be_is_named_by_its_workload(tmp_path: Path) -> None:
    """A run may have several: which one, which line, and why."""
    directory = stored(tmp_path, whole().fence(3), planned(), ended())

    with pytest.raises(
        EvidenceError, match=r"the history of transfers cannot be: line 6: partition: its end"
    ):
        findings(directory)


def test_each_finding_names_its_workload(tmp_path: Path) -> None:
    """The checks are those of ``verify --history``, with the same words."""
    found = by_name(stored(tmp_path, whole(), planned(), ended()))
    alone = {f"transfers.{each.checker}": each for each in whole().judged().findings}

    assert found.keys() == {*alone, "transfers.history_whole"}
    assert {each.verdict for each in found.values()} == {Verdict.PASS}
    assert [found[name].summary for name in alone] == [each.summary for each in alone.values()]


def test_an_anomaly_breaks_the_run(tmp_path: Path) -> None:
    """A lost record of a workload is a broken guarantee of the run, exit code 1, with its witness."""
    lost = Story().send(0, 0).send(1, 1).poll(0, 2, (0, 0)).fence(2)
    directory = stored(tmp_path, lost, planned(), ended())
    document = judge(evidence.load(directory), harness_version="test", workloads=lambda: findings(directory))

    assert (document.verdict, document.exit_code) == (Verdict.FAIL, 1)
    assert document.sentence == "1 of 2 due records lost."
    assert by_name(directory)["transfers.lost"].witnesses[0].record == "1/0/1"


def test_a_run_of_workloads_alone_has_no_ledger_to_judge(tmp_path: Path) -> None:
    """What holds of the histories holds of the run: nothing is unknown because no load was asked for."""
    directory = stored(tmp_path, whole(), planned(), ended())
    document = judge(evidence.load(directory), harness_version="test", workloads=lambda: findings(directory))
    names = {found.checker for found in document.findings}

    assert (document.verdict, document.exit_code) == (Verdict.PASS, 0)
    assert document.sentence == "No anomaly in 7 operations of transfers."
    assert names.isdisjoint({"no_loss", "recovery", "load_reached", "latency_p99"})


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((planned(),), "the workload did not say that it ended"),
        ((planned(), ended("writer-0-3 ended with 1: no space")), "writer-0-3 ended with 1: no space"),
        (
            (planned("torn_transaction", "lost"), ended()),
            "there was nothing to compare for torn_transaction",
        ),
    ],
)
def test_a_history_that_proves_less_than_it_should_is_unknown(
    tmp_path: Path, events: tuple[Event, ...], words: str
) -> None:
    """Clients that failed, an end that is missing, a check without evidence: not proven, and why."""
    found = by_name(stored(tmp_path, whole(), *events))["transfers.history_whole"]

    assert found.verdict is Verdict.UNKNOWN
    assert words in found.summary


def test_a_workload_that_committed_nothing_proves_nothing(tmp_path: Path) -> None:
    """Transactions that were all aborted are none that could be torn, and records of none are no zombies."""
    story = both(Story()).poll(0, 2, (0, 0), (1, 1))
    story.send(2, 2, transaction="t").ends("t", "abort", writer="w").poll(2, 4).fence(4)
    plan = planned("lost", "torn_transaction", "zombie_write")
    found = by_name(stored(tmp_path, story, plan, ended()))["transfers.history_whole"]

    assert found.verdict is Verdict.UNKNOWN
    assert "there was nothing to compare for torn_transaction, zombie_write" in found.summary


def test_a_history_without_a_fence_is_unknown(tmp_path: Path) -> None:
    """Nobody knows whether there is more."""
    story = Story().send(0, 0).poll(0, 1, (0, 0))
    found = by_name(stored(tmp_path, story, planned(), ended()))["transfers.history_whole"]

    assert found.verdict is Verdict.UNKNOWN
    assert "not all read through a fence (none)" in found.summary


def test_a_workload_without_a_history_is_unknown(tmp_path: Path) -> None:
    """It was planned, and nothing is there: zero evidence."""
    found = by_name(stored(tmp_path, None, planned(), ended()))

    assert found["transfers.lost"].verdict is Verdict.UNKNOWN
    assert found["transfers.history_whole"].verdict is Verdict.UNKNOWN


def test_what_is_asked_for_by_name_needs_evidence(tmp_path: Path) -> None:
    """A scenario that asks for an anomaly which no workload can show proves nothing of it."""
    directory = stored(tmp_path, whole(), planned(), ended(), asked=("commit_ahead", "lost"))

    assert by_name(directory)["commit_ahead"].verdict is Verdict.UNKNOWN
    assert "lost" not in by_name(directory)


def test_a_run_without_workloads_has_none(tmp_path: Path) -> None:
    """Nothing is said of what nobody asked for."""
    assert findings(stored(tmp_path, None)) == ()


def test_a_finding_keeps_what_its_verdict_rests_on(tmp_path: Path) -> None:
    """Fence, coverage and settings of the history, beside every check of it and beside the whole."""
    told, alone = by_name(stored(tmp_path, whole(), planned(), ended())), whole().judged()

    assert {each.fence for each in told.values()} == {"complete"}
    assert {each.covered_pct for each in told.values()} == {100}
    assert {each.config_digest for each in told.values()} == {alone.settings_digest}
    assert told["transfers.history_whole"].nothing_for == alone.nothing_for
    assert "torn_transaction" in alone.nothing_for


def test_what_nobody_read_is_told_beside_the_verdict(tmp_path: Path) -> None:
    """One of two due records lies where nobody looked, and no fence says where the log ended."""
    story = Story(acks="1").send(0, 0).send(1, 1).poll(0, 1, (0, 0))
    told = by_name(stored(tmp_path, story, planned(), ended()))["transfers.lost"]

    assert (told.verdict, told.fence, told.covered_pct) == (Verdict.UNKNOWN, "none", 50)
    assert told.config_digest != whole().judged().settings_digest


def test_a_run_keeps_the_settings_of_each_history(tmp_path: Path) -> None:
    """In the run's document a history's digest stays its own; what rests on no history has another."""
    directory = stored(tmp_path, whole(), planned(), ended())
    document = judge(evidence.load(directory), harness_version="test", workloads=lambda: findings(directory))
    digests = {each.checker: each.config_digest for each in document.findings}

    assert digests["transfers.lost"] == whole().judged().settings_digest != digests["run_complete"]
    assert None not in digests.values()


def test_a_history_that_passed_claims_nothing_of_faults() -> None:
    """Nobody knows which faults there were while it was made, so the terminal says that beside its PASS."""
    said = "a history tells of no fault: what held says nothing about faults"

    assert said in list(told(whole().judged()))
    assert said not in list(told(Story().send(0, 0).judged()))
