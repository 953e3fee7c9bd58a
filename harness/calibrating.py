"""A stored run is calibrated, ledger and histories, and what came of it is kept beside its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import harness
from harness.calibration import Calibration
from harness.checkers.calibrate import calibrate
from harness.checkers.trial import Outcome, table
from harness.errors import ExitCode
from harness.history.lines import read_lines
from harness.history.parts import stored
from harness.ledger import evidence
from harness.model import WorkloadPlanned
from harness.planting.calibrate import of_history, of_run
from harness.report.html import write_report
from harness.rundir import RunDirectory


def calibrated(directory: RunDirectory, *, seed: int, times: int, keep: bool) -> Calibration:
    """Calibrate the checkers on the run in *directory*; *keep* writes the table there and into its report.

    Raises:
        BadInput, EvidenceError: the run cannot be read.
        MissingAbility: the folder cannot be written.
    """
    run = evidence.load(directory)
    ledger = calibrate(run, seed=seed, times=times)
    histories = _histories(directory, seed=seed, times=times)
    found = _table(run.started.run_id, (*ledger, *histories), seed=seed, times=times)
    if keep:
        directory.write_calibration(found)
        if directory.document.exists():
            write_report(directory)
    return found


def calibrated_history(path: Path, *, seed: int, times: int) -> Calibration:
    """Calibrate the checks of anomalies on the history at *path*; nothing is written.

    Raises:
        BadInput: it cannot be read, or a line is wrong.
    """
    return _table(path.name, of_history(read_lines(path), seed=seed, times=times), seed=seed, times=times)


def _table(name: str, done: Iterable[Outcome], *, seed: int, times: int) -> Calibration:
    return table(name, done, seed=seed, times=times, harness_version=harness.__version__)


def _histories(directory: RunDirectory, *, seed: int, times: int) -> Iterator[Outcome]:
    """Those of every workload that was planned; one without a history has nothing to be planted into."""
    events = directory.read_events()
    plans = [event for event in events if isinstance(event, WorkloadPlanned)]
    told = stored(directory.history) if plans else {}
    for plan in plans:
        yield from of_run(plan, events, list(told.get(plan.workload, {}).values()), seed=seed, times=times)


def exit_code(found: Iterable[Calibration]) -> ExitCode:
    """PASS when each was sharp; UNKNOWN when nothing could be planted in one; else a guarantee is broken."""
    told = list(found)
    if all(one.sharp for one in told):
        return ExitCode.PASS
    dull = any(one.caught < one.planted or one.false_alarms for one in told)
    return ExitCode.GUARANTEE_BROKEN if dull else ExitCode.UNKNOWN
