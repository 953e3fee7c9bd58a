"""The second count, word for word: each record is a row, each claim a set operation over rows.

Nothing here knows runs, spans or diagonals, and nothing is fast. It reads ``attempts``,
``announced``, ``reads`` and ``fences`` (what the fence proved, by partition), and makes

``tried``      one row per record of each attempt; ``told`` is the offset it was acknowledged at.
``attempted``  one row per record that was attempted, and how its attempts ended.
``found``      one row per record and offset that came back intact; ``known`` tells whether anybody sent it.
``back``       one row per known record that came back: how many offsets, and the first of them.
``covered``    the partitions that were read through a complete fence after the load had stopped, and not
               beyond it: a record in the place of the fence's sentinel was read another time.
"""

from __future__ import annotations

from dataclasses import dataclass

TRIED = """
CREATE TABLE tried AS
SELECT partition, producer, first_seq + step AS seq, outcome, base_offset >= 0 AS named,
       CASE WHEN outcome = 0 AND base_offset >= 0 THEN base_offset + step END AS told
FROM (SELECT *, unnest(range(count)) AS step FROM attempts)
"""

ATTEMPTED = """
CREATE TABLE attempted AS
SELECT partition, producer, seq,
       bool_or(outcome = 0) AS ok, bool_or(outcome = 1) AS refused, bool_or(outcome = 2) AS undecided
FROM tried GROUP BY partition, producer, seq
"""

FOUND = """
CREATE TABLE found AS
SELECT r.*, a.ok IS NOT NULL OR coalesce(r.seq >= 0 AND r.seq < p.until_seq, false) AS known
FROM (SELECT DISTINCT partition, producer, first_seq + step AS seq, first_offset + step AS "offset"
      FROM (SELECT *, unnest(range(count)) AS step FROM reads WHERE state = 0)) r
LEFT JOIN attempted a ON (a.partition, a.producer, a.seq) = (r.partition, r.producer, r.seq)
LEFT JOIN (SELECT partition, producer, max(until_seq) AS until_seq FROM announced GROUP BY ALL) p
       ON (p.partition, p.producer) = (r.partition, r.producer)
"""

BACK = """
CREATE TABLE back AS
SELECT partition, producer, seq, count(*) AS copies, min("offset") AS first_offset
FROM found WHERE known GROUP BY partition, producer, seq
"""

COVERED = """
CREATE TABLE covered AS
SELECT f.partition, f.first_offset FROM fences f
WHERE f.stopped AND f.position > f.sentinel_offset AND f.sentinel_offset >= f.end_offset
  AND f.end_offset = f.committed_end_offset
  AND NOT EXISTS (
       SELECT 1 FROM (SELECT first_offset + unnest(range(count)) AS place FROM reads
                      WHERE partition = f.partition AND state = 0)
       WHERE place >= f.position OR place = f.sentinel_offset)
  AND (NOT f.tail_cut OR greatest(f.end_offset - f.first_offset, 0) = (
       SELECT count(DISTINCT r.first_offset + r.step)
       FROM (SELECT *, unnest(range(count)) AS step FROM reads WHERE partition = f.partition) r
       WHERE r.first_offset + r.step >= f.first_offset AND r.first_offset + r.step < f.end_offset))
"""

LOST = """
SELECT a.partition, a.producer, a.seq FROM attempted a
JOIN covered c ON c.partition = a.partition
ANTI JOIN back b ON (b.partition, b.producer, b.seq) = (a.partition, a.producer, a.seq)
ANTI JOIN (SELECT t.partition, t.producer, t.seq FROM tried t JOIN covered v ON v.partition = t.partition
           WHERE t.outcome = 0 AND v.first_offset > 0 AND (NOT t.named OR t.told < v.first_offset)) gone
       ON (gone.partition, gone.producer, gone.seq) = (a.partition, a.producer, a.seq)
WHERE a.ok
"""

DOUBLED = "SELECT partition, producer, seq FROM back WHERE copies > 1"

LATE = """
SELECT partition, producer, seq FROM (
    SELECT *, max(seq) OVER (PARTITION BY partition, producer ORDER BY first_offset
                             RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached FROM back)
WHERE reached > seq
"""

MOVED = """
SELECT t.partition, t.producer, t.seq FROM tried t
JOIN back b ON (b.partition, b.producer, b.seq) = (t.partition, t.producer, t.seq)
WHERE t.told IS NOT NULL
EXCEPT
SELECT t.partition, t.producer, t.seq FROM tried t
JOIN found f ON (f.partition, f.producer, f.seq, f."offset") = (t.partition, t.producer, t.seq, t.told)
"""

STRANGE = "SELECT DISTINCT partition, producer, seq FROM found WHERE NOT known"

STRANGE_PLACES = 'SELECT DISTINCT partition, "offset" FROM found WHERE NOT known'

REFUSED = """
SELECT a.partition, a.producer, a.seq FROM attempted a
JOIN back b ON (b.partition, b.producer, b.seq) = (a.partition, a.producer, a.seq)
WHERE a.refused AND NOT a.ok AND NOT a.undecided
"""

DAMAGED = """
SELECT DISTINCT partition, first_offset + step AS "offset"
FROM (SELECT *, unnest(range(count)) AS step FROM reads WHERE state <> 0)
"""


@dataclass(frozen=True, slots=True)
class Statements:
    """Every statement, in the order in which they run; a test puts a wrong one in the place of one."""

    tables: tuple[str, ...] = (TRIED, ATTEMPTED, FOUND, BACK, COVERED)
    lost: str = LOST
    doubled: str = DOUBLED
    late: str = LATE
    moved: str = MOVED
    strange: str = STRANGE
    strange_places: str = STRANGE_PLACES
    refused: str = REFUSED
    damaged: str = DAMAGED
