"""The second count of a history, word for word: each operation is a row, each claim a set operation.

It reads ``settings`` (one row), ``logs``, ``sends``, ``polls``, ``got`` (what polls handed out), ``ends`` and
``fences``, and makes, one after the other, what ``TABLES`` names. A log is a number; a record is
(log, producer, seq). ``lies`` is the log that a record was found in, ``log`` the one that it was sent to.
"""

from __future__ import annotations

HANDED = """
CREATE TABLE handed AS
SELECT g.sent_to AS log, g.producer, g.seq, g.log AS lies, g."offset", p.op, p.committed
FROM got g JOIN polls p ON p.op = g.op WHERE g.whole
"""

ENDED = """
CREATE TABLE ended AS
SELECT t.transaction,
       CASE WHEN e.commits AND e.outcome = 'ok' THEN 'committed'
            WHEN e.commits AND e.outcome = 'unknown' THEN 'undecided' ELSE 'aborted' END AS claimed
FROM (SELECT transaction FROM sends UNION SELECT transaction FROM ends) t
LEFT JOIN ends e ON e.transaction = t.transaction WHERE t.transaction IS NOT NULL
"""

FATES = """
CREATE TABLE fates AS
SELECT transaction, CASE WHEN claimed = 'undecided' AND transaction IN (
    SELECT any_value(s.transaction) FROM sends s LEFT JOIN ended e ON e.transaction = s.transaction
    WHERE s.outcome <> 'fail' AND coalesce(e.claimed, '') <> 'aborted'
      AND (s.log, s.producer, s.seq) IN (SELECT (log, producer, seq) FROM handed WHERE committed)
    GROUP BY s.log, s.producer, s.seq HAVING count(*) = 1 AND any_value(s.transaction) IS NOT NULL
  ) THEN 'committed' ELSE claimed END AS fate
FROM ended
"""

TRIED = """
CREATE TABLE tried AS
SELECT s.*, f.fate,
       s.outcome <> 'fail' AND coalesce(f.fate, '') <> 'aborted' AS possible,
       CASE WHEN s.transaction IS NULL THEN s.outcome = 'ok'
            ELSE f.fate = 'committed' AND s.outcome <> 'fail' END AS certain
FROM sends s LEFT JOIN fates f ON f.transaction = s.transaction
"""

ATTEMPTED = """
CREATE TABLE attempted AS
SELECT log, producer, seq,
       count(*) FILTER (outcome <> 'fail') AS tries, count(*) FILTER (possible) AS chances,
       bool_or(certain) AS due, max("key") AS "key", bool_or(tombstone) AS tombstone,
       arg_max("offset", op) FILTER (outcome = 'ok' AND "offset" IS NOT NULL) AS told
FROM tried GROUP BY log, producer, seq
"""

LAST_LOOKS = """
CREATE TABLE last_looks AS
SELECT p.op FROM polls p
LEFT JOIN (SELECT log, max(invoked) AS last FROM sends GROUP BY log) s ON s.log = p.log
WHERE p.invoked > coalesce(s.last, -1) + (SELECT skew_ns FROM settings)
"""

EXTENTS = """
CREATE TABLE extents AS
SELECT log, arg_max(first, op) AS first, arg_max(stop, op) AS stop, arg_max(stable, op) AS stable
FROM fences GROUP BY log
"""

THROUGH = """
CREATE TABLE through AS
WITH ways AS (
    SELECT 'any' AS kind, log, start, stop FROM polls
    UNION ALL SELECT 'committed', log, start, stop FROM polls WHERE committed
    UNION ALL SELECT 'last', log, start, stop FROM polls WHERE op IN (SELECT op FROM last_looks)),
points AS (
    SELECT k.kind, e.log, e.first AS at FROM extents e, (VALUES ('any'), ('committed'), ('last')) k(kind)
    WHERE e.first < e.stop
    UNION SELECT w.kind, w.log, w.stop FROM ways w JOIN extents e ON e.log = w.log
    WHERE w.stop > e.first AND w.stop < e.stop)
SELECT k.kind, e.log FROM extents e, (VALUES ('any'), ('committed'), ('last')) k(kind)
EXCEPT
SELECT p.kind, p.log FROM points p WHERE NOT EXISTS (
    SELECT 1 FROM ways w WHERE w.kind = p.kind AND w.log = p.log AND w.start <= p.at AND p.at < w.stop)
"""

WHOLE = """
CREATE TABLE whole AS
SELECT t.kind, t.log FROM through t JOIN extents e ON e.log = t.log
WHERE e.stable >= e.stop
  AND NOT EXISTS (SELECT 1 FROM got g WHERE g.log = e.log AND g."offset" >= e.stop)
"""

