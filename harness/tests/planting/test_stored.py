"""A stored run is calibrated on the histories of its workloads, and a history of any tool by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import calibrating
from harness.calibration import Calibration
from harness.errors import ExitCode
from harness.history.lines import write_lines
from harness.history.operations import Operation
from harness.model import WorkloadPlanned
from harness.report.kills import sharpness_of, table_lines
from harness.rundir import RunDirectory
from harness.tests.anomalies.test_stored import ended, planned, stored
from harness.tests.anomalies.told import Story
from harness.tests.test_cli import harness


def passing() -> Story:
    """Records that readers were handed while others were written, and at last."""
    story = Story().send(0, 0).send(1, 1).poll(0, 2, (0, 0), (1, 1)).send(2, 2)
    return story.poll(2, 3, (2, 2)).poll(0, 3, (0, 0), (1, 1), (2, 2), reader=8).fence(3)


def calibrated(directory: RunDirectory, *, keep: bool = False) -> Calibration:
    """What calibrating it once comes to."""
    return calibrating.calibrated(directory, seed=1, times=1, keep=keep)


def test_defects_are_planted_into_the_history_of_each_workload(tmp_path: Path) -> None:
    """Findings bear the workload's name, as in the run's own verdict; all is caught, nothing alarms."""
    found = calibrated(stored(tmp_path, passing(), planned(), ended()))
    caught = {each.checker for each in found.defects if each.history == "transfers"}

    assert found.sharp
    assert {"transfers.lost", "transfers.phantom", "transfers.int_poll_skip"} <= caught
    assert {each.history for each in found.legal} == {"", "transfers"}


def test_a_history_that_is_not_whole_is_noticed(tmp_path: Path) -> None:
    """A fence that is missing, and readers that stopped short of it, make the run UNKNOWN."""
    found = calibrated(stored(tmp_path, passing(), planned(), ended()))
    whole = {each.defect: each.caught for each in found.defects if each.checker == "transfers.history_whole"}

    assert whole == {"a history's fence missing": 1, "readers that stopped short": 1}


def test_a_workload_without_a_history_is_left_out_by_name(tmp_path: Path) -> None:
    """What was planned and left nothing shows nothing: every class says so."""
    found = calibrated(stored(tmp_path, None, planned(), ended()))
    reasons = {each.reason for each in found.left_out if each.history and each.checker == "transfers.lost"}

    assert reasons == {"transfers.lost says UNKNOWN of the run itself"}
    assert not [each for each in found.defects if each.history]


def test_two_workloads_are_calibrated_apart(tmp_path: Path) -> None:
    """One history that lacks something hides nothing of the other."""
    other = planned().model_copy(update={"workload": "others"})
    assert isinstance(other, WorkloadPlanned)
    found = calibrated(stored(tmp_path, passing(), planned(), other, ended()))
    lost = [each for each in found.left_out if each.name == "a record handed to nobody"]

    assert [each.history for each in lost] == ["others"]
    assert "a record handed to nobody" in {each.defect for each in found.defects}


def test_the_table_names_the_history(tmp_path: Path) -> None:
    """In the terminal and on the page: whose check, and whose history lacks what."""
    found = calibrated(stored(tmp_path, passing(), planned(), ended()))
    shown, lines = sharpness_of(found), "\n".join(table_lines(found))

    assert shown is not None
    assert {"transfers.lost"} <= {row.checker for row in shown.kills}
    assert "left out, transfers: no committed transaction has two records: a transaction torn" in lines


def test_the_table_is_kept_with_the_run(tmp_path: Path) -> None:
    """What is written is what comes back, the names of histories included."""
    directory = stored(tmp_path, passing(), planned(), ended())
    found = calibrated(directory, keep=True)

    assert directory.read_calibration() == found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A history of some tool."""
    operations: list[Operation] = passing().operations
    write_lines(tmp_path / "some.jsonl", operations)
    return tmp_path / "some.jsonl"


def test_a_history_of_any_tool_is_calibrated(file: Path) -> None:
    """`calibrate --history` prints the same table, with the checks' bare names, and writes nothing."""
    told = harness("calibrate", "--history", str(file), "--seed", "1", "--times", "1", "--json")
    table = json.loads(told.stdout)

    assert (told.returncode, told.stderr) == (ExitCode.PASS, "")
    assert table["run_id"] == "some.jsonl"
    assert "lost" in {each["checker"] for each in table["defects"]}
    assert [each.name for each in file.parent.iterdir()] == ["some.jsonl"]


def test_a_run_and_a_history_are_two_things(file: Path) -> None:
    """Nobody would know whose table it is."""
    told = harness("calibrate", str(file.parent), "--history", str(file))

    assert told.returncode == ExitCode.BAD_INPUT
    assert "two things" in told.stderr
