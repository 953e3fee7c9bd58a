"""The whole judgement: from evidence to one document."""

from __future__ import annotations

from pathlib import Path

from harness.checkers.compose import judge
from harness.ledger.evidence import load
from harness.rundir import RunDirectory
from harness.tests.checkers.build import passing_evidence, write


def test_a_sound_run_passes():
    """A run in which nothing broke is PASS with exit code 0."""
    document = judge(passing_evidence(), harness_version="1")
    print(document.model_dump_json(indent=1))
    assert document.exit_code == 0
