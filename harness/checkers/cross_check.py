"""``cross_check``: whether a second count, made in another way, comes to the same.

The checkers' arithmetic of intervals and the second count share the reading of
the tables and nothing else. They have to agree on the number of violations of each
record checker and on the smallest witnesses, and on those checks of histories that
are stated in SQL as well; what is counted once only is named. When they do not agree,
one of them is wrong: nobody knows which, so the run is UNKNOWN, with both numbers. What
is too large for the second count, or has nothing to count, is UNKNOWN too: asked for,
the check is never left out silently.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.checkers.guarantees import records
from harness.findings import MAX_WITNESSES, Finding, Witness
from harness.ledger.evidence import Evidence
from harness.oracle.tally import MOST_RECORDS, Recount, SecondCount, Tally
from harness.verdict import Kind, Verdict

NAME = "cross_check"


def check(evidence: Evidence, findings: Iterable[Finding], second: SecondCount) -> Finding:
    """Hold what the checkers of a run found against what *second* counts."""
    rows = (evidence.attempts.count, evidence.reads.count)
    size = max(int(count.sum()) for count in rows)
    if size > MOST_RECORDS:
        return _unknown(f"{records(size)} are too many to count them again ({MOST_RECORDS:,} at the most)")
    return agreement(findings, second(evidence))


def agreement(findings: Iterable[Finding], again: Recount) -> Finding:
    """Hold what was found against a second count."""
    size, tallies = again.records, again.tallies
    if not size:
        return _unknown("there is no record to count again")
    by_name = {found.checker: found for found in findings}
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
        summary=f"A second count, in SQL, agrees on {_extent(again)}{_once(by_name, tallies)}.",
        compared={"checks": len(tallies), "records": size},
    )


def _extent(again: Recount) -> str:
    return f"{records(len(again.tallies), 'check')} of {records(again.records)}"


def _once(by_name: dict[str, Finding], tallies: dict[str, Tally]) -> str:
    """What nobody counted again: a second count speaks only of what it counts."""
    asked = (name for name, found in by_name.items() if found.kind is Kind.GUARANTEE and name not in tallies)
    names = sorted({name.rpartition(".")[2] for name in asked})
    return f"; counted once only: {', '.join(names)}" if names else ""


def _agree(found: Finding | None, tally: Tally) -> bool:
    if found is None:  # a check of histories that had nothing to compare says nothing
        return not tally.ordered and not tally.count
    if found.violations != tally.count:
        return False
    named = tuple(_place(witness, found.checker) for witness in found.witnesses)
    if not tally.ordered:
        return tally.count > MAX_WITNESSES or sorted(named) == sorted(tally.smallest)
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
