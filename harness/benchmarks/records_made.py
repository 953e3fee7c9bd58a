"""A synthetic folder of records, with defects of every class planted: made once, kept in the user's cache.

Producers write batches of 200 to 800 records, which lie whole in the log; the produce history is in the
order of the intended instants, so its producers are interleaved record by record; the consume history
is in the order of the log. Instants jitter: nothing is easier to store than it would be in a real history.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from harness.engine.folder import CONTEXT, ROW_GROUP, SCHEMAS, Context, Side, writer
from harness.ledger.evidence import Ints
from harness.model import Fence, Guarantee, Outcome, ReadState
from harness.stack.artifacts import cache_folder

VERSION = 1
PARTITIONS = 64
PRODUCERS = 8
DEFECTS = ("lost", "corrupt", "twice", "swapped", "stranger", "refused", "moved")
MEMBERS = 25
"""So many records has a transaction in each of the partitions it writes to."""
SPREAD = 4
"""So many partitions a transaction writes to."""
STEP_US = 512

Columns = dict[str, Ints]


@dataclass(frozen=True, slots=True)
class Asked:
    """What folder is wanted; ``defects`` are spread over classes and partitions."""

    records: int
    partitions: int = PARTITIONS
    producers: int = PRODUCERS
    defects: int = 1000
    transactions: bool = False
    row_group: int = ROW_GROUP


@dataclass(slots=True)
class Planted:
    """What was planted: how often each class, and which transactions it tore."""

    classes: Counter[str] = field(default_factory=Counter)
    torn: set[int] = field(default_factory=set)

    def violations(self) -> dict[str, int]:
        """What each checker has to count."""
        of = self.classes
        return {
            "no_loss": of["lost"] + of["corrupt"],
            "no_duplicates": of["twice"],
            "order_per_key": 2 * of["swapped"] + of["moved"],
            "no_phantoms": of["stranger"] + of["refused"],
            "integrity": of["corrupt"],
        } | ({"no_torn_transactions": len(self.torn)} if self.torn else {})


def cached(asked: Asked) -> Path:
    """The folder as asked for, made unless it is there; ``cache_folder()/records`` holds all of them."""
    kind = "transactions" if asked.transactions else "plain"
    name = f"{asked.records}-{asked.partitions}-{asked.producers}-{asked.defects}-{kind}-v{VERSION}"
    folder = cache_folder() / "records" / name
    if not (folder / CONTEXT).exists():
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, asked)
    return folder


def planted(asked: Asked) -> Planted:
    """What is planted in such a folder, without making it."""
    found = Planted()
    for partition in range(asked.partitions):
        _Partition(asked, partition).plant(found)
    return found


def make(folder: Path, asked: Asked) -> None:
    """Write the folder; ``records.json`` last, so that what has one is whole."""
    fences = []
    for number in range(asked.partitions):
        partition = _Partition(asked, number)
        partition.plant(Planted())
        _write(folder, "produce", number, partition.produced(), asked.row_group)
        _write(folder, "consume", number, partition.consumed(), asked.row_group)
        fences.append(_fence(number, partition.end))
    end = asked.records * STEP_US
    context = Context(
        format="edge-harness/records/1",
        guarantees=tuple(Guarantee(name=name) for name in ("no_loss", "no_duplicates", "order_per_key")),
        load_ended_us=end,
        fenced_us=end + 1,
        fences=tuple(fences),
        partitions=asked.partitions,
    )
    (folder / CONTEXT).write_text(context.model_dump_json(indent=1))


class _Partition:
    """One partition: its log as the producers' batches make it, then the defects."""

    def __init__(self, asked: Asked, number: int) -> None:
        self._asked, self._number = asked, number
        self._random = np.random.default_rng([VERSION, asked.records, number])
        self.end = asked.records // asked.partitions
        size, owner = self._batches(self.end)
        self._start = np.cumsum(size) - size
        self._size = size
        self.producer = np.repeat(owner, size)
        self.sequence = _dense(owner, size, asked.producers)
        self.offset = np.arange(self.end)
        self.acked = self.offset.copy()
        self.outcome = np.full(self.end, Outcome.OK, np.int8)
        self._batch = np.repeat(np.arange(len(size)), size)
        self._read = {"producer": self.producer, "sequence": self.sequence.copy(), "offset": self.offset}
        self._state = np.full(self.end, ReadState.GOOD, np.int8)
        self._kept = np.ones(self.end, np.bool_)
        self._more: list[tuple[int, int, int]] = []

    def plant(self, told: Planted) -> None:
        """Break this partition's share of records, each in a batch of its own."""
        asked = self._asked
        rounds = range(self._number, asked.defects, asked.partitions)
        batches = self._random.choice(len(self._size), len(rounds), replace=False)
        for turn, batch in enumerate(batches.tolist()):
            kind = DEFECTS[turn % len(DEFECTS)]
            row = int(self._start[batch] + self._size[batch] // 2)
            self._break(kind, row)
            told.classes[kind] += 1
            if asked.transactions and kind in {"lost", "corrupt"}:
                told.torn.add(int(self._transaction()[row]))
        self.end += len(self._more)

    def produced(self) -> Columns:
        """The attempts, in the order of their intended instants."""
        # Nobody's clock ticks evenly: which producer comes next is random, record by record.
        intended = self.sequence * STEP_US + self._random.integers(0, STEP_US, len(self.sequence))
        jitter = self._random.exponential(50, len(intended)).astype(np.int64)
        last = np.maximum.reduceat(intended, self._start)
        done = last + self._random.integers(2_000, 6_000, len(last))
        columns: Columns = {
            "producer": self.producer,
            "sequence": self.sequence,
            "offset": self.acked,
            "outcome": self.outcome.astype(np.int64),
            "intended_us": intended,
            "sent_us": intended + jitter,
            "done_us": done[self._batch],
            "transaction": self._transaction(),
        }
        order = np.argsort(intended, kind="stable")
        return {name: values[order] for name, values in columns.items()}

    def consumed(self) -> Columns:
        """What came back, in the order of the log."""
        more = np.asarray(self._more, np.int64).reshape(-1, 3)
        rows = {name: values[self._kept] for name, values in self._read.items()}
        for place, name in enumerate(("producer", "sequence", "offset")):
            rows[name] = np.concatenate((rows[name], more[:, place]))
        good = np.full(len(more), ReadState.GOOD, np.int8)
        # One poll returns about 500 records, and all of them at one instant.
        poll = rows["offset"] // 500
        late = self._random.integers(10_000, 20_000, int(poll.max()) + 1)
        polled = poll * 500 * STEP_US // self._asked.producers + late[poll]
        return rows | {
            "state": np.concatenate((self._state[self._kept], good)).astype(np.int64),
            "read_us": polled,
        }

    def _break(self, kind: str, row: int) -> None:
        end = self.end + len(self._more)
        producer, sequence = int(self.producer[row]), int(self.sequence[row])
        match kind:
            case "lost":
                self._kept[row] = False
            case "corrupt":
                self._state[row] = ReadState.CORRUPT
            case "twice":
                self._more.append((producer, sequence, end))
            case "swapped":
                read = self._read["sequence"]
                read[row], read[row + 1] = read[row + 1], read[row]
            case "stranger":
                self._more.append((producer, 2 * self._asked.records + sequence, end))
            case "refused":
                self.outcome[row] = Outcome.FAIL
            case _:
                self.acked[row] += 1_000

    def _batches(self, records: int) -> tuple[Ints, Ints]:
        size = self._random.integers(200, 801, records // 200 + 1)
        enough = int(np.searchsorted(np.cumsum(size), records)) + 1
        size = size[:enough]
        size[-1] -= int(size.sum()) - records
        turns = -(-enough // self._asked.producers)
        rounds = np.tile(np.arange(self._asked.producers), (turns, 1))
        return size, self._random.permuted(rounds, axis=1).ravel()[:enough]

    def _transaction(self) -> Ints:
        if not self._asked.transactions:
            return np.full(len(self.sequence), -1)
        turn = self.sequence // MEMBERS * self._asked.producers + self.producer
        return turn * -(-self._asked.partitions // SPREAD) + self._number // SPREAD


def _dense(owner: Ints, size: Ints, producers: int) -> Ints:
    """The sequence of each record: dense per producer, batch after batch."""
    first = np.empty_like(size)
    for producer in range(producers):
        mine = owner == producer
        first[mine] = np.cumsum(size[mine]) - size[mine]
    within = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    found: Ints = np.repeat(first, size) + within
    return found


def _write(folder: Path, side: Side, partition: int, columns: Columns, row_group: int) -> None:
    place = folder / side / f"partition={partition}"
    place.mkdir(parents=True)
    schema = SCHEMAS[side]
    table = pa.table({name: pa.array(columns[name]).cast(schema.field(name).type) for name in schema.names})
    with writer(place / "records-0.parquet", side) as file:
        for start in range(0, table.num_rows, row_group):
            file.write_table(table.slice(start, row_group).cast(schema), row_group)


def _fence(partition: int, end: int) -> Fence:
    return Fence(
        partition=partition,
        first_offset=0,
        end_offset=end,
        committed_end_offset=end,
        sentinel_offset=end,
        position=end + 1,
    )
