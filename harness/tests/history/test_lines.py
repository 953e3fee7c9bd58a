"""A history's lines: what is written is read back, and what is wrong is named by line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.history.lines import line, read_lines, read_settings, write_lines
from harness.history.operations import (
    ADAPTER,
    Commit,
    Consumed,
    Delivered,
    Fence,
    History,
    Move,
    Operation,
    Poll,
    Reader,
    Send,
    Transaction,
)
from harness.history.table import tabulate

HUGE = 2**70
HEAD = '{"op":"history","version":1}'


EVERY: tuple[Operation, ...] = (
    History(acks="1", idempotent=False, cleanup="compact", conserved=True, skew_ns=5),
    Reader(reader=3, isolation="uncommitted", mode="subscribe", group="g"),
    Send(producer=1, topic="a", partition=2, sequence=3, t=(4, None), outcome="unknown", transaction="t"),
    Send(producer=1, partition=2, sequence=3, t=(4, 5), outcome="ok", offset=6, epoch=7, key=8, value=None),
    Poll(
        reader=3,
        partition=2,
        t=(8, 9),
        position=(5, 9),
        records=(
            Delivered(offset=6, producer=1, sequence=3, epoch=7),
            Delivered(offset=7, producer=1, sequence=4, sent_to=("a", 1), whole=False),
        ),
        transaction="t",
    ),
    Move(reader=3, partition=2, t=10, why="rebalance"),
    Transaction(
        transaction="t",
        writer="w",
        incarnation=2,
        t=(11, 12),
        end="commit",
        outcome="ok",
        records=1,
        consumed=(Consumed(group="g", partition=2, first=5, until=9),),
    ),
    Commit(group="g", reader=3, partition=2, t=(13, 14), offset=9, outcome="ok", durable=9),
    Fence(partition=2, first=1, end=9, stable=9),
)


@pytest.mark.parametrize("operation", EVERY, ids=lambda one: line(one)[:60])
def test_an_operation_survives_its_line(operation: Operation) -> None:
    """What is a default is left out of the line, and is there again after reading it."""
    assert ADAPTER.validate_json(line(operation)) == operation


def test_a_file_is_read_back(tmp_path: Path) -> None:
    """Order and content survive; blank lines are nothing."""
    told: list[Operation] = [
        History(acks="1"),
        Send(producer=1, partition=0, sequence=0, t=(1, 2), outcome="ok"),
    ]
    path = tmp_path / "history.jsonl"
    write_lines(path, told)
    path.write_text(path.read_text().replace("\n", "\n\n"))

    assert read_lines(path) == told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no settings in its first line"),
        ('{"op":"fence","partition":0,"end":1,"stable":1}', "has no settings in its first line"),
        (f"{HEAD}\nnonsense", "line 2: Invalid JSON"),
        (f'{HEAD}\n{{"op":"sent"}}', "line 2: .*'sent' found using 'op'"),
        (f'{HEAD}\n{{"op":"fence","partition":-1,"end":1,"stable":1}}', "line 2: partition: Input should be"),
        (f'{HEAD}\n{{"op":"fence","partition":0,"end":1}}', "line 2: stable: Field required"),
        (f'{HEAD}\n{{"op":"reader","reader":1,"colour":"red"}}', "line 2: colour: Extra inputs"),
        (
            f'{HEAD}\n{{"op":"send","producer":1,"partition":0,"sequence":0,"t":[1,2],"outcome":"ok","value":{HUGE}}}',
            "line 2: value: Input should be less than",
        ),
        ('{"op":"history","version":2}', "line 1: version: Input should be 1"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_field(tmp_path: Path, text: str, said: str) -> None:
    """One sentence says which line, which field, and why."""
    path = tmp_path / "history.jsonl"
    path.write_text(text)

    with pytest.raises(BadInput, match=said):
        read_lines(path)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """No traceback, and the path is in it."""
    with pytest.raises(BadInput, match=r"none\.jsonl cannot be read: No such file"):
        read_lines(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acks: 2", "holds no settings: acks"),
        ("[", "is no YAML"),
        ("isolation: x", "isolation: Extra inputs"),
    ],
)
def test_settings_of_their_own_are_read_as_strictly(tmp_path: Path, text: str, said: str) -> None:
    """A wrong field is named; a misspelt one is no default."""
    path = tmp_path / "settings.yaml"
    path.write_text(text)

    with pytest.raises(BadInput, match=said):
        read_settings(path)


def test_settings_of_their_own_take_the_place_of_the_first_line(tmp_path: Path) -> None:
    """``--config`` decides, all of it."""
    path = tmp_path / "settings.yaml"
    path.write_text("acks: '1'\n")

    assert tabulate([History(idempotent=False)], read_settings(path)).settings == History(acks="1")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEAD], "line 2 gives settings again"),
        (
            ['{"op":"transaction","transaction":"t","t":[1,2],"end":"commit","outcome":"ok"}'] * 2,
            "line 3: the transaction t has ended before",
        ),
        (['{"op":"reader","reader":1}'] * 2, "line 3: the reader 1 is told of twice"),
        (
            ['{"op":"poll","reader":1,"partition":0,"t":[1,2],"position":[5,3]}'],
            "line 2: the position went back from 5 to 3",
        ),
        (
            ['{"op":"send","producer":1,"partition":0,"sequence":0,"t":[9,2],"outcome":"ok"}'],
            "line 2: it was done at 2, before it was invoked at 9",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(lines: list[str], said: str) -> None:
    """A history that cannot be is not judged."""
    with pytest.raises(BadInput, match=said):
        tabulate([ADAPTER.validate_json(each) for each in (HEAD, *lines)])
