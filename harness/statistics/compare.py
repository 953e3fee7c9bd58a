"""Two sets of stored runs compared: is B worse or better than A, and by how much.

The run is the unit: a million records of one run are one observation, for whatever made that run slow
made all of them slow. So the tests are on one number per run, and say how many runs they had.

* Safety is not averaged. One run on either side that broke a guarantee or may have left a fault behind is
  named first and decides, whatever the other runs and all the times say.
* A difference is claimed when it is beyond chance (Mann-Whitney, Benjamini-Hochberg over all metrics,
  q ≤ 0.05) *and* large enough to matter (the least effect). With fewer than four runs on a side nothing is
  ever claimed: no order of so few is beyond chance.
* Runs of different scenarios, platforms, stacks or settings are not compared unless that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import BadInput, ExitCode
from harness.statistics.metrics import Metric, Numbers, from_document, numbers
from harness.statistics.ranks import (
    LEAST_RUNS,
    Shift,
    benjamini_hochberg,
    hodges_lehmann,
    mann_whitney,
    median,
)
from harness.statistics.stored import Damaged, Gathered, Stored, verdicts
from harness.verdict import Kind, Verdict, exit_code

SIGNIFICANT = 0.05
MIN_EFFECT = 0.05


class Says(StrEnum):
    """What a metric comes to."""

    WORSE = "worse"
    BETTER = "better"
    NO_DIFFERENCE = "no difference shown"
    TOO_FEW = "too few runs"


@dataclass(frozen=True, slots=True)
class Row:
    """One metric on both sides; ``share`` is the shift by A's median, None when that is 0 or never."""

    metric: Metric
    runs: tuple[int, int]
    medians: tuple[float, float]
    shift: Shift
    share: float | None
    p: float
    q: float | None
    says: Says


