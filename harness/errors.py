"""Every error a user can meet, and the exit code it ends in.

Each error renders as one sentence that says what happened, why, and the fix.
Nothing else may reach a terminal: an exception outside this tree is a defect
of the harness and ends in ``ExitCode.INTERNAL``.

HarnessError
├── BadInput          what the user typed or wrote          → 254
├── MissingAbility    the machine lacks a tool or a right   → 254
├── StackError        the system under test did not come up → 2 (nothing was judged)
├── FaultError        a fault could not be injected         → 2
├── NotExpressible    this machine cannot make that fault   → 2
├── LoadError         the load could not be driven          → 2
├── EvidenceError     a run directory cannot be read        → 2
└── FaultLeftBehind   a healing could not be proven         → 4
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller; the contract is in design.md, "Verdicts"."""

    PASS = 0
    GUARANTEE_BROKEN = 1
    UNKNOWN = 2
    BUDGET_MISSED = 3
    FAULT_LEFT_BEHIND = 4
    ABORTED = 130
    BAD_INPUT = 254
    INTERNAL = 255


class HarnessError(Exception):
    """One thing that went wrong, said in full.

    Args:
        what: what happened, as a clause without a final period.
        why: the cause or the last observation, may be empty.
        fix: what the user does about it, may be empty.
    """

    exit_code = ExitCode.UNKNOWN

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        self.what, self.why, self.fix = what, why, fix
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """The whole error on one line: what, why, fix."""
        parts = [self.what]
        if self.why:
            parts.append(f": {self.why}")
        if self.fix:
            parts.append(f". Fix: {self.fix}")
        return " ".join("".join(parts).split())


class BadInput(HarnessError):
    """What the user asked for does not exist or makes no sense; nothing was started."""

    exit_code = ExitCode.BAD_INPUT


class MissingAbility(HarnessError):
    """This machine lacks a tool, a permission or room; nothing was started."""

    exit_code = ExitCode.BAD_INPUT


class StackError(HarnessError):
    """The system under test did not start, or an administrative call failed for good."""


class FaultError(HarnessError):
    """A fault could not be resolved or injected; nothing is left of it."""


class NotExpressible(HarnessError):
    """This platform or machine cannot make the fault that was asked for; nothing was touched."""


class LoadError(HarnessError):
    """The load generator did not start, or ended without its ledger."""


class EvidenceError(HarnessError):
    """A run directory is missing, incomplete or of another format version."""


class FaultLeftBehind(HarnessError):
    """A fault may still be in force: the state the harness exists to prevent."""

    exit_code = ExitCode.FAULT_LEFT_BEHIND


def unknown_name(kind: str, given: str, known: Iterable[str]) -> BadInput:
    """The error for a name that is not known, with the nearest one that is."""
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.4)
    fix = f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(names) or 'none exist'}"
    return BadInput(f"there is no {kind} {given!r}", fix=fix)
