"""An operator comes from the release that a user names, and takes away with it all that it brought."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from harness.errors import BadInput, MissingAbility, StackError
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.definitions import established
from harness.stack.kubernetes.operators import (
    check_releases,
    installed,
    let_go,
    operated,
    placed_in,
    wait_operated,
    wait_up,
)
from harness.stack.kubernetes.owned import OURS
from harness.stack.kubernetes.pods_seen import PodSeen
from harness.tests.stack.places import STRIMZI, definition_of

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "strimzi-cluster-operator", "namespace": "myproject"},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "operator",
                        "image": "far.example/strimzi/operator:9.9",
                        "env": [
                            {
                                "name": "IMAGES",
                                "value": "1=far.example/strimzi/kafka:1\n2=far.example/strimzi/kafka:2",
                            },
                            {"name": "STRIMZI_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
                        ],
                    }
                ]
            }
        }
    },
}
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "kafkas.kafka.strimzi.io"},
    "spec": {
        "group": "kafka.strimzi.io",
        "names": {"kind": "Kafka"},
        "versions": [{"name": "v1beta2", "served": True}, {"name": "v1alpha1", "served": False}],
    },
}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "strimzi"},
    "subjects": [{"kind": "ServiceAccount", "name": "strimzi", "namespace": "myproject"}],
}
ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "strimzi"}}
KAFKA = {"apiVersion": "kafka.strimzi.io/v1beta2", "kind": "Kafka", "metadata": {"name": "edge-kafka"}}


class Cluster:
    """Stands in for the API server of a cluster: keeps what is applied; *stuck* resources survive a deletion.

    A Deployment is available as soon as it is there, unless *broken* says why not.
    """

    namespace = "edge-harness"

    def __init__(self, *there: dict[str, Any], stuck: bool = False, broken: str = "") -> None:
        self.kept = {self._key(each): each for each in there}
        self.stuck, self.broken = stuck, broken
        self.applied: list[dict[str, Any]] = []

    @staticmethod
    def _key(each: dict[str, Any]) -> tuple[str, str, str]:
        return each["apiVersion"], each["kind"], each["metadata"]["name"]

    def apply(self, manifests: list[dict[str, Any]]) -> None:
        """Keep them."""
        for each in manifests:
            self.applied.append(each)
            state = {
                "type": "Available",
                "status": "False" if self.broken else "True",
                "message": self.broken,
            }
            self.kept[self._key(each)] = each | {"status": {"conditions": [state]}}

    def find(self, version: str, kind: str, name: str) -> dict[str, Any] | None:
        """What is kept of that name."""
        return self.kept.get((version, kind, name))

    def delete(self, version: str, kind: str, name: str) -> None:
        """Take it away, unless it is stuck."""
        if not self.stuck:
            self.kept.pop((version, kind, name), None)

    def let_go(self, version: str, kind: str, name: str) -> None:
        """Take away what was stuck."""
        self.kept.pop((version, kind, name), None)

    def knows(self, kind: tuple[str, str]) -> bool:
        """Whether a definition of it is there."""
        return any(
            (f"{each['spec']['group']}/{one['name']}", each["spec"]["names"]["kind"]) == kind
            for each in self.kept.values()
            if each["kind"] == "CustomResourceDefinition"
            for one in each["spec"]["versions"]
        )

    def is_namespaced(self, kind: tuple[str, str]) -> bool:
        """Roles and bindings of clusters are not."""
        return not kind[1].startswith("Cluster")

    def pods(self) -> dict[str, PodSeen]:
        """The operator's pod."""
        pod = PodSeen("strimzi-cluster-operator-1", "", "", ready=False, restarts=1, said="CrashLoopBackOff")
        return {pod.name: pod}

    def log(self, _pod: str) -> str:
        """How it ended."""
        return "it began\nERROR Unrecognized field emulationMajor\nit ended"


def api(cluster: Cluster) -> Api:
    """*cluster*, which answers as an Api does."""
    return cast(Api, cluster)


def a_release(folder: Path, *manifests: dict[str, Any]) -> str:
    """A release in one file."""
    path = folder / "release.yaml"
    path.write_text(yaml.safe_dump_all(manifests))
    return str(path)


