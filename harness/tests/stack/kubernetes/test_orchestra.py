"""What a cluster is asked for, and what of its answers a fault is told."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import NotExpressible
from harness.stack.kind.machines import CORDONED
from harness.stack.kubernetes.connection import Refused
from harness.stack.kubernetes.orchestra import KubernetesOrchestrator
from harness.stack.kubernetes.orchestrated import PodFacts
from harness.tests.stack.clusters import FakeApi, a_pod, a_service, a_set, a_slice, refused

POD, SECOND = "edge-kafka-0", "edge-kafka-1"
BUDGET = "Cannot evict pod as it would violate the pod's disruption budget."


def on(*resources: dict[str, Any]) -> tuple[KubernetesOrchestrator, FakeApi]:
    """An orchestrator and what it works on."""
    api = FakeApi(*resources)
    return KubernetesOrchestrator(api), api


def status(**facts: object) -> dict[str, Any]:
    """A pod with another status."""
    pod = a_pod(POD)
    pod["status"] |= facts
    return pod


def images(api: FakeApi, name: str = "edge-kafka") -> list[str]:
    """The images of a controller's containers."""
    containers = api.held["StatefulSet", name]["spec"]["template"]["spec"]["containers"]
    return [each["image"] for each in containers]


def test_a_pod_is_told_in_facts() -> None:
    """Its identity, its machine and whether it is ready; one that is not there has none of it."""
    orchestrator, _ = on(a_pod(POD))

    assert orchestrator.pod(POD) == PodFacts("u1", "worker-1", ready=True, said="Running")
    assert orchestrator.pod("edge-kafka-9") == PodFacts("", "")


def test_a_pod_that_leaves_is_not_ready() -> None:
    """Its condition says so until the end; who counts on it would be wrong."""
    leaving = a_pod(POD)
    leaving["metadata"]["deletionTimestamp"] = "2026-11-26T15:00:00Z"
    orchestrator, _ = on(leaving)

    assert not orchestrator.pod(POD).ready


def test_a_pod_says_why_it_waits_and_why_it_ended() -> None:
    """In the cluster's own words; a container that runs and never ended says neither."""
    waits = {"name": "kafka", "state": {"waiting": {"reason": "ErrImageNeverPull"}}, "lastState": {}}
    ended = {"name": "agent", "state": {"running": {}}, "lastState": {"terminated": {"reason": "OOMKilled"}}}
    orchestrator, _ = on(status(containerStatuses=[waits, ended]))
    found = orchestrator.pod(POD)

    assert (found.said, found.ended) == ("ErrImageNeverPull", "OOMKilled")


def test_a_pod_without_a_machine_or_a_status_is_still_told() -> None:
    """A pod that nobody placed yet has neither."""
    pending = a_pod(POD)
    del pending["spec"]["nodeName"]
    pending["status"] = {"phase": "Pending"}
    orchestrator, _ = on(pending)

    assert orchestrator.pod(POD) == PodFacts("u1", "", ready=False, said="Pending")


def test_a_deletion_takes_claims_only_when_asked() -> None:
    """Claims go first, for they stay until the pod is gone; the pod's grace is the one that was given."""
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": f"data-{POD}", "uid": "c1"}}
    orchestrator, api = on(a_pod(POD), claim)
    assert orchestrator.claims(POD) == {f"data-{POD}": "c1"}
    orchestrator.delete(POD, grace_seconds=30)
    assert api.told == [f"delete Pod {POD} 30"]

    orchestrator, api = on(a_pod(POD), claim)
    orchestrator.delete(POD, grace_seconds=0, claims=True)
    assert api.told == [f"delete PersistentVolumeClaim data-{POD} None", f"delete Pod {POD} 0"]
    assert orchestrator.claims(POD) == {}


def test_a_disruption_budget_is_told_in_its_own_words() -> None:
    """429 is the budget's no; a pod that is gone already has left."""
    orchestrator, api = on(a_pod(POD))
    assert orchestrator.evict(POD) == ""
    api.on_evict = refused(429, BUDGET)
    assert BUDGET in orchestrator.evict(POD)
    api.on_evict = refused(404, "NotFound")
    assert orchestrator.evict(POD) == ""


