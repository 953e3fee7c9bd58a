"""Whether anybody would have noticed: runs that were calibrated as they were judged, and counted twice.

A calibration speaks for its scenario on its platform, and for the harness that judged. What could be
planted in no run is named on the certificate; a guarantee for which nothing could be planted at all is a
doubt, and so is a run whose records nobody counted a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from harness.calibration import Calibration, Kill, LeftOut
from harness.certificate.model import KillLine
from harness.report.phrases import listing
from harness.statistics.stored import Stored

CROSS_CHECK = "cross_check"


def doubts(runs: Sequence[Stored], tables: dict[str, Calibration], claims: Iterable[str]) -> Iterator[str]:
    """What is open about runs that are to hold; *tables* are their calibrations, by the run's name.

    *claims* are the guarantees that the certificate speaks of.
    """
    if not tables:
        yield "no run was calibrated, so nothing shows what its checkers would have noticed"
    else:
        yield from _uncalibrated(runs, tables)
        yield from _unplanted(tables, claims)
    yield from _dull(runs, tables)
    if once := sorted(run.name for run in runs if _to_hold(run) and not _counted_twice(run)):
        yield f"the records of {listing(once)} were not counted a second time (harness verify --cross-check)"


def _to_hold(run: Stored) -> bool:
    return run.document.expect != "broken"


def _counted_twice(run: Stored) -> bool:
    """Whether somebody did; that both counts agree is the run's own verdict."""
    return any(found.checker == CROSS_CHECK for found in run.document.findings)


def _uncalibrated(runs: Sequence[Stored], tables: dict[str, Calibration]) -> Iterator[str]:
    def place(run: Stored) -> tuple[str, str]:
        return run.document.scenario, run.document.platform

    for (scenario, platform), same in groupby(sorted(filter(_to_hold, runs), key=place), key=place):
        if not any(run.name in tables for run in same):
            yield f"no run of {scenario} on {platform} was calibrated"


def _unplanted(tables: dict[str, Calibration], claims: Iterable[str]) -> Iterator[str]:
    planted = {kill.checker for table in tables.values() for kill in table.defects if kill.planted}
    if bare := sorted({*claims} - planted):
        yield f"no defect could be planted for {listing(bare)}, in any run"


def _dull(runs: Sequence[Stored], tables: dict[str, Calibration]) -> Iterator[str]:
    for run in runs:
        if (table := tables.get(run.name)) is None:
            continue
        if not table.sharp:
            yield f"the checkers were not sharp on the ledger of {table.run_id}"
        if table.harness_version != run.document.harness_version:
            yield (
                f"{run.name} was judged by edge-harness {run.document.harness_version}, "
                f"and calibrated with {table.harness_version}"
            )


def kills(tables: Iterable[Calibration]) -> Iterator[KillLine]:
    """Each class once, over all runs and histories; one that had no place in any says why in the first."""
    lines: dict[tuple[str, str], KillLine] = {}
    for line in (_line(each) for table in tables for each in _each(table)):
        if line.checker:
            before = lines.get((line.defect, line.checker))
            lines[line.defect, line.checker] = _sum(before, line) if before else line
    yield from lines.values()


def _each(table: Calibration) -> Iterator[Kill | LeftOut]:
    yield from table.defects
    yield from table.left_out


def _line(each: Kill | LeftOut) -> KillLine:
    checker = each.checker.removeprefix(f"{each.history}.")
    if isinstance(each, LeftOut):
        return KillLine(defect=each.name, checker=checker, planted=0, caught=0, left_out=each.reason)
    return KillLine(defect=each.defect, checker=checker, planted=each.planted, caught=each.caught)


def _sum(one: KillLine, other: KillLine) -> KillLine:
    planted = one.planted + other.planted
    told = {"planted": planted, "caught": one.caught + other.caught}
    return one.model_copy(update=told | {"left_out": "" if planted else one.left_out})
