"""The stored real runs: their verdict, page and JUnit file are the same, byte by byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from harness.errors import EvidenceError
from harness.findings import RunDocument
from harness.report.document import prepare
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


def before_it_was_told(folder: Path) -> RunDirectory:
    """A golden run as stored before a finding said what its verdict rests on."""
    shutil.copytree(GOLDEN / "quickstart", folder / "run")
    directory = RunDirectory.open(folder / "run")
    told = json.loads(directory.document.read_text())
    for part in (told, *told["findings"]):
        for key in ("fence", "covered_pct", "config_digest", "nothing_for", "bound"):
            part.pop(key, None)
    directory.document.write_text(json.dumps(told))
    return directory


def test_an_older_run_is_read_and_nothing_is_made_up_for_it(tmp_path: Path) -> None:
    """What it does not tell is None, and the page says so; the bound follows from its faults."""
    directory = before_it_was_told(tmp_path)
    first = directory.read_document().findings[0]
    row = prepare(directory).groups[0].rows[0]

    assert (first.fence, first.covered_pct, first.config_digest, first.bound) == (None, None, None, None)
    assert row.basis == "fence, coverage and settings not told"
    assert row.bound == "0 of 2 injections, 95 %: ≤ 77.7 %"


@pytest.mark.parametrize("name", NAMES)
def test_every_run_fits_the_json_schema(tmp_path: Path, name: str) -> None:
    """Today's files and those of before; a coverage above all there is does not."""
    schema = RunDocument.model_json_schema()
    told = json.loads((GOLDEN / name / "run.json").read_text())
    jsonschema.validate(told, schema)
    jsonschema.validate(json.loads(before_it_was_told(tmp_path).document.read_text()), schema)

    told["findings"][0]["covered_pct"] = 101
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told, schema)


def test_another_format_is_refused(tmp_path: Path) -> None:
    """A document whose first key names another version is not read as one of this."""
    directory = before_it_was_told(tmp_path)
    directory.document.write_text(directory.document.read_text().replace("run/1", "run/2", 1))

    with pytest.raises(EvidenceError, match="cannot be read"):
        directory.read_document()
