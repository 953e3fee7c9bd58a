"""A stack's definition takes what it knows, refuses the rest, and names what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import bundle
from harness.errors import BadInput
from harness.stack.definition import StackDefinition, base_folder, read_definition, settable, stack_names

STACKS = bundle.fixtures() / "stacks"
TEXT = """\
name: small
title: one broker
network: {prefix: 24, observer: 198.18.0.1}
nodes:
  - {name: broker-1, role: broker, address: 198.18.0.11}
kafka:
  version: 1.2.3
  properties: server.properties
  heap_mb: 256
  data_mb: 512
  client_port: 9092
  controller_port: 9093
"""


def definition(folder: Path, text: str = TEXT, **settings: str) -> StackDefinition:
    """The stack "small" with the given *text*; ``__`` in a setting's name stands for a dot."""
    (folder / "small").mkdir(exist_ok=True)
    (folder / "small" / "stack.yaml").write_text(text)
    return read_definition(
        folder, "small", {key.replace("__", "."): value for key, value in settings.items()}
    )


@pytest.mark.parametrize("name", stack_names(STACKS))
def test_every_stack_that_comes_with_the_harness_is_valid(name: str) -> None:
    """A stack is called like its folder; its files lie beside it, or beside the stack that it extends."""
    found = read_definition(STACKS, name, {})

    assert found.name == name
    assert (base_folder(STACKS, name) / found.kafka.properties).is_file()


def test_an_unknown_stack_is_answered_with_the_nearest() -> None:
    """A misspelt stack names the one that was meant."""
    with pytest.raises(BadInput, match=r"there is no stack 'edge-kafak'\. Fix: did you mean 'edge-kafka'\?"):
        read_definition(STACKS, "edge-kafak", {})


def test_a_setting_replaces_one_value(tmp_path: Path) -> None:
    """``--set kafka.version=…`` changes that value, converted to its type, and no other."""
    changed = definition(tmp_path, kafka__version="3.9.1", kafka__heap_mb="512", budgets__recovery_s="9.5")

    assert (changed.kafka.version, changed.kafka.heap_mb, changed.budgets.recovery_s) == ("3.9.1", 512, 9.5)
    assert changed.nodes == definition(tmp_path).nodes


def test_a_property_keeps_its_own_dots(tmp_path: Path) -> None:
    """Everything after ``kafka.properties.`` is one property's name."""
    found = read_definition(STACKS, "edge-kafka", {"kafka.properties.replica.lag.time.max.ms": "5000"})

    assert found.kafka.overrides == {"replica.lag.time.max.ms": "5000"}
    assert found.kafka.properties == "server.properties"


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("kafka.verison", "kafka.version"),
        ("kafka.heap", "kafka.heap_mb"),
        ("network.prefx", "network.prefix"),
        ("kafak.version", "kafka.version"),
        ("budget.recovery_s", "budgets.recovery_s"),
    ],
)
def test_an_unknown_setting_is_answered_with_the_nearest(key: str, nearest: str) -> None:
    """A misspelt key names the one that was meant, with its whole path."""
    with pytest.raises(BadInput, match=rf"there is no setting '{key}'\. Fix: did you mean '{nearest}'\?"):
        read_definition(STACKS, "edge-kafka", {key: "1"})


