"""What the run comes to, in one word, one sentence and one first cause.

The terminal, the page and JUnit all take it from here, so they cannot disagree.
Invariant: nothing is ever presented as better than its parts. A ``run.json``
whose verdict is milder than one of its findings or faults contradicts itself
and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import EvidenceError, ExitCode
from harness.findings import FaultOutcome, Finding, RunDocument, Witness
from harness.report.phrases import listing, seconds
from harness.verdict import Kind, Verdict, exit_code

_MEANING = {
    ExitCode.PASS: "every guarantee was proven and every budget kept",
    ExitCode.GUARANTEE_BROKEN: "a guarantee was broken",
    ExitCode.UNKNOWN: "something could not be proven",
    ExitCode.BUDGET_MISSED: "every guarantee was proven, but a budget was missed",
    ExitCode.FAULT_LEFT_BEHIND: "a fault may still be in force",
    ExitCode.ABORTED: "the run was ended early and healed",
    ExitCode.BAD_INPUT: "the input was refused",
    ExitCode.INTERNAL: "the harness itself failed",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict as a reader meets it. ``tone`` is one of the words in ``TONES``."""

    word: str
    tone: str
    sentence: str
    exit_code: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """One finding or fault that is not a pass."""

    name: str
    kind: Kind
    verdict: Verdict
    summary: str
    witness: Witness | None = None

    @property
    def is_missed_budget(self) -> bool:
        """Whether a time was missed, which breaks no guarantee."""
        return self.kind is Kind.BUDGET and self.verdict is Verdict.FAIL


def headline(document: RunDocument) -> Headline:
    """The verdict of *document* in words.

    Raises:
        EvidenceError: the document contradicts itself.
    """
    require_agreement(document)
    word, tone = _word(document)
    return Headline(word, tone, document.sentence, document.exit_code, _meaning(document))


def require_agreement(document: RunDocument) -> None:
    """Return when no part of *document* is worse than its verdict or its exit code.

    Raises:
        EvidenceError: one part is.
    """
    for part in _parts(document):
        if part.verdict.rank > document.verdict.rank:
            raise _contradiction(document, f"{part.name} is {part.verdict}: {part.summary}")
    if not document.findings and document.verdict is Verdict.PASS:
        raise _contradiction(document, "it holds no finding")
    hollow = next((f for f in document.findings if f.verdict is Verdict.PASS and not _compared(f)), None)
    if hollow:
        raise _contradiction(document, f"{hollow.checker} is PASS and compared nothing")
    if _too_mild(document):
        raise _contradiction(document, f"its exit code is {document.exit_code}")


def troubles(document: RunDocument) -> list[Trouble]:
    """Everything that is not a pass, the worst first.

    A missed budget comes last, after what could not be proven, as it does in the exit code.
    """
    found = [part for part in _parts(document) if part.verdict is not Verdict.PASS]
    return sorted(found, key=lambda part: (part.is_missed_budget, -part.verdict.rank))


def fault_verdict(fault: FaultOutcome) -> tuple[Verdict, str]:
    """What one fault contributes: unproven healing is UNSAFE, unproven effect UNKNOWN.

    A fault that was only planned counts too: the plan is written before the deed, so a harness that
    died in between may have left it.
    """
    if fault.healing_proven_at is None:
        return Verdict.UNSAFE, "no probe saw it healed: it may still be in force"
    if fault.injected_at is None:
        return Verdict.UNKNOWN, "it was planned, and nothing says that it was injected"
    if fault.effect_proven_at is None:
        return Verdict.UNKNOWN, "no probe saw its effect: what held may have held without it"
    window = f"{seconds(fault.effect_proven_at)} to {seconds(fault.healing_proven_at)}"
    return Verdict.PASS, f"effect and healing were proven, in force from {window}"


def fault_label(number: int, fault: FaultOutcome) -> str:
    """The name of the *number*-th fault, unique in the run; recoveries name their fault the same way."""
    return f"{number}. {fault.name}"


def expectation(document: RunDocument) -> str:
    """What a scenario that is meant to break something has shown; empty for all others."""
    if document.expect != "broken":
        return ""
    broken = [f.checker for f in document.findings if f.kind is Kind.GUARANTEE and f.verdict is Verdict.FAIL]
    if broken:
        return (
            f"This scenario is meant to break a guarantee, and it did: {listing(broken)}. "
            "The verdict stays FAIL; finding it is what the scenario is for."
        )
    return (
        "This scenario is meant to break a guarantee, and none was seen to break: "
        "either the fault did not bite or the harness did not see it."
    )


def _parts(document: RunDocument) -> Iterator[Trouble]:
    for number, fault in enumerate(document.faults, 1):
        verdict, summary = fault_verdict(fault)
        yield Trouble(fault_label(number, fault), Kind.SOUNDNESS, verdict, summary)
    for found in document.findings:
        yield Trouble(
            found.checker, found.kind, found.verdict, found.summary, next(iter(found.witnesses), None)
        )


def _compared(finding: Finding) -> bool:
    return any(finding.compared.values())


def _too_mild(document: RunDocument) -> bool:
    """Whether the exit code would let a caller go on whom the parts should stop."""
    parts = [(part.kind, part.verdict) for part in _parts(document)]
    due = exit_code([*parts, (Kind.BUDGET, document.verdict)])
    if document.exit_code in (ExitCode.PASS, ExitCode.BUDGET_MISSED):
        return due != document.exit_code
    stops = due in (ExitCode.GUARANTEE_BROKEN, ExitCode.FAULT_LEFT_BEHIND)
    return stops and document.exit_code in (ExitCode.UNKNOWN, ExitCode.ABORTED)


def _contradiction(document: RunDocument, because: str) -> EvidenceError:
    return EvidenceError(
        f"run.json of {document.run_id} contradicts itself",
        why=f"its verdict is {document.verdict}, but {because}",
        fix=f"harness verify reports/{document.run_id} writes it anew",
    )


def _word(document: RunDocument) -> tuple[str, str]:
    if document.exit_code == ExitCode.ABORTED:
        return "ABORTED", "unknown"
    if document.exit_code == ExitCode.BUDGET_MISSED:
        return "BUDGET MISSED", "budget"
    return document.verdict.value, document.verdict.value.lower()


def _meaning(document: RunDocument) -> str:
    if document.exit_code == ExitCode.UNKNOWN and document.verdict is Verdict.FAIL:
        return "a budget was missed, and not every guarantee could be proven"
    known = document.exit_code in set(ExitCode)
    return _MEANING[ExitCode(document.exit_code)] if known else "not a code of this harness"
