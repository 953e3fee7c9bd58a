"""What is judged behind the source topic: which guarantees there are, for a run that had a pipeline.

A run without one gets none of them, so what was judged before there were pipelines reads as it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import TypeVar

from harness.checkers import archive, lateness, metrics, placement, totals, windows
from harness.checkers.accounts import accounts
from harness.checkers.archive_survey import Survey, hop, survey
from harness.checkers.compared import Compared, compare
from harness.checkers.guarantees import Count, judged
from harness.findings import Finding, Reached
from harness.ledger.evidence import Evidence
from harness.model import NotExecuted, PipelinePlanned

T = TypeVar("T")
Check = Callable[[], Finding | None]

_RESULTS: dict[str, Callable[[Compared], Finding | None]] = {
    windows.EXACT: windows.check_exact,
    windows.SINGLE: windows.check_single,
    placement.NAME: placement.check_placement,
    totals.NAME: totals.check_totals,
    lateness.NAME: lateness.check_lateness,
}

_ARCHIVE: dict[str, Callable[[Survey], Finding]] = {
    archive.COMPLETE: archive.check_complete,
    archive.SINGLE: archive.check_single,
    archive.INTACT: archive.check_intact,
}


_READ = {
    **dict.fromkeys(_RESULTS, ("source", "late", "dead-letters", "results")),
    **dict.fromkeys(_ARCHIVE, ("source", "archive")),
    metrics.NAME: ("metrics",),
}
"""What has to be read to its end for each guarantee."""


def guarantees(evidence: Evidence) -> Iterator[tuple[str, Check]]:
    """Name and check of every guarantee of the hops that the run planned to execute or was asked for."""
    for name, check in _guarantees(evidence):
        yield name, partial(_beside_fence, evidence, name, check)


def _beside_fence(evidence: Evidence, name: str, check: Check) -> Finding | None:
    """What *check* finds, with how far what it judges was read."""
    found = check()
    return found.model_copy(update={"fence": _fence(evidence, *_READ[name])}) if found else None


def _fence(evidence: Evidence, *hops: str) -> Reached:
    told = [hop(evidence, name) for name in hops]
    whole = [each is not None and each.complete and not each.counts.get("unreadable") for each in told]
    if all(whole) and not evidence.tail_cut:
        return "complete"
    return "partial" if any(whole) else "none"


def _guarantees(evidence: Evidence) -> Iterator[tuple[str, Check]]:
    planned = evidence.last(PipelinePlanned)
    if planned is None:
        return
    asked = {guarantee.name for guarantee in evidence.started.guarantees}
    if "results" in planned.parts or asked & _RESULTS.keys():
        yield from _sharing(_RESULTS, lambda: compare(accounts(evidence, planned)))
    if "archive" in planned.parts or asked & _ARCHIVE.keys():
        yield from _sharing(_ARCHIVE, lambda: survey(evidence))
    yield metrics.NAME, partial(_metrics, evidence, asked=metrics.NAME in asked)


def _sharing(
    checks: Mapping[str, Callable[[T], Finding | None]], work: Callable[[], T]
) -> Iterator[tuple[str, Check]]:
    """Checks that look at one thing, which the first of them to be run makes."""
    made = cache(work)
    for name, check in checks.items():
        yield name, partial(_looked, check, made)


def _looked(check: Callable[[T], Finding | None], made: Callable[[], T]) -> Finding | None:
    return check(made())


def _metrics(evidence: Evidence, *, asked: bool) -> Finding | None:
    """A hop that was not executed is no finding, unless somebody asked: then it is not proven."""
    found = metrics.check(evidence)
    if found is not None or not asked:
        return found
    skipped = [event.reason for event in evidence.events if isinstance(event, NotExecuted)]
    doubt = f"the metrics hop was not executed{f': {skipped[-1]}' if skipped else ''}"
    return judged(metrics.NAME, evidence, Count({}, 0, "", "", doubt=doubt))