def test_any_other_refusal_of_an_eviction_is_an_error() -> None:
    """Who may not evict at all will not be let by waiting."""
    orchestrator, api = on(a_pod(POD))
    api.on_evict = refused(403, "Forbidden")

    with pytest.raises(Refused, match="Forbidden"):
        orchestrator.evict(POD)


def test_a_closed_machine_carries_our_label() -> None:
    """By it heal opens what was closed by us; opening twice is the same as once, other labels stay."""
    orchestrator, api = on({"kind": "Node", "metadata": {"name": "worker-1", "labels": {"zone": "a"}}})
    assert not orchestrator.cordoned("worker-1")
    orchestrator.cordon("worker-1", closed=True)
    node = api.held["Node", "worker-1"]
    assert (node["metadata"]["labels"], orchestrator.cordoned("worker-1")) == (
        {"zone": "a", CORDONED: "true"},
        True,
    )
    orchestrator.cordon("worker-1", closed=False)
    orchestrator.cordon("worker-1", closed=False)

    assert (node["metadata"]["labels"], orchestrator.cordoned("worker-1")) == ({"zone": "a"}, False)
    assert not orchestrator.cordoned("worker-9")


def test_rolling_marks_the_template_anew_each_time() -> None:
    """The same mark twice would roll nothing; its pods are those that it owns."""
    strange = a_pod("other-0", owner="other")
    orchestrator, api = on(a_set(), a_pod(SECOND), a_pod(POD), strange)
    marks = []
    for _ in range(2):
        assert orchestrator.roll(POD) == "edge-kafka"
        template = api.held["StatefulSet", "edge-kafka"]["spec"]["template"]
        marks.append(template["metadata"]["annotations"]["edge-harness/rolled"])

    assert marks == ["1", "2"]
    assert orchestrator.pods_of("edge-kafka") == (POD, SECOND)


def test_an_image_is_taken_from_one_pod_and_given_back() -> None:
    """The other pods stay, for nothing is replaced by itself meanwhile; mending again changes nothing."""
    orchestrator, api = on(a_set(), a_pod(POD), a_pod(SECOND))
    orchestrator.break_image(POD)
    strategy = api.held["StatefulSet", "edge-kafka"]["spec"]["updateStrategy"]
    assert images(api) == ["edge-harness/none:missing"] * 2
    assert strategy == {"type": "OnDelete"}
    assert api.told[-1] == f"delete Pod {POD} 0"
    api.held["Pod", POD] = a_pod(POD, uid="u2", ready=False)
    orchestrator.mend_image(POD)

    assert images(api) == ["kafka:1", "agent:2"]
    assert strategy == {"type": "RollingUpdate"}
    assert api.told.count(f"delete Pod {POD} 0") == 2
    before = list(api.told)
    orchestrator.mend_image(POD)
    assert api.told == before


def test_two_pods_of_one_controller_get_their_own_images_back() -> None:
    """The second one finds the images broken already: they are not taken for its own."""
    orchestrator, api = on(a_set(), a_pod(POD), a_pod(SECOND))
    for name in (POD, SECOND):
        orchestrator.break_image(name)
        api.held["Pod", name] = a_pod(name, uid="u2", ready=False)
    for name in (POD, SECOND):
        orchestrator.mend_image(name)
        assert images(api) == ["kafka:1", "agent:2"]

    assert [("Pod", name) in api.held for name in (POD, SECOND)] == [False, False]
    api.held["StatefulSet", "edge-kafka"]["spec"]["template"]["spec"]["containers"][0]["image"] = "kafka:2"
    api.held["Pod", POD] = a_pod(POD, uid="u3")
    orchestrator.break_image(POD)
    orchestrator.mend_image(POD)
    assert images(api) == ["kafka:2", "agent:2"]


def test_a_pod_that_is_ready_again_is_not_made_anew() -> None:
    """Mending deletes only a pod that does not become ready by itself."""
    orchestrator, api = on(a_set(), a_pod(POD))
    orchestrator.break_image(POD)
    api.held["Pod", POD] = a_pod(POD, uid="u2")
    orchestrator.mend_image(POD)

    assert api.told.count(f"delete Pod {POD} 0") == 1


