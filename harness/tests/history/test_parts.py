"""A history in parts: whoever dies while it is made loses no operation that may have taken effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import EvidenceError, MissingAbility
from harness.history.operations import Commit, Fence, History, Operation, Poll, Send, Transaction
from harness.history.parts import SETTINGS, Part, joined, seal, stored

ASKED = Send(producer=1, topic="t", partition=0, sequence=0, t=(5, None), outcome="unknown")
ENDED = ASKED.model_copy(update={"t": (5, 9), "outcome": "ok", "offset": 3})


def written(folder: Path, **parts: list[Operation]) -> Path:
    """The parts of one workload in *folder*."""
    folder.mkdir(parents=True)
    Part(folder, SETTINGS).write(History(conserved=True))
    for client, operations in parts.items():
        Part(folder, client).write(*operations)
    return folder


def test_an_answer_takes_the_place_of_what_was_asked(tmp_path: Path) -> None:
    """The operation stands where it was asked, with the outcome that was told last."""
    poll = Poll(reader=2, topic="t", partition=0, t=(6, 7), position=(0, 4))
    folder = written(tmp_path / "one", client=[ASKED, poll, ENDED])

    assert joined(folder) == [History(conserved=True), ENDED, poll]


def test_what_was_not_answered_is_unknown(tmp_path: Path) -> None:
    """A client that was killed between the two leaves an operation that may have taken effect."""
    folder = written(tmp_path / "one", client=[ASKED])

    assert joined(folder)[1:] == [ASKED]
    assert ASKED.outcome == "unknown"


@pytest.mark.parametrize(
    ("asked", "ended"),
    [
        (
            Transaction(transaction="a/1/0", t=(1, None), end="commit", outcome="unknown"),
            Transaction(transaction="a/1/0", t=(2, 3), end="abort", outcome="ok"),
        ),
        (
            Commit(group="g", reader=1, partition=0, t=(1, None), offset=4, outcome="unknown"),
            Commit(group="g", reader=1, partition=0, t=(1, 2), offset=4, outcome="ok"),
        ),
        (Fence(partition=0, end=4, stable=3), Fence(partition=0, end=4, stable=4)),
    ],
)
def test_each_kind_that_is_told_twice_is_one_operation(
    tmp_path: Path, asked: Operation, ended: Operation
) -> None:
    """A commit that became an abort is an abort; the same offset committed later is another commit."""
    assert joined(written(tmp_path / "one", client=[asked, ended]))[1:] == [ended]


def test_commits_of_one_offset_at_two_times_are_two(tmp_path: Path) -> None:
    """What was asked at another instant is another operation."""
    first = Commit(group="g", reader=1, partition=0, t=(1, 2), offset=4, outcome="ok")
    later = first.model_copy(update={"t": (8, 9)})

    assert joined(written(tmp_path / "one", client=[first, later]))[1:] == [first, later]


@pytest.mark.parametrize("kept", [0, 1, 20])
def test_a_line_that_was_cut_is_dropped(tmp_path: Path, kept: int) -> None:
    """Nothing was done before its line was whole: kill -9 in the middle of a line loses nothing else."""
    folder = written(tmp_path / "one", client=[ASKED, ENDED])
    path = folder / "client.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:kept])

    assert joined(folder)[1:] == [ASKED]


def test_a_line_that_is_damaged_in_the_middle_is_refused(tmp_path: Path) -> None:
    """Only the end of a part can be cut: anything else means that somebody has written in it."""
    folder = written(tmp_path / "one", client=[ASKED, ENDED])
    path = folder / "client.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"producer":1', b'"producer":x', 1))

    with pytest.raises(EvidenceError, match=r"client\.jsonl, line 1 is damaged"):
        joined(folder)


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (b'"offset":3', b'"offset":"3"', "line 2 is damaged: offset: Input should be a valid integer"),
        (b'"offset":3', b'"offset":3,"offset":4', "line 2 is damaged: offset: it is given twice"),
    ],
)
def test_a_part_is_read_as_strictly_as_a_whole_history(
    tmp_path: Path, was: bytes, now: bytes, said: str
) -> None:
    """Line and field are named, as those of a file that somebody else wrote."""
    folder = written(tmp_path / "one", client=[ASKED, ENDED])
    path = folder / "client.jsonl"
    path.write_bytes(path.read_bytes().replace(was, now))

    with pytest.raises(EvidenceError, match=said):
        joined(folder)


def test_a_sealed_history_is_the_same(tmp_path: Path) -> None:
    """``seal`` puts one file in the place of the parts, and both read alike."""
    written(tmp_path / "one", a=[ASKED, ENDED], b=[Fence(partition=0, end=4, stable=4)])
    written(tmp_path / "two", a=[ASKED])
    before = stored(tmp_path)
    seal(tmp_path)

    assert stored(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.jsonl", "two.jsonl"]


def test_a_run_without_workloads_has_no_history(tmp_path: Path) -> None:
    """Neither reading nor sealing minds that there is no folder."""
    seal(tmp_path / "none")

    assert stored(tmp_path / "none") == {}


def test_two_clients_never_share_a_part(tmp_path: Path) -> None:
    """A number that is used twice is a defect, not a mixed history."""
    folder = written(tmp_path / "one", client=[ASKED])

    with pytest.raises(MissingAbility, match="File exists"):
        Part(folder, "client")