def test_a_release_is_put_into_the_stacks_namespace() -> None:
    """Accounts and bindings follow; what holds in the whole cluster is called by the namespace too."""
    deployment, binding = (placed_in(each, "edge-harness", {}) for each in (DEPLOYMENT, BINDING))

    assert "namespace" not in deployment["metadata"]
    assert deployment["metadata"]["labels"].items() >= OURS.items()
    assert binding["metadata"]["name"] == "strimzi-edge-harness"
    assert binding["subjects"][0]["namespace"] == "edge-harness"
    assert DEPLOYMENT["metadata"]["namespace"] == "myproject", "the release itself stays as it was"


def test_every_image_of_a_release_can_be_replaced() -> None:
    """The operator's own, and those that it is told of in its environment."""
    images = {"operator": "mirror/o:1", "kafka": "mirror/k:1"}
    (container,) = placed_in(DEPLOYMENT, "n", images)["spec"]["template"]["spec"]["containers"]

    assert container["image"] == "mirror/o:1"
    assert container["env"][0]["value"] == "1=mirror/k:1\n2=mirror/k:1"


def test_a_variable_that_a_release_leaves_empty_stays_empty() -> None:
    """Charts write `value:` and nothing behind it: as the word None it would be a program's argument."""
    release = copy.deepcopy(DEPLOYMENT)
    (container,) = release["spec"]["template"]["spec"]["containers"]
    container["env"].append({"name": "JVM_ARGS", "value": None})
    (placed,) = placed_in(release, "n", {"kafka": "mirror/k:1"})["spec"]["template"]["spec"]["containers"]

    assert placed["env"][-1] == {"name": "JVM_ARGS", "value": None}


def test_what_it_brought_goes_and_what_was_there_stays(tmp_path: Path) -> None:
    """Another installation's role is neither changed nor deleted; our definitions and bindings go after."""
    cluster = Cluster(ROLE)
    release = a_release(tmp_path, ROLE, DEFINITION, BINDING, DEPLOYMENT)
    with installed(api(cluster), definition_of(releases={"strimzi": release}), {"HARNESS_RUN": "r1"}):
        assert cluster.knows(("kafka.strimzi.io/v1beta2", "Kafka"))
        told = {each["name"]: each for each in _containers(cluster)[0]["env"]}
        assert told["STRIMZI_KUBERNETES_VERSION"]["value"] == "minor=27"
        assert told["HARNESS_RUN"]["value"] == "r1"

    assert [each["kind"] for each in cluster.applied] == [
        "CustomResourceDefinition",
        "ClusterRoleBinding",
        "Deployment",
    ]
    assert {kind for _, kind, _ in cluster.kept} == {"ClusterRole", "Deployment"}, (
        "the namespace takes the rest"
    )


def _containers(cluster: Cluster) -> list[dict[str, Any]]:
    deployment = cluster.find("apps/v1", "Deployment", "strimzi-cluster-operator")
    assert deployment is not None
    found: list[dict[str, Any]] = deployment["spec"]["template"]["spec"]["containers"]
    return found


def test_without_an_operator_the_error_says_what_to_download() -> None:
    """One sentence: what is missing, what to download, and by which setting it is named."""
    with (
        pytest.raises(
            MissingAbility, match=r"no operator strimzi.*download the release 9\.9.*operators\.strimzi=PATH"
        ),
        installed(api(Cluster()), definition_of(), {}),
    ):
        pass


def test_nobody_waits_for_a_cluster_that_lacks_its_operator() -> None:
    """One that is made for the run has none, told before it is made; one that is there is looked at first."""
    check_releases(definition_of(), fresh=False)
    with pytest.raises(MissingAbility, match=r"no operator strimzi: one that is made.*download"):
        check_releases(definition_of(), fresh=True)


def test_an_operator_that_is_there_needs_no_release() -> None:
    """A cluster that knows its resources is taken as it is."""
    topic = copy.deepcopy(DEFINITION)
    topic["metadata"]["name"], topic["spec"]["names"]["kind"] = "kafkatopics", "KafkaTopic"
    cluster = Cluster(DEFINITION, topic)
    with installed(api(cluster), definition_of(), {}):
        assert cluster.applied == []


