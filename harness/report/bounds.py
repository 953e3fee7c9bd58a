"""What a guarantee that held through n faults says of the next one: less than a clean run seems to.

No violation in n injections bounds the chance that one injection breaks the guarantee by
1 - 0.05^(1/n), with 95 % confidence; for large n that is the rule of three, 3/n. Records do not
count: a billion clean ones through two kills are still two kills. The bound is printed beside
every guarantee that held without a violation, so that nobody takes PASS for more than it is.
"""

from __future__ import annotations

from harness.findings import Finding, RunDocument
from harness.report.phrases import percent_up, plural
from harness.verdict import Kind, Verdict


def injections(document: RunDocument) -> int:
    """How many injections were proven to have had their effect: the n of the bound."""
    return sum(fault.effect_proven_at is not None for fault in document.faults)


def most_likely_share(clean: int) -> float:
    """The 95 % upper bound on the share of injections that would break it, after *clean* that did not.

    *clean* is at least 1.
    """
    share: float = 1.0 - 0.05 ** (1.0 / clean)
    return share


def sentence(document: RunDocument) -> str:
    """The bound for the whole run; empty when no guarantee held without a violation."""
    if not any(_held(found) for found in document.findings):
        return ""
    number = injections(document)
    if not number:
        return f"{_no_fault(document)}: what held says nothing about faults."
    said = f"0 of {plural(number, 'injection')} broke what held"
    return f"{said}: with 95 % confidence at most {_percent(number)} of such injections would."


def phrase(document: RunDocument, found: Finding) -> str:
    """The same beside one finding; empty unless it is a guarantee that held without a violation."""
    if not _held(found):
        return ""
    number = injections(document)
    return (
        f"0 of {plural(number, 'injection')}, 95 %: ≤ {_percent(number)}" if number else _no_fault(document)
    )


def _held(found: Finding) -> bool:
    return found.kind is Kind.GUARANTEE and found.verdict is Verdict.PASS and not found.violations


def _no_fault(document: RunDocument) -> str:
    return "No fault was proven to have an effect" if document.faults else "No fault was injected"


def _percent(clean: int) -> str:
    return percent_up(most_likely_share(clean))