@dataclass(frozen=True, slots=True)
class Unsafe:
    """One run that did not pass, and what it says."""

    side: str
    run: str
    verdict: Verdict
    exit_code: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole answer. ``differences`` are what sets the runs apart beside A and B, by name."""

    sides: tuple[Gathered, Gathered]
    min_effect: float
    troubles: tuple[Unsafe, ...]
    damaged: tuple[Damaged, ...]
    differences: tuple[str, ...]
    notes: tuple[str, ...]
    rows: tuple[Row, ...]
    exit_code: ExitCode

    def that_say(self, says: Says) -> list[Row]:
        """The rows with this outcome."""
        return [row for row in self.rows if row.says is says]


def compare(
    first: Gathered, second: Gathered, *, min_effect: float = MIN_EFFECT, anyway: bool = False
) -> Comparison:
    """Hold *second* (B) against *first* (A).

    Raises:
        BadInput: a run is on both sides, or the runs differ in more than the side and not *anyway*.
    """
    _require_apart(first, second)
    differences = tuple(_differences(first, second))
    if differences and not anyway:
        raise BadInput(
            "these runs are not of one kind",
            why="; ".join(differences),
            fix="name runs of one kind, or compare them all the same with --anyway",
        )
    rows = tuple(_rows(first, second, min_effect))
    damaged = first.damaged + second.damaged
    return Comparison(
        sides=(first, second),
        min_effect=min_effect,
        troubles=tuple(_troubles("A", first)) + tuple(_troubles("B", second)),
        damaged=damaged,
        differences=differences,
        notes=tuple(_notes(first, second)),
        rows=rows,
        exit_code=_code((first, second), rows, damaged),
    )


def _require_apart(first: Gathered, second: Gathered) -> None:
    both = sorted({run.name for run in first.runs} & {run.name for run in second.runs})
    if both:
        raise BadInput(f"run {both[0]} is in A and in B", fix="a run can be compared with other runs only")


def _differences(first: Gathered, second: Gathered) -> Iterator[str]:
    """What the runs differ in that a comparison rests on, in words."""
    facts = [[_facts(run) for run in side.runs] for side in (first, second)]
    for name in sorted({key for side in facts for each in side for key in each}):
        found = [sorted({each.get(name, "–") for each in side}) for side in facts]
        if found[0] != found[1] or len(found[0]) > 1:
            yield f"{name}: {', '.join(found[0])} in A, {', '.join(found[1])} in B"


def _facts(run: Stored) -> dict[str, str]:
    document = run.document
    settings = {f"setting {key}": said for key, said in document.environment.get("settings", {}).items()}
    told = {"stack": run.stack} if run.stack else {}
    return {"scenario": document.scenario, "platform": document.platform} | told | settings


def _notes(first: Gathered, second: Gathered) -> Iterator[str]:
    least = min(len(first.runs), len(second.runs))
    if least < LEAST_RUNS:
        yield (
            f"With {len(first.runs)} and {len(second.runs)} runs nothing can be significant: "
            f"at least {LEAST_RUNS} a side are needed."
        )
    ends = [[run.document.started_at for run in side.runs] for side in (first, second)]
    if max(ends[0]) < min(ends[1]) or max(ends[1]) < min(ends[0]):
        yield "The runs of A and B were not interleaved: what drifted with time looks like a difference."
    for part in ("host", "parts"):
        yield from _surroundings(part, first, second)
    yield from _one_sided(first, second)


def _one_sided(first: Gathered, second: Gathered) -> Iterator[str]:
    """Metrics that only one side has are not compared; that is said."""
    found = [{m.name for run in side.runs for m in from_document(run.document)} for side in (first, second)]
    for side, only in (("A", found[0] - found[1]), ("B", found[1] - found[0])):
        if only:
            leading, *others = sorted(only)
            more = f" and {len(others)} more" if others else ""
            yield f"Measured in {side} alone, so not compared: {leading}{more}."


def _surroundings(part: str, first: Gathered, second: Gathered) -> Iterator[str]:
    """What differs in the machine or the versions: it may be the point, so it is only said."""
    sides = [[run.document.environment.get(part, {}) for run in side.runs] for side in (first, second)]
    for key in sorted({key for side in sides for each in side for key in each}):
        found = [sorted({each.get(key, "–") for each in side}) for side in sides]
        if found[0] != found[1]:
            yield f"{key}: {', '.join(found[0])} in A, {', '.join(found[1])} in B."


def _troubles(side: str, gathered: Gathered) -> Iterator[Unsafe]:
    worst_first = sorted(gathered.runs, key=lambda run: -run.document.verdict.rank)
    for run in worst_first:
        d = run.document
        if d.verdict is not Verdict.PASS:
            yield Unsafe(side, run.name, d.verdict, d.exit_code, d.sentence)


def _rows(first: Gathered, second: Gathered, min_effect: float) -> Iterator[Row]:
    sides = [[numbers(run) for run in side.runs] for side in (first, second)]
    both = [metric for metric in _metrics(sides[0]) if metric in set(_metrics(sides[1]))]
    values = [(_values(sides[0], metric), _values(sides[1], metric)) for metric in both]
    enough = [min(len(a), len(b)) >= LEAST_RUNS for a, b in values]
    chances = [mann_whitney(a, b) for a, b in values]
    judged = iter(benjamini_hochberg([p for p, known in zip(chances, enough, strict=True) if known]))
    for metric, (a, b), p, known in zip(both, values, chances, enough, strict=True):
        yield _row(metric, a, b, p, next(judged) if known else None, min_effect)


def _metrics(side: list[Numbers]) -> list[Metric]:
    return list(dict.fromkeys(metric for one in side for metric in one))


def _values(side: list[Numbers], metric: Metric) -> list[float]:
    return [one[metric] for one in side if metric in one]


def _row(
    metric: Metric, first: list[float], second: list[float], p: float, q: float | None, min_effect: float
) -> Row:
    shift, base = hodges_lehmann(first, second), median(first)
    large = _large(metric, shift.estimate, base, min_effect)
    share = shift.estimate / abs(base) if base and math.isfinite(base) else None
    return Row(
        metric=metric,
        runs=(len(first), len(second)),
        medians=(base, median(second)),
        shift=shift,
        share=share,
        p=p,
        q=q,
        says=_says(metric, shift.estimate, q if large or q is None else 1.0),
    )


def _large(metric: Metric, shift: float, base: float, min_effect: float) -> bool:
    """Whether a shift is worth a word: the least effect of A's median, and never below the metric's grain."""
    least = min_effect * abs(base) if math.isfinite(base) else 0.0
    return abs(shift) >= max(least, metric.grain)


def _says(metric: Metric, shift: float, q: float | None) -> Says:
    """What a *shift* of that chance says; of one too small to matter *q* is 1."""
    if q is None:
        return Says.TOO_FEW
    if q > SIGNIFICANT:
        return Says.NO_DIFFERENCE
    return Says.BETTER if (shift > 0) == metric.more_is_better else Says.WORSE


def _code(sides: tuple[Gathered, Gathered], rows: tuple[Row, ...], damaged: tuple[Damaged, ...]) -> ExitCode:
    """The runs' own verdicts first; then what could not be compared; then what is worse."""
    found = [pair for side in sides for run in side.runs for pair in verdicts(run)]
    found += [(Kind.SOUNDNESS, Verdict.UNKNOWN)] * bool(damaged)
    if not rows or all(row.says is Says.TOO_FEW for row in rows):
        found.append((Kind.SOUNDNESS, Verdict.UNKNOWN))
    if any(row.says is Says.WORSE for row in rows):
        found.append((Kind.BUDGET, Verdict.FAIL))
    return exit_code(found)
