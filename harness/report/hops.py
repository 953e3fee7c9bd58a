"""The pipeline hop by hop: what was read back of each, and what its checkers counted there.

A hop that this run could not execute is a row like any other, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.findings import Finding, RunDocument
from harness.ledger.evidence import Evidence
from harness.model import HopRead, NotExecuted
from harness.report.phrases import NONE, count, counts
from harness.verdict import Verdict

_TITLES = {
    "source": "source log",
    "results": "window results",
    "dead-letters": "dead letters",
    "late": "late records",
    "archive": "archive",
    "metrics": "metrics bucket",
}
HOPS = tuple(_TITLES)
"""The hops in the order in which a record passes them, by the names that events give them."""

_LOST = {
    "source": ("no_loss",),
    "results": ("results_exact", "every_record_placed"),
    "archive": ("archive_complete",),
    "metrics": ("metrics_complete",),
}
_REPEATED = {"source": ("no_duplicates",), "results": ("results_single",), "archive": ("archive_single",)}
_DAMAGED = {
    "source": ("integrity", "no_phantoms"),
    "results": ("state_kept",),
    "archive": ("archive_intact",),
}


@dataclass(frozen=True, slots=True)
class HopRow:
    """One hop in words. ``tone`` is that of the worst of its findings, or of its reading."""

    name: str
    state: str
    tone: str
    counted: str
    missing: str
    repeated: str
    damaged: str
    why: str


def not_executed_of(evidence: Evidence) -> tuple[NotExecuted, ...]:
    """The parts that the run did not execute, each once, in the order in which it said so."""
    found = {event.part: event for event in evidence.events if isinstance(event, NotExecuted)}
    return tuple(found.values())


def hops_of(document: RunDocument, evidence: Evidence) -> tuple[HopRow, ...]:
    """A row for each hop that was read or not executed, in the order of the pipeline."""
    read = {event.hop: event for event in evidence.events if isinstance(event, HopRead)}
    skipped = {event.part: event for event in not_executed_of(evidence)}
    findings = {found.checker: found for found in document.findings}
    rows = []
    for hop in HOPS:
        if hop in read:
            rows.append(_read(read[hop], findings))
        elif hop in skipped:
            rows.append(_skipped(skipped[hop]))
    return tuple(rows)


def _read(hop: HopRead, findings: Mapping[str, Finding]) -> HopRow:
    lost, repeated, damaged = (
        _of(names.get(hop.hop, ()), findings) for names in (_LOST, _REPEATED, _DAMAGED)
    )
    troubled = [found for found in (*lost, *repeated, *damaged) if found.verdict is not Verdict.PASS]
    worst = max(troubled, key=lambda found: found.verdict.rank, default=None)
    verdict = worst.verdict if worst else (Verdict.PASS if hop.complete else Verdict.UNKNOWN)
    said = worst.summary if worst else hop.detail
    return HopRow(
        name=_TITLES[hop.hop],
        state="read to the end" if hop.complete else "not to the end",
        tone=verdict.lower(),
        counted=_counted(hop.counts),
        missing=_violations(lost),
        repeated=_violations(repeated),
        damaged=_violations(damaged),
        why=said,
    )


def _counted(amounts: Mapping[str, int]) -> str:
    """What was counted, zeros left out; instants and intervals, there for the checkers, are no counts."""
    shown = {name: amount for name, amount in amounts.items() if amount and not name.endswith("_ms")}
    return counts(shown) if amounts else NONE


def _skipped(event: NotExecuted) -> HopRow:
    none = NONE
    return HopRow(_TITLES[event.part], "not executed", "unknown", none, none, none, none, event.reason)


def _of(names: tuple[str, ...], findings: Mapping[str, Finding]) -> list[Finding]:
    return [findings[name] for name in names if name in findings]


def _violations(found: list[Finding]) -> str:
    """What the checkers of one kind counted; a hop that none of them looked at has no number."""
    judged = [one for one in found if any(one.compared.values())]
    return count(sum(one.violations for one in judged)) if judged else NONE
