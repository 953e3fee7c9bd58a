"""A comparison as a table for people and as JSON for programs; both say what decides first."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator

from harness.report.bounds import Together, together
from harness.statistics.compare import Comparison, Row, Says
from harness.statistics.stored import Damaged, Gathered

SCHEMA = "edge-harness/compare/1"
_ORDER = (Says.WORSE, Says.BETTER, Says.NO_DIFFERENCE, Says.TOO_FEW)
_HEAD = ("metric", "A", "B", "shift", "95 % interval", "change", "q", "runs", "")


def as_text(found: Comparison) -> Iterator[str]:
    """The comparison line by line: what is unsafe, what is worse, the table, and what to bear in mind."""
    for name, side in zip("AB", found.sides, strict=True):
        yield f"{name}  {side.asked}: {_span(side)}"
    yield from _safety(found)
    yield from damaged_lines(found.damaged)
    yield from (f"differs  {each}" for each in found.differences)
    yield ""
    yield from table([_HEAD, *(_cells(row) for row in _ranked(found))])
    yield ""
    yield from found.notes
    yield _sentence(found)


def as_json(found: Comparison) -> str:
    """The comparison as one JSON document; "never" is written as that word, for JSON knows no infinity."""
    sides = {
        name: {"asked": side.asked, "runs": [run.name for run in side.runs], "faults": _proven(side).told()}
        for name, side in zip("AB", found.sides, strict=True)
    }
    told = {
        "schema": SCHEMA,
        "exit_code": int(found.exit_code),
        "sentence": _sentence(found),
        "sides": sides,
        "min_effect": found.min_effect,
        "not_passed": [
            {"side": t.side, "run": t.run, "verdict": t.verdict, "exit_code": t.exit_code, "said": t.sentence}
            for t in found.troubles
        ],
        "damaged": [{"path": str(one.path), "why": one.why} for one in found.damaged],
        "differences": list(found.differences),
        "notes": list(found.notes),
        "metrics": [_told(row) for row in _ranked(found)],
    }  # fmt: skip
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)


def table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Columns as wide as their longest word; the first and the last to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    for row in rows:
        cells = [
            cell.ljust(width) if index in (0, last) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def damaged_lines(damaged: Iterable[Damaged]) -> Iterator[str]:
    """The runs that could not be read, by name."""
    return (f"SKIPPED  {one.path}: {one.why}" for one in damaged)


def number(value: float | None, unit: str = "") -> str:
    """A number with as many digits as matter; infinity is "never"."""
    if value is None:
        return "–"
    if math.isinf(value):
        return "never" if value > 0 else "−never"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    said = f"{value:,.{digits}f}".replace("-", "−")
    return f"{said} {unit}" if unit else said


def _span(side: Gathered) -> str:
    started = [run.document.started_at for run in side.runs]
    runs = f"{len(started)} run{'' if len(started) == 1 else 's'}"
    return f"{runs}, {min(started)} to {max(started)}; {_proven(side).sentence}"


def _proven(side: Gathered) -> Together:
    """What the faults of a side prove."""
    return together(run.document for run in side.runs)


def _safety(found: Comparison) -> Iterator[str]:
    for one in found.troubles:
        yield f"{one.verdict}  {one.side} {one.run} (exit {one.exit_code}): {one.sentence}"


def _ranked(found: Comparison) -> list[Row]:
    return sorted(found.rows, key=lambda row: _ORDER.index(row.says))


def _cells(row: Row) -> tuple[str, ...]:
    unit = row.metric.unit
    return (
        row.metric.name,
        number(row.medians[0], unit),
        number(row.medians[1], unit),
        _signed(row.shift.estimate),
        _interval(row),
        "–" if row.share is None or math.isinf(row.share) else f"{row.share:+.0%}".replace("-", "−"),
        "–" if row.q is None else f"{row.q:.3f}",
        f"{row.runs[0]}+{row.runs[1]}",
        row.says.upper() if row.says is Says.WORSE else row.says.value,
    )


def _signed(value: float | None) -> str:
    return f"+{number(value)}" if value is not None and value > 0 else number(value)


def _interval(row: Row) -> str:
    if row.shift.low is None:
        return "–"
    return f"{_signed(row.shift.low)} … {_signed(row.shift.high)}"


def _sentence(found: Comparison) -> str:
    worse, better = (len(found.that_say(says)) for says in (Says.WORSE, Says.BETTER))
    times = _times(found, worse, better)
    if found.troubles:
        return f"{len(found.troubles)} of these runs did not pass, which decides; of the times: {times}"
    return times[:1].upper() + times[1:]


def _times(found: Comparison, worse: int, better: int) -> str:
    if not found.rows:
        return "nothing was measured on both sides."
    if all(row.says is Says.TOO_FEW for row in found.rows):
        return "too few runs to tell any difference from chance."
    if not worse and not better:
        return f"no difference of {found.min_effect:.0%} or more was shown in {len(found.rows)} metrics."
    return f"B is worse in {worse} and better in {better} of {len(found.rows)} metrics."


def _told(row: Row) -> dict[str, object]:
    return {
        "metric": row.metric.name,
        "unit": row.metric.unit,
        "more_is_better": row.metric.more_is_better,
        "runs": list(row.runs),
        "medians": [plain(value) for value in row.medians],
        "shift": plain(row.shift.estimate),
        "interval_95": None if row.shift.low is None else [plain(row.shift.low), plain(row.shift.high)],
        "share": plain(row.share),
        "p": row.p,
        "q": row.q,
        "says": row.says.value,
    }


def plain(value: float | None) -> float | str | None:
    """A number as JSON can hold it: infinity is "never"."""
    if value is None or math.isfinite(value):
        return value
    return "never" if value > 0 else "-never"
