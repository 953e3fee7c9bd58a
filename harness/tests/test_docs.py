"""The documents say what the code does: commands can be typed, tables are complete, links lead somewhere."""

from __future__ import annotations

import configparser
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import click
import pytest

from harness import cli, pytest_plugin
from harness.bundle import scenarios
from harness.calibration import Calibration, Kill, LeftOut, Legal
from harness.errors import ExitCode
from harness.findings import Finding, RunDocument
from harness.journal_entry import JournalEntry
from harness.launch import parse_settings, prepare
from harness.ledger import schema
from harness.model import EVENT
from harness.scenario import __all__ as offered_to_scenarios
from harness.scenario import discover, find
from harness.stack.definition import settable
from harness.tests import readme
from harness.tests.documents import anchors, blocks, commands, first_column, links, pages
from harness.tests.source import ROOT

DOCS = ROOT / "docs"
RUN_FILES = ROOT / "reports" / "README.md"
FIRST_LINE = "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/harness run quickstart"
TEST_LINE = ".venv/bin/pip install tox && .venv/bin/tox"
TYPED = [(page.relative_to(ROOT).as_posix(), command) for page in pages() for command in commands(page)]
SINGLE = sorted({one.strip() for _, command in TYPED for one in command.split("&&")})
FAST = [one for one in SINGLE if one.startswith("harness list") or "--rehearse" in one]
PLAIN = {
    "python3 -m venv .venv",
    ". .venv/bin/activate",
    ".venv/bin/pip install .",
    ".venv/bin/pip install tox",
}


@pytest.fixture
def drills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to type commands in, with the scenario that the documents let a reader write."""
    (tmp_path / "drills").mkdir()
    (told,) = blocks(DOCS / "how-to/write-a-scenario.md", "python")
    (tmp_path / "drills" / "leader_paused.py").write_text(told)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_practice_is_kept_by_one_scenario_and_broken_by_another() -> None:
    """Each row of the practices names scenarios that hold and scenarios that must be found broken."""
    found = discover(scenarios())
    lines = (DOCS / "reference/practices.md").read_text().splitlines()
    rows = [
        [re.findall(r"`([a-z_]+)`", cell) for cell in line.split(" | ")] for line in lines if " | `" in line
    ]

    assert rows
    for _, holding, breaking, *_ in rows:
        assert {found[name].expect for name in holding} == {"held"}
        assert {found[name].expect for name in breaking} == {"broken"}


def test_the_readme_has_the_two_commands() -> None:
    """A stranger pastes one line to run the first drill and one to run the tests, and CI runs that one."""
    typed = commands(ROOT / "README.md")

    assert FIRST_LINE in typed
    assert TEST_LINE in typed
    assert TEST_LINE in (ROOT / ".ci/run").read_text()


@pytest.mark.usefixtures("drills")
@pytest.mark.parametrize("command", SINGLE)
def test_every_command_can_be_typed(command: str) -> None:
    """Each command in the documents exists, with these options, names and settings."""
    program, *arguments = shlex.split(command.removeprefix(".venv/bin/"))
    if program == "harness":
        _check_harness(arguments)
    elif program == "tox":
        assert set(arguments) - {"-e"} <= _environments()
    elif program in {"python", "python3"} and command not in PLAIN:
        _check_module(arguments)
    else:
        assert command in PLAIN


def _check_harness(arguments: list[str]) -> None:
    with click.Context(cli.commands) as group:
        name, command, rest = cli.commands.resolve_command(group, arguments)
        assert command is not None
        given = command.make_context(name, list(rest), parent=group).params
    if name == "run":
        found = find(given["folder"] or scenarios(), given["name"])
        prepare(found.stack, parse_settings(given["settings"]), given["platform"])


def _check_module(arguments: list[str]) -> None:
    assert arguments[0] == "-m"
    assert importlib.util.find_spec(arguments[1]) is not None
    for word in arguments[2:]:
        if word.endswith(".py") or word == "scenarios":
            assert Path(word).exists() or (ROOT / word).exists()


def _environments() -> set[str]:
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "tox.ini")
    return {section.removeprefix("testenv:") for section in parsed.sections()}


@pytest.mark.parametrize("command", FAST)
def test_fast_commands_run(drills: Path, command: str) -> None:
    """What takes a second and starts nothing is really run, and ends well."""
    argv = [sys.executable, "-m", "harness", *shlex.split(command)[1:]]
    found = {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "PATH": os.defpath, "HOME": str(drills)}
    done = subprocess.run(argv, cwd=drills, env=found, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.usefixtures("drills")
def test_the_scenario_to_write_is_one() -> None:
    """The code in the how-to is found by the harness under the name that the how-to types."""
    found = discover(Path("drills"))

    assert list(found) == ["leader_paused"]
    assert found["leader_paused"].title.endswith(".")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the project leads to one, and to a heading that it has."""
    broken = []
    for link in links(page):
        target, _, anchor = link.partition("#")
        place = (page.parent / target).resolve() if target else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            broken.append(link)

    assert broken == []


