"""``report.html``: one file that works offline, without script, for ever.

Autoescape is on for every template, an undefined name is an error, and every
value passes through ``plaintext.visible`` on its way out, so no field can be
forgotten. Equal run directories give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.report import charts, pipeline_charts
from harness.report.canvas import NARROW, WIDE
from harness.report.document import prepare
from harness.report.plaintext import visible
from harness.report.rows import ReportDocument
from harness.rundir import RunDirectory

T = TypeVar("T")


def write_report(directory: RunDirectory) -> Path:
    """Write ``report.html`` beside ``run.json`` and return its path.

    Raises:
        EvidenceError: the run cannot be read or contradicts itself.
        MissingAbility: the folder cannot be written.
    """
    directory.write(directory.report, render(prepare(directory)))
    return directory.report


def render(report: ReportDocument) -> str:
    """The page."""
    page = environment().get_template("report.html.j2")
    wide = narrow = None
    if report.timeline:
        wide = charts.timeline("wide", report.timeline, WIDE)
        narrow = charts.timeline("narrow", report.timeline, NARROW)
    bars = [
        charts.recovery_bar(f"recovery-{n}", row.sentence, row.bar) for n, row in enumerate(report.recovery)
    ]
    return (
        page.render(
            report=report,
            wide=wide,
            narrow=narrow,
            bars=bars,
            pipeline=_twice(pipeline_charts.pipeline, report.pipeline),
            resources=_twice(pipeline_charts.resources, report.resources),
        )
        + "\n"
    )


def _twice(draw: Callable[[str, T, int], Markup], shown: T | None) -> tuple[Markup, Markup] | None:
    """A drawing for a wide and for a narrow screen, or nothing to draw."""
    if shown is None:
        return None
    return draw("wide", shown, WIDE), draw("narrow", shown, NARROW)


def environment() -> Environment:
    """The templates of this folder, under the rules above."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_cleaned,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["breakable"] = _breakable
    return made


def _breakable(name: str) -> Markup:
    """A name of several words, which may go on in the next line after each of them, and nowhere else."""
    return Markup("_<wbr>").join(escape(word) for word in visible(name).split("_"))


def _cleaned(value: object) -> object:
    """Harmless text; ready markup (ours alone is) and undefined names pass through to Jinja."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
