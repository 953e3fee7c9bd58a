"""The stored run: its report is the same, byte by byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.report.html import write_report
from harness.report.junit import write_junit
from harness.rundir import RunDirectory
from harness.tests.report.golden import GOLDEN, NAME


@pytest.mark.parametrize("name", ["report.html", "junit.xml"])
def test_the_report_of_the_stored_run_is_unchanged(tmp_path: Path, name: str) -> None:
    """Written anew from the stored evidence, both files equal the stored ones."""
    shutil.copytree(GOLDEN / NAME, tmp_path / NAME)
    directory = RunDirectory.open(tmp_path / NAME)
    directory.report.unlink()
    directory.junit.unlink()
    write_report(directory)
    write_junit(directory)

    assert (GOLDEN / NAME / name).read_text() == (tmp_path / NAME / name).read_text()
