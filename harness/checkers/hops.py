"""Which hop did it: records in and out of every hop, and what each lost or said again.

A summary of the findings, for people: the checkers judge, this says where. Each hop is held
against the one that feeds it, so a record that the source log lost is not counted
again against the windows.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.checkers.accounts import complete
from harness.findings import Finding, HopOutcome, Witness
from harness.ledger.evidence import Evidence
from harness.model import FencePassed, HopRead


def outcomes(evidence: Evidence, findings: Iterable[Finding]) -> tuple[HopOutcome, ...]:
    """Every hop that some finding is about, in the order in which a record passes them."""
    by_name = {finding.checker: finding for finding in findings}
    found = (_source(evidence, by_name), _results(evidence, by_name), _archive(evidence, by_name))
    return tuple(hop for hop in (*found, _metrics(evidence, by_name)) if hop is not None)


def _source(evidence: Evidence, findings: dict[str, Finding]) -> HopOutcome | None:
    loss, twice = findings.get("no_loss"), findings.get("no_duplicates")
    if loss is None or twice is None:
        return None
    passed = evidence.last(FencePassed)
    return HopOutcome(
        hop="source",
        complete=passed is not None and all(fence.complete for fence in passed.fences),
        records_in=loss.compared.get("acknowledged", 0),
        records_out=int(evidence.reads.count.sum()),
        lost=loss.violations,
        repeated=twice.violations,
        detail=_first(loss, twice),
    )


def _results(evidence: Evidence, findings: dict[str, Finding]) -> HopOutcome | None:
    placed, exact = findings.get("every_record_placed"), findings.get("results_exact")
    again = findings.get("results_single")
    if placed is None or exact is None or again is None:
        return None
    where, places = placed.compared, ("in windows", "late", "refused", "dropped as copies")
    return HopOutcome(
        hop="results",
        complete=not complete(evidence, "source", "late", "dead-letters", "results"),
        records_in=where.get("inputs", 0),
        records_out=sum(where.get(name, 0) for name in places),
        lost=where.get("in no place", 0),
        repeated=where.get("in two places", 0) + again.violations,
        detail=_first(exact, placed, again),
    )


def _archive(evidence: Evidence, findings: dict[str, Finding]) -> HopOutcome | None:
    missing, twice = findings.get("archive_complete"), findings.get("archive_single")
    if missing is None or twice is None:
        return None
    return HopOutcome(
        hop="archive",
        complete=_is_complete(evidence, "archive"),
        records_in=missing.compared.get("valid inputs", 0),
        records_out=missing.compared.get("archived", 0),
        lost=missing.violations,
        repeated=twice.violations,
        detail=_first(missing, twice),
    )


def _metrics(evidence: Evidence, findings: dict[str, Finding]) -> HopOutcome | None:
    """Its records are scraped events."""
    stored = findings.get("metrics_complete")
    if stored is None:
        return None
    scraped, kept = stored.compared.get("scraped", 0), stored.compared.get("stored", 0)
    whole = _is_complete(evidence, "metrics")
    return HopOutcome(
        hop="metrics",
        complete=whole,
        records_in=scraped,
        records_out=kept,
        lost=max(0, scraped - kept) if whole and stored.violations else 0,
        repeated=stored.excused.get("stored twice after a retry", 0),
        detail=_first(stored),
    )


def _is_complete(evidence: Evidence, hop: str) -> bool:
    told = [event for event in evidence.events if isinstance(event, HopRead) and event.hop == hop]
    return bool(told) and told[-1].complete


def _first(*findings: Finding) -> str:
    """The first witness of the first finding that has one, in words."""
    witness = next((one for finding in findings if finding.violations for one in finding.witnesses), None)
    return _words(witness) if witness else ""


def _words(witness: Witness) -> str:
    place = f"partition {witness.partition}" if witness.partition is not None else ""
    at = f"offset {witness.offsets[0]}" if witness.offsets else ""
    where = " ".join(word for word in (place, at) if word)
    return ": ".join(word for word in (witness.record, where, witness.detail) if word)
