"""The stored real runs: their verdict, page and JUnit file are the same, byte by byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.rundir import RunDirectory
from harness.tests.report.golden import GOLDEN, WRITTEN, rewrite

NAMES = sorted(path.parent.name for path in GOLDEN.glob("*/events.jsonl"))


def test_a_run_that_held_and_one_that_broke_are_stored() -> None:
    """The golden runs show both verdicts that matter most."""
    verdicts = {str(RunDirectory.open(GOLDEN / name).read_document().verdict) for name in NAMES}

    assert {"PASS", "FAIL"} <= verdicts


@pytest.mark.parametrize("name", NAMES)
def test_judging_and_reporting_a_stored_run_changes_nothing(tmp_path: Path, name: str) -> None:
    """Written anew from the stored evidence, every file equals the stored one."""
    shutil.copytree(GOLDEN / name, tmp_path / name)
    directory = RunDirectory.open(tmp_path / name)

    rewrite(directory)

    for file in WRITTEN:
        assert (GOLDEN / name / file).read_text() == (directory.root / file).read_text()
