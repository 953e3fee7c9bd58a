"""The kill table of ``calibration.json``, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.calibration import Calibration, Kill, Legal
from harness.report import phrases
from harness.report.plaintext import log_line

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KillRow:
    """One class of defects or one legal change; ``missed`` says what went wrong with it."""

    name: str
    checker: str
    verdict: str
    tone: str
    word: str
    planted: str
    caught: str
    also: str
    missed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sharpness:
    """What the page says of a calibration; ``left_out`` pairs each reason with what it kept out."""

    sentence: str
    origin: str
    kills: tuple[KillRow, ...]
    legal: tuple[KillRow, ...]
    left_out: tuple[tuple[str, str], ...]
    left_out_count: str


def sharpness_of(calibration: Calibration | None) -> Sharpness | None:
    """The section about a run's calibration; None when it was not calibrated."""
    if calibration is None:
        return None
    return Sharpness(
        sentence=sentence(calibration),
        origin=_origin(calibration),
        kills=tuple(_kill(kill) for kill in calibration.defects),
        legal=tuple(_legal(made) for made in calibration.legal),
        left_out=_left_out(calibration),
        left_out_count=phrases.plural(len(calibration.left_out), "change"),
    )


def sentence(calibration: Calibration) -> str:
    """How many defects were caught and how many legal changes alarmed."""
    planted, made = calibration.planted, calibration.legal_changes
    return (
        f"{phrases.count(calibration.caught)} of {phrases.plural(planted, 'planted defect')} caught, "
        f"{phrases.plural(calibration.false_alarms, 'false alarm')} "
        f"over {phrases.plural(made, 'legal change')}."
    )


def table_lines(calibration: Calibration) -> list[str]:
    """The kill table as plain lines: defects, legal changes, what was left out, and the sum."""
    rows: list[Row] = [("defect", "checker", "says", "planted", "caught")]
    rows += [
        (k.defect, k.checker, k.verdict.value, str(k.planted), str(k.caught)) for k in calibration.defects
    ]
    rows.append(("legal change", "", "", "made", "alarms"))
    rows += [
        (one.change, one.history, "", str(one.made), str(sum(one.alarms.values())))
        for one in calibration.legal
    ]
    told = [f"missed: {kill.defect}, {miss}" for kill in calibration.defects for miss in kill.missed]
    told += [f"false alarm: {one.change}, {_names(one.alarms)}" for one in calibration.legal if one.alarms]
    told += [f"left out, {reason}: {names}" for reason, names in _left_out(calibration)]
    return [
        log_line(f"{calibration.run_id}: {_origin(calibration)}"),
        *_columns(rows),
        *(f"  {log_line(line)}" for line in told),
        sentence(calibration),
    ]


def _columns(rows: list[Row]) -> list[str]:
    """Three columns of words to the left, two of numbers to the right."""
    clean = [tuple(log_line(word) for word in row) for row in rows]
    widths = [max(len(row[column]) for row in clean) for column in range(3)]
    lines = []
    for *words, planted, caught in clean:
        left = "  ".join(word.ljust(width) for word, width in zip(words, widths, strict=True))
        lines.append(f"  {left}  {planted:>7}  {caught:>6}")
    return lines


def _origin(calibration: Calibration) -> str:
    return (
        f"seed {calibration.seed}, {phrases.plural(calibration.times, 'draw')} of each, "
        f"harness {calibration.harness_version}"
    )


def _kill(kill: Kill) -> KillRow:
    whole = kill.caught == kill.planted
    return KillRow(
        name=kill.defect,
        checker=kill.checker,
        verdict=kill.verdict.value,
        tone="pass" if whole else "fail",
        word="Caught" if whole else "Missed",
        planted=phrases.count(kill.planted),
        caught=phrases.count(kill.caught),
        also=_names(kill.also),
        missed=kill.missed,
    )


def _legal(made: Legal) -> KillRow:
    return KillRow(
        name=made.change,
        checker=made.history,
        verdict="",
        tone="fail" if made.alarms else "pass",
        word="Alarm" if made.alarms else "Quiet",
        planted=phrases.count(made.made),
        caught=phrases.count(sum(made.alarms.values())),
        also=_names(made.alarms),
    )


def _names(counts: Iterable[str]) -> str:
    return ", ".join(counts)


def _left_out(calibration: Calibration) -> tuple[tuple[str, str], ...]:
    by_reason: dict[str, list[str]] = {}
    for one in calibration.left_out:
        reason = f"{one.history}: {one.reason}" if one.history else one.reason
        by_reason.setdefault(reason, []).append(one.name)
    return tuple((reason, "; ".join(names)) for reason, names in by_reason.items())
