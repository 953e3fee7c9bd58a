"""One run directory turned into one frozen value that holds everything the page says.

The templates only place what is here: every number is already a phrase, every
choice already made. The value is a pure function of ``run.json``, the ledger,
the samples, ``events.jsonl`` and the names and sums of the other files; equal
directories give equal values, on any machine, years later.
"""

from __future__ import annotations

import shlex
from pathlib import PurePath

from harness.findings import FaultOutcome, Finding, LatencyRow, Recovery, RunDocument, Witness
from harness.ledger import evidence
from harness.model import NotExecuted
from harness.report import bounds, phrases
from harness.report.advice import next_step
from harness.report.charts import Bar
from harness.report.files import artefacts
from harness.report.headline import (
    Trouble,
    expectation,
    fault_label,
    fault_verdict,
    headline,
    troubles,
)
from harness.report.hops import HOPS, hops_of, not_executed_of
from harness.report.kills import sharpness_of
from harness.report.lives import lives_of
from harness.report.pipeline import pipeline_of
from harness.report.resources import resources_of
from harness.report.rows import (
    FaultRow,
    FindingGroup,
    FindingRow,
    LatencyLine,
    Pair,
    RecoveryRow,
    ReportDocument,
    Step,
    WitnessRow,
)
from harness.report.stages import stages_of
from harness.report.timeline import notes_of, timeline_of
from harness.rundir import RunDirectory
from harness.verdict import Kind, Verdict


def prepare(directory: RunDirectory) -> ReportDocument:
    """Everything the page says about the run in *directory*.

    Raises:
        EvidenceError: ``run.json`` or the ledger cannot be read, or ``run.json`` contradicts itself.
    """
    document = directory.read_document()
    top = headline(document)
    stored = evidence.load(directory)
    found = troubles(document)
    notes = notes_of(stored)
    missing = not_executed_of(stored)
    listed, left_out = artefacts(directory)
    return ReportDocument(
        run_id=document.run_id,
        title=document.title or document.scenario,
        subtitle=f"{document.scenario} on {document.platform}",
        headline=top,
        expectation=expectation(document),
        cause=_sentence(found[0].summary) if found else "",
        cause_name=found[0].name if found else "",
        in_force=_in_force(document),
        bound=bounds.sentence(document),
        facts=_facts(document, missing),
        groups=_groups(document),
        recovery=_recoveries(document),
        timeline=timeline_of(document, stored, notes),
        hops=hops_of(document, stored),
        not_executed=phrases.listing(event.part for event in missing),
        left_out=tuple((event.part, event.reason) for event in missing if event.part not in HOPS),
        pipeline=pipeline_of(document, stored, notes),
        resources=resources_of(document, stored),
        notes=notes,
        latency=tuple(_latency(phase, row) for phase, row in document.latency.items()),
        load=_load(document),
        stages=stages_of(document, stored, directory),
        lives=lives_of(document, stored, directory),
        faults=tuple(_fault(number, fault) for number, fault in enumerate(document.faults, 1)),
        sharpness=sharpness_of(directory.read_calibration()),
        steps=_steps(document, found),
        environment=tuple((name, tuple(values.items())) for name, values in document.environment.items()),
        reproduce=_reproduce(document),
        files=listed,
        files_left_out=left_out,
    )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _facts(document: RunDocument, missing: tuple[NotExecuted, ...]) -> tuple[Pair, ...]:
    records = phrases.count(document.load.records) if document.load else phrases.NONE
    left_out = (("Not executed", phrases.plural(len(missing), "part")),) if missing else ()
    return (
        ("Run", document.run_id),
        ("Seed", str(document.seed)),
        ("Started", document.started_at),
        ("Duration", phrases.duration(document.duration_s)),
        ("Records", records),
        ("Faults", str(len(document.faults))),
        ("Harness", document.harness_version),
        ("Exit code", str(document.exit_code)),
        *left_out,
    )


def _in_force(document: RunDocument) -> str:
    if not document.faults:
        return "No fault was injected."
    left = [fault.name for fault in document.faults if fault.healing_proven_at is None]
    if left:
        return f"Faults that may still be in force: {phrases.listing(left)}. Run “harness heal” now."
    healed = phrases.plural(len(document.faults), "fault")
    return f"Faults still in force: none; the healing of {healed} was proven."


def _groups(document: RunDocument) -> tuple[FindingGroup, ...]:
    titles = (
        (Kind.GUARANTEE, "Guarantees"),
        (Kind.BUDGET, "Budgets"),
        (Kind.SOUNDNESS, "Soundness of the run"),
    )
    groups = []
    for kind, title in titles:
        rows = tuple(_finding(document, found) for found in document.findings if found.kind is kind)
        if rows:
            groups.append(FindingGroup(title, rows))
    return tuple(groups)


def _finding(document: RunDocument, found: Finding) -> FindingRow:
    shown = tuple(_witness(witness) for witness in found.witnesses)
    note = ""
    if found.violations > len(shown) > 0:
        note = f"The first {len(shown)} of {phrases.count(found.violations)}."
    return FindingRow(
        name=found.checker,
        verdict=found.verdict.value,
        tone=found.verdict.lower(),
        summary=found.summary,
        evidence=phrases.counts(found.compared),
        basis=phrases.basis(found),
        nothing_for=phrases.listing(found.nothing_for),
        violations=phrases.count(found.violations),
        limit=found.limit or phrases.NONE,
        excused=phrases.counts(found.excused) if found.excused else "",
        bound=bounds.phrase(document, found),
        witnesses=shown,
        witness_note=note,
    )


