"""What a cluster refuses or never gets done: one clear error in its words, and the cluster as it was found.

On a real cluster, as root beside Docker, like ``test_kind``; one that was not there before is deleted after.
What is planted lies in a namespace of its own, so whoever else uses the cluster meets none of it.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.clock import seconds_between
from harness.errors import ExitCode
from harness.rundir import RunDirectory
from harness.stack.kind import cluster
from harness.stack.kubernetes.owned import OURS, Manifest
from harness.tests.contract import crds
from harness.tests.contract.test_kind import RUN_S, lacking
from harness.tests.source import ROOT
from harness.waiting import NotYet, wait_for

pytestmark = [pytest.mark.contract, pytest.mark.nightly]

NAMESPACE = "edge-refused"
OPERATED = ("quickstart", "--stack", "edge-kafka-strimzi")
WIDE = "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,persistentvolumes,nodes"
ERROR = re.compile(r"^(?:harness|.*s  ended early): (.*)$", re.MULTILINE)
"""What is said before the run has a stack to itself, and when its stack does not come up."""

GONE_S = 120.0


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[None]:
    """One cluster for all tests of this file; it goes if it was not there before."""
    assert lacking() == ""
    with cluster.standing(reuse=True, keep=False):
        yield


@pytest.fixture(autouse=True)
def left_as_found(place: None) -> Iterator[None]:
    """After each test the cluster has what it had before, and its machines may be used as before."""
    before = everything()
    yield
    try:
        wait_for(lambda: _same(before), what="the cluster to be as it was found", seconds=GONE_S, every=1.0)
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")


def _same(before: dict[str, str]) -> None:
    now = everything()
    differing = sorted(name for name in before | now if before.get(name) != now.get(name))
    if differing:
        raise NotYet(f"different: {', '.join(differing)}")


def everything() -> dict[str, str]:
    """All that is cluster-wide, by kind and name; of namespaces and volumes only what a run here makes."""
    found = json.loads(kubectl("get", WIDE, "-o", "json"))["items"]
    return {f"{each['kind']} {each['metadata']['name']}": _placing(each) for each in found if _counts(each)}


def _counts(resource: Manifest) -> bool:
    claim = (resource.get("spec") or {}).get("claimRef") or {}
    where = {"Namespace": resource["metadata"]["name"], "PersistentVolume": claim.get("namespace")}
    return bool(where.get(resource["kind"], NAMESPACE) == NAMESPACE)


def _placing(resource: Manifest) -> str:
    """Of a machine, who may be placed on it."""
    spec = resource.get("spec") or {}
    return f"{spec.get('taints')} {spec.get('unschedulable')}" if resource["kind"] == "Node" else ""


def kubectl(*words: str, told: str = "") -> str:
    """What kubectl tells the cluster's administrator."""
    config = ("--kubeconfig", "/etc/kubernetes/admin.conf")
    argv = ["docker", "exec", "-i", f"{cluster.NAME}-control-plane", "kubectl", *config, *words]
    return subprocess.run(argv, input=told, capture_output=True, text=True, check=True).stdout


def prepared(*limits: Manifest) -> None:
    """The namespace of a run, given to the harness with *limits* in it."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": OURS}}
    placed = [{**each, "apiVersion": "v1", "metadata": {"name": "narrow"}} for each in limits]
    kubectl("create", "-f", "-", told=yaml.safe_dump(space))
    kubectl("--namespace", NAMESPACE, "create", "-f", "-", told=yaml.safe_dump_all(placed))


def command(out: Path, *arguments: str) -> list[str]:
    """A run in a namespace of its own."""
    argv = [sys.executable, "-m", "harness", "run", *(arguments or ("quickstart",))]
    argv += ["--platform", "kind", "--reuse", "--out", str(out)]
    return [*argv, "--set", f"kubernetes.namespace={NAMESPACE}"]


def told(out: Path, *arguments: str, within: float) -> tuple[int, str]:
    """Exit code and the one error of a run that comes to nothing *within* so many seconds of its start."""
    argv = command(out, *arguments)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    errors = ERROR.findall(done.stderr)
    assert len(errors) == 1, done.stdout[-2000:] + done.stderr[-3000:]
    assert out.is_dir(), errors[0]
    assert any(out.iterdir()), errors[0]
    assert took(out) < within, errors[0]
    return done.returncode, errors[0]


def took(out: Path) -> float:
    """Seconds from the start of the one run in *out* to its last event; the images were there before."""
    (events,) = (RunDirectory.open(root).read_events() for root in out.iterdir())
    return seconds_between(events[0].t, events[-1].t)


def test_a_quota_that_is_used_up_is_quoted(tmp_path: Path) -> None:
    """Nobody waits for a pod that a quota forbids."""
    prepared({"kind": "ResourceQuota", "spec": {"hard": {"pods": "2"}}})

    code, error = told(tmp_path, within=60)

    assert code == ExitCode.UNKNOWN
    assert "exceeded quota: narrow" in error
    assert "limited: pods=2" in error


def test_a_quota_that_demands_a_limit_is_quoted(tmp_path: Path) -> None:
    """A pod that does not say what it needs is refused as firmly as one that is too much."""
    prepared({"kind": "ResourceQuota", "spec": {"hard": {"limits.cpu": "100"}}})

    code, error = told(tmp_path, within=60)

    assert code == ExitCode.UNKNOWN
    assert "failed quota: narrow: must specify limits.cpu" in error


def test_a_pod_for_which_no_machine_has_space_is_told_with_the_schedulers_words(tmp_path: Path) -> None:
    """Each machine lacks it, and the scheduler says what."""
    space = {"ephemeral-storage": "900Ti"}
    limits = [{"type": "Container", "default": space, "defaultRequest": space}]
    prepared({"kind": "LimitRange", "spec": {"limits": limits}})

    code, error = told(tmp_path, within=200)

    assert code == ExitCode.UNKNOWN
    assert re.search(r"edge-kafka-0: 0/\d nodes are available: .*3 Insufficient ephemeral-storage", error)


def test_a_pod_that_crashes_again_and_again_is_told_with_its_last_words(tmp_path: Path) -> None:
    """Kafka's own complaint is quoted, not the calls that led to it, and nobody waits for the deadline."""
    code, error = told(tmp_path, "quickstart", "--set", "kafka.properties.num.io.threads=none", within=120)

    assert code == ExitCode.UNKNOWN
    assert "CrashLoopBackOff" in error
    assert "Invalid value none for configuration num.io.threads" in error