def test_every_page_can_be_reached() -> None:
    """Each page of docs/ is linked from the index."""
    linked = {(DOCS / link).resolve() for link in links(DOCS / "README.md")}

    assert {page for page in DOCS.rglob("*.md") if page.name != "README.md"} <= linked


def test_the_settings_are_all_there() -> None:
    """The table has every key that ``--set`` takes, and no other."""
    assert sorted(first_column(DOCS / "reference/settings.md", "# Settings")) == sorted(settable())


@pytest.mark.parametrize("name", sorted(cli.commands.commands))
def test_the_reference_has_every_command(name: str) -> None:
    """Each command has a heading, and each of its options is on the page."""
    text = (DOCS / "reference/command-line.md").read_text()
    options = [
        word for option in cli.commands.commands[name].params for word in option.opts if word[:2] == "--"
    ]

    assert f"\n## harness {name}" in text
    assert [word for word in options if f"`{word}" not in text] == []


def test_the_reference_has_every_pytest_option() -> None:
    """Each option of the plugin is on the page."""
    parser = pytest.Parser(_ispytest=True)
    pytest_plugin.pytest_addoption(parser)
    options = [option.names()[0] for option in parser.getgroup("harness").options]
    text = (DOCS / "reference/command-line.md").read_text()

    assert options
    assert [option for option in options if f"`{option}" not in text] == []


def test_the_how_to_names_everything_a_scenario_may_use() -> None:
    """Each fault, target and guarantee that scenarios can import is on the page or told by the reference."""
    text = (DOCS / "how-to/write-a-scenario.md").read_text() + (ROOT / "CHANGELOG.md").read_text()

    assert [name for name in offered_to_scenarios if name not in text] == []


def test_every_key_of_a_run_is_explained() -> None:
    """The keys of run.json, in their order, and those of a finding."""
    keys = [field.alias or name for name, field in RunDocument.model_fields.items()]

    assert first_column(RUN_FILES, "## run.json") == keys
    text = RUN_FILES.read_text()
    assert [name for name in Finding.model_fields if f"`{name}`" not in text] == []


def test_every_key_of_a_calibration_is_explained() -> None:
    """The keys of calibration.json, and those of its parts."""
    keys = [field.alias or name for name, field in Calibration.model_fields.items()]
    text = RUN_FILES.read_text()
    table = text[text.index("## calibration.json") : text.index("## events.jsonl")]
    parts = [name for part in (Kill, Legal, LeftOut) for name in part.model_fields]

    assert [name for name in (*keys, *parts) if f"`{name}`" not in table] == []


def test_every_event_and_step_is_explained() -> None:
    """The kinds of events and the steps of a fault, as the model has them."""
    kinds = list(EVENT.json_schema()["discriminator"]["mapping"])
    steps = list(get_args(_annotation(JournalEntry, "step")))

    assert sorted(first_column(RUN_FILES, "## events.jsonl")) == sorted(kinds)
    assert first_column(RUN_FILES, "## journal.jsonl") == steps


def _annotation(model: type[JournalEntry], name: str) -> object:
    return model.model_fields[name].annotation


def test_every_column_is_explained() -> None:
    """Each column of the ledger and the samples is in a table."""
    load = (schema.ATTEMPTS, schema.ANNOUNCED, schema.READS)
    hops = (schema.INPUTS, schema.RESULTS, schema.PLACED, schema.ARCHIVE, schema.OBJECTS, schema.SCRAPES)
    tables = (*load, *hops)
    columns = {name for table in tables for name in table.names}

    assert set(first_column(RUN_FILES, "## ledger/")) == columns
    assert first_column(RUN_FILES, "## samples/") == schema.SAMPLES.names


@pytest.mark.parametrize(
    ("page", "heading"), [(RUN_FILES, "## Exit codes"), (DOCS / "reference/exit-codes.md", "# Exit codes")]
)
def test_every_exit_code_is_explained(page: Path, heading: str) -> None:
    """The published codes and no other."""
    assert first_column(page, heading) == [str(int(code)) for code in ExitCode]


def test_the_page_of_modules_is_up_to_date() -> None:
    """``python -m harness.tests.readme`` was run after the last module changed its first sentence."""
    assert readme.written() == readme.generated()


def test_tox_and_pyproject_name_one_ruff() -> None:
    """Lint installs ruff alone, at the version that developers have."""
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "tox.ini")

    assert parsed["testenv:lint"]["deps"] in pinned


def test_the_licence_is_the_one_that_is_named() -> None:
    """The file holds the whole Apache License 2.0."""
    text = (ROOT / "LICENSE").read_text()

    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
