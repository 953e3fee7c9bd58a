"""Ledger tables lose nothing but a cut tail, and Parquet holds what the streams held."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.errors import EvidenceError, MissingAbility
from harness.ledger import schema, tables
from harness.ledger.tables import Row, TableWriter, read, read_streams, seal

READS: list[Row] = [(partition, 7, 100 * partition, 5, 0, 0, "") for partition in range(4)]


def write(folder: Path, rows: list[Row], *, writer: str = "0", flush_each: bool = False) -> Path:
    """A stream with *rows*, one batch each when *flush_each*; returns its path."""
    made = TableWriter(folder, "reads", schema.READS, writer=writer)
    for row in rows:
        made.add(*row)
        if flush_each:
            made.flush()
    made.close()
    return folder / f"reads-{writer}.arrow"


def rows_of(table: pa.Table) -> list[Row]:
    """The rows of *table* as tuples."""
    return [tuple(row.values()) for row in table.to_pylist()]


def test_rows_come_back_as_they_were_added(tmp_path: Path) -> None:
    """A closed stream holds every row in order, and no tail is reported cut."""
    write(tmp_path, READS)

    table, cut = read(tmp_path, "reads", schema.READS)
    assert rows_of(table) == READS
    assert not cut


def test_every_byte_position_of_a_cut_leaves_whole_batches(tmp_path: Path) -> None:
    """Wherever a crash cuts the stream, the batches before the cut are read, and the cut is told.

    A cut between two batches is none: no row is torn, and what is missing was never handed over.
    """
    path, borders = write_and_note_borders(tmp_path)
    whole = path.read_bytes()

    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        table, cut = read_streams([path], schema.READS)
        before = sum(border <= size for border in borders[1:])
        assert rows_of(table) == READS[:before], size
        assert cut or size in borders or size > borders[-1], size
        assert not (cut and size in borders), size


def write_and_note_borders(folder: Path) -> tuple[Path, list[int]]:
    """A stream of one batch a row, and its size after the schema and after each batch."""
    writer = TableWriter(folder, "reads", schema.READS)
    borders = [schema.READS.serialize().size]
    for row in READS:
        writer.add(*row)
        writer.flush()
        borders.append(writer._file.tell())
    writer.close()
    return folder / "reads-0.arrow", borders


def test_a_table_that_nobody_wrote_is_empty(tmp_path: Path) -> None:
    """Without any file there are no rows, in the columns of the schema."""
    table, cut = read(tmp_path, "reads", schema.READS)

    assert table.schema == schema.READS
    assert (table.num_rows, cut) == (0, False)


def test_rows_reach_the_disk_in_batches(tmp_path: Path) -> None:
    """After 512 rows, and not before, a batch can be read although the stream is open."""
    writer = TableWriter(tmp_path, "reads", schema.READS)
    for _ in range(511):
        writer.add(*READS[0])
    before = read(tmp_path, "reads", schema.READS)[0].num_rows
    writer.add(*READS[0])
    after, cut = read(tmp_path, "reads", schema.READS)
    writer.close()

    assert (before, after.num_rows) == (0, 512)
    assert not cut, "a stream that is merely open has no cut batch"


def test_sealing_turns_all_streams_into_one_file(tmp_path: Path) -> None:
    """Parquet holds the rows of every writer's stream; the streams are gone and the file is private."""
    write(tmp_path, READS[:2], writer="a")
    write(tmp_path, READS[2:], writer="b")
    before, _ = read(tmp_path, "reads", schema.READS)

    cut = seal(tmp_path, "reads", schema.READS)
    after, _ = read(tmp_path, "reads", schema.READS)

    assert not cut
    assert after.equals(before)
    assert rows_of(after) == READS
    assert [path.name for path in tmp_path.iterdir()] == ["reads.parquet"]
    assert stat.S_IMODE((tmp_path / "reads.parquet").stat().st_mode) == 0o600


def test_sealing_a_cut_stream_tells_so(tmp_path: Path) -> None:
    """A worker that was killed leaves a cut tail: it is dropped and remembered."""
    path = write(tmp_path, READS, flush_each=True)
    path.write_bytes(path.read_bytes()[:-60])

    assert seal(tmp_path, "reads", schema.READS)
    assert rows_of(read(tmp_path, "reads", schema.READS)[0]) == READS[:3]


