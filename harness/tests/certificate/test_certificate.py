"""A certificate is never better than the worst of its runs, nor than what is missing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.bounds import bound
from harness.calibration import Calibration, Kill, LeftOut
from harness.certificate.compose import certify
from harness.certificate.model import Certificate, Tally
from harness.certificate.page import cell, render
from harness.certificate.words import lines
from harness.errors import ExitCode
from harness.findings import NOT_ASKED, Finding, NotExecutedPart, RunDocument
from harness.rundir import RunDirectory
from harness.statistics.stored import gather
from harness.tests.report.build import broken, document
from harness.tests.report.test_kills import calibration
from harness.tests.test_cli import harness
from harness.verdict import Kind, Verdict

PARTS = {"kafka": "3.5.1", "edge-harness": "0.1.0"}
Made = Callable[..., RunDocument]


def unsafe(**changes: object) -> RunDocument:
    """A run whose second fault nobody saw healed."""
    killed, isolated = document().faults
    left = isolated.model_copy(update={"healing_proven_at": None})
    faults = [fault.model_dump() for fault in (killed, left)]
    return document(verdict=Verdict.UNSAFE, exit_code=4, faults=faults, **changes)


COUNTED = Finding(
    checker="cross_check", kind=Kind.SOUNDNESS, verdict=Verdict.PASS, summary="Both agree.",
    compared={"records": 5},
)  # fmt: skip


def sharp(name: str, **changes: object) -> Calibration:
    """All that was planted was caught, for each guarantee something, and nothing alarmed."""
    made = calibration(run_id=name)
    kills = tuple(kill.model_copy(update={"caught": kill.planted, "missed": ()}) for kill in made.defects)
    asked = (each.checker for each in document().findings if each.kind is Kind.GUARANTEE)
    others = tuple(
        Kill(defect=f"{each} broken", checker=each, verdict=Verdict.FAIL, planted=2, caught=2)
        for each in asked
        if each != "no_loss"
    )
    planted = made.planted + sum(kill.planted for kill in others)
    quiet = tuple(one.model_copy(update={"alarms": {}}) for one in made.legal)
    whole = {"planted": planted, "caught": planted, "false_alarms": 0, "legal": quiet}
    return made.model_copy(update=whole | {"defects": (*kills, *others)} | changes)


def store(
    folder: Path,
    name: str,
    made: Made = document,
    *,
    table: Calibration | None = None,
    parts: dict[str, str] | None = None,
    counted: bool = True,
    **changes: object,
) -> None:
    """One stored run, *counted* a second time, and its calibration if there is one."""
    environment = {"parts": PARTS if parts is None else parts}
    directory = RunDirectory.create(folder, name)
    whole = made(run_id=name, started_at=name, environment=environment, **changes)
    found = (*whole.findings, COUNTED) if counted else whole.findings
    directory.write_document(whole.model_copy(update={"findings": found}))
    if table is not None:
        directory.write_calibration(table)


def three(folder: Path) -> Path:
    """Two runs that passed and a control that found something; one of them calibrated."""
    store(folder, "a", table=sharp("a"))
    store(folder, "b")
    store(folder, "control", broken, scenario="acks_one", expect="broken")
    return folder


def certified(folder: Path, *needs: str) -> Certificate:
    """What the runs in *folder* come to."""
    return certify(gather(str(folder), events=False), needs=needs, harness_version="0.1.0")


def test_what_held_in_every_run_is_certified(tmp_path: Path) -> None:
    """A control that found what it has to find does not stand in the way: its FAIL is what it is for."""
    found = certified(three(tmp_path))

    assert (found.verdict, found.exit_code, found.doubts) == (Verdict.PASS, ExitCode.PASS, ())
    assert [(line.scenario, line.fulfilled, line.runs) for line in found.scenarios] == [
        ("acks_one", 1, 1),
        ("quickstart", 2, 2),
    ]
    assert "Certified by 3 runs of 2 scenarios" in found.sentence


def test_a_guarantee_is_bounded_by_all_injections_of_all_runs_that_ask_for_it(tmp_path: Path) -> None:
    """Two injections in each of two runs; those of a control are not counted."""
    found = certified(three(tmp_path))

    assert {line.injections for line in found.guarantees} == {4}
    assert {line.at_most for line in found.guarantees} == {bound(4).at_most}
    assert {line.runs for line in found.guarantees} == {Tally(held=2)}


@pytest.mark.parametrize(
    ("made", "verdict", "code"),
    [(broken, Verdict.FAIL, ExitCode.GUARANTEE_BROKEN), (unsafe, Verdict.UNSAFE, ExitCode.FAULT_LEFT_BEHIND)],
)
def test_the_worst_run_decides(tmp_path: Path, made: Made, verdict: Verdict, code: ExitCode) -> None:
    """Safety is not averaged: one run of many is enough."""
    store(three(tmp_path), "worse", made)
    found = certified(tmp_path)

    assert (found.verdict, found.exit_code) == (verdict, code)
    assert found.sentence.startswith("Not certified")


def test_no_bound_is_claimed_for_what_one_run_broke(tmp_path: Path) -> None:
    """The share is that of guarantees that nothing broke; the others keep theirs."""
    store(three(tmp_path), "worse", broken)
    bounds = {line.guarantee: line.at_most for line in certified(tmp_path).guarantees}

    assert bounds["no_loss"] is None
    assert bounds["no_phantoms"] == bound(6).at_most


def test_the_terminal_says_what_each_guarantee_is_worth(tmp_path: Path) -> None:
    """Guarantees of as many injections share a line; one that a run broke has no bound, and is named."""
    whole = list(lines(certified(three(tmp_path / "whole"))))
    store(three(tmp_path / "worse"), "worse", broken)
    worse = list(lines(certified(tmp_path / "worse")))
    share = "with 95 % confidence at most"

    names = "no_loss, no_duplicates, order_per_key and no_phantoms"
    assert whole[-1] == f"0 of 4 injections broke {names}: {share} 52.8 % of such injections would"
    assert worse[-1] == "violated or left open, so without a bound: no_loss"
    assert worse[-2].startswith("0 of 6 injections broke no_duplicates, order_per_key and no_phantoms: ")


def test_an_allowed_violation_has_no_bound(tmp_path: Path) -> None:
    """It passed, and an injection all the same may have broken it."""
    first, *others = document().findings
    found = [first.model_copy(update={"violations": 2}), *others]
    store(three(tmp_path), "allowed", findings=[each.model_dump() for each in found])
    bounds = {line.guarantee: line.at_most for line in certified(tmp_path).guarantees}

    assert bounds["no_loss"] is None
    assert bounds["no_phantoms"] == bound(6).at_most


def test_a_control_that_left_a_fault_behind_is_unsafe(tmp_path: Path) -> None:
    """Being meant to break something excuses nothing else."""
    store(three(tmp_path), "worse", unsafe, expect="broken")

    assert certified(tmp_path).exit_code == ExitCode.FAULT_LEFT_BEHIND


def test_a_control_that_found_nothing_leaves_the_others_open(tmp_path: Path) -> None:
    """A harness that sees nothing where something is broken has proven nothing elsewhere."""
    store(three(tmp_path), "blind", expect="broken")
    found = certified(tmp_path)

    assert (found.verdict, found.exit_code) == (Verdict.UNKNOWN, ExitCode.UNKNOWN)
    assert found.doubts == ("blind had to find something broken, and did not",)


def test_controls_alone_certify_nothing(tmp_path: Path) -> None:
    """They show that the harness sees what is broken, and nothing of what holds."""
    store(tmp_path, "control", broken, expect="broken", table=sharp("control"))

    assert certified(tmp_path).doubts == ("no run expects anything to hold",)


def test_without_a_calibration_nothing_is_certified(tmp_path: Path) -> None:
    """Nobody knows what the checkers would have noticed."""
    store(tmp_path, "a")
    found = certified(tmp_path)

    assert found.verdict is Verdict.UNKNOWN
    assert "no run was calibrated" in found.sentence


def test_a_checker_that_was_not_sharp_certifies_nothing(tmp_path: Path) -> None:
    """One planted defect missed, or one false alarm, in any of the runs."""
    store(three(tmp_path), "dull", table=calibration(run_id="dull"))

    assert certified(tmp_path).doubts == ("the checkers were not sharp on the ledger of dull",)


def test_each_scenario_on_each_platform_is_calibrated(tmp_path: Path) -> None:
    """One calibrated run speaks for its own scenario only, and a control needs none."""
    store(three(tmp_path), "other", scenario="two_killed")
    store(tmp_path, "elsewhere", platform="kind")

    assert certified(tmp_path).doubts == (
        "no run of quickstart on kind was calibrated",
        "no run of two_killed on local was calibrated",
    )


def test_a_guarantee_that_nothing_was_planted_for_is_open(tmp_path: Path) -> None:
    """Who never saw a checker notice anything cannot say that it would have."""
    table = sharp("a")
    some = tuple(kill for kill in table.defects if kill.checker not in {"no_duplicates", "no_phantoms"})
    store(tmp_path, "a", table=table.model_copy(update={"defects": some}))

    assert certified(tmp_path).doubts == (
        "no defect could be planted for no_duplicates and no_phantoms, in any run",
    )


def test_a_calibration_of_another_harness_shows_nothing(tmp_path: Path) -> None:
    """Those checkers were calibrated, and others judged."""
    store(tmp_path, "a", table=sharp("a", harness_version="0.0.9"))

    assert certified(tmp_path).doubts == ("a was judged by edge-harness 0.1.0, and calibrated with 0.0.9",)


def test_records_that_were_counted_once_are_a_doubt(tmp_path: Path) -> None:
    """Before something is published it is counted again, in another way; a control is not published."""
    store(three(tmp_path), "once", counted=False)
    store(tmp_path, "control-again", broken, scenario="acks_one", expect="broken", counted=False)
    found = certified(tmp_path)

    assert found.verdict is Verdict.UNKNOWN
    assert found.doubts == (
        "the records of once were not counted a second time (harness verify --cross-check)",
    )


def test_a_class_that_no_run_had_a_place_for_is_named(tmp_path: Path) -> None:
    """It stands in the table with the reason; planted in one run, it was planted."""
    lacking = LeftOut(name="a batch refused", reason="no batch was refused", checker="no_loss")
    there = Kill(defect="a batch refused", checker="no_loss", verdict=Verdict.FAIL, planted=2, caught=2)
    table = sharp("a", left_out=(lacking,))
    store(tmp_path, "a", table=table)
    (line,) = [each for each in certified(tmp_path).kills if each.defect == "a batch refused"]

    assert (line.planted, line.left_out) == (0, "no batch was refused")
    assert "a batch refused (no batch was refused)" in render(certified(tmp_path))

    more = {"defects": (*table.defects, there), "left_out": ()}
    totals = {"planted": table.planted + 2, "caught": table.caught + 2}
    store(tmp_path, "b", table=table.model_copy(update=more | totals))
    (line,) = [each for each in certified(tmp_path).kills if each.defect == "a batch refused"]

    assert (line.planted, line.caught, line.left_out) == (2, 2, "")


def test_histories_are_summed_under_the_checks_own_name(tmp_path: Path) -> None:
    """The same class in two workloads is one line."""
    both = tuple(
        Kill(
            defect="a record handed to nobody", checker=f"{each}.lost", verdict=Verdict.FAIL,
            planted=2, caught=2, history=each,
        )
        for each in ("transfers", "copies")
    )  # fmt: skip
    table = sharp("a")
    totals = {"planted": table.planted + 4, "caught": table.caught + 4}
    store(tmp_path, "a", table=table.model_copy(update={"defects": (*table.defects, *both)} | totals))
    (line,) = [each for each in certified(tmp_path).kills if each.defect == "a record handed to nobody"]

    assert (line.checker, line.planted, line.caught) == ("lost", 4, 4)


def test_runs_of_two_products_certify_neither(tmp_path: Path) -> None:
    """Each part has one version in all runs."""
    store(three(tmp_path), "newer", parts=PARTS | {"kafka": "3.9.1"})

    assert certified(tmp_path).doubts == ("the runs are of different products: kafka is 3.5.1 and 3.9.1",)


def test_a_copy_of_a_run_is_no_other_run(tmp_path: Path) -> None:
    """The same run in two folders proves nothing twice."""
    shutil.copytree(three(tmp_path) / "a", tmp_path / "copy")

    assert certified(tmp_path).doubts == ("a is there 2 times, and is one run",)


def test_what_was_asked_for_and_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A scenario without a run, and a run without a document."""
    (three(tmp_path) / "cut").mkdir()
    (tmp_path / "cut" / "events.jsonl").touch()
    told = certified(tmp_path, "acks_one", "pipeline", "museum").doubts

    assert "cut cannot be read" in told[0]
    assert told[1] == "no run of museum and pipeline, which was asked for"


