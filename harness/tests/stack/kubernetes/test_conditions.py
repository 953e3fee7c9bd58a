"""What an operator says of a resource is read from its status, and quoted when it is a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import StackError
from harness.stack.kubernetes.conditions import is_ready, refusal, said_of, wait_all_ready

READY = {"type": "Ready", "status": "True"}
INVALID = {
    "type": "NotReady",
    "status": "True",
    "reason": "InvalidResourceException",
    "message": "Kafka version 9.9 is not supported",
}
SLOW = {
    "type": "NotReady",
    "status": "True",
    "reason": "Creating",
    "message": "Kafka is being deployed",
}


def kafka(*conditions: dict[str, str], seen: int = 2) -> dict[str, Any]:
    """A Kafka of generation 2 with these conditions."""
    return {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "Kafka",
        "metadata": {"name": "edge-kafka", "generation": 2},
        "status": {"observedGeneration": seen, "conditions": list(conditions)},
    }


def flink(**status: str) -> dict[str, Any]:
    """A FlinkDeployment with this status."""
    return {
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": {"name": "edge-processing", "generation": 1},
        "status": status,
    }


class Having:
    """Stands in for the API server: has one resource, or none."""

    def __init__(self, resource: dict[str, Any] | None) -> None:
        self.resource = resource

    def find(self, _version: str, _kind: str, _name: str) -> dict[str, Any] | None:
        """What it has."""
        return self.resource


def test_ready_is_what_the_operator_says_of_this_generation() -> None:
    """A condition that was written before the last change proves nothing."""
    assert is_ready(kafka(READY))
    assert not is_ready(kafka(READY, seen=1))
    assert not is_ready(kafka(SLOW))
    assert not is_ready({**kafka(), "status": None})


def test_a_flink_cluster_is_ready_when_its_job_manager_is() -> None:
    """An error beside it takes that back."""
    assert is_ready(flink(jobManagerDeploymentStatus="READY"))
    assert not is_ready(flink(jobManagerDeploymentStatus="READY", error="no such jar"))
    assert not is_ready(flink(jobManagerDeploymentStatus="DEPLOYING"))


def test_what_no_waiting_changes_is_a_refusal() -> None:
    """An invalid resource stays invalid; one that is being created does not, nor a deployment under way."""
    assert "Kafka version 9.9 is not supported" in refusal(kafka(INVALID))
    assert refusal(kafka(SLOW)) == ""
    assert refusal(flink(error="spec.job is wrong")) == "spec.job is wrong"
    assert refusal(flink(error="timed out", jobManagerDeploymentStatus="DEPLOYING")) == ""


def test_a_refusal_ends_the_wait_with_the_operators_words() -> None:
    """Nobody waits five minutes for a resource that its operator will not take."""
    with pytest.raises(StackError, match=r"the operator refused Kafka edge-kafka: .*9\.9 is not supported"):
        wait_all_ready(Having(kafka(INVALID)), [kafka()], 3_600)  # type: ignore[arg-type] # finds as an Api does


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (kafka(SLOW), "Kafka is being deployed"),
        ({**kafka(), "status": {}}, "its operator says nothing of it"),
        (None, "it is not there"),
    ],
)
def test_a_wait_in_vain_carries_what_was_seen_last(seen: dict[str, Any] | None, said: str) -> None:
    """The condition, its absence, and the end of the operator's log stand in the error."""
    with pytest.raises(StackError, match=f"Kafka edge-kafka to be ready took longer.*{said}.*out of memory"):
        wait_all_ready(Having(seen), [kafka()], 0.0, lambda: "out of memory")  # type: ignore[arg-type] # as above


def test_what_no_operator_judges_is_not_waited_for() -> None:
    """A node pool has no conditions of its own: it is judged with its Kafka."""
    pool = {**kafka(), "kind": "KafkaNodePool"}

    wait_all_ready(Having(None), [pool], 0.0)  # type: ignore[arg-type] # as above


def test_everything_that_is_said_is_told() -> None:
    """Reason and message of each condition, and Flink's own words."""
    assert said_of(kafka(SLOW)) == "NotReady (Creating Kafka is being deployed)"
    told = said_of(flink(jobManagerDeploymentStatus="ERROR", lifecycleState="FAILED", error="no such jar"))
    assert told == "jobManagerDeploymentStatus ERROR; lifecycleState FAILED; no such jar"
