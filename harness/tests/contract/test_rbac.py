"""The Role that ``harness rbac`` prints, on a real API server: enough for its plan, and not a verb more.

``tox -e kind`` runs these. They take the cluster that is there, or make one and delete it after.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from harness.errors import BadInput, HarnessError, StackError
from harness.guards import rbac
from harness.guards.allow import Place
from harness.guards.gate import demand
from harness.guards.rights import SEND, needed
from harness.guards.seen import read
from harness.platforms.remains import survey
from harness.stack.definition import NodeDefinition
from harness.stack.kind import cluster, images
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.guest import CLAIMS, PODS
from harness.stack.kubernetes.orchestra import KubernetesOrchestrator
from harness.stack.kubernetes.owned import Manifest, Right, stamped
from harness.stack.seams import Strike
from harness.tests.source import ROOT
from harness.waiting import NotYet, wait_for

NAMESPACE, OTHER = "edge-rbac", "edge-rbac-other"
RUN = "20261126-1200-rbac-0000"
IMAGE = "debian:bookworm-slim"
pytestmark = [pytest.mark.contract, pytest.mark.nightly]


def kubectl(config: Path, *arguments: str, told: str = "") -> str:
    """What kubectl tells the cluster's administrator."""
    argv = ["kubectl", "--kubeconfig", str(config), *arguments]
    return subprocess.run(argv, input=told, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's kubeconfig, with two namespaces that go after."""
    made = cluster.NAME not in cluster.names()
    if made:
        cluster.create(ROOT / "fixtures" / "kind" / "cluster.yaml")
    images.load([IMAGE], cluster.NAME)
    config = tmp_path_factory.mktemp("admin") / "config"
    argv = ["kind", "get", "kubeconfig", "--name", cluster.NAME]
    config.write_text(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    try:
        for name in (NAMESPACE, OTHER):
            kubectl(config, "create", "namespace", name)
        yield config
    finally:
        kubectl(config, "delete", "namespace", NAMESPACE, OTHER, "--ignore-not-found")
        if made:
            cluster.delete()


As = Callable[[frozenset[Right]], Api]


@pytest.fixture(scope="module")
def as_account(admin: Path) -> As:
    """Applies a Role of exactly some rights, and gives the API as its account sees it."""

    def grant(granted: frozenset[Right]) -> None:
        role = rbac.render(granted, NAMESPACE, title="a test", faults=())
        kubectl(admin, "apply", "-f", "-", told=role)

    def apply(granted: frozenset[Right]) -> Api:
        grant(granted)
        api = Api(_as(admin, token), NAMESPACE, guest=RUN)

        def effective() -> None:
            if api.missing(PLAN | granted) != sorted(PLAN - granted):
                raise NotYet("the Role is not in force yet")

        wait_for(effective, what="the Role", seconds=10)
        return api

    grant(SEND)
    token = kubectl(admin, "--namespace", NAMESPACE, "create", "token", rbac.NAME).strip()
    return apply


def _as(admin: Path, token: str) -> str:
    """A kubeconfig that knows nothing but the account's token."""
    config = yaml.safe_load(admin.read_text())
    config["users"] = [{"name": each["name"], "user": {"token": token}} for each in config["users"]]
    return yaml.safe_dump(config)


def a_stack(replicas: int = 1) -> list[Manifest]:
    """One of each kind that a stack applies, small: a StatefulSet with a claim, its Service, its budget."""
    labels = {"app": "edge-rbac"}
    container = {
        "name": "sleeper",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "600"],
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    spec = {
        "serviceName": "edge-rbac",
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
        },
        "volumeClaimTemplates": [claim],
    }
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
    service = {"clusterIP": "None", "selector": labels, "ports": [{"port": 80}]}
    named = {"metadata": {"name": "edge-rbac"}}
    return [
        {"apiVersion": "v1", "kind": "Service", **named, "spec": service},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **named, "spec": budget},
        {"apiVersion": "apps/v1", "kind": "StatefulSet", **named, "spec": spec},
    ]


NODES = (NodeDefinition(name="edge-rbac-0", role="broker", address="198.18.0.2"),)


