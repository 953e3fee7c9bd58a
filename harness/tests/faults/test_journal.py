"""The journal: its lines conform to the model, are on the disk in time, and survive damage."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import MissingAbility
from harness.faults.journal import Fault, Journal, Step, open_faults, read_lines
from harness.journal_entry import JournalEntry
from harness.rundir import RunDirectory

FAULT = Fault(
    fault=1,
    name="pause controller()",
    kind="pause",
    target="broker-2",
    nodes=("broker-2",),
    why_this_target="active controller at injection",
    partitions=(1, 4),
    undo=({"do": "continue", "node": "broker-2", "pid": "7", "ticks": "9"},),
    traits={"scope": "everyone"},
)
STEPS: tuple[Step, ...] = ("planned", "injected", "effect-proven", "healed", "healing-proven")


def test_every_line_is_a_journal_entry(tmp_path: Path) -> None:
    """What the standard library writes, the model reads: all fields, in order."""
    journal = Journal(tmp_path / "journal.jsonl")
    for number, step in enumerate(STEPS):
        journal.write(step, FAULT, t=number, proof=f"{step} → seen", commands=("kill -STOP 7",))
    journal.close()

    entries = RunDirectory(tmp_path).read_journal()

    assert list(STEPS) == [entry.step for entry in entries]
    expected = JournalEntry(
        t=2,
        wall=entries[2].wall,
        fault=1,
        step="effect-proven",
        name="pause controller()",
        kind="pause",
        target="broker-2",
        nodes=("broker-2",),
        why_this_target="active controller at injection",
        partitions=(1, 4),
        commands=("kill -STOP 7",),
        proof="effect-proven → seen",
        undo=({"do": "continue", "node": "broker-2", "pid": "7", "ticks": "9"},),
        traits={"scope": "everyone"},
    )
    assert expected == entries[2]


def test_a_line_is_readable_when_write_returns(tmp_path: Path) -> None:
    """Another reader sees a line at once, with the instant that write returned."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    instant = journal.write("planned", FAULT)

    assert [instant] == [line["t"] for line in read_lines(path)]
    journal.close()


def test_a_damaged_line_loses_only_itself(tmp_path: Path) -> None:
    """Garbage and a cut tail are passed over; the faults around them still count."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.write("planned", FAULT)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(b"\xff{garbage\n" + whole + b"[1]\n" + whole[:40])

    assert ["planned"] == [line["step"] for line in read_lines(path)]


@pytest.mark.parametrize(
    ("steps", "left"), [(STEPS, []), (STEPS[:3], [1]), (STEPS[:4], []), (STEPS[:1], [1])]
)
def test_open_faults_are_those_not_healed(tmp_path: Path, steps: tuple[str, ...], left: list[int]) -> None:
    """A fault is open from its plan to its healing."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for step in STEPS[: len(steps)]:
        journal.write(step, FAULT)
    journal.close()

    assert left == [line["fault"] for line in open_faults(path)]


def test_no_journal_means_no_open_fault(tmp_path: Path) -> None:
    """A run that never got to its first fault has nothing open."""
    assert [] == open_faults(tmp_path / "journal.jsonl")


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    """A line that does not fit raises, and does not spoil the lines before and after it."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.write("planned", FAULT)
    with _largest_file(path.stat().st_size + 20), pytest.raises(MissingAbility, match="cannot write"):
        journal.write("injected", FAULT)
    journal.write("healed", FAULT)
    journal.close()

    assert ["planned", "healed"] == [line["step"] for line in read_lines(path)]


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    """A link planted where the journal goes is refused, and its target stays as it was."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "journal.jsonl").symlink_to(tmp_path / "precious")

    with pytest.raises(MissingAbility, match="cannot write"):
        Journal(tmp_path / "journal.jsonl")
    assert "precious" == (tmp_path / "precious").read_text()


def test_the_journal_is_private(tmp_path: Path) -> None:
    """Only its owner may read it: commands may hold what users type."""
    Journal(tmp_path / "journal.jsonl").close()

    assert 0o600 == (tmp_path / "journal.jsonl").stat().st_mode & 0o777


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
