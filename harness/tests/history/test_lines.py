"""A history's lines: what is written is read back, and what is wrong is named by line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import commands
from harness.errors import BadInput
from harness.history.lines import line, parsed, read_lines, read_numbered, read_settings, write_lines
from harness.history.operations import (
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


def sent(more: str) -> str:
    """A history of one attempt, with one thing more."""
    return f'{HEAD}\n{{"op":"send","producer":1,"partition":0,"sequence":0,"t":[1,2],"outcome":"ok",{more}}}'


def polled(more: str) -> str:
    """A history of one poll, with one thing more about its record."""
    record = f'{{"offset":0,"producer":1,"sequence":0,{more}}}'
    return f'{HEAD}\n{{"op":"poll","reader":1,"partition":0,"t":[1,2],"position":[0,1],"records":[{record}]}}'


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
    assert parsed(line(operation).encode()) == operation


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
    assert list(read_numbered(path)) == [1, 3]


def test_settings_always_tell_their_version() -> None:
    """Also where nothing else is to be said: without it they are refused."""
    assert line(History()) == '{"op":"history","version":1}'
    assert line(History(acks="0")) == '{"op":"history","version":1,"acks":"0"}'


@pytest.mark.parametrize(
    "more",
    ['"transaction":"a:b"', '"topic":"\\":"', '"topic":"{\\"offset\\":1}", "offset" : 0', '"value":null'],
)
def test_what_looks_like_a_name_within_a_text_is_none(tmp_path: Path, more: str) -> None:
    """Colons and quotes in texts are not taken for fields that are given twice."""
    path = tmp_path / "history.jsonl"
    path.write_text(sent(more))

    assert len(read_lines(path)) == 2


def test_another_encoding_is_named(tmp_path: Path) -> None:
    """What an editor saved as UTF-16 is told from what is no JSON."""
    path = tmp_path / "history.jsonl"
    path.write_text(HEAD, encoding="utf-16")

    with pytest.raises(BadInput, match="line 1: it begins with a byte order mark"):
        read_lines(path)


def test_a_witness_names_the_line_of_the_file(tmp_path: Path) -> None:
    """Blank lines count, for whoever looks it up counts them too."""
    path = tmp_path / "history.jsonl"
    path.write_text(f"{HEAD}\n\n\n{polled('')[len(HEAD) + 1 :]}".replace(",}", "}"))
    done = CliRunner().invoke(commands, ["verify", "--history", str(path)], standalone_mode=False)

    assert "it was delivered, and nobody sent it, line 4" in done.output


def test_a_contradiction_is_named_by_the_line_of_the_file(tmp_path: Path) -> None:
    """So does what is wrong with two lines together."""
    path = tmp_path / "history.jsonl"
    reader = '{"op":"reader","reader":1}'
    path.write_text(f"{HEAD}\n{reader}\n\n{reader}")
    told = read_numbered(path)

    with pytest.raises(BadInput, match="line 4: reader: 1 is told of before"):
        tabulate(told.values(), numbers=told)


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
        ('{"op":"history"}', "line 1: version: Field required"),
        ('{"op":"history","version":true}', "line 1: version: Input should be an integer"),
        ('{"op":"history","version":1.0}', "line 1: version: Input should be an integer"),
        (
            '{"op":"history","version":1,"idempotent":"no"}',
            "line 1: idempotent: Input should be a valid bool",
        ),
        ('{"op":"history","version":1,"idempotent":1}', "line 1: idempotent: Input should be a valid bool"),
        ('{"op":"history","version":1,"acks":1}', "line 1: acks: Input should be 'all', '1' or '0'"),
        (sent('"offset":"0"'), "line 2: offset: Input should be a valid integer"),
        (sent('"offset":0.0'), "line 2: offset: Input should be a valid integer"),
        (sent('"epoch":false'), "line 2: epoch: Input should be a valid integer"),
        (sent('"topic":7'), "line 2: topic: Input should be a valid string"),
        (sent('"value":2147483648'), "line 2: value: Input should be less than"),
        (sent('"offset":0,"offset":77'), "line 2: offset: it is given twice"),
        (sent('"offset":0,"off\\u0073et":77'), "line 2: offset: it is given twice"),
        (sent('"topic":"a:b","offset":0,"offset" : 77'), "line 2: offset: it is given twice"),
        (polled('"epoch":1,"epoch":2'), "line 2: epoch: it is given twice"),
        (polled('"whole":"yes"'), "line 2: records.0.whole: Input should be a valid boolean"),
        (f'{HEAD}\n{{"op":"commit","group":""}}', "line 2: group: String should have at least 1 character"),
        (f"\ufeff{HEAD}", "line 1: it begins with a byte order mark: write UTF-8 without one"),
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
        ("idempotent: 'no'", "idempotent: Input should be a valid boolean"),
        ("skew_ns: 1.0", "skew_ns: Input should be a valid integer"),
        ("acks: all\nskew_ns: 1\nacks: '0'", r"settings\.yaml, line 3: acks: it is given twice"),
        ("[]", "holds no settings"),
        ("0", "holds no settings"),
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
