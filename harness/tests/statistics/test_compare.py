"""What two sets of runs say of each other, and what they must never say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness import cli
from harness.bundle import fixtures
from harness.errors import BadInput, ExitCode
from harness.findings import LatencyRow
from harness.statistics import words
from harness.statistics.compare import Comparison, Row, Says, compare
from harness.statistics.metrics import numbers
from harness.statistics.ranks import benjamini_hochberg, mann_whitney
from harness.statistics.stored import gather
from harness.tests.statistics.build import FAULT, a_run, recovery, runs
from harness.verdict import Verdict

P99 = "latency, steady: p99"
CALM = [10.0, 10.4, 9.8, 10.1, 10.2, 9.9]
SLOW = [15.0, 15.2, 14.9, 15.6, 15.1, 15.3]


def held(a: Path, b: Path, **how: object) -> Comparison:
    """A against B."""
    return compare(gather(str(a)), gather(str(b)), **how)  # type: ignore[arg-type]


def row(found: Comparison, name: str) -> Row:
    """The row of one metric."""
    return next(each for each in found.rows if each.metric.name == name)


def test_a_slower_side_is_worse_and_a_missed_budget(tmp_path: Path) -> None:
    """Half as slow again in six runs against six is named, with its shift, and ends in exit code 3."""
    found = held(runs(tmp_path / "a", CALM), runs(tmp_path / "b", SLOW, start=1))

    assert Says.WORSE is row(found, P99).says
    assert 5.0 == pytest.approx(row(found, P99).shift.estimate, abs=0.3)
    assert 0.5 == pytest.approx(row(found, P99).share, abs=0.05)
    assert ExitCode.BUDGET_MISSED is found.exit_code
    assert Says.BETTER is row(held(tmp_path / "b", tmp_path / "a"), P99).says


def test_what_is_beyond_chance_and_too_small_is_no_difference(tmp_path: Path) -> None:
    """Six runs that are all two percent slower are significant and do not matter."""
    a = runs(tmp_path / "a", [100.0 + i / 10 for i in range(6)])
    b = runs(tmp_path / "b", [102.0 + i / 10 for i in range(6)], start=1)

    assert Says.NO_DIFFERENCE is row(held(a, b), P99).says
    assert row(held(a, b), P99).p < 0.01
    assert ExitCode.PASS is held(a, b).exit_code
    assert Says.WORSE is row(held(a, b, min_effect=0.01), P99).says


@pytest.mark.parametrize(("left", "right"), [(3, 6), (6, 3), (1, 1)])
def test_fewer_than_four_runs_claim_nothing(tmp_path: Path, left: int, right: int) -> None:
    """However far apart, three runs a side are UNKNOWN, and the text says why."""
    found = held(runs(tmp_path / "a", CALM[:left]), runs(tmp_path / "b", SLOW[:right], start=1))

    assert {Says.TOO_FEW} == {each.says for each in found.rows}
    assert ExitCode.UNKNOWN is found.exit_code
    assert "nothing can be significant" in "\n".join(words.as_text(found))


def test_a_broken_run_comes_first_and_decides(tmp_path: Path) -> None:
    """One FAIL among thirteen runs that are otherwise equal is exit code 1, on whichever side it is."""
    a, b = runs(tmp_path / "a", CALM), runs(tmp_path / "b", CALM, start=1)
    a_run(b, "20260199-broken", verdict="FAIL")
    found, other = held(a, b), held(b, a)

    assert ExitCode.GUARANTEE_BROKEN is found.exit_code is other.exit_code
    assert ["20260199-broken"] == [each.run for each in found.troubles]
    lines = list(words.as_text(found))
    assert lines[2].startswith("FAIL  B 20260199-broken (exit 1)")
    assert "did not pass, which decides" in lines[-1]


def test_a_missed_budget_is_named_too(tmp_path: Path) -> None:
    """A run whose own budget was missed did not pass; it is listed and sets the exit code."""
    a, b = runs(tmp_path / "a", CALM), runs(tmp_path / "b", CALM, start=1)
    late = gather(str(b)).runs[0].document.findings
    missed = [f.model_copy(update={"verdict": Verdict.FAIL}) if f.checker == "recovery" else f for f in late]
    a_run(b, "20260198", findings=tuple(missed), exit_code=3)

    assert ExitCode.BUDGET_MISSED is held(a, b).exit_code


def test_never_is_worse_than_any_number(tmp_path: Path) -> None:
    """Faults that are never recovered from rank above every time, and read "never"."""
    a, b = runs(tmp_path / "a", CALM), runs(tmp_path / "b", CALM, start=1, first_ack=None)
    found = held(a, b)
    never = row(found, f"{FAULT}: first ack")

    assert (8.0, math.inf) == never.medians
    assert Says.WORSE is never.says
    assert any("never" in line and "WORSE" in line for line in words.as_text(found))
    assert "never" == json.loads(words.as_json(found))["metrics"][0]["shift"]


def test_a_percentile_among_the_unanswered_is_never(tmp_path: Path) -> None:
    """With two attempts in a hundred unanswered the p99 is no number; with one in a thousand it is."""
    row_ = LatencyRow(count=1_000, p50_ms=2.0, p99_ms=900.0, p999_ms=None, max_ms=900.0, censored=20)
    few = row_.model_copy(update={"censored": 1})
    a_run(tmp_path, "many").latency.update(steady=row_)
    found = {}
    for name, each in (("some", row_), ("few", few)):
        made = gather(str(tmp_path / "many")).runs[0]
        document = made.document.model_copy(update={"latency": {"steady": each}})
        made.directory.write_document(document)
        told = numbers(gather(str(tmp_path / "many")).runs[0])
        found[name] = next(value for metric, value in told.items() if metric.name == P99)

    assert {"some": math.inf, "few": 900.0} == found


def test_a_bound_is_compared_as_the_bound_and_a_restless_run_not_at_all(tmp_path: Path) -> None:
    """Where an outage may have gone unseen its longest length counts; an unstable run gives no number."""
    bound = recovery(0.1, detected_s=None, at_most_s=4.9, resolution_s=5.0)
    a_run(tmp_path, "bounded")
    a_run(tmp_path, "restless")
    for name, one in (("bounded", bound), ("restless", bound.model_copy(update={"unsure": "restless"}))):
        stored = gather(str(tmp_path / name)).runs[0]
        stored.directory.write_document(stored.document.model_copy(update={"recovery": (one,)}))
    told = [{m.name: v for m, v in numbers(run).items()} for run in gather(str(tmp_path)).runs]

    assert 4.9 == told[0][f"{FAULT}: first ack"]
    assert f"{FAULT}: first ack" not in told[1]


def test_less_throughput_is_worse(tmp_path: Path) -> None:
    """A number of which more is better is worse when it falls."""
    a, b = runs(tmp_path / "a", CALM), runs(tmp_path / "b", CALM, start=1)
    for run in gather(str(b)).runs:
        assert run.document.load is not None
        slow = run.document.load.model_copy(update={"reached_per_s": run.document.load.reached_per_s / 2})
        run.directory.write_document(run.document.model_copy(update={"load": slow}))

    assert Says.WORSE is row(held(a, b), "throughput").says


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"scenario": "pipeline"}, "scenario: scenarios/test_quickstart.py::test_quickstart"),
        ({"platform": "kind"}, "platform: local in A, kind in B"),
        ({"settings": {"kafka.version": "3.9.1"}}, "setting kafka.version: – in A, 3.9.1 in B"),
    ],
)
def test_runs_of_another_kind_are_refused_by_name(
    tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    """What sets the runs apart is named; with --anyway it is compared and still named."""
    a, b = runs(tmp_path / "a", CALM), runs(tmp_path / "b", CALM, start=1, **changes)

    with pytest.raises(BadInput) as refused:
        held(a, b)

    assert named.split(":", maxsplit=1)[0] in str(refused.value)
    assert named in str(refused.value) or "scenario" in changes
    assert [line for line in words.as_text(held(a, b, anyway=True)) if line.startswith("differs")]


def test_one_side_of_two_kinds_is_refused_too(tmp_path: Path) -> None:
    """Sets that differ within themselves in the same way are no sets."""
    for side in ("a", "b"):
        runs(tmp_path / side, CALM, start=ord(side))
        a_run(tmp_path / side, f"20260190-{side}", settings={"kafka.version": "3.9.1"})

    with pytest.raises(BadInput):
        held(tmp_path / "a", tmp_path / "b")


def test_a_run_cannot_be_on_both_sides(tmp_path: Path) -> None:
    """The same folder twice is refused."""
    runs(tmp_path / "a", CALM)

    with pytest.raises(BadInput, match="is in A and in B"):
        held(tmp_path / "a", tmp_path / "a")


def test_a_damaged_run_is_named_and_nothing_is_proven(tmp_path: Path) -> None:
    """A run whose document is cut may be the one that failed: UNKNOWN, and its path."""
    a, b = runs(tmp_path / "a", CALM), runs(tmp_path / "b", CALM, start=1)
    next(b.glob("*/run.json")).write_text('{"schema": ')
    found = held(a, b)

    assert ExitCode.UNKNOWN is found.exit_code
    assert any(line.startswith("SKIPPED") for line in words.as_text(found))


def test_equal_sides_are_rarely_called_different() -> None:
    """Of 2,000 metrics drawn alike for both sides none is claimed: the false discoveries stay below 5 %."""
    draw = np.random.default_rng(3)
    families = [
        benjamini_hochberg([mann_whitney(draw.normal(size=6).tolist(), draw.normal(size=6).tolist())
                            for _ in range(20)])
        for _ in range(100)
    ]  # fmt: skip

    assert sum(min(family) <= 0.05 for family in families) <= 8


def test_resources_come_from_the_samples() -> None:
    """A golden run says how much memory and CPU its nodes took."""
    told = {m.name: v for m, v in numbers(gather(str(fixtures() / "golden" / "quickstart")).runs[0]).items()}

    assert 500 < told["memory of all nodes, peak"] < 20_000
    assert 0 < told["CPU of all nodes, mean"] < 400


def test_the_command_prints_a_table_and_json(tmp_path: Path) -> None:
    """Both forms carry the exit code and the same sentence; the table keeps its columns."""
    runs(tmp_path / "a", CALM)
    runs(tmp_path / "b", SLOW, start=1)
    arguments = ["compare", str(tmp_path / "a"), str(tmp_path / "b" / "*")]
    text = CliRunner().invoke(cli.commands, arguments, standalone_mode=False)
    told = json.loads(CliRunner().invoke(cli.commands, [*arguments, "--json"], standalone_mode=False).output)

    assert ExitCode.BUDGET_MISSED is text.return_value
    assert told["exit_code"] == 3
    assert told["sentence"] in text.output
    assert "0 of 12 injections broke what held: with 95 % confidence at most 22.1 %" in text.output
    assert told["sides"]["A"]["faults"]["bound"] == {"injections": 12, "at_most": 0.221}


@pytest.mark.parametrize("unknown", [2, 3])
def test_a_run_that_is_unknown_proves_nothing_of_faults(tmp_path: Path, unknown: int) -> None:
    """Of three runs with two injections each those that are UNKNOWN are left out of n, and that is said."""
    a = runs(tmp_path / "a", CALM[: 3 - unknown])
    runs(a, CALM[:unknown], start=2, verdict="UNKNOWN", exit_code=2)
    faults = json.loads(words.as_json(held(a, runs(tmp_path / "b", CALM, start=1))))["sides"]["A"]["faults"]

    assert faults["left_out"] == unknown
    assert f"{unknown} runs that proved nothing left out" in faults["said"]
    assert faults["bound"] == ({"injections": 2, "at_most": 0.777} if unknown == 2 else None)


def test_a_side_that_broke_a_guarantee_has_no_bound(tmp_path: Path) -> None:
    """One broken run among six: nothing is said of the other injections."""
    a = runs(tmp_path / "a", CALM)
    a_run(a, "20260199-broken", verdict="FAIL")
    faults = json.loads(words.as_json(held(a, runs(tmp_path / "b", CALM, start=1))))["sides"]["A"]["faults"]

    assert (faults["bound"], faults["broken"], faults["left_out"]) == (None, 1, 0)
    assert faults["said"] == "1 run broke a guarantee: no bound holds"


@pytest.mark.parametrize("asked", ["nowhere", "nowhere/*"])
def test_no_runs_are_one_clear_error(tmp_path: Path, asked: str) -> None:
    """A name that leads to no run is bad input, and says what to name."""
    with pytest.raises(BadInput, match="there is no stored run"):
        gather(str(tmp_path / asked))