KNOWN = """
CREATE TABLE known AS
WITH newest AS (
    SELECT h.lies AS log, a."key", max(h."offset") AS at
    FROM handed h JOIN attempted a USING (log, producer, seq)
    WHERE a."key" IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT log, "key", told FROM attempted
    WHERE tombstone AND due AND told IS NOT NULL AND "key" IS NOT NULL),
latest AS (SELECT w.log, w."key", max(w.at) AS at FROM newest w GROUP BY ALL),
seen AS (
    SELECT log, producer, seq, max("offset") AS at, bool_or(committed) AS committed,
           bool_or(op IN (SELECT op FROM last_looks)
                   OR lies NOT IN (SELECT log FROM through WHERE kind = 'last')) AS "left"
    FROM handed GROUP BY log, producer, seq)
SELECT a.*, s.at IS NOT NULL AS seen, coalesce(s.committed, false) AS seen_committed,
       coalesce(s."left", false) AS "left", coalesce(a.told, s.at) AS place,
       coalesce(e.first, 0) AS first, e.stop,
       EXISTS (SELECT 1 FROM polls p WHERE p.log = a.log AND p.start <= a.told AND a.told < p.stop) AS passed,
       EXISTS (SELECT 1 FROM polls p WHERE p.committed AND p.log = a.log
               AND p.start <= a.told AND a.told < p.stop) AS passed_committed,
       EXISTS (SELECT 1 FROM polls p WHERE p.log = a.log AND p.start <= coalesce(a.told, s.at)
               AND coalesce(a.told, s.at) < p.stop) AS place_passed,
       a.log IN (SELECT log FROM whole WHERE kind = 'any') AS whole,
       a.log IN (SELECT log FROM whole WHERE kind = 'committed') AS whole_committed,
       (SELECT cleanup FROM settings) = 'compact' AND a."key" IS NOT NULL
           AND (a.tombstone OR n.at > coalesce(a.told, -1)) AS superseded
FROM attempted a
LEFT JOIN seen s USING (log, producer, seq)
LEFT JOIN extents e ON e.log = a.log
LEFT JOIN latest n ON n.log = a.log AND n."key" = a."key"
"""

MISSED = """
CREATE TABLE missed AS
SELECT *,
       NOT seen_committed AND (whole_committed OR (tries = 1 AND passed_committed)) AS hidden
FROM known
WHERE NOT coalesce(superseded, false)
  AND NOT ((SELECT cleanup FROM settings) = 'delete' AND first > 0
           AND (place IS NULL OR (place < first AND NOT (NOT seen AND place_passed))))
"""

LOST = """
SELECT log, producer, seq FROM missed
WHERE due
  AND ((NOT "left" AND (passed OR whole OR coalesce(told < first OR told >= stop, false))) OR hidden)
"""

PHANTOM = """
SELECT h.lies AS log, h.producer, h.seq FROM handed h ANTI JOIN attempted a USING (log, producer, seq)
"""

DUPLICATE = """
WITH lying AS (SELECT DISTINCT log, producer, seq, lies, "offset" FROM handed),
shown AS (SELECT DISTINCT log, producer, seq, lies, "offset" FROM handed WHERE committed),
many AS (
    SELECT log, producer, seq FROM (
        SELECT log, producer, seq, count(*) AS copies FROM lying GROUP BY ALL) l
    LEFT JOIN (SELECT log, producer, seq, count(*) AS visible FROM shown GROUP BY ALL) v
         USING (log, producer, seq)
    JOIN attempted a USING (log, producer, seq)
    WHERE copies > greatest(a.tries, 1) OR coalesce(visible, 0) > greatest(a.chances, 1))
SELECT lies AS log, producer, seq FROM (
    SELECT *, row_number() OVER (PARTITION BY log, producer, seq ORDER BY lies, "offset") AS nth
    FROM lying JOIN many USING (log, producer, seq))
WHERE nth > 1 AND (SELECT idempotent AND NOT at_least_once FROM settings)
"""

ABORTED = """
SELECT h.lies AS log, h.producer, h.seq FROM handed h JOIN attempted a USING (log, producer, seq)
WHERE a.chances = 0 AND (a.tries = 0 OR h.committed)
"""

TORN = """
WITH held AS (
    SELECT transaction, log, producer, seq, bool_or(outcome <> 'fail') AS holds
    FROM sends WHERE transaction IS NOT NULL GROUP BY ALL),
sizes AS (
    SELECT h.transaction, count(*) AS members, count(*) FILTER (h.holds AND k.seen) AS present
    FROM held h JOIN known k USING (log, producer, seq) GROUP BY h.transaction)
SELECT m.log, m.producer, m.seq FROM held h
JOIN missed m USING (log, producer, seq)
JOIN fates f ON f.transaction = h.transaction JOIN sizes z ON z.transaction = h.transaction
WHERE f.fate = 'committed' AND h.holds AND z.present > 0
  AND ((NOT m.seen AND (m.passed OR m.whole)) OR m.hidden)
UNION ALL
SELECT NULL, NULL, NULL FROM ends e
JOIN fates f ON f.transaction = e.transaction LEFT JOIN sizes z ON z.transaction = e.transaction
WHERE f.fate = 'committed' AND e.records > coalesce(z.members, 0)
  AND NOT EXISTS (SELECT log FROM logs EXCEPT SELECT log FROM whole WHERE kind = 'any')
"""

TABLES = (HANDED, ENDED, FATES, TRIED, ATTEMPTED, LAST_LOOKS, EXTENTS, THROUGH, WHOLE, KNOWN, MISSED)
CLAIMS = {
    "lost": LOST,
    "phantom": PHANTOM,
    "duplicate_log": DUPLICATE,
    "aborted_read": ABORTED,
    "torn_transaction": TORN,
}
"""By the check of anomalies that counts the same."""
