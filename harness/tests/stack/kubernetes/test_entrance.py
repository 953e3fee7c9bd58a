"""A way in from outside: which port leads to which broker stands in manifests, and brokers advertise it."""

from __future__ import annotations

import pytest

from harness.bundle import fixtures
from harness.errors import BadInput
from harness.stack.definition import base_folder, read_definition
from harness.stack.kafka.files import brokers_of, parse_properties
from harness.stack.kubernetes.entrance import Entrance, entrances
from harness.stack.kubernetes.manifests import read_manifests
from harness.stack.kubernetes.pod_files import pod_files
from harness.tests.stack.kubernetes.test_pod_files import software

STACKS = fixtures() / "stacks"


@pytest.mark.parametrize("name", ["edge-plain", "edge-kafka-plain"])
def test_every_broker_of_our_stacks_has_a_port_of_its_own(name: str) -> None:
    """The NodePorts of the manifests, at the address that is given."""
    definition = read_definition(STACKS, name, {"load.through": "nodeport"})
    folder = base_folder(STACKS, name)
    manifests = [each for file in definition.manifests for each in read_manifests(folder / file)]
    found = entrances(manifests, [node.name for node in brokers_of(definition)], "10.1.2.3")

    assert found == {
        "edge-kafka-0": Entrance(9094, "10.1.2.3:31092"),
        "edge-kafka-1": Entrance(9094, "10.1.2.3:31093"),
        "edge-kafka-2": Entrance(9094, "10.1.2.3:31094"),
    }
    told = pod_files(definition, folder, software(), found)
    broker = parse_properties(told["edge-kafka-1.properties"])
    assert broker["listeners"].endswith(",EXTERNAL://0.0.0.0:9094")
    assert broker["advertised.listeners"].endswith(":9092,EXTERNAL://10.1.2.3:31093")
    assert broker["listener.security.protocol.map"].endswith("EXTERNAL:PLAINTEXT")


def test_a_broker_that_nothing_leads_to_is_named() -> None:
    """A Service of another type leads nowhere from outside."""
    inner = {"kind": "Service", "spec": {"selector": {"statefulset.kubernetes.io/pod-name": "k-0"}}}

    with pytest.raises(BadInput, match=r"nothing leads to k-0 from outside\. Fix: add a Service"):
        entrances([inner], ["k-0"], "10.1.2.3")


def test_by_default_nothing_leads_in() -> None:
    """Brokers have no listener that nobody asked for."""
    definition = read_definition(STACKS, "edge-plain", {})

    assert not any("nodeports" in file for file in definition.manifests)
    told = pod_files(definition, base_folder(STACKS, "edge-plain"), software())
    assert "EXTERNAL" not in "".join(told.values())


def test_only_a_stack_of_pods_is_entered_from_outside() -> None:
    """The local platform has no ports of nodes."""
    with pytest.raises(BadInput, match="only a stack of pods with manifests of NodePorts"):
        read_definition(STACKS, "edge", {"load.through": "nodeport"})
