"""Stored runs put together: a certificate is never better than the worst of them, nor than what is missing.

A control, a scenario that has to find something, does its part by finding it; one that found nothing
leaves open whether the others would have. The same goes for checkers that nobody calibrated on these
runs, for records that were counted once only, for parts that differ between the runs, and for scenarios
that were asked for and not run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from statistics import median

from harness.bounds import bound, held, injections
from harness.calibration import Calibration
from harness.certificate import sharpness
from harness.certificate.model import (
    Certificate,
    GuaranteeLine,
    LegalLine,
    RecoveryLine,
    RunLine,
    ScenarioLine,
    Tally,
)
from harness.findings import NOT_ASKED, Finding, RunDocument
from harness.report.headline import require_agreement
from harness.report.phrases import listing, plural
from harness.statistics.stored import Gathered, Stored, verdicts
from harness.verdict import Kind, Verdict, exit_code, worst


def certify(gathered: Gathered, *, needs: Sequence[str] = (), harness_version: str) -> Certificate:
    """What the runs come to together. *needs* names scenarios without a run of which nothing is certified.

    Raises:
        EvidenceError: a run contradicts itself, or its calibration cannot be read.
    """
    runs = gathered.runs
    for run in runs:
        require_agreement(run.document)
    tables = _tables(runs)
    parts, guarantees = _parts(runs), tuple(_guarantees(runs))
    claims = [line.guarantee for line in guarantees]
    doubts = (*_doubts(gathered, parts, needs), *sharpness.doubts(runs, tables, claims))
    found = [pair for run in runs for pair in _said(run)]
    found += [(Kind.SOUNDNESS, Verdict.UNKNOWN)] if doubts else []
    scenarios = tuple(_scenario(list(same)) for _, same in groupby(_in_order(runs), key=_key))
    return Certificate(
        verdict=worst(verdict for _, verdict in found),
        exit_code=int(exit_code(found)),
        sentence=_sentence(runs, found, doubts),
        doubts=doubts,
        parts=parts,
        harness_version=harness_version,
        runs=tuple(_line(run) for run in runs),
        scenarios=scenarios,
        guarantees=guarantees,
        recovery=tuple(_recoveries(runs)),
        kills=tuple(sharpness.kills(tables.values())),
        legal=tuple(_legal(tables.values())),
        calibrated=len(tables),
    )


def fulfilled(document: RunDocument) -> bool:
    """Whether a run came to what its scenario expects: PASS, or a broken guarantee with its witnesses."""
    if document.expect != "broken":
        return document.verdict is Verdict.PASS
    return document.verdict is Verdict.FAIL and any(
        _is_guarantee(found) and found.verdict is Verdict.FAIL and found.witnesses
        for found in document.findings
    )


def _said(run: Stored) -> list[tuple[Kind, Verdict]]:
    """What one run adds: a control that found what it had to adds a pass, and one that did not a doubt."""
    if run.document.expect != "broken":
        return verdicts(run)
    if run.document.verdict is Verdict.UNSAFE:
        return [(Kind.SOUNDNESS, Verdict.UNSAFE)]
    return [(Kind.SOUNDNESS, Verdict.PASS if fulfilled(run.document) else Verdict.UNKNOWN)]


def _key(run: Stored) -> tuple[str, str]:
    return run.document.scenario, run.document.platform


def _in_order(runs: Sequence[Stored]) -> list[Stored]:
    return sorted(runs, key=_key)


def _parts(runs: Sequence[Stored]) -> dict[str, tuple[str, ...]]:
    """Every version of every part that the runs name."""
    told: dict[str, set[str]] = {}
    for run in runs:
        for part, version in run.document.environment.get("parts", {}).items():
            told.setdefault(part, set()).add(version)
    return {part: tuple(sorted(versions)) for part, versions in sorted(told.items())}


def _tables(runs: Sequence[Stored]) -> dict[str, Calibration]:
    """The calibrations that there are, by the run's name."""
    read = ((run.name, run.directory.read_calibration()) for run in runs)
    return {name: table for name, table in read if table is not None}


def _doubts(gathered: Gathered, parts: dict[str, tuple[str, ...]], needs: Sequence[str]) -> Iterator[str]:
    yield from _missing(gathered, needs)
    for part, versions in parts.items():
        if len(versions) > 1:
            yield f"the runs are of different products: {part} is {listing(versions)}"


def _missing(gathered: Gathered, needs: Sequence[str]) -> Iterator[str]:
    for damaged in gathered.damaged:
        yield f"the run in {damaged.path} cannot be read: {damaged.why}"
    if all(run.document.expect == "broken" for run in gathered.runs):
        yield "no run expects anything to hold"
    for name, times in Counter(run.name for run in gathered.runs).items():
        if times > 1:
            yield f"{name} is there {times} times, and is one run"
    if absent := sorted({*needs} - {run.document.scenario for run in gathered.runs}):
        yield f"no run of {listing(absent)}, which was asked for"
    for run in gathered.runs:
        if run.document.expect == "broken" and not fulfilled(run.document):
            yield f"{run.name} had to find something broken, and did not"


