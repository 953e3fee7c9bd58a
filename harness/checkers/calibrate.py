"""Plants every known defect into one run's evidence, and says which of them its checkers caught.

The run is judged as if every guarantee that its checkers can tell of had been asked for, without any
violation allowed: a checker that is only shown, not judged, is calibrated all the same.

A defect is caught when the checker that is named for it says the verdict that is named for it and,
where that is FAIL, finds more violations than in the run itself. A budget may also be UNKNOWN: a
starved harness says no more than that of a time that was missed. What cannot be planted (there is no
transaction, no fault, no pipeline, or the checker has no clean verdict to lose) is left out by name.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness import seeds
from harness.calibration import MAX_MISSES, Calibration, Kill, LeftOut, Legal
from harness.checkers import mutate, mutate_archive, mutate_pipeline, mutate_stretches
from harness.checkers.compose import judge
from harness.checkers.mutate_rows import NoRoom
from harness.findings import Finding
from harness.ledger.evidence import Evidence
from harness.model import Guarantee, RunStarted
from harness.verdict import Kind, Verdict

_RECORDS = ("no_loss", "no_duplicates", "order_per_key", "no_phantoms", "integrity")
By = dict[str, Finding]
Apply = Callable[[Evidence, random.Random], Evidence]


@dataclass(frozen=True, slots=True)
class Defect:
    """One class of defects and the checker that has to say *verdict*."""

    name: str
    apply: Apply
    checker: str
    verdict: Verdict


def calibrate(
    evidence: Evidence,
    *,
    seed: int,
    times: int,
    harness_version: str,
) -> Calibration:
    """Plant each defect, and make each legal change, *times* times; judges each of them once.

    Raises:
        EvidenceError: the run has no beginning.
    """
    strict = _strict(evidence)
    base = _judged(strict)
    done = [_kill(strict, base, defect, seed, times) for defect in defects()]
    made = [_legal(strict, base, name, change, seed, times) for name, change in changes()]
    kills = tuple(each for each in done if isinstance(each, Kill))
    legal = tuple(each for each in made if isinstance(each, Legal))
    return Calibration(
        run_id=evidence.started.run_id,
        seed=seed,
        times=times,
        harness_version=harness_version,
        planted=sum(kill.planted for kill in kills),
        caught=sum(kill.caught for kill in kills),
        legal_changes=sum(one.made for one in legal),
        false_alarms=sum(sum(one.alarms.values()) for one in legal),
        defects=kills,
        legal=legal,
        left_out=tuple(each for each in (*done, *made) if isinstance(each, LeftOut)),
    )


def defects() -> Iterator[Defect]:
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


def _kill(evidence: Evidence, base: By, defect: Defect, seed: int, times: int) -> Kill | LeftOut:
    if reason := _unfit(base.get(defect.checker), defect.verdict):
        return LeftOut(name=defect.name, reason=f"{defect.checker} {reason}")
    caught, also, missed = 0, Counter[str](), []
    for draw in range(times):
        try:
            found = _judged(defect.apply(evidence, seeds.stream(seed, f"{defect.name}/{draw}")))
        except NoRoom as lacking:
            return LeftOut(name=defect.name, reason=str(lacking))
        said = found.get(defect.checker)
        also.update(name for name in _worse(base, found) if name != defect.checker)
        if _is_caught(said, base[defect.checker], defect.verdict):
            caught += 1
        else:
            missed.append(
                f"draw {draw}: {said.verdict.value}, {said.summary}" if said else f"draw {draw}: nothing"
            )
    return Kill(
        defect=defect.name,
        checker=defect.checker,
        verdict=defect.verdict,
        planted=times,
        caught=caught,
        also=dict(sorted(also.items())),
        missed=tuple(missed[:MAX_MISSES]),
    )


def _unfit(found: Finding | None, due: Verdict) -> str:
    """Why the checker of a defect cannot show that it catches it in this run."""
    if found is None:
        return "does not judge this run"
    if found.verdict is Verdict.PASS or (found.verdict is Verdict.FAIL is due):
        return ""
    return f"says {found.verdict.value} of the run itself"


def _is_caught(said: Finding | None, before: Finding, due: Verdict) -> bool:
    if said is None:
        return False
    if said.kind is Kind.BUDGET and said.verdict is Verdict.UNKNOWN:
        return True
    more = due is not Verdict.FAIL or said.violations > before.violations
    return said.verdict is due and more


def _legal(evidence: Evidence, base: By, name: str, change: Apply, seed: int, times: int) -> Legal | LeftOut:
    alarms = Counter[str]()
    for draw in range(times):
        try:
            found = _judged(change(evidence, seeds.stream(seed, f"{name}/{draw}")))
        except NoRoom as lacking:
            return LeftOut(name=name, reason=str(lacking))
        alarms.update(one for one in _worse(base, found) if found[one].kind is Kind.GUARANTEE)
    return Legal(change=name, made=times, alarms=dict(sorted(alarms.items())))


def _worse(base: By, found: By) -> list[str]:
    """The checkers that say worse of the changed run, or count more, than of the run itself."""
    return [
        name
        for name, one in found.items()
        if name not in base
        or one.verdict.rank > base[name].verdict.rank
        or (one.kind is Kind.GUARANTEE and one.violations > base[name].violations)
    ]
