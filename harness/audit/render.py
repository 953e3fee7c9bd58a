"""An audit for people, for programs (JSON) and for code hosts (SARIF)."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby

import click

from harness.audit.findings import Audit, AuditFinding, Severity

SCHEMA = "edge-harness/audit/1"
NARROWEST, WIDEST = 60, 110

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_INDENT = 11


def as_text(audit: Audit, width: int) -> Iterator[str]:
    """The audit as lines of at most *width* columns; a terminal shows their colours."""
    width = max(NARROWEST, min(WIDEST, width))
    for file, found in groupby(audit.findings, key=lambda one: one.file):
        yield click.style(file, bold=True)
        yield ""
        for finding in found:
            yield from _finding(finding, width)
            yield ""
    yield from textwrap.wrap(f"audited: {', '.join(audit.audited)}", width)
    yield _closing(audit)


def _finding(finding: AuditFinding, width: int) -> Iterator[str]:
    """The head with place and rule, then why, fix, versions and the drill, each under its word."""
    label = click.style(f"{finding.severity.value:<7}", fg=_COLOURS[finding.severity], bold=True)
    what = textwrap.wrap(finding.what, width - _INDENT - 2) or [""]
    yield f"  {label}  {click.style(what[0], bold=True)}"
    yield from (" " * _INDENT + click.style(line, bold=True) for line in what[1:])
    place = f"line {finding.line}, {finding.where}"
    yield from _paragraph("", f"{place}  [{finding.rule}]", width)
    yield from _paragraph("why", finding.why, width)
    yield from _paragraph("fix", finding.fix, width)
    yield from _paragraph("in", finding.versions, width)
    if finding.scenario:
        yield from _paragraph("proof", f"harness run {finding.scenario}", width)


def _paragraph(word: str, text: str, width: int) -> Iterator[str]:
    """*text* wrapped beside *word*; a text that has lines of its own keeps them, as VRL draws its errors."""
    lines = text.splitlines()
    if len(lines) == 1:
        lines = textwrap.wrap(text, width - _INDENT, break_long_words=False, break_on_hyphens=False)
    label = click.style(f"{word:>7}", dim=True)
    for number, line in enumerate(lines):
        yield f"  {label}  {line}" if number == 0 else f"{'':{_INDENT}}{line}"


def _closing(audit: Audit) -> str:
    counts = ", ".join(_counted(audit.count(severity), severity.value) for severity in Severity)
    return f"{counts} in {_counted(len(audit.files), 'file')}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def as_json(audit: Audit, exit_code: int) -> str:
    """The audit as one JSON object; the keys of a finding are those of ``AuditFinding``."""
    told = {
        "schema": SCHEMA,
        "files": audit.files,
        "audited": audit.audited,
        "counts": {severity.value: audit.count(severity) for severity in Severity},
        "exit_code": int(exit_code),
        "findings": [asdict(finding) for finding in audit.findings],
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def as_sarif(audit: Audit, version: str) -> str:
    """The audit as SARIF 2.1.0, which code hosts show beside the line."""
    rules = {finding.rule: finding for finding in audit.findings}
    driver = {
        "name": "edge-harness",
        "version": version,
        "rules": [
            {"id": name, "shortDescription": {"text": found.what}, "help": {"text": found.fix}}
            for name, found in sorted(rules.items())
        ],
    }
    results = [_result(finding) for finding in audit.findings]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(log, indent=2, ensure_ascii=False)


def _result(finding: AuditFinding) -> dict[str, object]:
    place = {
        "artifactLocation": {"uri": finding.file},
        "region": {"startLine": finding.line},
    }
    return {
        "ruleId": finding.rule,
        "level": finding.severity.value,
        "message": {"text": f"{finding.what}: {finding.why}. Fix: {finding.fix}"},
        "locations": [{"physicalLocation": place}],
    }
