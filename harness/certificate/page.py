"""``certificate.html``: the certificate as a page that prints, offline and without script, for ever."""

from __future__ import annotations

from pathlib import Path

from harness.bounds import percent_up
from harness.certificate.model import Certificate, Tally
from harness.report import phrases
from harness.report.html import environment
from harness.rundir import write
from harness.verdict import Verdict

_SIGN = {"pass": "✓", "fail": "✗", "unknown": "?"}


def write_certificate(certificate: Certificate, folder: Path) -> tuple[Path, Path]:
    """Write ``certificate.html`` and ``certificate.json`` into *folder*, and return their paths.

    Raises:
        MissingAbility: the folder cannot be written.
    """
    page, twin = folder / "certificate.html", folder / "certificate.json"
    write(page, render(certificate))
    write(twin, certificate.model_dump_json(by_alias=True, indent=2) + "\n")
    return page, twin


def render(certificate: Certificate) -> str:
    """The page; equal certificates give equal bytes."""
    names = dict.fromkeys(name for row in certificate.scenarios for name in row.guarantees)
    template = environment().get_template("certificate.html.j2")
    told = {"tone": tone, "cell": cell, "percent": percent, "phrases": phrases, "guarantees": tuple(names)}
    return template.render(certificate=certificate, **told) + "\n"


def tone(verdict: Verdict) -> str:
    """The colour of a verdict."""
    return verdict.value.lower()


def cell(tally: Tally | None) -> tuple[str, str]:
    """Tone and words of one field of the matrix: what was seen worst, and in how many runs of how many."""
    if tally is None:
        return "", phrases.NONE
    total = tally.held + tally.broken + tally.unknown
    named = (("fail", tally.broken), ("unknown", tally.unknown), ("pass", tally.held))
    kind, count = next(((kind, count) for kind, count in named if count), ("unknown", 0))
    return kind, f"{_SIGN[kind]} {count}" if count == total else f"{_SIGN[kind]} {count} of {total}"


def percent(share: float | None) -> str:
    """An upper bound, rounded up; a dash where there is none."""
    return phrases.NONE if share is None else f"≤ {percent_up(share)}"
