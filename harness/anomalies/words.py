"""A history's verdict as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from harness.anomalies.judge import HistoryVerdict
from harness.findings import Finding, Witness
from harness.verdict import Verdict

_SHOWN = 3


def told(verdict: HistoryVerdict) -> Iterator[str]:
    """The verdict, then each finding with its first witnesses, the worst first."""
    yield f"{verdict.verdict}: {verdict.operations:,} operations, {_extent(verdict)}"
    width = max(len(each.checker) for each in verdict.findings)
    for each in sorted(verdict.findings, key=lambda found: -found.verdict.rank):
        yield f"  {each.verdict:7} {each.checker:{width}}  {each.summary}{_excused(each)}"
        yield from (f"  {'':7} {'':{width}}    {_witness(one)}" for one in each.witnesses[:_SHOWN])
    if verdict.nothing_for:
        yield f"nothing to compare for: {', '.join(verdict.nothing_for)}"
    if verdict.verdict is Verdict.PASS:
        yield "a history tells of no fault: what held says nothing about faults"
    yield f"settings {verdict.settings_digest[:12]}, exit code {verdict.exit_code}"


def _extent(verdict: HistoryVerdict) -> str:
    return f"{verdict.covered_percent} % of the due records looked for, fence {verdict.fence}"


def _excused(finding: Finding) -> str:
    return "".join(f" ({count:,} excused: {rule})" for rule, count in finding.excused.items())


def _witness(one: Witness) -> str:
    offsets = f" at {', '.join(map(str, one.offsets))}" if one.offsets else ""
    place = one.record or (f"partition {one.partition}" if one.partition is not None else "")
    return f"{place}{offsets}: {one.detail}" if place else one.detail
