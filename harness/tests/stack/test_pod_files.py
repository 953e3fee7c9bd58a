"""What pods are told is what the local platform's processes are told, at the places of an image."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.bundle import fixtures
from harness.stack.api import read_manifests
from harness.stack.artifacts import cache_folder
from harness.stack.definition import StackDefinition, base_folder, on_kubernetes, read_definition
from harness.stack.images import images_of, named
from harness.stack.java import Java
from harness.stack.kafka_files import parse_properties
from harness.stack.pod_files import pod_files
from harness.stack.software import Software

STACKS = fixtures() / "stacks"
NAMES = ("kafka", "flink", "flink-s3", "s3proxy")


def software() -> Software:
    """One jar for each component, at a place that need not exist."""
    jars = {name: (cache_folder() / "jars" / f"{name}.jar",) for name in NAMES}
    return Software(Java(Path("/home/me/jre/bin/java"), "17.0.9", "test"), jars)


def definition(name: str = "edge-plain", **settings: str) -> StackDefinition:
    """The stack as pods."""
    return read_definition(STACKS, name, {key.replace("__", "."): value for key, value in settings.items()})


def files(**settings: str) -> dict[str, str]:
    """The ConfigMap of the stack."""
    return pod_files(definition(**settings), base_folder(STACKS, "edge-plain"), software())


def test_every_pod_has_its_arguments() -> None:
    """Each node but the load's has a file of arguments that ends in its main class and its configuration."""
    made = files()

    for node in definition().nodes:
        if node.role != "load":
            words = made[f"{node.name}.args"].splitlines()
            assert all(word.startswith('"') and word.endswith('"') for word in words)
            assert any("/etc/" in word for word in words[-2:])


def test_nothing_of_this_machine_is_in_them() -> None:
    """A pod has no home of the user and no cache of jars."""
    told = "\n".join(files().values())

    assert "/home/me" not in told
    assert str(cache_folder()) not in told
    assert "/opt/edge/libs/kafka.jar" in told


def test_settings_reach_the_brokers() -> None:
    """What ``--set`` says of a broker is in the properties of every one, as on the local platform."""
    made = pod_files(
        read_definition(STACKS, "edge-plain", {"kafka.properties.min.insync.replicas": "1"}),
        base_folder(STACKS, "edge-plain"),
        software(),
    )
    brokers = [parse_properties(made[f"edge-kafka-{n}.properties"]) for n in range(3)]

    assert [broker["min.insync.replicas"] for broker in brokers] == ["1"] * 3
    assert [broker["node.id"] for broker in brokers] == ["1", "2", "3"]
    assert all(broker["controller.quorum.voters"].count("svc.cluster.local:9093") == 3 for broker in brokers)


def test_flink_finds_the_object_store_and_its_leader_by_name() -> None:
    """Addresses of pods change, their names do not."""
    told = yaml.safe_load(files()["edge-taskmanager-0.flink-conf.yaml"])

    assert told["s3.endpoint"] == "http://edge-s3-0.edge-s3.edge-harness.svc.cluster.local:9000"
    assert told["jobmanager.rpc.address"].startswith("edge-jobmanager-0.")
    assert told["taskmanager.resource-id"] == "edge-taskmanager-0"


def test_a_stack_that_extends_another_says_only_what_differs() -> None:
    """Settings and budgets come from the stack below; null takes a component away."""
    edge, plain = read_definition(STACKS, "edge", {}), definition()

    assert plain.budgets == edge.budgets
    assert plain.kafka == edge.kafka
    assert plain.vector is None
    assert plain.kubernetes is not None
    assert base_folder(STACKS, "edge-plain") == STACKS / "edge"
    assert on_kubernetes(STACKS, "edge") == "edge-plain"
    assert on_kubernetes(STACKS, "edge-kafka") == "edge-kafka-plain"


@pytest.mark.parametrize("name", ["edge-plain", "edge-kafka-plain"])
def test_every_image_of_the_manifests_is_one_that_is_built(name: str) -> None:
    """No manifest names an image that nobody makes; ``--set images.`` puts another in its place."""
    stack = definition(name)
    assert stack.kubernetes is not None
    tags = {each: image.tag for each, image in images_of(stack, software()).items()}
    for path in stack.kubernetes.manifests:
        for manifest in read_manifests(base_folder(STACKS, name) / path):
            spec = manifest["spec"].get("template", {}).get("spec", {})
            for container in (*spec.get("initContainers", []), *spec.get("containers", [])):
                assert named(container["image"], tags) in tags.values()

    changed = read_definition(STACKS, name, {"images.kafka": "mirror/kafka:1"})
    assert changed.kubernetes is not None
    assert "kafka" not in images_of(changed, software())
    assert named("edge-harness/kafka", changed.kubernetes.overrides) == "mirror/kafka:1"