def test_what_nobody_asked_for_is_no_guarantee_of_a_scenario(tmp_path: Path) -> None:
    """An order that nobody asked for is not in the matrix; a part that was not executed is."""
    excused = Finding(
        checker="order_per_key", kind=Kind.GUARANTEE, verdict=Verdict.PASS, summary="Excused.",
        compared={"records": 5}, excused={NOT_ASKED: 3},
    )  # fmt: skip
    others = [each for each in document().findings if each.checker != "order_per_key"]
    findings = [each.model_dump() for each in (*others, excused)]
    store(tmp_path, "a", findings=findings, not_executed=[NotExecutedPart(part="metrics", reason="no agent")])
    (line,) = certified(tmp_path).scenarios

    assert "order_per_key" not in line.guarantees
    assert line.not_executed == {"metrics": 1}


def test_a_recovery_that_never_came_ranks_above_all(tmp_path: Path) -> None:
    """Median and worst are of all runs; never is no number."""
    quick = document().recovery[0]
    slow = quick.model_copy(update={"first_ack_s": None})
    for name, each in (("a", slow), ("b", slow), ("c", quick)):
        store(tmp_path, name, recovery=[each.model_dump()])
    (line,) = certified(tmp_path).recovery

    assert (line.runs, line.never, line.median_s, line.worst_s) == (3, 2, None, None)