@pytest.mark.parametrize(
    ("name", "manifests", "words"),
    [
        ("strimzy", (DEPLOYMENT,), "no operator 'strimzy'.*did you mean 'strimzi'"),
        ("strimzi", (ROLE,), r"has no Deployment strimzi-cluster-operator: it is not the release 9\.9"),
        ("strimzi", (), "holds no manifest"),
    ],
)
def test_a_release_that_is_none_is_bad_input(
    tmp_path: Path, name: str, manifests: tuple[dict[str, Any], ...], words: str
) -> None:
    """Another operator, another file, an empty one: told before there is a cluster."""
    with pytest.raises(BadInput, match=words):
        check_releases(definition_of(releases={name: a_release(tmp_path, *manifests)}), fresh=False)


def test_a_release_may_be_a_folder(tmp_path: Path) -> None:
    """As Strimzi's archives have it: one file for each resource."""
    a_release(tmp_path, DEPLOYMENT)
    check_releases(definition_of(releases={"strimzi": str(tmp_path)}), fresh=True)


def test_an_operator_that_does_not_come_up_is_quoted() -> None:
    """What the cluster says of its pod, and the line of its log that tells why."""
    cluster = Cluster(broken="minimum availability")
    cluster.apply([DEPLOYMENT])

    with pytest.raises(
        StackError, match=r"strimzi to run took.*minimum availability.*CrashLoop.*emulationMajor"
    ):
        wait_up(api(cluster), "strimzi", STRIMZI, 0.0)


class Flickering(Cluster):
    """Its operator starts, is available at once, and ends before the next look but one."""

    looks = 0

    def find(self, version: str, kind: str, name: str) -> dict[str, Any] | None:
        """Available at two of three looks."""
        self.looks += 1
        status = "False" if self.looks % 3 == 0 else "True"
        return {"status": {"conditions": [{"type": "Available", "status": status, "message": "it ended"}]}}


def test_an_operator_that_ends_at_once_is_not_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a probe of its own it is available whenever it starts: it has to stay so for a moment."""
    monkeypatch.setattr("harness.stack.kubernetes.operators._LOOK_S", 0.001)
    with pytest.raises(StackError, match="strimzi to run took"):
        wait_up(api(Flickering()), "strimzi", STRIMZI, 0.3)


def test_what_is_operated_is_waited_for_with_its_operators_words() -> None:
    """A resource that its operator does not mention ends in the operator's own log."""
    found = operated(definition_of(), [KAFKA, DEPLOYMENT])

    assert found == [KAFKA]
    with pytest.raises(StackError, match=r"Kafka edge-kafka to be ready.*emulationMajor"):
        wait_operated(api(Cluster(KAFKA)), definition_of(), [KAFKA], 0.0)


def test_resources_that_hang_on_their_finalizers_are_freed() -> None:
    """A namespace whose operator went first would never end: so each is let go in the end."""
    cluster = Cluster(KAFKA, stuck=True)
    let_go(api(cluster), [KAFKA], 0.0)

    assert cluster.kept == {}


def test_a_definition_on_its_way_out_is_waited_for() -> None:
    """What an earlier run took away a moment ago is made anew, not changed while it goes."""
    cluster = Leaving(DEFINITION | {"metadata": {**DEFINITION["metadata"], "deletionTimestamp": "now"}})

    assert established(api(cluster), [DEFINITION]) == ("kafkas.kafka.strimzi.io",)
    assert (cluster.looks, cluster.touches) == (3, 1)
    assert "deletionTimestamp" not in cluster.applied[0]["metadata"]


class Leaving(Cluster):
    """A cluster in which the definition is gone at the third look, if somebody touched it meanwhile."""

    looks = touches = 0

    def touch(self, version: str, kind: str, name: str) -> None:
        """Counted."""
        assert (kind, name) == ("CustomResourceDefinition", "kafkas.kafka.strimzi.io")
        assert version == DEFINITION["apiVersion"]
        self.touches += 1

    def find(self, version: str, kind: str, name: str) -> dict[str, Any] | None:
        """Gone at the third look, if it was touched."""
        self.looks += 1
        if self.looks == 3 and self.touches:
            self.kept.clear()
        return super().find(version, kind, name)