def agent() -> Manifest:
    """A pod of ours beside the target."""
    container = {
        "name": "agent",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "600"],
    }
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    return stamped({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent"}, "spec": spec}, RUN)


def job() -> Manifest:
    """What runs the scenario; not started."""
    container = {"name": "harness", "image": IMAGE, "command": ["true"]}
    spec = {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    return stamped({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "run"}, "spec": spec}, RUN)


def given() -> Manifest:
    """What the Job is given."""
    return stamped({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "given"}}, RUN)


def refusals(api: Api) -> set[str]:
    """What the API server answers to every call that a run with a cut makes; no pod of them starts."""
    calls: tuple[Callable[[], object], ...] = (
        lambda: api.create(job()),
        lambda: api.create(given()),
        lambda: survey(api, [("apps/v1", "StatefulSet")]),
        api.open,
        lambda: api.config_map("edge", {"a": "b"}),
        lambda: api.apply(a_stack(replicas=0)),
        api.pods,
        lambda: read(api, NODES),
        lambda: api.create(agent()),
        lambda: api.exec("agent", ["true"]),
        lambda: api.delete(*PODS, "agent"),
        lambda: api.delete("batch/v1", "Job", "run"),
        lambda: api.delete(*CLAIMS, "none"),
        api.close,
    )
    return {told for call in calls if "is forbidden" in (told := _told(call))}


def _told(call: Callable[[], object]) -> str:
    try:
        call()
    except HarnessError as error:
        return error.sentence()
    return ""


PLAN = SEND | needed([Strike("partition", "cut", ("edge-rbac-0",))], a_stack())
"""A run that boots that stack and cuts a pod off."""

UNTRIED = frozenset({Right("", "pods/exec", "create")})
"""Asked for by Kubernetes 1.35 and later only."""
MUTE = frozenset({Right("", "pods/log", "get"), Right("", "events", "list")})
"""Without these a run still runs; what it cannot show, it leaves out."""


def test_the_printed_role_is_enough(as_account: As, admin: Path) -> None:
    """A run's every call passes under it, with real pods, and in the end nothing of the run is there."""
    api = as_account(PLAN)
    api.create(job())
    api.create(given())
    api.open()
    api.config_map("edge", {"a": "b"})
    api.apply(a_stack())
    api.create(agent())
    api.wait_ready([*(node.name for node in NODES), "agent"], 90)
    seen = read(api, NODES)
    api.exec("agent", ["true"]).close()
    api.delete(*PODS, "agent")
    api.delete("batch/v1", "Job", "run")
    events = "\n".join(api.events())
    api.close()
    every = "all,persistentvolumeclaims,poddisruptionbudgets,configmaps"
    left = kubectl(admin, "-n", NAMESPACE, "get", every, "-l", "edge-harness/run", "-o", "name")

    (target,) = seen.targets
    assert target.machine
    assert target.labels["edge-harness/run"] == RUN
    assert [(each.name, each.covers) for each in seen.disruptions] == [("edge-rbac", ("edge-rbac-0",))]
    assert "edge-rbac-0" in events
    assert left == ""


@pytest.mark.parametrize("right", sorted(PLAN), ids=str)
def test_without_any_one_verb_the_run_is_refused(as_account: As, right: Right) -> None:
    """Beforehand the missing verb is named; a call without it is refused in words that name it, too."""
    api = as_account(PLAN - {right})
    place = Place("staging", "https://10.1.2.3:6443", NAMESPACE)

    with pytest.raises(BadInput, match=f"not allowed to {right} in namespace {NAMESPACE}.*harness rbac"):
        demand(api.missing(PLAN), place, "context staging")

    told = refusals(api)
    assert told or right in UNTRIED | MUTE
    for words in told:
        assert f'cannot {right.verb} resource "{right.resource}"' in words
        assert "harness rbac" in words


def _deleted(orchestra: KubernetesOrchestrator) -> None:
    orchestra.pod(NODES[0].name)
    orchestra.delete(NODES[0].name, grace_seconds=0)


def _wiped(orchestra: KubernetesOrchestrator) -> None:
    assert orchestra.claims(NODES[0].name)
    orchestra.delete(NODES[0].name, grace_seconds=0, claims=True)


def _rolled(orchestra: KubernetesOrchestrator) -> None:
    orchestra.pods_of(orchestra.roll(NODES[0].name))
    orchestra.pod(NODES[0].name)


def _without_image(orchestra: KubernetesOrchestrator) -> None:
    orchestra.break_image(NODES[0].name)
    orchestra.mend_image(NODES[0].name)


def _unlisted(orchestra: KubernetesOrchestrator) -> None:
    orchestra.unlist(NODES[0].name, hidden=True)
    orchestra.listed(NODES[0].name)
    orchestra.unlist(NODES[0].name, hidden=False)


@pytest.mark.parametrize(
    ("strike", "made"),
    [
        (Strike("pod_delete", "delete", ("edge-rbac-0",)), _deleted),
        (Strike("kill", "kill and wipe", ("edge-rbac-0",), wipes=True), _wiped),
        (Strike("rolling_update", "roll", ("edge-rbac-0",)), _rolled),
        (Strike("image_missing", "lose the image", ("edge-rbac-0",)), _without_image),
        (Strike("unlisted", "unlist", ("edge-rbac-0",)), _unlisted),
    ],
    ids=lambda value: value.name if isinstance(value, Strike) else "",
)
def test_the_orchestrators_faults_need_what_their_row_says(
    as_account: As, admin: Path, strike: Strike, made: Callable[[KubernetesOrchestrator], None]
) -> None:
    """Made and undone on a real pod under the row of their kind and nothing but looking beside it."""
    standing = Api(admin.read_text(), NAMESPACE, guest=RUN)
    standing.apply(a_stack())
    try:
        api = as_account(needed([strike], []))
        wait_for(lambda: _standing(api), what="the pod", seconds=90, every=0.25)

        made(KubernetesOrchestrator(api))
    finally:
        standing.close()


def _standing(api: Api) -> None:
    found = api.pods().get(NODES[0].name)
    if found is None or not found.ready:
        raise NotYet("no pod")


def test_nothing_else_is_allowed(as_account: As) -> None:
    """No secret is listed or read, nothing cluster-wide, and nothing in another namespace."""
    api = as_account(PLAN)
    forbidden = [
        *(Right("", "secrets", verb) for verb in ("get", "list", "watch", "create", "delete")),
        *(Right("", "nodes", verb) for verb in ("get", "list", "patch")),
        *(Right("rbac.authorization.k8s.io", kind, "create") for kind in ("roles", "rolebindings")),
        Right("", "namespaces", "delete"),
        Right("", "serviceaccounts/token", "create"),
        Right("*", "*", "*"),
    ]

    assert api.missing(forbidden) == sorted(forbidden)
    with pytest.raises(StackError, match='cannot list resource "secrets"'):
        api.labelled(("v1", "Secret"), "")
    elsewhere = Api(api.access, OTHER, guest=RUN)
    assert elsewhere.missing(PLAN) == sorted(PLAN)
    with pytest.raises(StackError, match=f'cannot get resource "namespaces".*{OTHER}'):
        elsewhere.open()


def test_what_is_not_ours_is_neither_overwritten_nor_deleted(as_account: As, admin: Path) -> None:
    """A name that is taken ends the run before it is touched; what others have there stays."""
    kubectl(admin, "-n", NAMESPACE, "create", "configmap", "theirs", "--from-literal=a=theirs")
    api = as_account(PLAN)
    api.open()
    with pytest.raises(BadInput, match=f"ConfigMap theirs is there already in {NAMESPACE}: it is not ours"):
        api.config_map("theirs", {"a": "ours"})
    api.config_map("edge-run", {})
    api.close()

    told = kubectl(admin, "-n", NAMESPACE, "get", "configmaps", "theirs", "-o", "jsonpath={.data.a}")
    assert told == "theirs"


def test_the_command_prints_what_can_be_applied(admin: Path) -> None:
    """For each stack: the API server takes the manifests as they are printed."""
    for name in ("quickstart", "pipeline"):
        argv = [sys.executable, "-m", "harness", "rbac", name, "--set", f"kubernetes.namespace={NAMESPACE}"]
        told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout

        said = kubectl(admin, "apply", "--dry-run=server", "-f", "-", told=told)
        assert [line.split("/")[0].split(".")[0] for line in said.split("\n") if line] == [
            "serviceaccount",
            "role",
            "rolebinding",
        ]
