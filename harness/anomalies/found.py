"""What one check of a history says: how much it compared, and each violation with the lines to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace

import numpy as np

from harness.anomalies.facts import Facts, Mask
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.history.columns import NONE, Ints, no_ints
from harness.verdict import Kind, Verdict


@dataclass(frozen=True, eq=False, slots=True)
class Hits:
    """Violations, one a row; each column may hold ``NONE``.

    ``record`` is a row of ``Facts.records``; ``op`` and ``other`` are the operations to look at.
    """

    log: Ints = field(default_factory=no_ints)
    offset: Ints = field(default_factory=no_ints)
    record: Ints = field(default_factory=no_ints)
    op: Ints = field(default_factory=no_ints)
    other: Ints = field(default_factory=no_ints)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.log)

    def chosen(self, rows: Mask) -> Hits:
        """Those at these rows alone."""
        return Hits(*(getattr(self, each.name)[rows] for each in fields(self)))


def hits(
    log: Ints,
    *,
    offset: Ints | None = None,
    record: Ints | None = None,
    op: Ints | None = None,
    other: Ints | None = None,
) -> Hits:
    """Violations with ``NONE`` in the columns that are not given."""
    none = np.full(len(log), NONE, np.int64)
    return Hits(log, *(none if each is None else each for each in (offset, record, op, other)))


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """One check's word. ``held`` and ``broken`` are its summary without and with violations.

    The first count of ``compared`` decides: it is how many things could have been violations, and where it
    is zero nothing was compared, whatever the counts beside it say. ``doubt`` says why its evidence is
    incomplete, if it is; ``excused`` counts what the settings permit, by rule. ``detail`` is what each
    witness says.
    """

    name: str
    compared: dict[str, int]
    held: str
    broken: str
    hits: Hits = field(default_factory=Hits)
    detail: str = ""
    doubt: str = ""
    excused: dict[str, int] = field(default_factory=dict)

    @property
    def decided(self) -> int:
        """How much it compared."""
        return next(iter(self.compared.values()), 0)

    @property
    def idle(self) -> bool:
        """Whether the history has nothing for it: nothing compared, nothing found, nothing in doubt."""
        return not (self.decided or self.hits.count or self.doubt)


def excusing(found: Found, rule: str, where: Mask | None = None) -> Found:
    """*found* with its violations, or those at *where*, excused by *rule*; an empty rule excuses none."""
    rows = np.ones(found.hits.count, np.bool_) if where is None else where
    if not rule or not rows.any():
        return found
    excused = found.excused | {rule: found.excused.get(rule, 0) + int(rows.sum())}
    left = found.hits.chosen(~rows)
    return replace(found, hits=left, detail=found.detail if left.count else "", excused=excused)


def finding(facts: Facts, found: Found) -> Finding:
    """*found* as the rest of the harness knows findings.

    A violation fails. Without one, a doubt or nothing to compare is UNKNOWN: absence of evidence is
    no evidence of absence.
    """
    verdict, violations = _verdict(found), found.hits.count
    summary = found.broken if violations else found.held
    if verdict is Verdict.UNKNOWN:
        summary = f"Not proven: {found.doubt or 'there was nothing to compare'}."
    return Finding(
        checker=found.name,
        kind=Kind.GUARANTEE,
        verdict=verdict,
        summary=summary,
        compared=found.compared,
        violations=violations,
        limit="none allowed",
        witnesses=tuple(_witnesses(facts, found)),
        excused=found.excused,
    )


def _verdict(found: Found) -> Verdict:
    if found.hits.count:
        return Verdict.FAIL
    return Verdict.UNKNOWN if found.doubt or not found.decided else Verdict.PASS


def _witnesses(facts: Facts, found: Found) -> Iterator[Witness]:
    """The smallest violations, by log, offset and record."""
    hit, names, records = found.hits, facts.columns.names, facts.records
    order = np.lexsort((hit.op, hit.record, hit.offset, hit.log))[:MAX_WITNESSES]
    for row in order.tolist():
        log, offset, record = int(hit.log[row]), int(hit.offset[row]), int(hit.record[row])
        where = names.log(log) if log != NONE else ""
        name = f"{records.producer[record]}/{where}/{records.sequence[record]}" if record != NONE else ""
        yield Witness(
            record=name,
            partition=names.logs[log][1] if log != NONE else None,
            offsets=(offset,) if offset != NONE else (),
            detail=", ".join(part for part in (found.detail, _lines(hit, row)) if part),
        )


def _lines(hit: Hits, row: int) -> str:
    """Where to look it up: operations are lines of the file, counted from one."""
    told = [int(column[row]) + 1 for column in (hit.op, hit.other) if column[row] != NONE]
    return f"line{'s' if len(told) > 1 else ''} {' and '.join(map(str, told))}" if told else ""
