"""Calibration: every defect is caught on real ledgers, nothing legal alarms, and what is dull is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from harness import seeds
from harness.bundle import fixtures
from harness.calibration import SCHEMA, Calibration, Kill, LeftOut, Legal
from harness.checkers.calibrate import calibrate, changes, defects, trial
from harness.checkers.compose import judge
from harness.checkers.mutate import drop_record
from harness.checkers.mutate_rows import NoRoom, pick
from harness.checkers.trial import Defect, table
from harness.ledger.evidence import Evidence, load
from harness.model import Outcome
from harness.rundir import RunDirectory
from harness.tests.checkers.build import Story, passing_evidence, passing_story
from harness.tests.checkers.build_pipeline import passing_pipeline
from harness.tests.checkers.histories import LEGAL, WHOLE, Batch, Reading, batches, evidence_of
from harness.verdict import Kind

GOLDEN = fixtures() / "golden"


def golden(name: str) -> Evidence:
    """The evidence of a stored real run."""
    return load(RunDirectory.open(GOLDEN / name))


def told(evidence: Evidence, times: int = 1, seed: int = 3) -> Calibration:
    """The calibration of a run."""
    done = calibrate(evidence, seed=seed, times=times)
    return table(evidence.started.run_id, done, seed=seed, times=times, harness_version="test")


def dull(found: Calibration) -> list[str]:
    """What was missed and what alarmed without a reason."""
    missed = [f"{kill.defect}: {miss}" for kill in found.defects for miss in kill.missed]
    return missed + [f"{one.change}: {sorted(one.alarms)}" for one in found.legal if one.alarms]


def undecided_story() -> Evidence:
    """A passing run with a batch that was refused and one that timed out."""
    story = passing_story()
    story.attempt(Outcome.FAIL, 4000, 5, producer=1, partition=0, intended=39.0, error="refused")
    story.attempt(Outcome.UNKNOWN, 4005, 5, producer=1, partition=0, intended=39.1, error="timed out")
    return story.evidence()


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_every_defect_is_caught_on_a_real_ledger(name: str) -> None:
    """Each class that a stored real run has a place for is caught there, and nothing legal alarms."""
    found = told(golden(name))

    assert [] == dull(found)
    assert found.sharp
    assert found.planted >= 21


def test_every_defect_is_caught_in_a_pipeline() -> None:
    """In a run with all of its hops, and in one with refused batches, the rest is caught too."""
    found = [told(passing_pipeline()), told(undecided_story())]
    planted = {kill.defect for one in found for kill in one.defects}

    assert [[], []] == [dull(one) for one in found]
    assert {"a refused batch claimed", "an undecided batch claimed", "a window lost"} <= planted


def test_every_class_has_its_own_name() -> None:
    """No defect and no change hides another of the same name."""
    names = [defect.name for defect in defects()] + [name for name, _ in changes()]

    assert sorted(set(names)) == sorted(names)


def test_every_class_is_accounted_for() -> None:
    """What is not planted is left out by name, with the reason."""
    found = told(passing_evidence())
    names = {kill.defect for kill in found.defects} | {one.change for one in found.legal}

    assert names | {one.name for one in found.left_out} == {
        *(defect.name for defect in defects()),
        *(name for name, _ in changes()),
    }
    assert all(one.reason for one in found.left_out)


def test_a_checker_that_sees_nothing_is_told() -> None:
    """A defect that leaves no trace is planted, not caught, and the checker's own words are kept."""
    kill = trial(passing_evidence(), seed=1, times=2).kill(Defect("nothing", lambda e, _: e, "no_loss"))

    assert isinstance(kill, Kill)
    assert (kill.planted, kill.caught) == (2, 0)
    assert kill.missed[0].startswith("draw 0: PASS, All ")


def test_a_false_alarm_is_told() -> None:
    """A change that breaks a guarantee is an alarm, by the checker that gave it."""
    made = trial(passing_evidence(), seed=1, times=2).legal("dropped", drop_record)

    assert made == Legal(change="dropped", made=2, alarms={"no_loss": 2})


