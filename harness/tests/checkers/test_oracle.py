"""The checkers agree, record by record, with a naive reading of the same small histories.

A model log is grown by events that a sound or defective pipeline could cause;
the oracle then looks at every record by itself, with dictionaries and no
intervals.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checkers import duplicates, integrity, loss, order, phantoms
from harness.checkers.sequences import history
from harness.model import Outcome, ReadState
from harness.tests.checkers.build import Story

Record = tuple[int, int, int]
"""Partition, producer, sequence."""


@dataclass
class Model:
    """What happened, record by record, while the story was told."""

    story: Story = field(default_factory=lambda: Story(partitions=2))
    next_seq: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    logs: dict[int, list[Record | None]] = field(default_factory=lambda: {0: [], 1: []})
    outcome: dict[Record, Outcome] = field(default_factory=dict)
    acked_at: dict[Record, int] = field(default_factory=dict)
    reserved: set[Record] = field(default_factory=set)

    def batch(self, partition: int, producer: int, count: int, fate: str) -> None:
        """One batch with one of the fates below."""
        first = self.next_seq[partition, producer]
        self.next_seq[partition, producer] += count
        records = [(partition, producer, first + k) for k in range(count)]
        log = self.logs[partition]
        offset = len(log)
        if fate not in {"lost", "refused", "undecided gone"}:
            log += records if fate != "reversed" else records[::-1]
        if fate == "doubled":
            log += records
        if fate == "announced":
            self.story.reserve(first + count, producer=producer, partition=partition)
            self.reserved |= {(partition, producer, s) for s in range(first + count)}
        elif fate != "phantom":
            self._attempt(records, fate, offset)

    def _attempt(self, records: list[Record], fate: str, offset: int) -> None:
        ended = {"refused": Outcome.FAIL, "refused there": Outcome.FAIL}.get(fate, Outcome.OK)
        if fate.startswith("undecided"):
            ended = Outcome.UNKNOWN
        partition, producer, first = records[0]
        named = offset + (1 if fate == "misplaced" else 0)
        placed = named if ended is Outcome.OK and fate != "lost" else -1
        self.story.attempt(ended, first, len(records), producer=producer, partition=partition, offset=placed)
        for index, record in enumerate(records):
            self.outcome[record] = ended
            if placed >= 0:
                self.acked_at[record] = placed + index

    def tell_reads(self, corrupt: set[int], again: int) -> None:
        """Read both logs, record by record, some corrupt, the first *again* of each twice."""
        for partition, written in self.logs.items():
            log = [None if n in corrupt else record for n, record in enumerate(written)]
            self.logs[partition] = log
            for offset, record in [*enumerate(log), *enumerate(log[:again])]:
                self._tell_read(partition, offset, record)

    def _tell_read(self, partition: int, offset: int, record: Record | None) -> None:
        if record is None:
            self.story.read(-1, offset=offset, producer=-1, partition=partition, state=ReadState.CORRUPT)
        else:
            self.story.read(record[2], offset=offset, producer=record[1], partition=partition)

    def offsets(self) -> dict[Record, list[int]]:
        """Every offset of every record that came back."""
        found: dict[Record, list[int]] = defaultdict(list)
        for log in self.logs.values():
            for offset, record in enumerate(log):
                if record is not None:
                    found[record].append(offset)
        return found


def expected(model: Model) -> dict[str, int]:
    """The violations, one record at a time."""
    offsets = model.offsets()
    known = model.outcome.keys() | model.reserved
    acked = {record for record, ended in model.outcome.items() if ended is Outcome.OK}
    refused = {record for record, ended in model.outcome.items() if ended is Outcome.FAIL}
    strange = [record for record in offsets if record not in known]
    real = {record: found for record, found in offsets.items() if record in known}
    late = {
        record
        for record, found in real.items()
        for other, theirs in real.items()
        if other[:2] == record[:2] and other[2] > record[2] and theirs[0] < found[0]
    }
    moved = {r for r in real if r in model.acked_at and model.acked_at[r] not in real[r]}
    return {
        "no_loss": len(acked - offsets.keys()),
        "no_duplicates": sum(len(found) > 1 for found in real.values()),
        "order_per_key": len(late | moved),
        "no_phantoms": sum(len(offsets[record]) for record in strange) + len(refused & offsets.keys()),
    }


FATES = st.sampled_from(
    ["fine"] * 4
    + ["lost", "doubled", "reversed", "misplaced", "refused", "refused there", "phantom", "announced"]
    + ["undecided there", "undecided gone"]
)
BATCHES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 2), st.integers(1, 4), FATES), min_size=1, max_size=10
)


@settings(max_examples=300, deadline=None)
@given(BATCHES, st.sets(st.integers(0, 12), max_size=2), st.integers(0, 3))
def test_the_checkers_agree_with_a_naive_oracle(
    batches: list[tuple[int, int, int, str]], corrupt: set[int], again: int
) -> None:
    """Whatever happened to the batches, the interval engine counts what a record-by-record look counts."""
    model = Model()
    for batch in batches:
        model.batch(*batch)
    model.tell_reads(corrupt, again)
    evidence = model.story.evidence()
    sets = history(evidence)
    found = {each.NAME: each.check(evidence, sets).violations for each in (loss, duplicates, order, phantoms)}

    assert expected(model) == found
    damaged = sum(record is None for log in model.logs.values() for record in log)
    assert damaged == integrity.check(evidence, sets).violations
