"""A folder of single records: partitioned Parquet, and one small file that says how it came to be.

The format is a public interface, documented in ``docs/reference/ledger-at-scale.md``::

    records.json                        what was asked for, when the load ended, the fences
    produce/partition=N/*.parquet       one row per attempted record
    consume/partition=N/*.parquet       one row per record that came back

Files of a partition count in the order of their names. Instants are whole microseconds of one
monotonic clock: finer ones cost more room than they tell.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, ValidationError, field_validator

from harness.errors import BadInput, EvidenceError
from harness.ledger.bounds import NUMBER, PLACE
from harness.model import Fence, Frozen, Guarantee
from harness.names import GuaranteeName

FORMAT = "edge-harness/records/1"
CONTEXT = "records.json"
ROW_GROUP = 1 << 20


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


PRODUCE = pa.schema(
    [
        _required("producer", pa.int32()),
        _required("sequence", pa.int64()),
        _required("offset", pa.int64()),
        _required("outcome", pa.int8()),
        _required("intended_us", pa.int64()),
        _required("sent_us", pa.int64()),
        _required("done_us", pa.int64()),
        _required("transaction", pa.int64()),
    ]
)

CONSUME = pa.schema(
    [
        _required("producer", pa.int32()),
        _required("sequence", pa.int64()),
        _required("offset", pa.int64()),
        _required("state", pa.int8()),
        _required("read_us", pa.int64()),
    ]
)

OPTIONAL = {"transaction": -1, "sent_us": -1, "done_us": -1, "read_us": -1}
"""Columns that a file may lack, and what then counts in every row."""

GUARANTEES: tuple[GuaranteeName, ...] = (
    "no_loss",
    "no_duplicates",
    "order_per_key",
    "no_phantoms",
    "integrity",
)
"""What may be asked for, and what is when nothing is."""

Side = Literal["produce", "consume"]
SCHEMAS: dict[Side, pa.Schema] = {"produce": PRODUCE, "consume": CONSUME}

M = TypeVar("M", bound=Frozen)

_FOLDER = re.compile(r"partition=(\d{1,10})\Z")
_DICTIONARY = ["producer", "outcome", "state"]
_DELTA = ["sequence", "offset", "intended_us", "sent_us", "done_us", "read_us", "transaction"]


class Reserved(Frozen):
    """A producer had announced that it would attempt sequences below ``until_seq``."""

    producer: int = Field(ge=NUMBER[0], le=NUMBER[1])
    partition: int = Field(ge=NUMBER[0], le=NUMBER[1])
    until_seq: int = Field(ge=PLACE[0], le=PLACE[1])


class Context(Frozen):
    """``records.json``: what a judge has to know besides the records."""

    format: Literal["edge-harness/records/1"]
    guarantees: tuple[Guarantee, ...] = Field(
        default=tuple(Guarantee(name=name) for name in GUARANTEES), min_length=1
    )
    zero_us: int = 0
    """The instant that witnesses count from."""
    load_ended_us: int | None = None
    fenced_us: int | None = None
    fences: tuple[Fence, ...] = ()
    announced: tuple[Reserved, ...] = ()
    partitions: int = Field(default=0, ge=0)
    """How many partitions the topic has; each of them has to be fenced."""

    @field_validator("guarantees")
    @classmethod
    def _all_of_records(cls, given: tuple[Guarantee, ...]) -> tuple[Guarantee, ...]:
        """A name that no check of records has would ask for nothing, and everything would pass."""
        for each in given:
            if each.name not in GUARANTEES:
                raise ValueError(f"{each.name} is none of records; one of {', '.join(GUARANTEES)}")
        return _each_once(given, "name")

    @field_validator("fences")
    @classmethod
    def _one_of_each(cls, given: tuple[Fence, ...]) -> tuple[Fence, ...]:
        return _each_once(given, "partition")


def _each_once(given: tuple[M, ...], by: str) -> tuple[M, ...]:
    """*given*, none of which has the same *by* as another: which of two would count is nobody's guess."""
    repeated = [value for value, times in Counter(getattr(one, by) for one in given).items() if times > 1]
    if repeated:
        raise ValueError(f"{by} {repeated[0]} is there twice")
    return given


@dataclass(frozen=True, slots=True)
class Part:
    """The files of one partition."""

    partition: int
    produce: tuple[Path, ...]
    consume: tuple[Path, ...]


def read_context(folder: Path) -> Context:
    """What ``records.json`` of *folder* says.

    Raises:
        BadInput: there is no such file, or it is not of this format.
    """
    path = folder / CONTEXT
    try:
        return Context.model_validate_json(path.read_bytes())
    except OSError as error:
        why = error.strerror or str(error)
        raise BadInput(f"cannot read {path}", why=why, fix="name a folder of records") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or CONTEXT
        raise BadInput(f"{path} is not of the format {FORMAT}", why=f"{where}: {first['msg']}") from error


def parts(folder: Path) -> list[Part]:
    """The partitions of *folder*, ascending, with the files of each in the order of their names.

    Raises:
        BadInput: a folder's name is no partition's.
        EvidenceError: there are no records.
    """
    found = {side: _files(folder / side) for side in SCHEMAS}
    partitions = sorted(found["produce"].keys() | found["consume"].keys())
    if not partitions:
        raise EvidenceError(f"{folder} holds no records", why="no produce/partition=N/*.parquet in it")
    return [Part(p, found["produce"].get(p, ()), found["consume"].get(p, ())) for p in partitions]


def _files(folder: Path) -> dict[int, tuple[Path, ...]]:
    found: dict[int, tuple[Path, ...]] = {}
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        named = _FOLDER.match(each.name)
        if named is None or int(named[1]) in found or int(named[1]) > NUMBER[1]:
            raise BadInput(f"{each} is no partition", fix="name each folder partition=N, once")
        found[int(named[1])] = tuple(sorted(each.glob("*.parquet")))
    return found


def writer(path: Path, side: Side) -> pq.ParquetWriter:
    """A writer of one file of *side*, with the encodings of the format; the caller closes it.

    It must be written in tables of at most ``ROW_GROUP`` rows, each of which becomes a row group.
    """
    columns = SCHEMAS[side]
    return pq.ParquetWriter(
        path,
        columns,
        compression="zstd",
        use_dictionary=[name for name in _DICTIONARY if name in columns.names],
        column_encoding={name: "DELTA_BINARY_PACKED" for name in _DELTA if name in columns.names},
    )