def _witness(witness: Witness) -> WitnessRow:
    return WitnessRow(
        record=witness.record or phrases.NONE,
        partition=phrases.NONE if witness.partition is None else str(witness.partition),
        offsets=", ".join(map(str, witness.offsets)) or phrases.NONE,
        at=phrases.NONE if witness.at_s is None else f"{witness.at_s:.3f} s",
        detail=witness.detail,
    )


def _recoveries(document: RunDocument) -> tuple[RecoveryRow, ...]:
    times = [t for r in document.recovery for t in (r.claimed_s, r.expected_s, r.budget_s) if t is not None]
    limit = max(times, default=1.0) * 1.05
    return tuple(_recovery(row, limit) for row in document.recovery)


def _recovery(row: Recovery, limit: float) -> RecoveryRow:
    expected = (
        f"expected ≤ {phrases.seconds(row.expected_s)}" if row.expected_s is not None else "no expectation"
    )
    never = "not known" if row.unsure else "never"
    told = "; ".join(words for words in (row.unseen, row.unsure) if words)
    return RecoveryRow(
        fault=row.fault,
        sentence=f"{expected}, measured {row.measured}{f'; {told}' if told else ''}",
        bar=Bar(row.claimed_s, row.expected_s, row.budget_s, limit),
        detected=phrases.seconds(row.detected_s, absent="not noticed"),
        first_ack=row.measured,
        steady=phrases.seconds(row.steady_s, absent=never),
        drained=phrases.seconds(row.drained_s, absent="never"),
        expected=phrases.seconds(row.expected_s),
        budget=phrases.seconds(row.budget_s, absent="not judged"),
        why=row.expected_why,
        partition=phrases.NONE if row.worst_partition is None else str(row.worst_partition),
    )


def _latency(phase: str, row: LatencyRow) -> LatencyLine:
    few = "too few"
    return LatencyLine(
        phase=phase,
        count=phrases.count(row.count),
        p50=phrases.millis(row.p50_ms, absent=few),
        p99=phrases.millis(row.p99_ms, absent=few),
        p999=phrases.millis(row.p999_ms, absent=few),
        maximum=phrases.millis(row.max_ms),
        censored=phrases.count(row.censored),
    )


def _load(document: RunDocument) -> tuple[Pair, ...]:
    load = document.load
    if load is None:
        return ()
    return (
        ("Asked", phrases.rate(load.asked_per_s)),
        ("Reached", phrases.rate(load.reached_per_s)),
        ("Acknowledged", phrases.count(load.attempts.ok)),
        ("Failed", phrases.count(load.attempts.fail)),
        ("Unknown", phrases.count(load.attempts.unknown)),
        ("Send-time error, p99", phrases.millis(load.send_error_p99_ms, absent="not measured")),
    )


def _fault(number: int, fault: FaultOutcome) -> FaultRow:
    verdict, summary = fault_verdict(fault)
    return FaultRow(
        name=fault_label(number, fault),
        kind=fault.kind,
        target=fault.target,
        why=fault.why_this_target,
        verdict=verdict.value,
        tone=verdict.lower(),
        summary=summary,
        steps=(
            ("Injected", phrases.seconds(fault.injected_at, absent="never"), ""),
            ("Effect proven", phrases.seconds(fault.effect_proven_at, absent="never"), fault.effect_proof),
            ("Healed", phrases.seconds(fault.healed_at, absent="never"), ""),
            ("Healing proven", phrases.seconds(fault.healing_proven_at, absent="never"), fault.healing_proof),
        ),
        commands="\n".join(fault.commands),
    )


def _steps(document: RunDocument, found: list[Trouble]) -> tuple[Step, ...]:
    """One step for each name of trouble; what the scenario is meant to break needs none."""
    first = {trouble.name: trouble for trouble in reversed(found)}
    wanted = document.expect == "broken"
    return tuple(
        Step(trouble.name, trouble.verdict.lower(), next_step(trouble))
        for trouble in reversed(first.values())
        if not (wanted and trouble.kind is Kind.GUARANTEE and trouble.verdict is Verdict.FAIL)
    )


def _reproduce(document: RunDocument) -> str:
    command = list(document.command)
    program = PurePath(command[0]).name if command else ""
    if program in ("harness", "pytest"):
        command[0] = f".venv/bin/{program}"
    flag = "--harness-seed" if program == "pytest" else "--seed"
    if command and not any(word == flag or word.startswith(f"{flag}=") for word in command):
        command += [flag, str(document.seed)]
    stored = shlex.quote(f"reports/{document.run_id}")
    lines = [
        f"# in a checkout of edge-harness {document.harness_version}",
        "python3 -m venv .venv && .venv/bin/pip install .",
        "# the same run again: same scenario, same seed",
        shlex.join(command),
        "# judge the stored evidence again, without a stack",
        f".venv/bin/harness verify {stored}",
        "# remove whatever a run may have left behind; safe to repeat",
        ".venv/bin/harness heal",
    ]
    return "\n".join(line for line in lines if line)
