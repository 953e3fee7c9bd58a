"""The kill table, in the terminal and on the page."""

from __future__ import annotations

from pathlib import Path

from harness.calibration import Calibration, Kill, LeftOut, Legal
from harness.report.html import write_report
from harness.report.kills import sharpness_of, table_lines
from harness.tests.report.build import build, document
from harness.verdict import Verdict


def calibration(**changes: object) -> Calibration:
    """One class caught, one missed once, one alarm, one left out."""
    base = Calibration(
        run_id="20260115-020000-quickstart",
        seed=7,
        times=2,
        harness_version="0.1.0",
        planted=4,
        caught=3,
        legal_changes=2,
        false_alarms=1,
        defects=(
            Kill(defect="a record dropped", checker="no_loss", verdict=Verdict.FAIL, planted=2, caught=2),
            Kill(
                defect="a fence missing",
                checker="no_loss",
                verdict=Verdict.UNKNOWN,
                planted=2,
                caught=1,
                also={"integrity": 1},
                missed=("draw 1: PASS, <b>All</b> came back.",),
            ),
        ),
        legal=(Legal(change="read twice", made=2, alarms={"no_duplicates": 1}),),
        left_out=(LeftOut(name="a window lost", reason="results_exact does not judge this run"),),
    )
    return base.model_copy(update=changes)


def test_the_whole_table() -> None:
    """Defects, legal changes, what was missed, what alarmed, what was left out, the sum."""
    assert [
        "20260115-020000-quickstart: seed 7, 2 draws of each, harness 0.1.0",
        "  defect            checker  says     planted  caught",
        "  a record dropped  no_loss  FAIL           2       2",
        "  a fence missing   no_loss  UNKNOWN        2       1",
        "  legal change                           made  alarms",
        "  read twice                                2       1",
        "  missed: a fence missing, draw 1: PASS, <b>All</b> came back.",
        "  false alarm: read twice, no_duplicates",
        "  left out, results_exact does not judge this run: a window lost",
        "3 of 4 planted defects caught, 1 false alarm over 2 legal changes.",
    ] == table_lines(calibration())


def test_only_all_and_nothing_else_is_sharp() -> None:
    """Sharp is every defect caught, at least one planted, and no false alarm."""
    assert calibration(caught=4, false_alarms=0).sharp
    assert not calibration(caught=4).sharp
    assert not calibration(false_alarms=0).sharp
    assert not calibration(planted=0, caught=0, false_alarms=0).sharp


def test_the_page_shows_it_when_it_is_there(tmp_path: Path) -> None:
    """The section is on the page of a run that was calibrated, harmless, and on no other."""
    directory = build(tmp_path, document())
    plain = write_report(directory).read_text()
    directory.write_calibration(calibration())
    page = write_report(directory).read_text()

    assert "How sharp the checkers were" not in plain
    assert "How sharp the checkers were on this very ledger" in page
    assert "&lt;b&gt;All&lt;/b&gt;" in page
    assert "3 of 4 planted defects caught, 1 false alarm over 2 legal changes." in page


def test_a_run_that_was_not_calibrated_has_no_section() -> None:
    """Nothing is said of what was not done."""
    assert sharpness_of(None) is None
