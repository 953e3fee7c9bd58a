"""The summary in a few lines."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given

from harness.findings import RunDocument
from harness.report.headline import headline
from harness.report.terminal import summary_lines
from harness.rundir import RunDirectory
from harness.tests.report.build import broken, document
from harness.tests.report.generated import documents, unhurried


def test_the_whole_summary_of_a_broken_run() -> None:
    """Verdict first, then the cause and its witness, then where to read on, last the exit code."""
    detail = broken().findings[0].witnesses[0].detail
    directory = RunDirectory(Path("reports/20260115-020000-quickstart"))

    assert [
        "FAIL: 3 of 1,305,600 acknowledged records were lost after broker-3 was isolated.",
        "  FAIL no_loss: 3 acknowledged records did not come back.",
        f"    first witness: record 1/5/67200, partition 5, offsets 67200, at 46.200 s, {detail}",
        "3 of 4 guarantees held, 2 of 2 faults proven and healed, 80.0 s",
        "0 of 2 injections broke what held: with 95 % confidence at most 77.7 % of such injections would.",
        "run 20260115-020000-quickstart, seed 2718281828",
        "report reports/20260115-020000-quickstart/report.html",
        "exit code 1: a guarantee was broken",
    ] == summary_lines(broken(), directory)


def test_the_verdict_word_is_not_said_twice() -> None:
    """A sentence that already opens with the verdict is not prefixed with it again."""
    assert summary_lines(document(sentence="PASS: all is well"))[0] == "PASS: all is well"


@unhurried
@given(documents())
def test_no_line_is_a_command_or_moves_the_cursor(generated: RunDocument) -> None:
    """Hostile names stay on their line and cannot be taken for a workflow command."""
    for line in summary_lines(generated):
        assert line.isprintable() or not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line)
        assert not line.lstrip().startswith("::")
        assert "##[" not in line


@unhurried
@given(documents())
def test_the_first_cause_is_within_the_first_twenty_lines(generated: RunDocument) -> None:
    """The summary opens with the verdict's word, ends with the exit code and stays short."""
    lines = summary_lines(generated)

    assert lines[0].startswith(headline(generated).word)
    assert lines[-1].startswith(f"exit code {generated.exit_code}:")
    assert len(lines) <= 20
