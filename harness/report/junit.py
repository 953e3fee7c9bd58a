"""``junit.xml``: the run as one test suite, for CI systems that know nothing else.

One case says the verdict, then one per finding and one per fault. Beside a verdict and a guarantee that
held stands, as output of the case, what that is worth (``harness.bounds``). A guarantee
or budget that broke is a *failure*, what could not be proven is an *error*; only
a part that the run itself said it could not execute is *skipped*, with its
reason. Invariant: the suite is green exactly when the exit code is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.errors import ExitCode
from harness.findings import FaultOutcome, Finding, RunDocument
from harness.model import NotExecuted
from harness.report import bounds, phrases
from harness.report.headline import Headline, fault_label, fault_verdict, headline
from harness.report.plaintext import one_line, visible
from harness.rundir import RunDirectory
from harness.verdict import Verdict


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    group: str
    verdict: Verdict
    message: str
    detail: str = ""
    seconds: float = 0.0
    worth: str = ""


def write_junit(directory: RunDirectory) -> Path:
    """Write ``junit.xml`` beside ``run.json`` and return its path.

    Raises:
        EvidenceError: ``run.json`` cannot be read or contradicts itself.
        MissingAbility: the folder cannot be written.
    """
    missing = [event for event in directory.read_events() if isinstance(event, NotExecuted)]
    directory.write(directory.junit, junit(directory.read_document(), missing))
    return directory.junit


def junit(document: RunDocument, missing: Sequence[NotExecuted] = ()) -> str:
    """*document* as JUnit XML; each part in *missing* is a test that was skipped.

    Raises:
        EvidenceError: the document contradicts itself.
    """
    cases = list(_cases(document, headline(document)))
    suite = ET.Element("testsuite", _attributes(document, cases, len(missing)))
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(document):
        ET.SubElement(properties, "property", name=name, value=one_line(value))
    for case in cases:
        _append(suite, document.scenario, case)
    for event in missing:
        _append_skipped(suite, document.scenario, event)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _cases(document: RunDocument, top: Headline) -> Iterator[_Case]:
    verdict = document.verdict
    if verdict is Verdict.PASS and document.exit_code != ExitCode.PASS:
        verdict = Verdict.UNKNOWN
    worth = bounds.sentence(document)
    yield _Case("verdict", "run", verdict, top.sentence, top.meaning, document.duration_s, worth)
    for found in document.findings:
        worth = bounds.phrase(document, found)
        yield _Case(
            found.checker, found.kind.value, found.verdict, found.summary, _detail(found), worth=worth
        )
    for number, fault in enumerate(document.faults, 1):
        judged, summary = fault_verdict(fault)
        name = fault_label(number, fault)
        yield _Case(name, "fault", judged, summary, "\n".join(fault.commands), _held(fault))


def _attributes(document: RunDocument, cases: list[_Case], skipped: int) -> dict[str, str]:
    verdicts = [case.verdict for case in cases]
    return {
        "name": one_line(f"edge-harness {document.scenario}"),
        "tests": str(len(cases) + skipped),
        "failures": str(sum(v in (Verdict.FAIL, Verdict.UNSAFE) for v in verdicts)),
        "errors": str(verdicts.count(Verdict.UNKNOWN)),
        "skipped": str(skipped),
        "time": f"{document.duration_s:.3f}",
        "timestamp": one_line(document.started_at),
    }


def _properties(document: RunDocument) -> list[tuple[str, str]]:
    return [
        ("run_id", document.run_id),
        ("scenario", document.scenario),
        ("platform", document.platform),
        ("seed", str(document.seed)),
        ("verdict", document.verdict.value),
        ("exit_code", str(document.exit_code)),
        ("expect", document.expect),
        ("bound", bounds.sentence(document) or "nothing held"),
        ("harness_version", document.harness_version),
    ]


def _append(suite: ET.Element, scenario: str, case: _Case) -> None:
    place = f"harness.{one_line(scenario)}.{case.group}"
    time = f"{case.seconds:.3f}"
    element = ET.SubElement(suite, "testcase", classname=place, name=one_line(case.name), time=time)
    if case.verdict is not Verdict.PASS:
        _append_trouble(element, case)
    if case.worth:
        ET.SubElement(element, "system-out").text = visible(case.worth)


def _append_trouble(element: ET.Element, case: _Case) -> None:
    tag = "error" if case.verdict is Verdict.UNKNOWN else "failure"
    message = one_line(case.message)
    told = ET.SubElement(element, tag, type=f"{case.group}-{case.verdict.lower()}", message=message)
    told.text = visible(case.detail)


def _append_skipped(suite: ET.Element, scenario: str, event: NotExecuted) -> None:
    place = f"harness.{one_line(scenario)}.part"
    element = ET.SubElement(suite, "testcase", classname=place, name=one_line(event.part), time="0.000")
    ET.SubElement(element, "skipped", message=one_line(f"not executed: {event.reason}"))


def _detail(found: Finding) -> str:
    lines = [f"compared: {phrases.counts(found.compared)}", f"violations: {found.violations}"]
    if found.limit:
        lines.append(f"limit: {found.limit}")
    if basis := phrases.basis(found):
        lines.append(f"basis: {basis}")
    lines += [f"witness: {seen.model_dump_json(exclude_defaults=True)}" for seen in found.witnesses]
    return "\n".join(lines)


def _held(fault: FaultOutcome) -> float:
    if fault.injected_at is None or fault.healed_at is None:
        return 0.0
    return max(0.0, fault.healed_at - fault.injected_at)