def test_every_table_survives_the_way_through_parquet(tmp_path: Path) -> None:
    """All four schemas, with extreme values, come back with their exact types."""
    for name in ("ATTEMPTS", "ANNOUNCED", "READS", "SAMPLES"):
        columns: pa.Schema = getattr(schema, name)
        rows = [tuple(_extreme(field, end) for field in columns) for end in (0, 1)]
        writer = TableWriter(tmp_path, name, columns)
        for row in rows:
            writer.add(*row)
        writer.close()
        seal(tmp_path, name, columns)

        table, _ = read(tmp_path, name, columns)
        assert table.schema == columns
        assert rows_of(table) == rows


def _extreme(field: pa.Field, end: int) -> float | str:
    # The two ends of what a column can hold.
    if pa.types.is_string(field.type):
        return ("", "…\n\x00'\"")[end]
    if pa.types.is_floating(field.type):
        return (-1e300, 5e-324)[end]
    highest = 1 << int(field.type.bit_width) - 1
    return (-highest, highest - 1)[end]


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """A damaged sealed table is an error, never an empty table: emptiness would be evidence."""
    (tmp_path / "reads.parquet").write_bytes(b"PAR1 but not really")

    with pytest.raises(EvidenceError, match=r"reads\.parquet cannot be read"):
        read(tmp_path, "reads", schema.READS)


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    """A table of another format version is an error."""
    pq.write_table(pa.table({"partition": [1]}), tmp_path / "reads.parquet")

    with pytest.raises(EvidenceError):
        read(tmp_path, "reads", schema.READS)


def test_a_planted_symlink_is_not_written_through(tmp_path: Path) -> None:
    """A link in the place of a stream is refused and its target left alone."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "reads-0.arrow").symlink_to(victim)

    with pytest.raises(MissingAbility):
        TableWriter(tmp_path, "reads", schema.READS)
    assert victim.read_text() == "mine"


def test_a_full_disk_keeps_the_streams(tmp_path: Path) -> None:
    """When the Parquet file cannot be written, the error is told and no row is lost."""
    write(tmp_path, READS)
    (tmp_path / "reads.parquet.part").mkdir()

    with pytest.raises(MissingAbility):
        seal(tmp_path, "reads", schema.READS)
    assert rows_of(tables.read(tmp_path, "reads", schema.READS)[0]) == READS


def test_a_full_disk_while_running_is_told_in_words(tmp_path: Path) -> None:
    """ENOSPC on a flush becomes one sentence; /dev/full gives it on every machine."""
    writer = TableWriter(tmp_path, "reads", schema.READS)
    with contextlib.suppress(OSError), open("/dev/full", "wb") as full:
        writer._file, writer._stream = full, pa.ipc.new_stream(full, schema.READS)
        writer.add(*READS[0])

        with pytest.raises(MissingAbility, match="No space left on device"):
            writer.flush()


def test_columns_and_rows_keep_their_order(tmp_path: Path) -> None:
    """Columns added at once lie among single rows in the order given, as soon as either is flushed."""
    writer = TableWriter(tmp_path, "reads", schema.READS)
    numbers = np.arange(2)
    writer.add_columns(*[numbers] * 6, ["a", "b"])
    writer.flush()
    writer.add(*READS[0])
    writer.close()

    rows = rows_of(read(tmp_path, "reads", schema.READS)[0])
    assert rows == [(0, 0, 0, 0, 0, 0, "a"), (1, 1, 1, 1, 1, 1, "b"), READS[0]]


def test_many_columns_reach_the_disk_by_themselves(tmp_path: Path) -> None:
    """After 65,536 rows given as columns a batch can be read although nobody flushed."""
    writer = TableWriter(tmp_path, "reads", schema.READS)
    many = np.zeros(40_000, np.int64)
    counts = []
    for _ in range(2):
        writer.add_columns(*[many] * 6, [""] * len(many))
        counts.append(read(tmp_path, "reads", schema.READS)[0].num_rows)
    writer.close()

    assert counts == [0, 80_000]
