"""What the audit says: one finding for each place that will hurt, and the result of a whole audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much it will hurt.

    ERROR: it does not start, or it loses data. WARNING: it hurts under a fault or at the next change.
    NOTE: worth knowing; nothing is wrong with leaving it so.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One place that will hurt.

    ``where`` is the dotted path of the key, or of the one that is missing, and ``line`` its line in
    ``file``. ``versions`` says which versions it is true of; ``scenario`` is the drill that shows it,
    empty when none can.
    """

    rule: str
    severity: Severity
    file: str
    line: int
    where: str
    what: str
    why: str
    fix: str
    versions: str
    scenario: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The findings of one audit, the worst first in each file, and what was read."""

    files: tuple[str, ...]
    audited: tuple[str, ...]
    findings: tuple[AuditFinding, ...]

    def count(self, severity: Severity) -> int:
        """How many findings have *severity*."""
        return sum(found.severity is severity for found in self.findings)

    def has_at_least(self, severity: Severity) -> bool:
        """Whether any finding is as bad as *severity* or worse."""
        return any(found.severity.rank <= severity.rank for found in self.findings)


def ordered(findings: Sequence[AuditFinding], files: Sequence[str]) -> tuple[AuditFinding, ...]:
    """By file in the order given, the worst first, then by line."""
    return tuple(
        sorted(findings, key=lambda one: (files.index(one.file), one.severity.rank, one.line, one.rule))
    )