def test_a_pod_of_no_stateful_set_is_not_expressible() -> None:
    """A Deployment's pods have other names each time, and some pods have no controller."""
    orchestrator, _ = on(a_pod(POD, kind="ReplicaSet"), a_pod(SECOND, owner=""))

    with pytest.raises(NotExpressible, match="edge-kafka-0 belongs to ReplicaSet"):
        orchestrator.roll(POD)
    with pytest.raises(NotExpressible, match="edge-kafka-1 belongs to nobody"):
        orchestrator.break_image(SECOND)
    with pytest.raises(NotExpressible, match="there is no StatefulSet edge-zookeeper"):
        orchestrator.roll("edge-zookeeper-0")


def test_the_services_that_lead_to_a_pod_lose_their_endpoints() -> None:
    """Those whose whole selector fits; a Service without one, or of other pods, is left as it is."""
    fits, strange, bare = {"app": "edge-kafka"}, {"app": "other"}, None
    services = a_service("kafka", fits), a_service("other", strange), a_service("external", bare)
    orchestrator, api = on(
        a_pod(POD), *services, a_slice("kafka", 2), a_slice("kafka", 1), a_slice("other", 7)
    )
    assert orchestrator.listed(POD) == {"kafka": 3}
    orchestrator.unlist(POD, hidden=True)

    assert api.held["Service", "kafka"]["spec"]["selector"] == fits | {"edge-harness/hidden": "true"}
    assert api.told == ["patch Service kafka"]
    assert orchestrator.listed(POD) == {"kafka": 3}  # the cluster's own controller takes them away
    orchestrator.unlist(POD, hidden=False)
    orchestrator.unlist(POD, hidden=False)
    assert api.held["Service", "kafka"]["spec"]["selector"] == fits
    assert api.held["Service", "other"]["spec"]["selector"] == strange


def test_endpoints_are_given_back_to_a_pod_that_is_not_there() -> None:
    """A pod that was deleted meanwhile has no labels to find its Services by."""
    orchestrator, api = on(a_pod(POD), a_service("kafka", {"app": "edge-kafka"}))
    orchestrator.unlist(POD, hidden=True)
    api.delete("v1", "Pod", POD)
    orchestrator.unlist(POD, hidden=False)

    assert api.held["Service", "kafka"]["spec"]["selector"] == {"app": "edge-kafka"}


def test_no_endpoints_are_counted_as_none() -> None:
    """The API server leaves an empty list away."""
    orchestrator, _ = on(a_pod(POD), a_service("kafka", {"app": "edge-kafka"}), a_slice("kafka", 0))

    assert orchestrator.listed(POD) == {"kafka": 0}


def labelled(name: str, **labels: str) -> dict[str, Any]:
    """A pod with *labels* of its own."""
    pod = a_pod(name)
    pod["metadata"]["labels"] = labels
    return pod


def test_a_policy_chooses_one_pod_and_its_successor() -> None:
    """By the labels that tell it from others, without those that change with every revision."""
    pods = [
        labelled(
            name, app="kafka", **{"statefulset.kubernetes.io/pod-name": name, "controller-revision-hash": "a"}
        )
        for name in (POD, SECOND)
    ]
    orchestrator, api = on(*pods)
    orchestrator.allow(POD)
    orchestrator.deny(POD)
    made = api.held["NetworkPolicy", f"denied-{POD}"]["spec"]

    assert made["podSelector"] == {"matchLabels": {"app": "kafka", "statefulset.kubernetes.io/pod-name": POD}}
    assert made["policyTypes"] == ["Ingress", "Egress"]
    assert made.keys() == {"podSelector", "policyTypes"}
    assert (orchestrator.denied(POD), orchestrator.denied(SECOND)) == (True, False)
    orchestrator.allow(POD)
    assert not orchestrator.denied(POD)


@pytest.mark.parametrize("labels", [{}, {"app": "kafka"}])
def test_a_pod_that_no_label_tells_from_others_cannot_be_denied(labels: dict[str, str]) -> None:
    """The policy would hit its siblings as well; without labels it would hit the whole namespace."""
    orchestrator, api = on(labelled(POD, **labels), labelled(SECOND, **labels))

    with pytest.raises(NotExpressible, match=f"no NetworkPolicy can choose {POD} alone"):
        orchestrator.denial(POD)
    assert api.told == []
