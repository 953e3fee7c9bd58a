"""Each known defect is planted, each legal change made, and what comes out is judged.

A defect is caught when the checker that is named for it says the verdict that is named for it and,
where that is FAIL, finds more violations than before. A budget may also be UNKNOWN: a starved harness
says no more than that of a time that was missed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from harness import seeds
from harness.calibration import MAX_MISSES, Calibration, Kill, LeftOut, Legal
from harness.checkers.mutate_rows import NoRoom
from harness.findings import Finding
from harness.verdict import Kind, Verdict

T = TypeVar("T")
By = dict[str, Finding]
Outcome = Kill | Legal | LeftOut


@dataclass(frozen=True, slots=True)
class Defect(Generic[T]):
    """One class of defects and the checker that has to say *verdict*."""

    name: str
    apply: Callable[[T, random.Random], T]
    checker: str
    verdict: Verdict = Verdict.FAIL


@dataclass(frozen=True)
class Trial(Generic[T]):
    """What is changed, how it is judged, and *times* draws from *seed* of each change.

    ``history`` is the workload whose history it is; empty for anything else. Findings bear its name.
    """

    subject: T
    judged: Callable[[T], By]
    seed: int
    times: int
    history: str = ""

    @cached_property
    def base(self) -> By:
        """What is said of the unchanged subject."""
        return self.judged(self.subject)

    def kill(self, defect: Defect[T]) -> Kill | LeftOut:
        """Plant *defect*."""
        checker = self._named(defect.checker)
        if reason := _unfit(self.base.get(checker), defect.verdict):
            return self._left_out(defect.name, checker, f"{checker} {reason}")
        caught, also, missed = 0, Counter[str](), []
        for draw in range(self.times):
            try:
                found = self._changed(defect.name, defect.apply, draw)
            except NoRoom as lacking:
                return self._left_out(defect.name, checker, str(lacking))
            said = found.get(checker)
            also.update(name for name in worse(self.base, found) if name != checker)
            if _is_caught(said, self.base[checker], defect.verdict):
                caught += 1
            else:
                missed.append(_missed(draw, said))
        return Kill(
            defect=defect.name,
            checker=checker,
            verdict=defect.verdict,
            planted=self.times,
            caught=caught,
            also=dict(sorted(also.items())),
            missed=tuple(missed[:MAX_MISSES]),
            history=self.history,
        )

    def legal(self, name: str, change: Callable[[T, random.Random], T]) -> Legal | LeftOut:
        """Make a legal change."""
        alarms = Counter[str]()
        for draw in range(self.times):
            try:
                found = self._changed(name, change, draw)
            except NoRoom as lacking:
                return self._left_out(name, "", str(lacking))
            alarms.update(one for one in worse(self.base, found) if found[one].kind is Kind.GUARANTEE)
        return Legal(change=name, made=self.times, alarms=dict(sorted(alarms.items())), history=self.history)

    def _changed(self, name: str, change: Callable[[T, random.Random], T], draw: int) -> By:
        stream = f"{self.history}/{name}/{draw}" if self.history else f"{name}/{draw}"
        return self.judged(change(self.subject, seeds.stream(self.seed, stream)))

    def _named(self, checker: str) -> str:
        return f"{self.history}.{checker}" if self.history else checker

    def _left_out(self, name: str, checker: str, reason: str) -> LeftOut:
        return LeftOut(name=name, reason=reason, checker=checker, history=self.history)


def table(
    run_id: str, done: Iterable[Outcome], *, seed: int, times: int, harness_version: str
) -> Calibration:
    """The kill table of everything that was *done*."""
    every = tuple(done)
    kills = tuple(each for each in every if isinstance(each, Kill))
    legal = tuple(each for each in every if isinstance(each, Legal))
    return Calibration(
        run_id=run_id,
        seed=seed,
        times=times,
        harness_version=harness_version,
        planted=sum(kill.planted for kill in kills),
        caught=sum(kill.caught for kill in kills),
        legal_changes=sum(one.made for one in legal),
        false_alarms=sum(sum(one.alarms.values()) for one in legal),
        defects=kills,
        legal=legal,
        left_out=tuple(each for each in every if isinstance(each, LeftOut)),
    )


def worse(base: By, found: By) -> list[str]:
    """The checkers that say worse of what was changed, or count more, than before."""
    return [
        name
        for name, one in found.items()
        if name not in base
        or one.verdict.rank > base[name].verdict.rank
        or (one.kind is Kind.GUARANTEE and one.violations > base[name].violations)
    ]


def _unfit(found: Finding | None, due: Verdict) -> str:
    """Why the checker of a defect cannot show here that it catches it."""
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


def _missed(draw: int, said: Finding | None) -> str:
    return f"draw {draw}: {said.verdict.value}, {said.summary}" if said else f"draw {draw}: nothing"
