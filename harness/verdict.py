"""The verdict lattice and how it becomes an exit code.

PASS < UNKNOWN < FAIL < UNSAFE: the worst wins and nothing is overwritten. A
missed budget is a FAIL of a time, not of a guarantee: it has the same place in
the lattice and an exit code of its own. Zero evidence is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from harness.errors import ExitCode


class Verdict(StrEnum):
    """What a check, and in the end a run, says."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    UNKNOWN = "UNKNOWN"
    FAIL = "FAIL"
    UNSAFE = "UNSAFE"

    @property
    def rank(self) -> int:
        """The place in the lattice; the larger one wins a merge."""
        return _ORDER.index(self)


class Kind(StrEnum):
    """What a finding is about: records, times, or the run's own soundness."""

    GUARANTEE = "guarantee"
    BUDGET = "budget"
    SOUNDNESS = "soundness"


_ORDER = (Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL, Verdict.UNSAFE)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The merge of *verdicts*; of none at all it is UNKNOWN, never PASS."""
    return max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.UNKNOWN)


def exit_code(found: Iterable[tuple[Kind, Verdict]], *, aborted: bool = False) -> ExitCode:
    """The exit code of a run with these findings.

    A fault left behind outranks everything, then a broken guarantee, then an
    abort, then anything unknown. A missed budget has its code only when every
    guarantee was proven: a caller who tolerates 3 must not let an unproven run by.
    """
    pairs = list(found)
    merged = worst(verdict for _, verdict in pairs)
    if merged is Verdict.UNSAFE:
        return ExitCode.FAULT_LEFT_BEHIND
    if any(verdict is Verdict.FAIL and kind is not Kind.BUDGET for kind, verdict in pairs):
        return ExitCode.GUARANTEE_BROKEN
    if aborted:
        return ExitCode.ABORTED
    if merged is Verdict.UNKNOWN or any(verdict is Verdict.UNKNOWN for _, verdict in pairs):
        return ExitCode.UNKNOWN
    return ExitCode.PASS if merged is Verdict.PASS else ExitCode.BUDGET_MISSED
