"""A run's marks stand in every container's environment, wherever a custom resource keeps its template."""

from __future__ import annotations

from harness.stack.kubernetes.marks import marked


def test_marks_are_filled_in_where_they_stand_empty() -> None:
    """Deep in a resource as well; what has a value, or is no mark, is left alone, and the original too."""
    env = [
        {"name": "HARNESS_RUN", "value": ""},
        {"name": "OTHER", "value": ""},
        {"name": "HARNESS_RUN", "value": "x"},
    ]
    kafka = {"kind": "Kafka", "spec": {"kafka": {"template": {"kafkaContainer": {"env": env}}}}}
    filled = marked(kafka, {"HARNESS_RUN": "r1"})

    found = filled["spec"]["kafka"]["template"]["kafkaContainer"]["env"]
    assert [each["value"] for each in found] == ["r1", "", "x"]
    assert env[0]["value"] == ""