def test_kills_are_summed_over_the_runs(tmp_path: Path) -> None:
    """Each class once, with all that was planted of it."""
    for name in ("a", "b"):
        store(tmp_path, name, table=sharp(name))
    found = certified(tmp_path)

    assert [(kill.defect, kill.planted, kill.caught) for kill in found.kills][:2] == [
        ("a record dropped", 4, 4),
        ("a fence missing", 4, 4),
    ]
    assert [(legal.change, legal.made, legal.alarms) for legal in found.legal] == [("read twice", 4, 0)]


@pytest.mark.parametrize(
    ("tally", "said"),
    [
        (None, ("", "–")),
        (Tally(held=3), ("pass", "✓ 3")),
        (Tally(held=3, broken=1), ("fail", "✗ 1 of 4")),
        (Tally(held=3, unknown=2), ("unknown", "? 2 of 5")),
        (Tally(), ("unknown", "? 0")),
    ],
)
def test_a_field_says_the_worst_that_was_seen(tally: Tally | None, said: tuple[str, str]) -> None:
    """One broken run among many is what the reader sees."""
    assert cell(tally) == said


def test_the_page_says_what_the_certificate_says(tmp_path: Path) -> None:
    """Verdict and doubts; hostile words are harmless; no script, and nothing from elsewhere."""
    store(three(tmp_path), "d", scenario="<script>alert(1)</script>")
    page = render(certified(tmp_path, "<b>bold"))

    assert "NOT CERTIFIED" in page
    assert "No run of &lt;b&gt;bold, which was asked for." in page
    assert re.search(r"<script|<b>bold|src=|href=", page) is None


def test_the_command_writes_both_and_ends_in_the_worst_code(tmp_path: Path) -> None:
    """The page and its twin in JSON; on the terminal the sentence and what stands in the way."""
    store(tmp_path / "runs", "a")
    out = tmp_path / "out"
    told = harness("certify", str(tmp_path / "runs"), "--out", str(out))

    assert told.returncode == ExitCode.UNKNOWN
    assert told.stdout.startswith("UNKNOWN: Not certified: no run was calibrated")
    assert json.loads((out / "certificate.json").read_text())["schema"] == "edge-harness/certificate/1"
    assert (out / "certificate.html").read_text().startswith("<!doctype html>")


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    """No run at all; a folder that cannot be made."""
    store(tmp_path / "runs", "a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").touch()
    nothing = harness("certify", str(tmp_path / "empty"))
    nowhere = harness("certify", str(tmp_path / "runs"), "--out", str(tmp_path / "taken" / "inside"))

    assert (nothing.returncode, nowhere.returncode) == (ExitCode.BAD_INPUT, ExitCode.BAD_INPUT)
    assert "there is no stored run in" in nothing.stderr
    assert "cannot write" in nowhere.stderr
    assert "Traceback" not in nothing.stderr + nowhere.stderr
