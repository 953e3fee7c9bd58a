"""A stored run is calibrated, and what came of it is kept beside its evidence."""

from __future__ import annotations

from collections.abc import Iterable

import harness
from harness.calibration import Calibration
from harness.checkers.calibrate import calibrate
from harness.errors import ExitCode
from harness.ledger import evidence
from harness.report.html import write_report
from harness.rundir import RunDirectory


def calibrated(directory: RunDirectory, *, seed: int, times: int, keep: bool) -> Calibration:
    """Calibrate the checkers on the run in *directory*; *keep* writes the table there and into its report.

    Raises:
        EvidenceError: the run cannot be read.
        MissingAbility: the folder cannot be written.
    """
    found = calibrate(evidence.load(directory), seed=seed, times=times, harness_version=harness.__version__)
    if keep:
        directory.write_calibration(found)
        if directory.document.exists():
            write_report(directory)
    return found


def exit_code(found: Iterable[Calibration]) -> ExitCode:
    """PASS when each was sharp; UNKNOWN when nothing could be planted in one; else a guarantee is broken."""
    told = list(found)
    if all(one.sharp for one in told):
        return ExitCode.PASS
    dull = any(one.caught < one.planted or one.false_alarms for one in told)
    return ExitCode.GUARANTEE_BROKEN if dull else ExitCode.UNKNOWN
