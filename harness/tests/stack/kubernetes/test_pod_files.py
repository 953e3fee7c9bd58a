"""What pods are told is what the local platform's processes are told, at the places of an image."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.bundle import fixtures
from harness.stack.artifacts import cache_folder
from harness.stack.definition import (
    NodeDefinition,
    StackDefinition,
    base_folder,
    on_kubernetes,
    read_definition,
)
from harness.stack.java import Java
from harness.stack.kafka.files import parse_properties
from harness.stack.kind.images import images_of, named, tag_of
from harness.stack.kubernetes.entrance import Entrance
from harness.stack.kubernetes.manifests import read_manifests
from harness.stack.kubernetes.pod_files import agent_config, agent_variables, pod_files
from harness.stack.software import Software
from harness.stack.vector.config import fill_in

STACKS = fixtures() / "stacks"
NAMES = ("kafka", "flink", "flink-s3", "s3proxy")


def software() -> Software:
    """One jar for each component, at a place that need not exist."""
    jars = {name: (cache_folder() / "jars" / f"{name}.jar",) for name in NAMES}
    return Software(Java(Path("/home/me/jre/bin/java"), "17.0.9", "test"), jars)


def definition(name: str = "edge-plain", **settings: str) -> StackDefinition:
    """The stack as pods."""
    return read_definition(STACKS, name, {key.replace("__", "."): value for key, value in settings.items()})


def vector(folder: Path) -> Path:
    """A program that says it is Vector."""
    program = folder / "vector"
    program.write_text("#!/bin/sh\necho 'vector 0.99.0 (x86_64)'\n")
    program.chmod(0o755)
    return program


def files(**settings: str) -> dict[str, str]:
    """The ConfigMap of the stack."""
    return pod_files(definition(**settings), base_folder(STACKS, "edge-plain"), software())


def test_every_pod_has_its_arguments() -> None:
    """Each JVM has a file of arguments that ends in its main class and its configuration."""
    made = files()

    for node in definition().nodes:
        if node.role not in {"load", "vector"}:
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


def test_the_agent_reads_the_stacks_own_configuration() -> None:
    """Its file is the local platform's, and every address in it is a pod's name."""
    made = files()
    read = agent_config(definition(), base_folder(STACKS, "edge-plain"))
    told = agent_variables(definition())

    assert made["vector.toml"] == (STACKS / "edge" / "vector.toml").read_text()
    assert told["VECTOR_CONFIG"].split(",") == ["/etc/edge/vector.toml", "/etc/edge/vector-watched.toml"]
    assert made["vector-watched.toml"] == ""
    assert read.data_dir == "/var/lib/edge"
    assert [page.endpoints for page in read.scrapers()] == [
        tuple(f"http://{node.address}:9249/metrics" for node in flink_nodes())
    ]
    assert "${" not in fill_in(made["vector.toml"], told)


def test_another_configuration_of_the_agent_takes_the_place_of_the_first(tmp_path: Path) -> None:
    """``vector.config`` is what the container is told to read, wherever the user has it."""
    own = tmp_path / "own.toml"
    own.write_text("# nothing\n")
    made, told = files(vector__config=str(own)), definition(vector__config=str(own))

    assert made["own.toml"] == "# nothing\n"
    assert "[sinks.harness_itself_exported]" in made["vector-watched.toml"]
    assert "vector.toml" not in made
    assert agent_variables(told)["VECTOR_CONFIG"].startswith("/etc/edge/own.toml,")


def flink_nodes() -> tuple[NodeDefinition, ...]:
    """The pods that serve a page of metrics."""
    return (*definition().nodes_of("jobmanager"), *definition().nodes_of("taskmanager"))


def test_a_stack_that_extends_another_says_only_what_differs() -> None:
    """Settings, budgets and components come from the stack below."""
    edge, plain = read_definition(STACKS, "edge", {}), definition()

    assert plain.budgets == edge.budgets
    assert plain.kafka == edge.kafka
    assert plain.vector == edge.vector
    assert plain.kubernetes is not None
    assert base_folder(STACKS, "edge-plain") == STACKS / "edge"
    assert on_kubernetes(STACKS, "edge") == "edge-plain"
    assert on_kubernetes(STACKS, "edge-kafka") == "edge-kafka-plain"


@pytest.mark.parametrize("name", ["edge-plain", "edge-kafka-plain"])
def test_each_load_worker_is_a_node(name: str) -> None:
    """Faults that cut off everybody cut off every producer; Locust takes the place of the idle pod."""
    idle, driven = definition(name), definition(name, load__workers="3")

    assert [node.name for node in idle.nodes_of("load")] == ["edge-load-0"]
    assert [node.name for node in driven.nodes_of("load")] == ["edge-load-0", "edge-load-1", "edge-load-2"]
    assert driven.nodes_of("load")[2].address.startswith("edge-load-2.edge-load.")
    assert len(driven.nodes) == len(idle.nodes) + 2
    assert {Path(file).stem for file in {*idle.manifests} ^ {*driven.manifests}} == {"load", "load-workers"}


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("name", ["edge-plain", "edge-kafka-plain"])
def test_every_image_of_the_manifests_is_one_that_is_built(tmp_path: Path, name: str, workers: str) -> None:
    """No manifest names an image that nobody makes; ``--set images.`` puts another in its place."""
    stack = definition(name, load__workers=workers)
    tags = {each: tag_of(image) for each, image in images_of(stack, software(), vector(tmp_path)).items()}
    assert stack.kubernetes is not None
    for path in (*stack.manifests, *stack.kubernetes.vector):
        for manifest in read_manifests(base_folder(STACKS, name) / path):
            spec = manifest["spec"].get("template", {}).get("spec", {})
            for container in (*spec.get("initContainers", []), *spec.get("containers", [])):
                assert named(container["image"], tags) in tags.values()

    changed = read_definition(STACKS, name, {"images.kafka": "mirror/kafka:1"})
    assert changed.kubernetes is not None
    assert "kafka" not in images_of(changed, software())
    assert named("edge-harness/kafka", changed.kubernetes.overrides) == "mirror/kafka:1"


def test_what_an_operator_runs_is_told_by_the_operator() -> None:
    """Strimzi's brokers and a Flink operator's processes get no files of ours; the S3 server does."""
    made = pod_files(definition("edge-strimzi"), base_folder(STACKS, "edge-strimzi"), software())

    assert sorted(name for name in made if name.endswith(".args")) == ["edge-s3-0.args"]


def test_clients_are_led_to_a_proxy_and_brokers_are_not() -> None:
    """A broker advertises the proxy only to who comes by the listener behind it; Flink's S3 is the proxy."""
    stack = read_definition(STACKS, "edge", {"flink.high_availability": "true"})
    ways = {"broker-1": Entrance(61002, "198.18.0.11:61001")}
    found = pod_files(stack, STACKS / "edge", software(), ways, objects_at="http://198.18.0.61:61001")
    broker = parse_properties(found["broker-1.properties"])

    assert broker["advertised.listeners"] == "PLAINTEXT://198.18.0.11:9092,EXTERNAL://198.18.0.11:61001"
    assert broker["inter.broker.listener.name"] == "PLAINTEXT"
    assert "s3.endpoint: http://198.18.0.61:61001\n" in found["taskmanager-1.flink-conf.yaml"]
    assert "61001" not in found["s3-1.properties"]
    assert '"org.apache.zookeeper.server.ZooKeeperServerMain"' in found["zookeeper-1.args"]
