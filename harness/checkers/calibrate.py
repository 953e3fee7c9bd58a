"""Plants every known defect into one run's evidence, and says which of them its checkers caught.

The run is judged as if every guarantee that its checkers can tell of had been asked for, without any
violation allowed: a checker that is only shown, not judged, is calibrated all the same.

What cannot be planted (there is no transaction, no fault, no pipeline, or the checker has no clean
verdict to lose) is left out by name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from harness.checkers import mutate, mutate_archive, mutate_pipeline, mutate_stretches
from harness.checkers.compose import judge
from harness.checkers.trial import By, Defect, Outcome, Trial
from harness.ledger.evidence import Evidence
from harness.model import Guarantee, RunStarted
from harness.verdict import Kind

_RECORDS = ("no_loss", "no_duplicates", "order_per_key", "no_phantoms", "integrity")
Apply = Callable[[Evidence, random.Random], Evidence]


def calibrate(evidence: Evidence, *, seed: int, times: int) -> Iterator[Outcome]:
    """Plant each defect, and make each legal change, *times* times; judges each of them once.

    Raises:
        EvidenceError: the run has no beginning.
    """
    tried = trial(evidence, seed=seed, times=times)
    yield from map(tried.kill, defects())
    yield from (tried.legal(name, change) for name, change in changes())


def trial(evidence: Evidence, *, seed: int, times: int) -> Trial[Evidence]:
    """The run, judged strictly."""
    return Trial(_strict(evidence), _judged, seed, times)


def defects() -> Iterator[Defect[Evidence]]:
    """Every class of defects there is, whatever the run."""
    for each in (*mutate.DEFECTS, *mutate_stretches.DEFECTS, *mutate_archive.DEFECTS):
        yield Defect(each.name, each.apply, each.caught_by, each.verdict)
    for one in mutate_pipeline.DEFECTS:
        yield Defect(one.name, _planted(one.apply), one.caught_by, one.verdict)


def changes() -> Iterator[tuple[str, Apply]]:
    """Every legal change there is."""
    for table in (mutate.NOISE, mutate_stretches.NOISE, mutate_archive.NOISE, mutate_pipeline.NOISE):
        yield from table.items()


def _planted(plant: mutate_pipeline.Plant) -> Apply:
    return lambda evidence, chance: plant(evidence, chance).evidence


def _strict(evidence: Evidence) -> Evidence:
    """The run with every guarantee asked for that it has a finding of, and none of them excused."""
    known: dict[str, Guarantee] = {
        each.name: each.model_copy(update={"allowed": 0}) for each in evidence.started.guarantees
    }
    told = judge(evidence, harness_version="").findings
    for name in (*_RECORDS, *(found.checker for found in told if found.kind is Kind.GUARANTEE)):
        known.setdefault(name, Guarantee.model_validate({"name": name}))
    events = tuple(
        event.model_copy(update={"guarantees": tuple(known.values())})
        if isinstance(event, RunStarted)
        else event
        for event in evidence.events
    )
    return replace(evidence, events=events)


def _judged(evidence: Evidence) -> By:
    return {found.checker: found for found in judge(evidence, harness_version="").findings}
