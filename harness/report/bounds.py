"""The bound of ``harness.bounds`` in words, as it stands beside every PASS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.bounds import bound, held, injections, most_likely_share, percent_up
from harness.errors import ExitCode
from harness.findings import Bound, Finding, RunDocument
from harness.report.phrases import plural
from harness.verdict import Kind, Verdict

_PROVEN = (ExitCode.PASS, ExitCode.BUDGET_MISSED)
_NO_EFFECT = "No fault was proven to have an effect"


def sentence(document: RunDocument) -> str:
    """The bound for the whole run; empty when no guarantee held without a violation."""
    if not any(map(held, document.findings)):
        return ""
    return f"{_said(injections(document), _no_fault(document))}."


def phrase(document: RunDocument, found: Finding) -> str:
    """The same beside one finding; empty unless it is a guarantee that held without a violation."""
    if not held(found):
        return ""
    number = injections(document)
    if not number:
        return _no_fault(document)
    return f"0 of {plural(number, 'injection')}, 95 %: ≤ {_percent(number)}"


@dataclass(frozen=True, slots=True)
class Together:
    """What the faults of many runs prove.

    ``bound`` is of the runs that proved every guarantee; None when one of all the runs broke a guarantee, or
    none proved them. ``broken`` runs broke one. ``left_out`` runs neither proved nor broke: nothing that
    they went through counts.
    """

    bound: Bound | None
    broken: int
    left_out: int

    def told(self) -> dict[str, object]:
        """The same for a program."""
        clean = self.bound.model_dump() if self.bound else None
        return {"bound": clean, "broken": self.broken, "left_out": self.left_out, "said": self.sentence}

    @property
    def sentence(self) -> str:
        """The same in words."""
        if self.broken:
            return f"{plural(self.broken, 'run')} broke a guarantee: no bound holds"
        rest = f"; {plural(self.left_out, 'run')} that proved nothing left out" if self.left_out else ""
        if self.bound is None:
            return f"No run proved its guarantees: nothing is known about faults{rest}"
        return f"{said(self.bound)}{rest}"


def together(documents: Iterable[RunDocument]) -> Together:
    """What *documents* prove of one more injection; a run counts only if it proved all its guarantees."""
    runs = list(documents)
    proved = [run for run in runs if _proved(run)]
    broken = sum(map(_broke, runs))
    clean = bound(sum(map(injections, proved))) if proved and not broken else None
    return Together(clean, broken, len(runs) - len(proved) - broken)


def said(told: Bound, *, what: str = "what held") -> str:
    """One bound in words, without a stop."""
    return _said(told.injections, _NO_EFFECT, what)


def _said(number: int, no_fault: str, what: str = "what held") -> str:
    if not number:
        return f"{no_fault}: {what} says nothing about faults"
    counted = f"0 of {plural(number, 'injection')} broke {what}"
    return f"{counted}: with 95 % confidence at most {_percent(number)} of such injections would"


def _proved(document: RunDocument) -> bool:
    return document.exit_code in _PROVEN and any(map(held, document.findings)) and not _broke(document)


def _broke(document: RunDocument) -> bool:
    return any(
        each.kind is Kind.GUARANTEE and each.verdict.rank >= Verdict.FAIL.rank for each in document.findings
    )


def _no_fault(document: RunDocument) -> str:
    return _NO_EFFECT if document.faults else "No fault was injected"


def _percent(clean: int) -> str:
    return percent_up(most_likely_share(clean))