def test_one_more_violation_than_the_run_has_is_wanted() -> None:
    """In a run that lost records, one more lost record is caught, and the same number is not."""
    tried = trial(golden("acks_one_loses"), seed=1, times=1)
    more = tried.kill(Defect("one more", drop_record, "no_loss"))
    same = tried.kill(Defect("none", lambda e, _: e, "no_loss"))

    assert isinstance(more, Kill)
    assert isinstance(same, Kill)
    assert (more.caught, same.caught) == (1, 0)


def test_a_checker_without_a_clean_verdict_is_left_out() -> None:
    """Where the run itself is UNKNOWN nothing can be shown, and that is said."""
    open_ended = Story(fenced=False).acked(0, 5, offset=0).read(0, 5, offset=0).evidence()
    said = trial(open_ended, seed=1, times=1).kill(Defect("x", drop_record, "no_loss"))

    assert said == LeftOut(name="x", reason="no_loss says UNKNOWN of the run itself", checker="no_loss")


def test_equal_seeds_give_equal_tables() -> None:
    """The table is a pure function of ledger, seed and times; another seed plants elsewhere."""
    evidence = passing_evidence()

    assert told(evidence, seed=5) == told(evidence, seed=5)


def test_nothing_to_choose_from_says_what() -> None:
    """A choice from nothing is no error of the checkers, and names what is lacking."""
    with pytest.raises(NoRoom, match="no batch was acknowledged"):
        pick(seeds.stream(1, "none"), np.empty(0, np.int64), "no batch was acknowledged")


def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user types it."""
    argv = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_the_table_lies_beside_the_run(tmp_path: Path) -> None:
    """`calibrate RUN` writes calibration.json, repeats it for the same seed, and the report shows it."""
    run = Path(shutil.copytree(GOLDEN / "quickstart", tmp_path / "run"))
    done = harness("calibrate", str(run), "--seed", "7", "--times", "1")
    written = (run / "calibration.json").read_text()
    again = harness("calibrate", str(run), "--seed", "7", "--times", "1", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert "27 of 27 planted defects caught, no false alarms over 11 legal changes." in done.stdout
    assert json.loads(again.stdout) == json.loads(written)
    assert json.loads(written)["schema"] == SCHEMA
    assert "How sharp the checkers were on this very ledger" in (run / "report.html").read_text()


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    """A calibration.json of another format is one sentence with the fix."""
    run = Path(shutil.copytree(GOLDEN / "quickstart", tmp_path / "run"))
    (run / "calibration.json").write_text("{}")
    done = harness("report", str(run))

    assert done.returncode == 2
    assert "harness calibrate" in done.stderr
    assert "Traceback" not in done.stderr


def alarms(drawn: list[Batch], reading: Reading) -> dict[str, str]:
    """The guarantees that a legal history broke."""
    found = judge(evidence_of(drawn, reading), harness_version="test").findings
    return {one.checker: one.summary for one in found if one.kind is Kind.GUARANTEE and one.violations}


@settings(max_examples=200, deadline=None)
@given(batches(LEGAL), WHOLE)
def test_no_legal_history_alarms(drawn: list[Batch], reading: Reading) -> None:
    """Whatever may happen without a defect breaks no guarantee."""
    assert {} == alarms(drawn, reading)


@pytest.mark.nightly
@settings(max_examples=10_000, deadline=None)
@given(batches(LEGAL), WHOLE)
def test_none_of_ten_thousand_legal_histories_alarms(drawn: list[Batch], reading: Reading) -> None:
    """The same, on ten thousand histories in a night."""
    assert {} == alarms(drawn, reading)


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_the_kill_rate_is_whole(name: str) -> None:
    """Planted fifty times in fifty places of a real ledger, every class is caught every time."""
    found = told(golden(name), times=50)

    assert [] == dull(found)
    assert (found.caught, found.false_alarms) == (found.planted, 0)
