"""A guest in a namespace: what it applies carries its label, and that is all it ever deletes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.stack.kubernetes.guest import CLAIMS, PODS, sweep, taking
from harness.stack.kubernetes.owned import MAY_BE_BROKEN, OURS, RUN, Manifest, is_given, run_label, stamped

SETS = ("apps/v1", "StatefulSet")
THIS = "20261126-1200-quickstart-4f2a"


class Cluster:
    """Stands in for a namespace: objects by kind and name, each with its labels."""

    namespace = "drill"

    def __init__(self, objects: dict[tuple[tuple[str, str], str], dict[str, str]]) -> None:
        self.objects = objects

    def is_namespaced(self, kind: tuple[str, str]) -> bool:
        """Nodes are not."""
        return kind[1] != "Node"

    def labels_of(self, kind: tuple[str, str], name: str) -> Mapping[str, str] | None:
        """What there is."""
        return self.objects.get((kind, name))

    def labelled(self, kind: tuple[str, str], label: str) -> list[str]:
        """By one label."""
        key, _, value = label.partition("=")
        return [
            name for (of, name), labels in self.objects.items() if of == kind and labels.get(key) == value
        ]

    def delete(self, version: str, kind: str, name: str) -> None:
        """Its pods go with a StatefulSet."""
        del self.objects[(version, kind), name]
        if (version, kind) == SETS:
            self.objects.pop((PODS, f"{name}-0"), None)


def a_set() -> Manifest:
    """A StatefulSet with a claim."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "kafka", "labels": {"app": "kafka"}},
        "spec": {
            "template": {"metadata": {"labels": {"app": "kafka"}}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        },
    }


def test_everything_carries_the_label_of_the_run() -> None:
    """The object, its pods and its claims; what was there before stays, and the file's own is not changed."""
    own = a_set()
    made = stamped(own, THIS)
    both = {**OURS, RUN: THIS}

    assert made["metadata"]["labels"] == {"app": "kafka", **both}
    assert made["spec"]["template"]["metadata"]["labels"] == {"app": "kafka", **both}
    assert made["spec"]["volumeClaimTemplates"][0]["metadata"]["labels"] == both
    assert own == a_set()


@given(st.text())
def test_any_run_id_becomes_a_label(run: str) -> None:
    """Its characters and length are those that a label may have."""
    label = run_label(run)

    assert len(label) <= 63
    assert all(each.isascii() and (each.isalnum() or each in "-_.") for each in label)
    assert not label or (label[0].isalnum() and label[-1].isalnum())


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({}, "StatefulSet kafka is there already in drill: it is not ours"),
        ({**OURS, RUN: "another"}, "run another made it.*kubectl --namespace drill delete StatefulSet kafka"),
        ({**MAY_BE_BROKEN}, "it is not ours"),
    ],
)
def test_a_name_that_is_taken_is_left_alone(labels: dict[str, str], words: str) -> None:
    """Whoever made it: it is not overwritten, even where it may be broken."""
    with pytest.raises(BadInput, match=words):
        taking(Cluster({(SETS, "kafka"): labels}), a_set(), THIS)


def test_a_free_name_and_our_own_are_taken() -> None:
    """Applying twice in one run is fine."""
    made = taking(Cluster({}), a_set(), THIS)

    assert taking(Cluster({(SETS, "kafka"): made["metadata"]["labels"]}), a_set(), THIS) == made


@pytest.mark.parametrize("kind", ["Node", "Secret"])
def test_a_guest_applies_nothing_cluster_wide_and_no_secret(kind: str) -> None:
    """Whatever a stack's manifests hold."""
    with pytest.raises(BadInput, match=f"{kind} one is not applied here"):
        taking(Cluster({}), {"apiVersion": "v1", "kind": kind, "metadata": {"name": "one"}}, THIS)


def test_only_what_the_run_made_is_deleted() -> None:
    """Claims included; what others made, and what another run of ours made, stays."""
    theirs = {(SETS, "theirs"): {"app": "kafka"}, (CLAIMS, "data-theirs-0"): {**OURS, RUN: "another"}}
    ours = {**OURS, RUN: THIS}
    made = {(SETS, "kafka"): ours, (PODS, "kafka-0"): ours, (CLAIMS, "data-kafka-0"): ours}
    cluster = Cluster({**theirs, **made})

    sweep(cluster, [SETS], THIS)

    assert cluster.objects == theirs


@pytest.mark.parametrize(
    ("labels", "given_to_us"),
    [({}, False), (OURS, True), (MAY_BE_BROKEN, True), ({RUN: "one"}, True), ({"app": "kafka"}, False)],
)
def test_a_label_gives_it_to_us(labels: dict[str, str], given_to_us: bool) -> None:  # noqa: FBT001 - a table
    """Ours, a run's, or one that the user set on purpose; nothing else."""
    assert is_given(labels) is given_to_us
