"""The page of the history format is complete, and its example is what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.anomalies.judge import ALWAYS, WHERE_TOLD
from harness.cli import commands
from harness.history.operations import (
    Commit,
    Consumed,
    Delivered,
    Fence,
    History,
    Move,
    Poll,
    Reader,
    Send,
    Transaction,
)
from harness.model import Frozen
from harness.tests.documents import blocks
from harness.tests.source import ROOT

PAGE = ROOT / "docs" / "reference" / "history.md"
KINDS: tuple[type[Frozen], ...] = (History, Reader, Send, Poll, Move, Transaction, Commit, Fence)


def section(heading: str) -> str:
    """The text below a heading, up to the next of its level."""
    mark = heading.split(" ", maxsplit=1)[0]
    return PAGE.read_text().split(f"\n{heading}\n")[1].split("\n## ")[0].split(f"\n{mark} ")[0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_is_explained(kind: type[Frozen]) -> None:
    """Each kind of line has a table with all of its fields, those of its parts included, and no other."""
    parts: dict[type[Frozen], type[Frozen]] = {Poll: Delivered}
    known = kind.model_fields.keys() | (parts[kind].model_fields.keys() if kind in parts else set())
    told = re.findall(r"^\| `(\w+)` \|", section(f"### {kind.__name__.lower()}"), re.MULTILINE)

    assert set(told) == known


def test_the_parts_of_a_consumed_input_are_named() -> None:
    """They stand in one cell of the table of transactions."""
    cell = re.search(r"list of \{(.*?)\}", section("### transaction"))

    assert cell is not None
    assert re.findall(r"`(\w+)`", cell[1]) == list(Consumed.model_fields)


def test_every_check_is_explained() -> None:
    """Each check has its row, in their order."""
    told = re.findall(r"^\| `(\w+)` \|", section("## Checks"), re.MULTILINE)

    assert told == [check.__name__ for check in (*ALWAYS, *WHERE_TOLD)]


@pytest.mark.parametrize(("number", "operations"), [(0, 7), (1, 25)])
def test_an_example_passes(tmp_path: Path, number: int, operations: int) -> None:
    """What the page says of it is what the command says."""
    path = tmp_path / "history.jsonl"
    path.write_text(list(blocks(PAGE, "jsonl"))[number])
    done = CliRunner().invoke(commands, ["verify", "--history", str(path)], standalone_mode=False)

    assert done.output.startswith(f"PASS: {operations} operations")
    assert done.return_value == 0


def test_the_examples_have_every_operation_with_every_outcome() -> None:
    """A reader who writes a history of his own finds each line to copy."""
    lines = [json.loads(line) for line in list(blocks(PAGE, "jsonl"))[1].splitlines()]
    told = {(line["op"], line.get("outcome", "")) for line in lines}
    ends = {(kind, end) for kind in ("send", "transaction", "commit") for end in ("ok", "fail", "unknown")}

    assert told == ends | {(kind, "") for kind in ("history", "reader", "move", "poll", "fence")}
