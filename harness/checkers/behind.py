"""What is judged behind the source topic: which guarantees there are, for a run that had a pipeline.

A run without one gets none of them, so what was judged before there were pipelines reads as it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from harness.checkers import archive, metrics
from harness.checkers.archive_survey import survey
from harness.findings import Finding
from harness.ledger.evidence import Evidence
from harness.model import PipelinePlanned

Check = Callable[[], Finding | None]


def guarantees(evidence: Evidence) -> Iterator[tuple[str, Check]]:
    """Name and check of every guarantee of the hops that the run planned to execute."""
    planned = evidence.last(PipelinePlanned)
    if planned is None:
        return
    if "archive" in planned.parts:
        seen = survey(evidence)
        yield archive.COMPLETE, partial(archive.check_complete, seen)
        yield archive.SINGLE, partial(archive.check_single, seen)
        yield archive.INTACT, partial(archive.check_intact, seen)
    yield metrics.NAME, partial(metrics.check, evidence)
