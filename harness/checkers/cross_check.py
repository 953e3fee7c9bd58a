"""``cross_check``: whether a second count, made in another way, comes to the same.

The checkers' arithmetic of intervals and the second count share the reading of
the tables and nothing else. They have to agree on the number of violations of each
record checker and on the smallest witnesses. When they do not, one of them is
wrong: nobody knows which, so the run is UNKNOWN, with both numbers. A ledger that
is too large for the second count, or has nothing to count, is UNKNOWN too: asked
for, the check is never left out silently.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.checkers.guarantees import records
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Evidence
from harness.oracle.tally import MOST_RECORDS, SecondCount, Tally
from harness.verdict import Kind, Verdict

NAME = "cross_check"


def check(evidence: Evidence, findings: Iterable[Finding], second: SecondCount) -> Finding:
    """Hold what the record checkers found against what *second* counts."""
    rows = (evidence.attempts.count, evidence.reads.count)
    size = max(int(count.sum()) for count in rows)
    if size > MOST_RECORDS:
        return _unknown(f"{records(size)} are too many to count them again ({MOST_RECORDS:,} at the most)")
    if not size:
        return _unknown("there is no record to count again")
    by_name = {found.checker: found for found in findings}
    tallies = second(evidence).tallies
    differing = [
        _difference(name, by_name.get(name), tally)
        for name, tally in tallies.items()
        if not _agree(by_name.get(name), tally)
    ]
    if differing:
        told = "; ".join(witness.detail for witness in differing)
        return _unknown(f"two ways of counting differ: {told}", len(tallies), size, differing)
    return Finding(
        checker=NAME,
        kind=Kind.SOUNDNESS,
        verdict=Verdict.PASS,
        summary=f"A second count, in SQL, agrees on all {len(tallies)} checks of {records(size)}.",
        compared={"checks": len(tallies), "records": size},
    )


def _agree(found: Finding | None, tally: Tally) -> bool:
    if found is None or found.violations != tally.count:
        return False
    named = tuple(_place(witness, found.checker) for witness in found.witnesses)
    # A run of strangers is one witness: only the first of them has to be the same.
    return named[:1] == tally.smallest[:1] if found.checker == "no_phantoms" else named == tally.smallest


def _place(witness: Witness, checker: str) -> str:
    return f"{witness.partition}@{witness.offsets[0]}" if checker == "integrity" else witness.record


def _difference(name: str, found: Finding | None, tally: Tally) -> Witness:
    if found is None:
        return Witness(detail=f"{name} was not counted at all, and {tally.count:,} in SQL")
    first = _place(found.witnesses[0], name) if found.witnesses else "none"
    again = tally.smallest[0] if tally.smallest else "none"
    said = f"{name} {found.violations:,}, and {tally.count:,} in SQL"
    return Witness(record="", detail=f"{said} (first {first}, and {again})")


def _unknown(why: str, checks: int = 0, size: int = 0, differing: list[Witness] | None = None) -> Finding:
    return Finding(
        checker=NAME,
        kind=Kind.SOUNDNESS,
        verdict=Verdict.UNKNOWN,
        summary=f"Not proven: {why}.",
        compared={"checks": checks, "records": size},
        violations=len(differing or ()),
        witnesses=tuple(differing or ())[:MAX_WITNESSES],
    )
