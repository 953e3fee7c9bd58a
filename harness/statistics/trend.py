"""The history of nightly runs: per scenario and number, where the level changed.

An alarm to look at, not a gate: it says what changed over weeks and never whether tonight's run is good.
Runs that did not pass are listed one by one; no number of good nights makes up for them. Only ``run.json``
is read, so a history may be kept long after the ledgers are gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.statistics.changes import Change, Rules, change_points
from harness.statistics.metrics import Metric, Numbers, from_document
from harness.statistics.stored import Damaged, Gathered, Stored
from harness.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Shifted:
    """One change of a number: the first run of the new level, and the change itself."""

    run: str
    started_at: str
    change: Change


@dataclass(frozen=True, eq=False, slots=True)
class Line:
    """One number over the nights; None where a run did not measure it."""

    metric: Metric
    values: tuple[float | None, ...]
    shifts: tuple[Shifted, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Story:
    """One scenario on one platform with one set of settings: its runs by start, and its numbers."""

    name: str
    runs: tuple[Stored, ...]
    lines: tuple[Line, ...]

    @property
    def not_passed(self) -> tuple[Stored, ...]:
        """The runs that did not pass, oldest first."""
        return tuple(run for run in self.runs if run.document.verdict is not Verdict.PASS)


@dataclass(frozen=True, eq=False, slots=True)
class Trend:
    """The whole history."""

    asked: str
    rules: Rules
    stories: tuple[Story, ...]
    damaged: tuple[Damaged, ...]


def trend(found: Gathered, rules: Rules | None = None) -> Trend:
    """The changes in the history *found*, each story by itself."""
    rules = rules or Rules()
    groups: dict[str, list[Stored]] = {}
    for run in found.runs:
        groups.setdefault(_kind(run), []).append(run)
    stories = tuple(_story(name, groups[name], rules) for name in sorted(groups))
    return Trend(found.asked, rules, stories, found.damaged)


def _kind(run: Stored) -> str:
    """What a run has to share with another to be its next night."""
    document = run.document
    settings: Mapping[str, str] = document.environment.get("settings", {})
    said = "".join(f", {key}={settings[key]}" for key in sorted(settings))
    return f"{document.scenario} on {document.platform}{said}"


def _story(name: str, runs: list[Stored], rules: Rules) -> Story:
    told = [from_document(run.document) for run in runs]
    metrics = dict.fromkeys(metric for one in told for metric in one)
    return Story(name, tuple(runs), tuple(_line(metric, runs, told, rules) for metric in metrics))


def _line(metric: Metric, runs: list[Stored], told: list[Numbers], rules: Rules) -> Line:
    measured = [index for index, one in enumerate(told) if metric in one]
    changes = change_points([told[index][metric] for index in measured], replace(rules, grain=metric.grain))
    firsts = [runs[measured[change.index]] for change in changes]
    return Line(
        metric=metric,
        values=tuple(one.get(metric) for one in told),
        shifts=tuple(
            Shifted(run.name, run.document.started_at, change)
            for run, change in zip(firsts, changes, strict=True)
        ),
    )
