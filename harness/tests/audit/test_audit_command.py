"""`harness audit`: what it prints in each form, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import jsonschema
import pytest

from harness.audit.examine import audit
from harness.audit.findings import Severity
from harness.audit.render import as_text
from harness.tests.audit.planted import SEED, SOUND

SEED_FILES = [str(path) for path in sorted(SEED.glob("*.yaml"))]
SOUND_FILES = [str(path) for path in sorted(SOUND.glob("*.yaml"))]
_TEXT = {"type": "string", "minLength": 1}
FINDING = {
    "type": "object",
    "additionalProperties": False,
    "required": ["rule", "severity", "file", "line", "where", "what", "why", "fix", "versions", "scenario"],
    "properties": {
        "rule": {"type": "string", "pattern": "^[A-Z]+(-[A-Z0-9]+)+$"},
        "severity": {"enum": ["error", "warning", "note"]},
        "line": {"type": "integer", "minimum": 1},
        "scenario": {"type": "string"},
        **dict.fromkeys(("file", "where", "what", "why", "fix", "versions"), _TEXT),
    },
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["schema", "files", "audited", "counts", "exit_code", "findings"],
    "properties": {
        "schema": {"const": "edge-harness/audit/1"},
        "files": {"type": "array", "items": _TEXT},
        "audited": {"type": "array", "items": _TEXT},
        "counts": {"type": "object", "required": ["error", "warning", "note"]},
        "exit_code": {"enum": [0, 1]},
        "findings": {"type": "array", "items": FINDING},
    },
}


def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, with a time limit."""
    argv = [sys.executable, "-m", "harness", "audit", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("files", "fail_on", "code"),
    [
        (SEED_FILES, (), 1),
        (SEED_FILES, ("--fail-on", "never"), 0),
        (SOUND_FILES, (), 0),
        (SOUND_FILES, ("--fail-on", "warning"), 0),
        (SOUND_FILES, ("--fail-on", "note"), 1),
        (SOUND_FILES, ("--fail-on", "worse"), 254),
        (["nowhere.yaml"], (), 254),
        ([], (), 254),
    ],
)
def test_the_exit_code_is_that_of_the_severity_chosen(
    files: list[str], fail_on: tuple[str, ...], code: int
) -> None:
    """1 from the chosen severity on, 0 below it, 254 when nothing could be audited."""
    done = harness(*files, *fail_on)

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_json_has_its_shape() -> None:
    """One object, with counts that are those of its findings."""
    told = json.loads(harness(*SEED_FILES, "--json").stdout)

    jsonschema.validate(told, SCHEMA)
    assert told["exit_code"] == 1
    assert sum(told["counts"].values()) == len(told["findings"]) >= 20


def test_sarif_names_each_place_and_rule() -> None:
    """Every result has a rule of the driver, a level and a line of one of the files."""
    (run,) = json.loads(harness(*SEED_FILES, "--sarif").stdout)["runs"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]

    assert {result["ruleId"] for result in run["results"]} == rules
    assert {result["level"] for result in run["results"]} == {"error", "warning", "note"}
    assert {place["artifactLocation"]["uri"] for place in places} == set(SEED_FILES)
    assert all(place["region"]["startLine"] >= 1 for place in places)


@pytest.mark.parametrize("width", [60, 80, 100, 300])
def test_the_text_fits_its_width(width: int) -> None:
    """No line is wider than asked for, save a word or a path that cannot be broken."""
    lines = [click.unstyle(line) for line in as_text(audit([Path(name) for name in SEED_FILES]), width)]

    assert [line for line in lines if len(line) > min(width, 110) and len(line.split()) > 2] == []


def test_the_text_has_the_worst_first_and_ends_with_counts() -> None:
    """In each file errors come before warnings before notes; the last line sums up."""
    done = harness(*SEED_FILES)
    found = audit([Path(name) for name in SEED_FILES])
    ranks = [[one.severity.rank for one in found.findings if one.file == file] for file in found.files]

    assert all(sorted(rank) == rank for rank in ranks)
    assert done.stdout.splitlines()[-1] == (
        f"{found.count(Severity.ERROR)} errors, {found.count(Severity.WARNING)} warnings, "
        f"{found.count(Severity.NOTE)} notes in 3 files"
    )
    assert "harness run seed_vrl_never_matches" in done.stdout
    assert "\x1b" not in done.stdout
