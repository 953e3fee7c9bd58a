"""Rights: every kind of fault has a row, and no Role ever holds more than a namespace can give."""

from __future__ import annotations

from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness import bundle
from harness.errors import BadInput, NotExpressible
from harness.faults.kinds import Kind
from harness.guards.rbac import render, rules
from harness.guards.rights import AGENT, BEYOND, LOOK, ROWS, SEND, needed
from harness.platforms.clearing import manifests_of
from harness.stack.definition import base_folder, read_definition, stack_names
from harness.stack.kubernetes.owned import Manifest, Right
from harness.stack.seams import Strike

STACKS = bundle.fixtures() / "stacks"
RIGHTS = st.builds(
    Right,
    st.sampled_from(["", "apps", "batch"]),
    st.sampled_from(["pods", "pods/exec", "jobs"]),
    st.sampled_from(["get", "list", "create", "delete"]),
)


def on_pods() -> list[str]:
    """The stacks that run in Kubernetes."""
    return [name for name in stack_names(STACKS) if read_definition(STACKS, name, {}).kubernetes is not None]


def one(kind: str, *, wipes: bool = False) -> Strike:
    """A fault of *kind*."""
    return Strike(kind, f"{kind} broker(1)", ("kafka-0",), wipes=wipes)


def a(kind: str, group: str = "v1") -> Manifest:
    """A resource of *kind*."""
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "one"}}


def test_every_kind_of_fault_has_a_row() -> None:
    """Whoever adds a kind says what it needs from a cluster."""
    assert set(ROWS) == set(get_args(Kind))


@pytest.mark.parametrize("name", on_pods())
def test_no_role_asks_for_a_secret_a_wildcard_or_the_cluster(name: str) -> None:
    """With every fault there is, on every stack: namespaced resources by name, verbs by name."""
    definition = read_definition(STACKS, name, {})
    manifests = manifests_of(definition, base_folder(STACKS, name))
    kinds = [kind for kind in get_args(Kind) if kind not in BEYOND]
    every = SEND | needed([one(kind, wipes=True) for kind in kinds], manifests)
    whole = {"nodes", "persistentvolumes", "clusterroles", "customresourcedefinitions", "storageclasses"}

    assert every
    assert not {right for right in every if "secret" in right.resource or "token" in right.resource}
    assert not {right for right in every if "*" in (right.group, right.resource, right.verb)}
    assert not {right.resource for right in every} & whole
    assert {right.verb for right in every if right.resource == "namespaces"} == {"get"}


def test_a_plan_gets_what_its_faults_need_and_no_more() -> None:
    """Without faults and manifests there is looking and probing; each fault adds its own row."""
    assert needed([], []) == LOOK | AGENT
    assert needed([one("kill")], []) == LOOK | AGENT
    assert needed([one("s3_refuse")], []) == LOOK | AGENT
    assert needed([one("rolling_update")], []) - needed([], []) == {
        Right("", "pods", "get"),
        Right("apps", "statefulsets", "get"),
        Right("apps", "statefulsets", "patch"),
    }
    assert needed([one("cpu_limit")], []) - needed([], []) == {
        Right("", "pods", "get"),
        Right("", "pods", "patch"),
        Right("", "pods/resize", "patch"),
    }
    assert needed([one("kill", wipes=True)], []) - needed([one("kill")], []) == {
        Right("", "pods", "get"),
        Right("", "persistentvolumeclaims", "get"),
        Right("", "persistentvolumeclaims", "delete"),
    }
    assert {right.resource for right in needed([], [a("StatefulSet", "apps/v1")]) - LOOK - AGENT} == {
        "statefulsets",
        "configmaps",
        "persistentvolumeclaims",
    }


def test_an_operator_is_asked_by_annotations() -> None:
    """Where one keeps the pods nothing of controllers is needed, elsewhere nothing of an operator's."""
    kafka = a("Kafka", "kafka.strimzi.io/v1")
    rolled = needed([one("rolling_update")], [kafka]) - needed([], [kafka])
    paused = needed([one("reconciliation_paused")], []) - needed([], [])

    assert Right("core.strimzi.io", "strimzipodsets", "patch") in rolled
    assert not {right for right in rolled if right.group == "apps"}
    assert paused == {
        Right("", "pods", "get"),
        Right("kafka.strimzi.io", "kafkas", "get"),
        Right("kafka.strimzi.io", "kafkas", "patch"),
    }


@pytest.mark.parametrize(
    ("kind", "group", "resource"),
    [
        ("Service", "v1", ("", "services")),
        ("NetworkPolicy", "networking.k8s.io/v1", ("networking.k8s.io", "networkpolicies")),
        ("Ingress", "networking.k8s.io/v1", ("networking.k8s.io", "ingresses")),
        ("Kafka", "kafka.strimzi.io/v1beta2", ("kafka.strimzi.io", "kafkas")),
        ("Endpoints", "v1", ("", "endpoints")),
        ("FlinkDeployment", "flink.apache.org/v1beta1", ("flink.apache.org", "flinkdeployments")),
    ],
)
def test_a_kind_is_named_as_roles_name_it(kind: str, group: str, resource: tuple[str, str]) -> None:
    """By its API group and its plural, as the API server's discovery has them."""
    assert resource in {(right.group, right.resource) for right in needed([], [a(kind, group)])}


@pytest.mark.parametrize("kind", ["Secret", "ClusterRole", "Namespace", "CustomResourceDefinition"])
def test_what_no_such_role_gives_is_refused(kind: str) -> None:
    """A stack with it cannot be applied by a guest, and says so before anything is done."""
    with pytest.raises(BadInput, match=f"{kind} one needs a right that no Role here has"):
        needed([], [a(kind)])


@pytest.mark.parametrize("kind", BEYOND)
def test_what_lies_outside_of_any_namespace_is_not_expressible(kind: str) -> None:
    """It is said which right it is, and no Role with less than it needs is printed."""
    with pytest.raises(
        NotExpressible, match=f"it has to {BEYOND[kind]}, which lies outside of any namespace"
    ):
        needed([one(kind)], [])


@given(st.frozensets(RIGHTS))
def test_the_rules_say_exactly_the_rights(rights: frozenset[Right]) -> None:
    """Grouping loses nothing and adds nothing, and says each resource once."""
    made = rules(rights)
    said = [
        Right(group, resource, verb)
        for rule in made
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]

    assert sorted(said) == sorted(rights)
    assert made == rules(sorted(rights, reverse=True))


def test_what_is_printed_is_three_manifests_of_one_namespace() -> None:
    """Comments tell what they are for, in one line each, whatever a fault is called."""
    told = render(LOOK, "drill", title="quickstart", faults=["kill\n---\nkind: ClusterRole"])
    documents = list(yaml.safe_load_all(told))

    assert [each["kind"] for each in documents] == ["ServiceAccount", "Role", "RoleBinding"]
    assert {each["metadata"]["namespace"] for each in documents} == {"drill"}
    assert documents[2]["roleRef"]["kind"] == "Role"
    assert documents[2]["subjects"] == [
        {"kind": "ServiceAccount", "name": "edge-harness", "namespace": "drill"}
    ]
    assert "# - kill --- kind: ClusterRole\n" in told
