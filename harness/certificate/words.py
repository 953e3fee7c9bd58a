"""A certificate in a few lines, for a terminal: the verdict, what stands in its way, what it is worth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from harness.certificate.model import Certificate, GuaranteeLine
from harness.findings import Bound
from harness.report.bounds import said
from harness.report.phrases import listing


def lines(certificate: Certificate) -> Iterator[str]:
    """Every line but the paths of its files."""
    yield f"{certificate.verdict}: {certificate.sentence}"
    yield from (f"open: {doubt}" for doubt in certificate.doubts)
    bounded = sorted((each for each in certificate.guarantees if _whole(each)), key=_injections)
    for clean, same in groupby(bounded, key=_injections):
        rows = list(same)
        names = listing(each.guarantee for each in rows)
        what = names if clean else f"that {names} held"
        yield said(Bound(injections=clean, at_most=rows[0].at_most), what=what)
    if left := [each.guarantee for each in certificate.guarantees if not _whole(each)]:
        yield f"violated or left open, so without a bound: {listing(left)}"


def _whole(line: GuaranteeLine) -> bool:
    """Whether it held in every run; without an injection that says nothing about faults, which is said."""
    return line.at_most is not None or (not line.injections and line.runs.broken + line.runs.unknown == 0)


def _injections(line: GuaranteeLine) -> int:
    return line.injections
