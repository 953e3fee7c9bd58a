"""The command line: what it answers, what it refuses, and that refusing starts nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import bundle, cli
from harness.scenario import discover

SCENARIOS = sorted(discover(bundle.scenarios()))
GOLDEN = sorted(path.parent for path in (bundle.fixtures() / "golden").glob("*/run.json"))


def harness(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, with a time limit."""
    argv = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, cwd=cwd)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "quickstrat"), "there is no scenario 'quickstrat'. Fix: did you mean 'quickstart'?"),
        (("run", "quickstart", "--set", "kafka.vresion=3.9.1"), "did you mean 'kafka.version'?"),
        (("run", "quickstart", "--set", "kafka.version=3.5.2"), "did you mean '3.5.1'?"),
        (("run", "quickstart", "--set", "kafka.heap_mb=12"), "kafka.heap_mb"),
        (("run", "quickstart", "--set", "no-sign"), "--set 'no-sign' is not KEY=VALUE"),
        (("run", "quickstart", "--platform", "locla"), "did you mean 'local'?"),
        (("run", "quickstart", "--set", "flink.version=1.20.1"), "the stack edge-kafka has no flink"),
        (("run", "pipeline", "--set", "flink.version=1.20"), "did you mean '1.20.1'?"),
        (("run", "pipeline", "--set", "flink.upgrade=never"), "'savepoint', 'last-state' or 'stateless'"),
        (("run", "pipeline", "--set", "flink.parallelism=0"), "greater than or equal to 1"),
        (("run", "pipeline", "--set", "vector.config=nope.toml"), "nope.toml cannot be read: No such file"),
        (("run", "pipeline", "--set", "job.jar=/tmp/nope.jar"), "job.jar /tmp/nope.jar is not there"),
        (
            ("run", "pipeline", "--set", "job.archive=s3://no-such/records"),
            "job.archive 'no-such'",
        ),
        (("run",), "Missing argument 'SCENARIO'"),
        (("rbac", "quickstart", "--platform", "local"), "the platform local knows no Role"),
        (("rbac", "quickstrat", "--platform", "context:one"), "did you mean 'quickstart'?"),
        (("rnu",), "No such command 'rnu'"),
        (("verify", "nowhere"), "nowhere is not a run directory"),
        (("verify", "--history", "."), ". is no history: it is a folder, and no run's"),
        (("report", "nowhere"), "nowhere is not a run directory"),
        (("explain", "nowhere", "1/0/0"), "nowhere is not a run directory"),
        (("explain", "nowhere", "one"), "'one' is not a record. Fix: PRODUCER/PARTITION/SEQUENCE"),
        (("compare", "nowhere", "nowhere"), "there is no stored run in nowhere"),
        (("compare", "nowhere", "nowhere", "--min-effect", "2"), "--min-effect"),
        (("trend", "nowhere"), "nowhere is not a folder"),
        (("trend", "."), "there is no stored run in ."),
    ],
)
def test_bad_input_is_refused_in_one_sentence(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """Bad input ends in a sentence with the fix, no traceback, and an empty folder."""
    done = harness(*arguments, cwd=tmp_path)

    assert words in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode in {2, 254}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("run", "quickstrat"), ("run", "quickstart", "--set", "x=1"), ("rnu",), ("verify", "--history", "/")],
)
def test_bad_input_has_its_own_exit_code(arguments: tuple[str, ...]) -> None:
    """What the user typed wrong is never mistaken for a verdict."""
    assert harness(*arguments).returncode == 254


def test_a_full_or_read_only_folder_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """An --out that is a file cannot hold a run; the sentence names it."""
    blocked = tmp_path / "taken"
    blocked.write_text("")

    done = harness("run", "quickstart", "--out", str(blocked))

    assert done.returncode == 254
    assert str(blocked) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_can_be_rehearsed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rehearsal resolves every target of a scenario, and leaves nothing."""
    monkeypatch.chdir(tmp_path)
    # In this process: a hundred interpreters take a minute to start.
    code = cli.commands(["run", name, "--rehearse"], standalone_mode=False)
    told = capsys.readouterr().out

    assert not code
    assert "inject" in told
    assert "verify" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stored", GOLDEN, ids=lambda stored: stored.name)
def test_a_stored_run_is_judged_again_without_its_stack(stored: Path, tmp_path: Path) -> None:
    """`verify` reaches the verdict of the drill from the run directory alone, with the drill's exit code."""
    copy = Path(shutil.copytree(stored, tmp_path / stored.name))
    before = json.loads((copy / "run.json").read_text())

    done = harness("verify", str(copy), "--json")

    after = json.loads(done.stdout)
    assert (before["verdict"], before["findings"]) == (after["verdict"], after["findings"])
    assert done.returncode == before["exit_code"]


def test_a_report_can_be_written_anew(tmp_path: Path) -> None:
    """`report` writes both files again and names them."""
    copy = Path(shutil.copytree(GOLDEN[0], tmp_path / "run"))
    for name in ("report.html", "junit.xml"):
        (copy / name).unlink()

    done = harness("report", str(copy))

    assert done.stdout.split() == [str(copy / "report.html"), str(copy / "junit.xml")]
    assert (copy / "report.html").read_text().startswith("<!doctype html>")


def test_list_names_every_scenario_with_its_sentence() -> None:
    """`harness list --json` is what a machine needs to choose a scenario and a version."""
    told = json.loads(harness("list", "--json").stdout)

    assert sorted(told["scenarios"]) == SCENARIOS
    assert all(one["title"].endswith(".") for one in told["scenarios"].values())
    assert {"3.5.1", "3.9.1"} <= set(told["kafka"])
    assert {"1.17.2", "1.20.1"} <= set(told["flink"])


def test_list_tells_people_what_they_can_set() -> None:
    """The last lines are the stacks, and the versions under the name of their setting."""
    told = harness("list").stdout.splitlines()[-3:]

    assert told == [
        (
            "stacks: edge, edge-kafka, edge-kafka-plain, edge-kafka-strimzi, edge-kafka-strimzi-kraft, "
            "edge-plain, edge-seed, edge-strimzi, edge-strimzi-kraft"
        ),
        "kafka.version: 3.5.1, 3.9.1",
        "flink.version: 1.17.2, 1.20.1",
    ]


@pytest.mark.parametrize(
    ("name", "ends"), [("quickstart", "Kafka 3.5.1"), ("pipeline", "Kafka 3.5.1, Flink 1.17.2")]
)
def test_a_rehearsal_names_every_version(name: str, ends: str) -> None:
    """Flink's too, where the stack has it."""
    boot = harness("run", name, "--rehearse").stdout.splitlines()[1]

    assert boot.startswith("boot ")
    assert boot.endswith(f"), {ends}")


def test_help_loads_nothing_heavy() -> None:
    """`harness --help` answers without numpy, pydantic, Locust or Kafka, so it answers at once."""
    heavy = (
        "numpy",
        "pyarrow",
        "pydantic",
        "locust",
        "confluent_kafka",
        "pandas",
        "kubernetes",
        "rich",
        "pytest",
    )
    code = (
        "import sys\nfrom harness.cli import main\nsys.argv = ['harness', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"sys.stderr.write(' '.join(set(sys.modules) & set({heavy!r})))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stderr == ""
    assert "verify" in done.stdout
