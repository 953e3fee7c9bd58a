"""``heal`` and the watchdog on what operators were asked, and on what they leave cluster-wide."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.faults import heal
from harness.faults.heal import LEFT_BEHIND, Run, _undoings
from harness.faults.observed import Marked
from harness.faults.watchdog import Watch
from harness.stack.kubernetes.reconciliation import MARK, PAUSE, Paused
from harness.tests.stack.kubectled import Kubectl


def test_what_is_cluster_wide_stays_while_another_run_uses_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named then; a run that is gone as well does not count, and neither does another cluster."""
    kubectl = Kubectl(tmp_path / "docker", monkeypatch)
    kubectl.wide = ["clusterrole.rbac.authorization.k8s.io/strimzi", "crd/kafkas.kafka.strimzi.io"]
    mine = Marked(8, 1, "S", "r1", "", "edge-kafka-1", "java", cluster="edge-harness/edge")
    gone = Run("r1", "", (mine,), (), (), 0, beats=False)
    other = Run("r2", "", (mine,), (), (), 4711, beats=True)
    dead = Run("r3", "", (mine,), (), (), 0, beats=False)
    last = "remove what is cluster-wide in edge-harness"
    said: list[str] = []

    assert [words for words, _ in _undoings(gone, others=heal._living([gone, other], gone))][
        -1
    ] == "delete the disks of edge-harness/edge"
    assert [words for words, _ in _undoings(gone, others=heal._living([gone, dead], gone))][-1] == last
    heal._tell_kept(gone, [other], said.append)
    heal._tell_kept(gone, [], said.append)
    assert said == [f"  kept for another run in edge-harness: {', '.join(kubectl.wide)}"]


def test_what_an_operator_leaves_alone_is_found_without_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its mark, for a run that does not beat as well; what a user paused himself stays paused."""
    kubectl = Kubectl(tmp_path / "docker", monkeypatch)
    kubectl.kafkas = {"edge-kafka": {PAUSE: "true", MARK: "true"}, "another": {PAUSE: "true"}}
    mine = Marked(8, 1, "S", "r1", "", "edge-kafka-1", "java", cluster="edge-harness/edge")
    stuck = Run("r1", "", (mine,), (), (), 4711, beats=False)
    todo = dict(_undoings(stuck))

    assert list(todo) == ["resume Kafka edge/edge-kafka"]
    assert heal._faults_of(stuck) == ["left alone by its operator: Kafka edge/edge-kafka"]
    said: list[str] = []
    assert heal._conclude([stuck], abort=False, say=said.append) == LEFT_BEHIND
    assert said[-1].endswith(f"annotate --overwrite kafkas.kafka.strimzi.io edge-kafka {PAUSE}- {MARK}-")
    todo["resume Kafka edge/edge-kafka"]()
    assert kubectl.kafkas == {"edge-kafka": {}, "another": {PAUSE: "true"}}
    assert stuck.unattended == ()


def test_the_watchdog_has_an_operator_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the journal's notes, and only what is still paused by our doing; it says so."""
    kubectl = Kubectl(tmp_path / "docker", monkeypatch)
    kubectl.kafkas = {name: {PAUSE: "true", MARK: "true"} for name in ("edge-kafka", "of-another-run")}
    with Watch(tmp_path, tmp_path.name):
        notes = [
            Paused("edge-harness", "edge", "edge-kafka").note,
            Paused("", "edge", "of-another-run").note,
            Paused("edge-harness", "edge; reboot", "of-another-run").note,
        ]
        line = {"step": "planned", "undo": notes}
        (tmp_path / "journal.jsonl").write_text(json.dumps(line) + "\n")

    assert kubectl.kafkas == {"edge-kafka": {}, "of-another-run": {PAUSE: "true", MARK: "true"}}
    words = "the harness ended: resumed the reconciliation of ['Kafka edge/edge-kafka']"
    assert words in (tmp_path / "watchdog.log").read_text()
