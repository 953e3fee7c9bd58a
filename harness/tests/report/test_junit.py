"""JUnit agrees with the document and is XML whatever it holds."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given, settings

from harness.findings import RunDocument
from harness.report.headline import fault_label, fault_verdict, headline
from harness.report.junit import junit, write_junit
from harness.report.plaintext import one_line
from harness.report.terminal import summary_lines
from harness.tests.report.build import broken, build, document
from harness.tests.report.generated import documents, unhurried
from harness.verdict import Verdict

RESULT = {
    Verdict.PASS: "passed",
    Verdict.UNKNOWN: "error",
    Verdict.FAIL: "failure",
    Verdict.UNSAFE: "failure",
}


def parsed(text: str) -> ET.Element:
    """The suite of a JUnit file."""
    suite = ET.fromstring(text).find("testsuite")  # noqa: S314 - our own output
    assert suite is not None
    return suite


def result(case: ET.Element) -> str:
    """What a CI system makes of one case; what a case writes is no result."""
    return next((child.tag for child in case if child.tag != "system-out"), "passed")


@unhurried
@given(documents())
def test_one_case_for_the_verdict_each_finding_and_each_fault(generated: RunDocument) -> None:
    """Every finding and every fault is one case with the result of its own verdict, none is skipped."""
    found = [
        (one_line(case.get("name", "")), result(case)) for case in parsed(junit(generated)).iter("testcase")
    ]

    expected = [(one_line(f.checker), RESULT[f.verdict]) for f in generated.findings]
    for number, fault in enumerate(generated.faults, 1):
        expected.append((one_line(fault_label(number, fault)), RESULT[fault_verdict(fault)[0]]))
    assert expected == found[1:]
    assert found[0][0] == "verdict"


@settings(unhurried, max_examples=1000)
@given(documents())
def test_json_junit_summary_and_exit_code_agree(generated: RunDocument) -> None:
    """The suite is green exactly when the exit code is 0, and all four say the same verdict."""
    suite = parsed(junit(generated))
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    bad = int(suite.get("failures", "")) + int(suite.get("errors", ""))

    assert (generated.exit_code == 0) == (bad == 0)
    assert bad == sum(result(case) != "passed" for case in suite.iter("testcase"))
    assert (generated.verdict.value, str(generated.exit_code)) == (
        properties["verdict"],
        properties["exit_code"],
    )
    assert summary_lines(generated)[0].startswith(headline(generated).word)
    assert (headline(generated).word == "PASS") == (generated.exit_code == 0)


def test_the_counts_of_a_broken_run() -> None:
    """Two failures: the run's verdict and the finding."""
    suite = parsed(junit(broken()))

    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "10",
        "failures": "2",
        "errors": "0",
        "skipped": "0",
    }


def test_an_ended_run_is_not_green() -> None:
    """A run whose parts all passed but that was ended early is an error, not a pass."""
    verdict = next(parsed(junit(document(exit_code=130))).iter("testcase"))

    assert (verdict.get("name"), result(verdict)) == ("verdict", "error")


def test_the_file_is_written_beside_the_document(tmp_path: Path) -> None:
    """``write_junit`` returns the path of what it wrote."""
    directory = build(tmp_path, document())

    assert junit(document()) == write_junit(directory).read_text()
