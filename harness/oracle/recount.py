"""Counts a stored run's records a second time, with DuckDB.

It shares the reading of the tables with the checkers and nothing else, so that a
defect in their arithmetic shows as two numbers that differ. It keeps a row for each
record: see ``MOST_RECORDS``.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pyarrow as pa

from harness.ledger.evidence import Announced, Attempts, Evidence, Reads
from harness.model import FencePassed, LoadEnded
from harness.oracle.database import Database, answer, opened
from harness.oracle.statements import Statements
from harness.oracle.tally import Recount, Tally

_FENCE = ("partition", "first_offset", "end_offset", "committed_end_offset", "sentinel_offset", "position")


def recount(evidence: Evidence, statements: Statements | None = None) -> Recount:
    """Count every violation of *evidence* in SQL; O(records) in time and memory."""
    said = statements or Statements()
    with opened(_tables(evidence)) as database:
        for statement in said.tables:
            database.execute(statement)
        late, moved = said.late, said.moved
        parts = {
            "lost": _records(database, said.lost),
            "doubled": _records(database, said.doubled),
            "late": _records(database, late),
            "moved": _records(database, moved),
            "disordered": _records(database, f"({late}) UNION ({moved})"),
            "strange": _strangers(database, said),
            "refused": _records(database, said.refused),
            "damaged": _damaged(database, said.damaged),
        }
    return Recount(size_of(evidence), _by_checker(parts), parts)


def size_of(evidence: Evidence) -> int:
    """How many rows of records the count would make: the larger of what was attempted and what was read."""
    return max(int(evidence.attempts.count.sum()), int(evidence.reads.count.sum()))


def _by_checker(parts: dict[str, Tally]) -> dict[str, Tally]:
    strange, refused = parts["strange"], parts["refused"]
    return {
        "no_loss": parts["lost"],
        "no_duplicates": parts["doubled"],
        "order_per_key": parts["disordered"],
        "no_phantoms": Tally(strange.count + refused.count, (strange.smallest + refused.smallest)[:1]),
        "integrity": parts["damaged"],
    }


def _records(database: Database, statement: str) -> Tally:
    count, rows = answer(database, statement, "partition, producer, seq")
    return Tally(count, tuple(f"{producer}/{partition}/{seq}" for partition, producer, seq in rows))


def _strangers(database: Database, said: Statements) -> Tally:
    """Strangers count by the offset they lie at, and are named by their id."""
    places, _ = answer(database, said.strange_places, 'partition, "offset"')
    return Tally(places, _records(database, said.strange).smallest)


def _damaged(database: Database, statement: str) -> Tally:
    count, rows = answer(database, statement, 'partition, "offset"')
    return Tally(count, tuple(f"{partition}@{offset}" for partition, offset in rows))


def _tables(evidence: Evidence) -> dict[str, pa.Table]:
    return {
        "attempts": _table(evidence.attempts),
        "announced": _table(evidence.announced),
        "reads": _table(evidence.reads),
        "fences": _fences(evidence),
    }


def _table(columns: Attempts | Announced | Reads) -> pa.Table:
    """The whole numbers of a table; no statement needs its words."""
    found = {each.name: getattr(columns, each.name) for each in fields(columns)}
    return pa.table({name: values for name, values in found.items() if values.dtype.kind == "i"})


def _fences(evidence: Evidence) -> pa.Table:
    """What the last fence proved of each partition, after the load or not, and whether rows are missing."""
    passed, ended = evidence.last(FencePassed), evidence.last(LoadEnded)
    latest = {fence.partition: fence for fence in passed.fences} if passed else {}
    stopped = passed is not None and ended is not None and ended.t <= passed.t
    columns = {name: [getattr(f, name) for f in latest.values()] for name in _FENCE}
    table = {name: pa.array(np.asarray(values, np.int64)) for name, values in columns.items()}
    flags = {"stopped": stopped, "tail_cut": evidence.tail_cut}
    return pa.table(
        table | {name: pa.array([flag] * len(latest), pa.bool_()) for name, flag in flags.items()}
    )