def test_an_operator_that_the_cluster_lacks_is_named(tmp_path: Path) -> None:
    """Without its definitions and its release nothing is applied; the release to download is told."""
    code, error = told(tmp_path, *OPERATED, within=60)

    assert code == ExitCode.BAD_INPUT
    assert re.search(r"the cluster has no operator strimzi: it knows no \w+\.\w+\.strimzi\.io/v1beta2", error)
    assert "--set operators.strimzi=PATH" in error


def test_a_release_that_lacks_its_definitions_is_refused_in_the_servers_words(tmp_path: Path) -> None:
    """The operator runs, and its resources are unknown all the same."""
    release = operator(tmp_path, "sleep infinity")

    code, error = told(tmp_path / "out", *OPERATED, "--set", f"operators.strimzi={release}", within=60)

    assert code == ExitCode.UNKNOWN
    assert "the cluster knows no Kafka of kafka.strimzi.io/v1beta2" in error


def test_an_operator_that_crashes_is_told_with_its_last_words(tmp_path: Path) -> None:
    """It never becomes ready; what it said last says why."""
    release = operator(tmp_path, "echo 'ERROR no such cluster role'; exit 1")

    code, error = told(tmp_path / "out", *OPERATED, "--set", f"operators.strimzi={release}", within=200)

    assert code == ExitCode.UNKNOWN
    assert "operator strimzi" in error
    assert "it said: ERROR no such cluster role" in error


def test_an_operator_that_looks_at_nothing_is_told_with_what_waited_for_it(tmp_path: Path) -> None:
    """It runs, its resource is taken, and nobody ever says a word about that."""
    # Asked to end it does, as operators do: else its pod would be waited for, for its whole grace period.
    release = operator(tmp_path, "trap exit TERM; echo 'watching another namespace'; sleep infinity & wait")
    definitions = crds.strimzi(crds.OLD, tmp_path)
    release.write_text(release.read_text() + "---\n" + yaml.safe_dump_all(definitions))

    code, error = told(tmp_path / "out", *OPERATED, "--set", f"operators.strimzi={release}", within=330)

    assert code == ExitCode.UNKNOWN
    assert "Kafka edge-kafka to be ready took longer than" in error
    assert "its operator says nothing of it" in error
    assert "it said: watching another namespace" in error


def test_reports_that_fill_their_disk_end_the_run_in_one_sentence(tmp_path: Path) -> None:
    """The ledger cannot go on: no more is sent, nobody reads a traceback, and the stack is taken away."""
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1100m,mode=0700", "reports", str(out)], check=True)
    try:
        with subprocess.Popen(command(out), cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
            wait_for(lambda: _begun(out), what="the ledger", seconds=RUN_S, every=0.5)
            _fill(out)
            _, said = running.communicate(timeout=RUN_S)
    finally:
        subprocess.run(["umount", str(out)], check=True)

    assert running.returncode == ExitCode.BAD_INPUT
    assert ": No space left on device. Fix: free space there" in said.splitlines()[-1]
    assert not re.search(r"Traceback|raise |Error: ", said)


def _begun(out: Path) -> None:
    if not any(out.glob("*/ledger/attempts-*")):
        raise NotYet("no attempt is written down")


def _fill(folder: Path) -> None:
    with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))


def operator(folder: Path, does: str) -> Path:
    """A release of an operator that does this and no more."""
    labels = {"app": "strimzi-cluster-operator"}
    container = {"name": "operator", "image": "edge-harness/load:1", "command": ["bash", "-c", does]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "strimzi-cluster-operator"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    path = folder / "release.yaml"
    path.write_text(yaml.safe_dump(deployment))
    return path