def test_a_list_cannot_be_set() -> None:
    """Nodes are changed in a stack of one's own, not on the command line."""
    with pytest.raises(BadInput):
        read_definition(STACKS, "edge-kafka", {"nodes": "none"})
    with pytest.raises(BadInput):
        read_definition(STACKS, "edge-kafka", {"nodes.0.role": "load"})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("198.18.0.11", "10.0.0.1", r"10\.0\.0\.1 is outside 198\.18\.0\.0/15"),
        ("198.18.0.11", "198.20.0.1", r"198\.20\.0\.1 is outside"),
        ("198.18.0.11", "nowhere", "does not appear to be an IPv4 or IPv6 address"),
        ("role: broker", "role: king", "Input should be .broker."),
        ("name: broker-1", "name: ../x", "String should match pattern"),
        ("prefix: 24", "prefix: 8", "greater than or equal to 15"),
        ("heap_mb: 256", "heap_mb: lots", "valid integer"),
        ("client_port: 9092", "client_port: 80", "greater than or equal to 1024"),
        ("title: one broker\n", "", "Field required"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_key(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    """The error carries the key, the file and why the value does not fit."""
    with pytest.raises(BadInput, match=rf"in .*stack\.yaml does not fit: .*{said}"):
        definition(tmp_path, TEXT.replace(old, new, 1))


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    """A misspelt key in ``stack.yaml`` is not silently ignored."""
    with pytest.raises(BadInput, match=r"there is no setting 'kafka\.heap_gb'"):
        definition(tmp_path, TEXT.replace("  heap_mb: 256", "  heap_mb: 256\n  heap_gb: 1"))


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "just words", "a: [", "[" * 1_500, "!!python/object/apply:os.system [id]"]
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    """Lists, words, broken YAML and YAML that would run code are each one sentence."""
    with pytest.raises(BadInput):
        definition(tmp_path, text)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """A stack of more than a megabyte is refused before it is parsed."""
    with pytest.raises(BadInput, match="too large"):
        definition(tmp_path, "#" * 1_000_001)


@pytest.mark.parametrize("key", settable())
def test_what_is_offered_can_be_set(key: str) -> None:
    """No key that a refusal names is itself unknown; at most its value does not fit."""
    said = ""
    try:
        read_definition(STACKS, "edge-kafka", {key: "1"})
    except BadInput as error:
        said = str(error)

    assert "there is no" not in said


def test_everything_but_lists_is_offered() -> None:
    """Values of the stack, budgets that the file does not mention, and any broker property."""
    some = {"kafka.version", "kafka.heap_mb", "network.prefix", "budgets.recovery_s", "kafka.properties.NAME"}

    assert some < set(settable())
    assert not {"nodes", "kafka.overrides", "kafka", "budgets"} & set(settable())


def test_an_operators_release_is_named_by_its_name() -> None:
    """``--set operators.strimzi=PATH`` says where it lies; its images have settings of their own."""
    given = {"operators.strimzi": "release.yaml", "images.kafka": "mirror/kafka:1"}
    found = read_definition(STACKS, "edge-kafka-strimzi", given).kubernetes

    assert found is not None
    assert found.releases == {"strimzi": "release.yaml"}
    assert found.overrides == {"kafka": "mirror/kafka:1"}


@pytest.mark.parametrize(
    ("stack", "kafka", "flink"),
    [
        ("edge-plain", None, None),
        ("edge-kafka-strimzi", "strimzi-cluster-operator", None),
        ("edge-strimzi", "strimzi-cluster-operator", "flink-kubernetes-operator"),
    ],
)
def test_a_component_is_run_by_an_operator_or_by_nobody(
    stack: str, kafka: str | None, flink: str | None
) -> None:
    """Which one says which files and images are the harness's own."""
    definition = read_definition(STACKS, stack, {})
    found = [definition.operator_of(component) for component in ("kafka", "flink")]

    assert [operator.deployment if operator else None for operator in found] == [kafka, flink]


@pytest.mark.parametrize("stack", [name for name in stack_names(STACKS) if "strimzi" in name])
def test_a_strimzi_stacks_brokers_are_selected_by_labels(stack: str) -> None:
    """Each broker has a pod of its own by its label, and the id that Strimzi gives it."""
    brokers = read_definition(STACKS, stack, {}).nodes_of("broker")

    assert [broker.broker_id for broker in brokers] == [0, 1, 2]
    chosen = {broker.selector.labels["strimzi.io/pod-name"] for broker in brokers if broker.selector}
    assert chosen == {broker.name for broker in brokers}


@pytest.mark.parametrize("stack", [name for name in stack_names(STACKS) if "strimzi" in name])
def test_a_strimzi_stack_is_in_whatever_namespace_it_is_given(stack: str) -> None:
    """Every name of a pod follows the setting, and no manifest names a namespace by itself."""
    moved = read_definition(STACKS, stack, {"kubernetes.namespace": "elsewhere"})
    named = [node.address for node in moved.nodes if node.address]
    folder = base_folder(STACKS, stack)
    assert moved.kubernetes is not None
    files = (*moved.manifests, *moved.kubernetes.load_workers)

    assert named
    assert all(address.endswith(".elsewhere.svc.cluster.local") for address in named)
    assert not [name for name in files if ".svc" in (folder / name).read_text()]


@pytest.mark.parametrize("key", ["operators.strimzi", "kubernetes.namespace"])
def test_what_only_pods_have_is_not_set_elsewhere(key: str) -> None:
    """A stack of processes has no operators and no namespace; the answer names the platform that has."""
    with pytest.raises(BadInput, match=r"edge-kafka does not run in Kubernetes.*--platform kind"):
        read_definition(STACKS, "edge-kafka", {key: "x"})


@pytest.mark.parametrize(
    ("stack", "operated"), [("edge", False), ("edge-plain", False), ("edge-kafka-strimzi", True)]
)
def test_a_stack_tells_whether_an_operator_makes_its_pods(stack: str, *, operated: bool) -> None:
    """Healing waits longer there: for the operator's own next look."""
    assert read_definition(STACKS, stack, {}).operated is operated
