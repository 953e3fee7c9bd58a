"""One workload on real Kafka: played, its clients killed, judged, and judged again by its history alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.findings import RunDocument
from harness.history.lines import read_lines
from harness.history.operations import Send, Transaction

pytestmark = pytest.mark.contract

STORY = '''
from harness.scenario import Run, scenario, transfers


@scenario()
def test_story(run: Run) -> None:
    """Transfers, of which one writer is killed every two seconds."""
    with run.workload(transfers(upset_every=2)):
        run.hold_steady(seconds=9)
    run.verify()
'''


def harness(*argv: str) -> subprocess.CompletedProcess[str]:
    """What the command says."""
    command = [sys.executable, "-m", "harness", *argv, "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_transfers_on_real_brokers_sum_to_zero(tmp_path: Path) -> None:
    """The run is PASS by the findings of its history, which is a file that ``verify --history`` takes."""
    (tmp_path / "stories").mkdir()
    (tmp_path / "stories" / "story.py").write_text(STORY)
    told = harness("run", "story", "--scenarios", str(tmp_path / "stories"), "--out", str(tmp_path))
    document = RunDocument.model_validate_json(told.stdout)
    found = {each.checker: each for each in document.findings}
    history = tmp_path / document.run_id / "history" / "transfers.jsonl"
    operations = read_lines(history)

    assert (document.verdict, told.returncode) == ("PASS", 0), document.sentence
    assert found["transfers.conservation"].compared["records"] > 20
    assert found["transfers.torn_transaction"].compared["committed"] > 10
    assert found["transfers.zombie_write"].compared["transactional ids"] == 2
    assert len({each.producer for each in operations if isinstance(each, Send)}) > 2, "a writer was replaced"
    assert {e.end for e in operations if isinstance(e, Transaction)} == {"commit", "abort"}
    again = json.loads(harness("verify", "--history", str(history)).stdout)
    assert (again["verdict"], again["fence"], again["covered_percent"]) == ("PASS", "complete", 100)
