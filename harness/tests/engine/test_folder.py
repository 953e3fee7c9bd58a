"""What a folder of records may look like, and what is said of one that may not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.engine.blocks import blocks
from harness.engine.folder import CONSUME, PRODUCE, Context, parts, read_context, writer
from harness.engine.runs import Runs, mapped, reduced
from harness.engine.work import runs_of_file
from harness.errors import BadInput, EvidenceError
from harness.tests.documents import blocks as code_blocks
from harness.tests.documents import first_column
from harness.tests.engine.naive import Row, as_rows
from harness.tests.source import ROOT

PAGE = ROOT / "docs/reference/ledger-at-scale.md"

WHOLE = {
    "producer": [0, 0, 1],
    "sequence": [0, 1, 0],
    "offset": [0, 1, 2],
    "outcome": [0, 0, 2],
    "intended_us": [5, 6, 7],
    "sent_us": [5, 6, 7],
    "done_us": [9, 9, 9],
    "transaction": [-1, -1, 3],
}
RUNS = [Row(7, 0, 0, 2, 0), Row(7, 1, 0, 1, 2, 2, 3)]


FENCE = {
    "partition": 0,
    "first_offset": 0,
    "end_offset": 3,
    "committed_end_offset": 3,
    "sentinel_offset": 3,
    "position": 4,
}


def with_(key: str, value: object) -> str:
    """A context that says this as well."""
    return json.dumps({"format": "edge-harness/records/1", key: value})


def stored(folder: Path, columns: dict[str, pa.Array], *, group: int = 2) -> Path:
    """A file of attempts with these columns, in row groups of two."""
    path = folder / "some.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path


def arrays(**changed: pa.Array) -> dict[str, pa.Array]:
    """The columns of WHOLE as the format has them, but for some."""
    given = {name: pa.array(values, PRODUCE.field(name).type) for name, values in WHOLE.items()}
    return {name: values for name, values in (given | changed).items() if values is not None}


def runs_of(path: Path) -> Runs:
    """The runs of a file of partition 7."""
    return reduced([mapped(block) for block in blocks(path, "produce", 7)], lone=False)


def test_row_groups_come_as_blocks_of_rows(tmp_path: Path) -> None:
    """Every row group is a block of its own, and all of them hold what was written."""
    path = stored(tmp_path, arrays())

    assert [2, 1] == [block.rows for block in blocks(path, "produce", 7)]
    assert as_rows(runs_of(path)) == RUNS


def test_a_column_that_does_not_vary_is_not_read(tmp_path: Path) -> None:
    """The statistics of a row group say what its outcomes are; only where they differ they are read."""
    first, last = blocks(stored(tmp_path, arrays()), "produce", 7)
    (both,) = blocks(stored(tmp_path, arrays(), group=3), "produce", 7)

    assert [(0,), (0,), (1,)] == [block.mark.strides for block in (first, last, both)]
    assert [[0, 0], [2], [0, 0, 2]] == [block.mark.tolist() for block in (first, last, both)]


def test_statistics_are_not_needed(tmp_path: Path) -> None:
    """A file without them says the same."""
    path = tmp_path / "bare.parquet"
    pq.write_table(pa.table(arrays()), path, write_statistics=False)

    assert as_rows(runs_of(path)) == RUNS


@pytest.mark.parametrize("name", ["transaction", "sent_us", "done_us"])
def test_some_columns_may_be_missing(tmp_path: Path, name: str) -> None:
    """A history without transactions has no column of them."""
    found = as_rows(runs_of(stored(tmp_path, arrays(**{name: None}))))

    assert [row.first_seq for row in found] == [0, 0]


def test_narrow_and_wide_integers_are_both_taken(tmp_path: Path) -> None:
    """Sequences of 32 bits and outcomes of 64 are as good as the types of the format."""
    changed = arrays(sequence=pa.array([0, 1, 0], pa.int32()), outcome=pa.array([0, 0, 2], pa.int64()))

    assert as_rows(runs_of(stored(tmp_path, changed))) == RUNS


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"sequence": None}, "no column sequence"),
        ({"sequence": pa.array([0.0, 1.0, 0.0])}, "sequence is double"),
        ({"offset": pa.array([0, None, 2], pa.int64())}, "offset holds 1 nulls"),
        ({"outcome": pa.array([None, None, None], pa.int8())}, "outcome holds"),
        ({"outcome": pa.array([0, 9, 0], pa.int8())}, "outcome holds 9, not 0 to 2"),
        ({"outcome": pa.array([9, 9, 9], pa.int8())}, "outcome holds 9, not 0 to 2"),
        ({"outcome": pa.array([0, -1, 0], pa.int8())}, "outcome holds -1"),
        ({"producer": pa.array([0, -1, 1], pa.int32())}, "producer holds -1"),
        ({"producer": pa.array([0, 1 << 32, 1], pa.int64())}, "producer holds 4,294,967,296"),
        ({"sequence": pa.array([0, -3, 0], pa.int64())}, "sequence holds -3"),
        ({"sequence": pa.array([2**63 - 1, -(2**63), 0], pa.int64())}, "sequence holds 9,223"),
        ({"offset": pa.array([-1, -2, 2], pa.int64())}, "offset holds -2"),
        ({"offset": pa.array([0, 2**62, 2], pa.int64())}, "offset holds 4,611"),
        ({"transaction": pa.array([-1, -9, 3], pa.int64())}, "transaction holds -9"),
    ],
)
def test_what_cannot_be_judged_is_named(tmp_path: Path, changed: dict[str, pa.Array], why: str) -> None:
    """A missing column, one of another type, a null and a value out of range: file and column are named."""
    path = stored(tmp_path, arrays(**changed))

    with pytest.raises(BadInput, match=rf"some\.parquet cannot be judged.*{why}"):
        runs_of_file(path, "produce", 7)


CAME_BACK = {"producer": [0, 0, 1], "sequence": [0, 1, 0], "offset": [0, 1, 2], "state": [0, 0, 0]}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"state": [0, 9, 0]}, "state holds 9, not 0 to 3"),
        ({"state": [0, -1, 0]}, "state holds -1"),
        ({"offset": [0, -1, 2]}, "offset holds -1"),
        ({"sequence": [0, -1, 0]}, "sequence holds -1"),
        ({"producer": [0, -1, 1]}, "producer holds -1"),
    ],
)
def test_what_cannot_have_come_back_is_named(tmp_path: Path, changed: dict[str, list[int]], why: str) -> None:
    """A state that nobody knows, a place before the log, an intact record without a name."""
    path = stored(tmp_path, {name: pa.array(values) for name, values in (CAME_BACK | changed).items()})

    with pytest.raises(BadInput, match=rf"some\.parquet cannot be judged.*{why}"):
        runs_of_file(path, "consume", 7)


def test_what_a_damaged_record_calls_itself_may_be_anything(tmp_path: Path) -> None:
    """Legal: its name is damaged as well."""
    damaged = CAME_BACK | {"state": [0, 1, 2], "sequence": [0, -1, -(2**63)], "producer": [0, -1, -77]}
    path = stored(tmp_path, {name: pa.array(values) for name, values in damaged.items()})

    assert [-77, -1, 0] == runs_of_file(path, "consume", 7).producer.tolist()


def test_the_largest_names_are_taken(tmp_path: Path) -> None:
    """Legal: nobody has to count from zero, nor in small numbers."""
    large = {
        "producer": pa.array([2**31 - 1] * 3, pa.int32()),
        "sequence": pa.array([2**61 - 1, 2**61, 0], pa.int64()),
        "offset": pa.array([2**61 - 1, 2**61, -1], pa.int64()),
        "transaction": pa.array([2**61, 2**61, -1], pa.int64()),
    }

    assert [2, 1] == runs_of_file(stored(tmp_path, arrays(**large)), "produce", 7).count.tolist()


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    """Parquet without its end cannot be read at all, and half of a history is never taken for the whole."""
    path = stored(tmp_path, arrays())
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(EvidenceError, match=r"some\.parquet cannot be read"):
        runs_of(path)


def test_partitions_are_found_in_order(tmp_path: Path) -> None:
    """By number, not by name; a partition may have one side only; files count by their names."""
    for place in ("produce/partition=10", "produce/partition=9", "consume/partition=2"):
        (tmp_path / place).mkdir(parents=True)
        for name in ("b.parquet", "a.parquet", "notes.txt"):
            (tmp_path / place / name).touch()
    found = parts(tmp_path)

    assert [2, 9, 10] == [part.partition for part in found]
    assert ["a.parquet", "b.parquet"] == [path.name for path in found[2].produce]
    assert [(), 2] == [found[0].produce, len(found[0].consume)]


@pytest.mark.parametrize("name", ["partition=x", "7", "partition=-1", "partition=07", "partition=2147483648"])
def test_a_folder_that_is_no_partition_is_named(tmp_path: Path, name: str) -> None:
    """A misspelt folder would silently take its records out of the judgement."""
    (tmp_path / "produce" / "partition=7").mkdir(parents=True)
    (tmp_path / "produce" / name).mkdir()

    with pytest.raises(BadInput, match="is no partition"):
        parts(tmp_path)


def test_no_records_are_no_evidence(tmp_path: Path) -> None:
    """An empty folder is an error, not a PASS."""
    with pytest.raises(EvidenceError, match="holds no records"):
        parts(tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file"),
        ("{", "JSON"),
        ('{"format": "edge-harness/records/2"}', "format"),
        ('{"format": "edge-harness/records/1", "fence": []}', "fence"),
        (with_("guarantees", []), "guarantees: .* at least 1 item"),
        (with_("guarantees", [{"name": "results_exact"}]), "guarantees: .*results_exact is none of records"),
        (with_("guarantees", [{"name": "no_loss"}, {"name": "no_loss", "allowed": 9}]), "no_loss .* twice"),
        (with_("fences", [FENCE, FENCE | {"position": 9}]), "fences: .*partition 0 is there twice"),
    ],
)
def test_a_context_of_another_form_is_named(tmp_path: Path, text: str | None, why: str) -> None:
    """A missing file, broken JSON, another version, an unknown key; what asks for nothing, or two things."""
    if text is not None:
        (tmp_path / "records.json").write_text(text)

    with pytest.raises(BadInput, match=why):
        read_context(tmp_path)


def test_the_writer_encodes_as_the_format_says(tmp_path: Path) -> None:
    """Deltas for what grows, a dictionary for what repeats, zstd over all of it."""
    path = tmp_path / "made.parquet"
    with writer(path, "consume") as file:
        file.write_table(
            pa.table([np.arange(9).astype(f.type.to_pandas_dtype()) for f in CONSUME], schema=CONSUME)
        )
    group = pq.ParquetFile(path).metadata.row_group(0)
    seen = {group.column(k).path_in_schema: group.column(k) for k in range(group.num_columns)}

    assert {"ZSTD"} == {column.compression for column in seen.values()}
    assert ["offset", "read_us", "sequence"] == sorted(
        name for name, column in seen.items() if "DELTA_BINARY_PACKED" in column.encodings
    )


def test_the_page_has_every_column_and_key() -> None:
    """The format is a public interface: its page names each column and key, in their order."""
    assert PRODUCE.names == first_column(PAGE, "## produce/")
    assert CONSUME.names == first_column(PAGE, "## consume/")
    assert sorted(Context.model_fields) == sorted(first_column(PAGE, "## records.json"))


def test_the_example_of_the_page_is_one() -> None:
    """The JSON on the page is a context whose one fence is complete."""
    (text,) = code_blocks(PAGE, "json")
    (fence,) = Context.model_validate_json(text).fences

    assert fence.complete
