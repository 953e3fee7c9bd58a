"""A run's ledger is loaded whole, or it is said which file is damaged or gone, and how."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.errors import EvidenceError
from harness.ledger import schema, tables
from harness.ledger.evidence import load
from harness.model import FencePassed, HopRead, LoadEnded, ReadState, RunEnded
from harness.rundir import RunDirectory
from harness.tests.checkers.build import WALL, Story, at, passing_evidence, without_events, write

SEALED = {"attempts": schema.ATTEMPTS, "announced": schema.ANNOUNCED, "reads": schema.READS}


@pytest.fixture
def stored(tmp_path: Path) -> RunDirectory:
    """A passing run, sealed."""
    directory = RunDirectory.create(tmp_path, "run")
    write(passing_evidence(), directory)
    for name, columns in SEALED.items():
        tables.seal(directory.ledger, name, columns)
    return directory


def spoil(directory: RunDirectory, name: str, column: str, value: int | None) -> None:
    """Write *value* into the second row of a column."""
    path = directory.ledger / f"{name}.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index(column)
    values = table.column(column).to_pylist()
    values[1] = value
    changed = pa.array(values, table.schema.field(place).type)
    pq.write_table(table.set_column(place, table.schema.field(place), changed), path)


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("attempts", "outcome", 9),
        ("attempts", "outcome", -1),
        ("attempts", "count", 0),
        ("attempts", "count", -10),
        ("attempts", "first_seq", -1),
        ("attempts", "first_seq", 2**63 - 1),
        ("attempts", "base_offset", -2),
        ("attempts", "base_offset", 2**62),
        ("attempts", "producer", -1),
        ("attempts", "partition", None),
        ("attempts", "error", None),
        ("announced", "until_seq", -5),
        ("reads", "state", 9),
        ("reads", "state", None),
        ("reads", "count", 0),
        ("reads", "first_offset", -1),
        ("reads", "first_seq", -1),
        ("reads", "producer", -1),
    ],
)
def test_what_no_column_may_hold_is_named(
    stored: RunDirectory, name: str, column: str, value: int | None
) -> None:
    """A code that nobody knows, a count of nothing, a place before the log: damaged, with file and column."""
    spoil(stored, name, column, value)
    said = "nulls" if value is None else f"{value:,}"

    with pytest.raises(EvidenceError, match=rf"{name}\.parquet cannot be judged: {column} holds {said}"):
        load(stored)


def test_a_stream_is_held_to_the_same(tmp_path: Path) -> None:
    """The ledger of a run that died is no Parquet yet, and no more believed."""
    directory = RunDirectory.create(tmp_path, "died")
    story = Story().acked(0, 2, offset=0).read(0, 2, offset=-7)
    write(without_events(story.evidence(), RunEnded), directory)

    with pytest.raises(EvidenceError, match=r"reads-0\.arrow cannot be judged: first_offset holds -7"):
        load(directory)


def test_whatever_a_damaged_record_calls_itself_is_taken(tmp_path: Path) -> None:
    """Legal: bytes that were damaged may spell any number, and a record without an offset says -1."""
    directory = RunDirectory.create(tmp_path, "run")
    story = Story().acked(0, 2, offset=-1).read(0, 2, offset=0)
    story.read(-(2**63), offset=2, producer=-77, state=ReadState.CORRUPT)
    story.read(2**63 - 1, offset=3, producer=-1, state=ReadState.FOREIGN)
    write(story.evidence(), directory)

    assert load(directory).reads.producer.tolist() == [1, -77, -1]


@pytest.mark.parametrize(
    ("name", "why"),
    [("attempts", "the load ended"), ("announced", "the load ended"), ("reads", "read through its fence")],
)
def test_a_file_that_was_written_and_is_gone_is_missed(stored: RunDirectory, name: str, why: str) -> None:
    """A ledger that was copied in part is damaged evidence: nothing in it was lost by the stack."""
    (stored.ledger / f"{name}.parquet").unlink()

    with pytest.raises(EvidenceError, match=rf"{name}\.parquet is missing: .*{why}"):
        load(stored)


@pytest.mark.parametrize(
    ("hop", "name"),
    [
        ("source", "inputs"),
        ("results", "results"),
        ("late", "placed"),
        ("dead-letters", "placed"),
        ("archive", "archive"),
        ("metrics", "objects"),
    ],
)
def test_a_hop_that_was_read_has_its_tables(stored: RunDirectory, hop: str, name: str) -> None:
    """One that was read whole must be there; one that could not be read leaves nothing, and says so."""
    whole = HopRead.model_validate({"t": at(50), "wall": WALL, "hop": hop, "complete": True})
    unread = whole.model_copy(update={"complete": False, "detail": "no broker answered"})

    with stored.events.open("a") as events:
        events.write(unread.model_dump_json() + "\n")
    assert load(stored).last(HopRead) == unread
    with stored.events.open("a") as events:
        events.write(whole.model_dump_json() + "\n")
    with pytest.raises(EvidenceError, match=rf"{name}\.parquet is missing: .* the hop {hop} was read whole"):
        load(stored)


def test_what_was_never_begun_is_not_missed(tmp_path: Path) -> None:
    """Legal: a run that died before its load ended, or before it read back, lacks what it had not begun."""
    directory = RunDirectory.create(tmp_path, "died")
    write(without_events(passing_evidence(), RunEnded, FencePassed, LoadEnded), directory)
    for path in directory.ledger.iterdir():
        path.unlink()

    assert load(directory).attempts.rows == 0
