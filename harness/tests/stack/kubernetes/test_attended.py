"""What an operator keeps a pod for: found by the pod, and asked by annotations that leave no other trace."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import NotExpressible
from harness.stack.kubernetes.orchestra import KubernetesOrchestrator
from harness.stack.kubernetes.orchestrated import Attention
from harness.stack.kubernetes.reconciliation import MARK, PAUSE
from harness.tests.stack.clusters import FakeApi, a_pod

POD = "edge-kafka-kafka-0"
OLD = {("kafka.strimzi.io/v1beta2", "Kafka"), ("core.strimzi.io/v1beta2", "StrimziPodSet")}


def on(*conditions: dict[str, str], **annotations: str) -> tuple[KubernetesOrchestrator, FakeApi]:
    """An orchestrator over one broker of Strimzi's, and what it works on."""
    pod = a_pod(POD, owner="edge-kafka-kafka", kind="StrimziPodSet")
    pod["metadata"]["labels"] = {"strimzi.io/cluster": "edge-kafka"}
    kafka: dict[str, Any] = {"kind": "Kafka", "metadata": {"name": "edge-kafka"}}
    kafka["metadata"] |= {"annotations": annotations} if annotations else {}
    kafka |= {"status": {"conditions": list(conditions)}} if conditions else {}
    api = FakeApi(pod, kafka, {"kind": "StrimziPodSet", "metadata": {"name": "edge-kafka-kafka"}})
    api.known = set(OLD)
    return KubernetesOrchestrator(api, cluster="edge-harness"), api


def test_an_operators_own_words_say_whether_it_pauses() -> None:
    """Its condition, not the annotation; a Kafka that it has not looked at says nothing."""
    orchestrator, _ = on({"type": "ReconciliationPaused", "status": "True"})
    plain, _ = on()
    asked, _ = on({"type": "Ready", "status": "True"}, **{PAUSE: "true"})

    assert orchestrator.attention(POD) == Attention(
        "edge-kafka", "edge-harness", "edge", asked=False, paused=True, said="ReconciliationPaused True"
    )
    assert plain.attention(POD).said == ""
    assert (asked.attention(POD).asked, asked.attention(POD).paused) == (True, False)


def test_a_pause_is_an_annotation_and_goes_without_a_trace() -> None:
    """No label: it would go to the pods. What was annotated before stays."""
    orchestrator, api = on(owner="me")
    orchestrator.pause_reconciliation(POD, paused=True)

    kafka = api.held["Kafka", "edge-kafka"]["metadata"]
    assert kafka == {"name": "edge-kafka", "annotations": {"owner": "me", PAUSE: "true", MARK: "true"}}
    orchestrator.pause_reconciliation(POD, paused=False)
    orchestrator.pause_reconciliation(POD, paused=False)
    assert kafka["annotations"] == {"owner": "me"}


def test_what_was_paused_is_resumed_while_its_pod_is_gone() -> None:
    """A broker may die in between; its Kafka is known since."""
    orchestrator, api = on()
    orchestrator.pause_reconciliation(POD, paused=True)
    del api.held["Pod", POD]
    orchestrator.pause_reconciliation(POD, paused=False)

    assert api.held["Kafka", "edge-kafka"]["metadata"]["annotations"] == {}


def test_a_pod_set_is_rolled_by_its_operator_at_once() -> None:
    """It is annotated, and the Kafka touched: that has the operator look, and not only in two minutes."""
    orchestrator, api = on()

    assert orchestrator.roll(POD) == "edge-kafka-kafka"
    annotations = api.held["StrimziPodSet", "edge-kafka-kafka"]["metadata"]["annotations"]
    assert annotations == {"strimzi.io/manual-rolling-update": "true"}
    assert api.told == ["patch StrimziPodSet edge-kafka-kafka", "touch Kafka edge-kafka"]
    assert orchestrator.pods_of("edge-kafka-kafka") == (POD,)


def test_the_newest_version_that_is_served_is_asked() -> None:
    """A current Strimzi serves both, and will take the old one away."""
    orchestrator, api = on()
    api.known |= {("kafka.strimzi.io/v1", "Kafka")}
    orchestrator.pause_reconciliation(POD, paused=True)

    assert orchestrator.attention(POD).asked


def test_a_pod_that_no_operator_keeps_has_nobody_to_ask() -> None:
    """It is not expressible, and so is a cluster that does not know the kind, or has no such Kafka."""
    plain = KubernetesOrchestrator(FakeApi(a_pod(POD)))
    unknown, knows_none = on()
    knows_none.known = set()
    lost, without = on()
    del without.held["Kafka", "edge-kafka"]

    with pytest.raises(NotExpressible, match=f"no operator keeps {POD}"):
        plain.attention(POD)
    with pytest.raises(NotExpressible, match=r"the cluster knows no Kafka of kafka\.strimzi\.io"):
        unknown.attention(POD)
    with pytest.raises(NotExpressible, match="there is no Kafka edge-kafka"):
        lost.attention(POD)
