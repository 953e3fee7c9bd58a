"""The history of nightly runs: planted regressions, failures, gaps and damaged files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness import cli
from harness.errors import BadInput, ExitCode
from harness.statistics import trend_words
from harness.statistics.stored import history
from harness.statistics.trend import Line, Trend, trend
from harness.statistics.trend_words import sparkline
from harness.tests.statistics.build import FAULT, a_run

P99 = "latency, steady: p99"


def nights(folder: Path, *levels: float, each: int = 15, **changes: object) -> Path:
    """A run a night, with 3 % of noise around each level in turn."""
    draw = np.random.default_rng(5)
    for number in range(each * len(levels)):
        p99 = float(draw.normal(levels[number // each], 0.03 * levels[number // each]))
        month, day = divmod(number, 28)
        a_run(folder / "nightly", f"2026{month + 1:02d}{day + 1:02d}-q", p99=p99, **changes)  # type: ignore[arg-type]
    return folder


def line(found: Trend, name: str = P99) -> Line:
    """One number of the only story."""
    (story,) = found.stories
    return next(each for each in story.lines if each.metric.name == name)


def test_a_planted_regression_is_named_with_its_first_run(tmp_path: Path) -> None:
    """Half as slow again after fifteen nights: the sixteenth run is the first of the new level."""
    found = trend(history(nights(tmp_path, 10.0, 15.0)))
    (shift,) = line(found).shifts

    assert "20260116-q" == shift.run
    assert (10.0, 15.0) == pytest.approx((shift.change.before, shift.change.after), rel=0.05)
    assert not line(found, f"{FAULT}: first ack").shifts
    assert any("WORSE since 20260116-q" in said for said in trend_words.as_text(found))


def test_a_calm_history_has_no_alarm(tmp_path: Path) -> None:
    """Thirty nights of noise are thirty nights of noise."""
    assert () == line(trend(history(nights(tmp_path, 10.0, 10.0)))).shifts


def test_failures_are_listed_and_never_averaged(tmp_path: Path) -> None:
    """One broken guarantee in thirty nights stands above every number, with its sentence."""
    nights(tmp_path, 10.0, 10.0)
    a_run(tmp_path / "elsewhere" / "deep", "20260303-broken", verdict="FAIL")
    lines = list(trend_words.as_text(trend(history(tmp_path))))

    assert lines[1].startswith("  FAIL  20260303-broken (exit 1): 3 of 1,305,600")
    assert "1 of 31 did not pass" in lines[2]
    assert "1 of them not passed" in lines[-1]


def test_each_kind_of_run_is_a_history_of_its_own(tmp_path: Path) -> None:
    """Another platform or other settings are another story, not a change of level."""
    nights(tmp_path / "one", 10.0)
    nights(tmp_path / "two", 20.0, platform="kind")
    nights(tmp_path / "three", 30.0, settings={"kafka.version": "3.9.1"})
    found = trend(history(tmp_path))

    assert 3 == len(found.stories)
    assert [] == [each.shifts for story in found.stories for each in story.lines if each.shifts]
    assert any("kafka.version=3.9.1" in story.name for story in found.stories)


def test_a_fault_that_is_no_longer_recovered_from_is_a_change_to_never(tmp_path: Path) -> None:
    """Ten nights at 8 s, then six of "never": an alarm, a cross each, and no crash on infinity."""
    for number in range(16):
        a_run(tmp_path, f"202601{number + 10}", first_ack=8.0 + number / 100 if number < 10 else None)
    found = trend(history(tmp_path))
    (shift,) = line(found, f"{FAULT}: first ack").shifts

    assert "20260120" == shift.run
    assert any("××××××" in said and "→ never" in said for said in trend_words.as_text(found))
    assert "never" in json.loads(trend_words.as_json(found))["stories"][0]["metrics"][0]["values"]


def test_a_damaged_file_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    """A cut run.json is skipped loudly, by its path and its reason."""
    nights(tmp_path, 10.0)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "run.json").write_text('{"schema": "edge-harness')
    found = trend(history(tmp_path))
    said = list(trend_words.as_text(found))

    assert said[0].startswith(f"SKIPPED  {tmp_path / 'cut'}: ")
    assert "15 runs read, 0 of them not passed, 1 not readable" in said[-1]


def test_only_run_json_is_read(tmp_path: Path) -> None:
    """Ledgers, events and logs may be long gone."""
    nights(tmp_path, 10.0, 15.0)
    before = trend_words.as_json(trend(history(tmp_path)))
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        if path.is_dir() and path.name in {"ledger", "samples", "logs"}:
            shutil.rmtree(path)
        elif path.is_file() and path.name != "run.json":
            path.unlink()

    assert before == trend_words.as_json(trend(history(tmp_path)))


@pytest.mark.parametrize(("make", "words"), [(True, "there is no stored run"), (False, "is not a folder")])
def test_no_history_is_one_clear_error(tmp_path: Path, *, make: bool, words: str) -> None:
    """An empty folder and none at all are bad input, said in one sentence."""
    if make:
        (tmp_path / "empty").mkdir()

    with pytest.raises(BadInput, match=words):
        history(tmp_path / "empty")


def test_nothing_but_damaged_files_is_one_clear_error(tmp_path: Path) -> None:
    """Where no document can be read, the first is named with its reason."""
    (tmp_path / "run.json").write_text("{}")

    with pytest.raises(BadInput, match=r"no run in .* can be read"):
        history(tmp_path)


def test_the_sparkline_shows_every_night() -> None:
    """The least is the lowest bar, the largest the highest; gaps and "never" have marks of their own."""
    assert "▁█▄·×" == sparkline([1.0, 9.0, 4.6, None, float("inf")])
    assert "▁▁" == sparkline([3.0, 3.0])


def test_the_command_is_no_gate(tmp_path: Path) -> None:
    """It ends well whatever it finds, as text and as JSON, and takes its limits from options."""
    nights(tmp_path, 10.0, 15.0)
    arguments = ["trend", str(tmp_path), "--window", "20", "--min-effect", "0.9"]
    text = CliRunner().invoke(cli.commands, arguments, standalone_mode=False)
    told = json.loads(CliRunner().invoke(cli.commands, [*arguments, "--json"], standalone_mode=False).output)

    assert ExitCode.PASS == text.return_value
    assert told["sentence"] in text.output
    assert told["rules"]["window"] == 20
    assert "0 changes." in text.output
    assert told["stories"][0]["faults"]["said"] in text.output


def test_every_story_says_what_its_faults_prove(tmp_path: Path) -> None:
    """Two injections in each of fifteen nights that passed; one that is UNKNOWN adds none, and is said."""
    a_run(nights(tmp_path, 10.0) / "nightly", "20260301-q", verdict="UNKNOWN", exit_code=2)
    lines = list(trend_words.as_text(trend(history(tmp_path))))

    assert (
        "  0 of 30 injections broke what held: with 95 % confidence at most 9.6 % of such injections would; "
        "1 run that proved nothing left out"
    ) in lines
