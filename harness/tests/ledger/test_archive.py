"""Archive objects are read to rows, and whatever is wrong with one is told by name and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger import schema, tables
from harness.ledger.archive import ArchiveCounts, Scanned, read_archive, scan_object
from harness.ledger.lines import parse
from harness.rundir import RunDirectory
from harness.s3 import Listed, ObjectError, S3Client

Place = tuple[int, int]


def line(partition: int, offset: int, *, named: int | None = None) -> bytes:
    """One line as the job writes it."""
    told = {"p": partition, "o": offset, "id": f"2/{partition if named is None else named}/{offset * 3}"}
    return json.dumps(told | {"k": 7, "t": 1764100000000, "v": 0}, separators=(",", ":")).encode() + b"\n"


def zipped(text: bytes) -> bytes:
    """*text* as an object; the same bytes every time, for tests are named by them."""
    return gzip.compress(text, mtime=0)


def packed(*places: Place) -> bytes:
    """An object with a line for each place."""
    return zipped(b"".join(line(*place) for place in places))


def archived(scanned: Scanned) -> list[tuple[int, Place]]:
    """Every good line of an object: its number and place."""
    return [
        (first_line + step, (partition, first_offset + step))
        for run in scanned.runs
        for first_line, partition, first_offset, count in zip(
            *(column.tolist() for column in run), strict=True
        )
        for step in range(count)
    ]


def test_consecutive_lines_of_a_partition_are_one_run() -> None:
    """Two partitions and a gap make three runs."""
    found = scan_object(packed((0, 5), (0, 6), (3, 9), (3, 11)))

    assert (4, 4, "") == (found.lines, found.records, found.flaw)
    assert [(1, 0, 5, 2), (3, 3, 9, 1), (4, 3, 11, 1)] == [
        row for run in found.runs for row in zip(*(column.tolist() for column in run), strict=True)
    ]


WHOLE = b"".join(line(0, offset) for offset in range(3))


@pytest.mark.parametrize(
    ("body", "flaw", "good"),
    [
        (zipped(WHOLE)[:-9], "truncated gzip", 3),
        (zipped(WHOLE)[:-2], "truncated gzip", 3),
        (zipped(WHOLE[:-1]), "torn line: line 3", 2),
        (zipped(WHOLE + b"{not json\n"), "not JSON: line 4", 3),
        (zipped(WHOLE + b"\n"), "not JSON: line 4", 3),
        (zipped(WHOLE + b'{"p":0}\n'), "other keys: line 4", 3),
        (zipped(WHOLE + line(0, 3).replace(b'"o":3', b'"o":"3"')), "not numbers: line 4", 3),
        (zipped(WHOLE + line(0, 3).replace(b'"o":3', b'"o":03')), "not JSON: line 4", 3),
        (zipped(WHOLE + line(0, 3).replace(b'"v":0', b'"v":')), "not JSON: line 4", 3),
        (zipped(WHOLE + line(0, 3, named=1)), "id of partition 1 under partition 0: line 4", 3),
        (zipped(WHOLE + b"a\nb\n"), "not JSON: line 4 (and 1 more)", 3),
        (zipped(WHOLE + b"\xff\xfe\n"), "not JSON: line 4", 3),
        (WHOLE, "not gzip", 0),
        (b"", "empty object", 0),
    ],
)
def test_a_flaw_is_told_and_the_rest_still_counts(body: bytes, flaw: str, good: int) -> None:
    """A damaged object says what is wrong with it; its good lines are archived all the same."""
    found = scan_object(body)

    assert (flaw, good) == (found.flaw, found.records)


def test_a_flipped_byte_is_found_by_the_checksum() -> None:
    """Text that unpacks but is not what was packed is corrupt."""
    body = bytearray(packed(*((0, offset) for offset in range(100))))
    body[-6] ^= 1

    assert "corrupt gzip" == scan_object(bytes(body)).flaw


def test_members_one_after_another_are_one_object() -> None:
    """Gzip allows several members; all of them are read."""
    found = scan_object(packed((0, 1)) + packed((0, 2)))

    assert ("", 2) == (found.flaw, found.records)


def test_a_line_of_other_spacing_is_as_good() -> None:
    """Valid JSON with the right keys counts, if slower: the shape is a short cut and no rule."""
    spaced = line(4, 2).replace(b":", b": ").replace(b'"2/', b'"2/')

    assert [(1, (4, 2)), (2, (4, 3))] == archived(scan_object(gzip.compress(spaced + line(4, 3))))


def test_an_object_larger_than_a_block_is_read_whole() -> None:
    """Lines that cross the border of two blocks or pieces are neither lost nor torn."""
    places = [(index % 5, 10**12 + index) for index in range(50_000)]
    found = scan_object(packed(*places))

    assert "" == found.flaw
    assert list(enumerate(places, 1)) == archived(found)


@pytest.mark.parametrize("place", range(len(line(3, 5)) - 1))
def test_a_digit_too_many_is_noticed_wherever_it_stands(place: int) -> None:
    """One more digit makes another number or no JSON; it is never skipped over."""
    changed = line(3, 5)[:place] + b"1" + line(3, 5)[place:]
    found = parse(line(3, 4) + changed, 1)
    try:
        told = json.loads(changed)
        good = tuple(told) == ("p", "o", "id", "k", "t", "v") and told["id"].split("/")[1] == str(told["p"])
    except ValueError:
        good = False

    assert ([1, 2] if good else [1]) == found.number.tolist()
    assert not good or (told["p"], told["o"]) == (found.partition[1], found.offset[1])


def test_a_partition_that_is_none_is_a_flaw() -> None:
    """A partition beyond any that Kafka has is told, and does not become a row."""
    assert ("not numbers: line 1",) == parse(line(10**9, 1), 1).flaws


wide = st.integers(0, 10**17)


@given(st.lists(st.tuples(st.integers(0, 999), wide, wide, wide), min_size=1, max_size=8), st.data())
def test_the_fast_way_agrees_with_the_json_parser(
    records: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    """Whatever one byte is changed to, a line that is taken for good is what ``json`` reads in it."""
    text = b"".join(
        b'{"p":%d,"o":%d,"id":"%d/%d/%d","k":1,"t":%d,"v":9}\n' % (p, o, s % 9, p, s, t)
        for p, o, s, t in records
    )
    place = data.draw(st.integers(0, len(text) - 2))
    byte = data.draw(st.sampled_from(b'0129-.eE{}":,/ \\\r\tx\x00\xff'))
    changed = text[:place] + bytes([byte]) + text[place + 1 :]
    lines = changed[:-1].split(b"\n")
    found = parse(changed, 1)

    assert len(lines) == found.lines == len(found.number) + len(found.flaws)
    for number, partition, offset in zip(found.number, found.partition, found.offset, strict=True):
        told = json.loads(lines[number - 1])
        assert (told["p"], told["o"], int(told["id"].split("/")[1])) == (partition, offset, partition)


class Bucket(S3Client):
    """An object store in memory; a body that is an error is raised."""

    def __init__(self, bodies: dict[str, bytes | ObjectError], uploads: tuple[str, ...] = ()) -> None:
        self.bodies, self.open = bodies, uploads

    def objects(self, bucket: str, prefix: str = "") -> list[Listed]:
        """What is there."""
        return [
            Listed(name, len(body) if isinstance(body, bytes) else 9) for name, body in self.bodies.items()
        ]

    def uploads(self, bucket: str, prefix: str = "") -> list[str]:
        """What is under way."""
        return list(self.open)

    def get(self, bucket: str, name: str) -> bytes:
        """A body."""
        body = self.bodies[name]
        if isinstance(body, ObjectError):
            raise body
        return body


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """An empty run."""
    return RunDirectory.create(tmp_path, "archive")


def test_an_archive_becomes_two_tables(directory: RunDirectory) -> None:
    """Every object is a row, unreadable ones too; uploads and scratch objects are only counted."""
    store = Bucket(
        {
            "records/a": packed((0, 0), (0, 1)),
            "records/_b_tmp_1": b"half",
            "records/c": ObjectError("it cannot be read", why="no answer"),
            "records/d": packed((1, 4))[:-3],
        },
        uploads=("records/e",),
    )
    counts = read_archive(store, "edge-archive", "records/", directory)

    sizes = sum(len(packed(*places)) for places in [((0, 0), (0, 1)), ((1, 4),)]) - 3 + 9
    assert ArchiveCounts(3, sizes, 3, 3, 2, 1, 1, 1) == counts
    objects, _ = tables.read(directory.ledger, "objects", schema.OBJECTS)
    assert ["", "unreadable: no answer", "truncated gzip"] == objects.column("flaw").to_pylist()
    archive, _ = tables.read(directory.ledger, "archive", schema.ARCHIVE)
    assert [(0, 1, 0, 0, 2), (2, 1, 1, 4, 1)] == list(
        zip(*(archive.column(name).to_pylist() for name in archive.column_names), strict=True)
    )
