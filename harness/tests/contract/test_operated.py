"""What is asked of an operator, on a real API server that knows Strimzi's and Flink's own definitions.

No operator runs: who says what it would say is a stand-in of these tests (``operated_place``).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import bundle
from harness.clock import MONOTONIC, seconds_between
from harness.faults.unattended import Unattended
from harness.faults.watchdog import LEASE_SECONDS
from harness.stack.kind import cluster
from harness.stack.kubernetes import cluster_left, reconciliation
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.definitions import established
from harness.stack.kubernetes.manifests import read_manifests
from harness.stack.kubernetes.reconciliation import MARK, PAUSE, Paused
from harness.tests.contract import crds
from harness.tests.contract.operated_place import (
    CLUSTER,
    KAFKA,
    NAMESPACE,
    POD,
    a_broker,
    annotated,
    orchestrator,
    stand_in,
    told,
)
from harness.tests.faults.fakes import FakeProcess, FakeService
from harness.tests.source import ROOT
from harness.waiting import NotYet, wait_for

STACKS = bundle.fixtures() / "stacks"
PLACE = f"{CLUSTER}/{NAMESPACE}"
OURS = Paused(CLUSTER, NAMESPACE, KAFKA)
pytestmark = [pytest.mark.contract, pytest.mark.nightly]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API server that knows a current Strimzi, with one Kafka and one pod of it; nothing of it stays."""
    with cluster.standing(reuse=True, keep=False) as made:
        api = Api(made.kubeconfig(), NAMESPACE)
        established(api, [*crds.strimzi(crds.NEW, tmp_path_factory.mktemp("crds")), *crds.flink()])
        api.open()
        try:
            yield api
        finally:
            cluster_left.free(PLACE)
            api.close()
            cluster_left.remove(CLUSTER)


@pytest.fixture
def kafka(api: Api) -> Api:
    """The same, with nothing paused."""
    reconciliation.resume_of(OURS)
    api.apply([*read_manifests(STACKS / "edge-strimzi-kraft/manifests/kafka.yaml"), a_broker()])
    return api


def fault(api: Api, heard_s: float = 20.0) -> Unattended:
    """A pause of what the pod belongs to."""
    return Unattended({POD: FakeService(FakeProcess(1))}, orchestrator(api), heard_s=heard_s)


def test_a_pause_is_proven_by_what_is_said_of_it(kafka: Api) -> None:
    """The condition stands on the resource while it is in force and is gone after; nothing else changed."""
    before = kafka.find("kafka.strimzi.io/v1", "Kafka", KAFKA)
    with stand_in(kafka):
        paused = fault(kafka)
        paused.inject()
        landed = paused.landed()
        assert landed.ok, landed
        assert "ReconciliationPaused True" in landed.words
        assert paused.still().ok
        assert reconciliation.paused(PLACE) == [OURS]
        paused.heal()
        assert paused.healed().ok

    after = kafka.find("kafka.strimzi.io/v1", "Kafka", KAFKA)
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert not annotated(kafka).keys() & {PAUSE, MARK}
    assert "labels" not in after["metadata"] or after["metadata"]["labels"] == before["metadata"]["labels"]


def test_an_annotation_that_nobody_reads_proves_nothing(kafka: Api) -> None:
    """Without anybody who says so, what the API server keeps is no proof."""
    paused = fault(kafka, heard_s=1.0)
    told("--namespace", NAMESPACE, "patch", reconciliation.KAFKAS, KAFKA, "--subresource=status",
         "--type=merge", "--patch", '{"status": null}')  # fmt: skip
    paused.inject()

    assert not paused.landed().ok
    paused.heal()
    assert not annotated(kafka).keys() & {PAUSE, MARK}


def test_a_harness_that_is_killed_leaves_nothing_paused(kafka: Api, tmp_path: Path) -> None:
    """The watchdog takes the annotation away within its lease and a few seconds, and nobody else has to."""
    argv = [sys.executable, "-m", "harness.tests.contract.operated_story", str(tmp_path)]
    with stand_in(kafka):
        teller = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, text=True)
        try:
            assert teller.stdin is not None
            teller.stdin.write(cluster.find().kubeconfig())
            teller.stdin.close()
            wait_for(lambda: _told(tmp_path / "paused"), what="the pause", seconds=120, every=0.1)
            assert annotated(kafka)[PAUSE] == "true"
        finally:
            teller.kill()
            teller.wait()
        killed = MONOTONIC.now()
        wait_for(lambda: _resumed(kafka), what="the Kafka to be reconciled", seconds=60, every=0.2)

    assert seconds_between(killed, MONOTONIC.now()) <= LEASE_SECONDS + 20
    assert "resumed the reconciliation of" in (tmp_path / "watchdog.log").read_text()


def test_what_a_user_paused_is_neither_found_nor_resumed(kafka: Api) -> None:
    """It carries no mark of ours."""
    told("--namespace", NAMESPACE, "annotate", "--overwrite", reconciliation.KAFKAS, KAFKA, f"{PAUSE}=true")

    assert reconciliation.paused(PLACE) == []
    assert annotated(kafka)[PAUSE] == "true"


def test_a_resource_that_waits_for_its_operator_does_not_hold_the_namespace(kafka: Api) -> None:
    """Its finalizers go, and it with them."""
    deployment = next(iter(read_manifests(STACKS / "edge-strimzi/manifests/flink.yaml")))
    deployment["metadata"]["finalizers"] = ["flinkdeployments.flink.apache.org/finalizer"]
    kafka.apply([deployment])
    cluster_left.free(PLACE)

    wait_for(lambda: _gone(kafka, deployment["metadata"]["name"]), what="it to go", seconds=20)


def test_what_is_cluster_wide_and_ours_is_found_and_nothing_else(kafka: Api) -> None:
    """The definitions that these tests made carry the label; a role of the cluster's own does not."""
    assert kafka.knows(("kafka.strimzi.io/v1", "Kafka"))
    found = cluster_left.wide(CLUSTER)

    assert f"customresourcedefinition.apiextensions.k8s.io/{reconciliation.KAFKAS}" in found
    assert not [each for each in found if "cluster-admin" in each]
    roles = json.loads(told("get", "clusterroles", "--output", "json"))["items"]
    assert len(roles) > len([each for each in found if each.startswith("clusterrole.")])


def _told(path: Path) -> None:
    if not path.exists():
        raise NotYet("not told")


def _resumed(api: Api) -> None:
    if PAUSE in annotated(api):
        raise NotYet("it is paused")


def _gone(api: Api, name: str) -> None:
    if api.find("flink.apache.org/v1beta1", "FlinkDeployment", name) is not None:
        raise NotYet("it is there")