def _line(run: Stored) -> RunLine:
    told = run.document
    return RunLine(
        run_id=told.run_id,
        scenario=told.scenario,
        platform=told.platform,
        started_at=told.started_at,
        verdict=told.verdict,
        expect=told.expect,
        fulfilled=fulfilled(told),
        sentence=told.sentence,
    )


def _scenario(runs: list[Stored]) -> ScenarioLine:
    documents = [run.document for run in runs]
    missing = Counter(part.part for each in documents for part in each.not_executed)
    names = dict.fromkeys(found.checker for each in documents for found in each.findings if _is_asked(found))
    return ScenarioLine(
        scenario=documents[0].scenario,
        platform=documents[0].platform,
        expect=documents[0].expect,
        runs=len(documents),
        fulfilled=sum(map(fulfilled, documents)),
        injections=sum(map(injections, documents)),
        guarantees={name: _tally(documents, name) for name in names},
        not_executed=dict(sorted(missing.items())),
    )


def _tally(documents: Iterable[RunDocument], name: str) -> Tally:
    said = Counter(verdict for each in documents if (verdict := _said_of(each, name)) is not None)
    return Tally(
        held=said[Verdict.PASS],
        broken=said[Verdict.FAIL] + said[Verdict.UNSAFE],
        unknown=said[Verdict.UNKNOWN],
    )


def _said_of(document: RunDocument, name: str) -> Verdict | None:
    """What a run says of one guarantee; None when its scenario did not ask."""
    found = [each.verdict for each in document.findings if each.checker == name and _is_asked(each)]
    return worst(found) if found else None


def _is_guarantee(found: Finding) -> bool:
    return found.kind is Kind.GUARANTEE


def _is_asked(found: Finding) -> bool:
    return _is_guarantee(found) and NOT_ASKED not in found.excused


def _guarantees(runs: Sequence[Stored]) -> Iterator[GuaranteeLine]:
    documents = [run.document for run in runs if run.document.expect != "broken"]
    names = dict.fromkeys(found.checker for each in documents for found in each.findings if _is_asked(found))
    for name in names:
        asked = [each for each in documents if _said_of(each, name) is not None]
        clean = bound(sum(map(injections, asked)))
        yield GuaranteeLine(
            guarantee=name,
            runs=_tally(asked, name),
            injections=clean.injections,
            at_most=clean.at_most if all(_held(each, name) for each in asked) else None,
        )


def _held(document: RunDocument, name: str) -> bool:
    """Whether one guarantee held in a run without any violation, an allowed one included."""
    return all(map(held, (each for each in document.findings if each.checker == name and _is_asked(each))))


def _recoveries(runs: Sequence[Stored]) -> Iterator[RecoveryLine]:
    costs: dict[tuple[str, str, str], list[float]] = {}
    for run in runs:
        for each in run.document.recovery:
            cost = math.inf if each.claimed_s is None else each.claimed_s
            costs.setdefault((*_key(run), each.fault), []).append(cost)
    for (scenario, platform, fault), took in sorted(costs.items()):
        yield RecoveryLine(
            scenario=scenario,
            platform=platform,
            fault=fault,
            runs=len(took),
            median_s=_finite(median(took)),
            worst_s=_finite(max(took)),
            never=sum(map(math.isinf, took)),
        )


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None


def _legal(tables: Iterable[Calibration]) -> Iterator[LegalLine]:
    made: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    for change in (each for table in tables for each in table.legal):
        made[change.change] += change.made
        alarms[change.change] += sum(change.alarms.values())
    for name, count in made.items():
        yield LegalLine(change=name, made=count, alarms=alarms[name])


def _sentence(runs: Sequence[Stored], found: list[tuple[Kind, Verdict]], doubts: tuple[str, ...]) -> str:
    extent = f"{plural(len(runs), 'run')} of {plural(len({*map(_key, runs)}), 'scenario')}"
    failing = [run for run in runs if not fulfilled(run.document)]
    if any(verdict is Verdict.UNSAFE for _, verdict in found):
        return f"Not certified: a fault may have been left behind. {extent}."
    if failing:
        return f"Not certified: {len(failing)} of {extent} did not come to what is expected of them."
    if doubts:
        return f"Not certified: {doubts[0]}."
    clean = sum(injections(run.document) for run in runs if run.document.expect != "broken")
    return f"Certified by {extent}: what was asked for held through {plural(clean, 'proven injection')}."
