"""Every manifest of an operator's kind is judged by a real API server that knows their own definitions.

The corrected manifests are taken; the seed's is refused, in the words that a user of the seed would read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import bundle
from harness.errors import StackError
from harness.stack.kind import cluster
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.definitions import established, taken_away
from harness.stack.kubernetes.manifests import read_manifests
from harness.stack.kubernetes.owned import Manifest
from harness.stack.kubernetes.platform import tried
from harness.tests.contract import crds

STACKS = bundle.fixtures() / "stacks"
OPERATED = ("kafka.strimzi.io/", "flink.apache.org/")
SEED = "edge-seed/manifests/kafka.yaml"
pytestmark = [pytest.mark.contract, pytest.mark.nightly]


def operated(*versions: str) -> list[tuple[str, Manifest]]:
    """Every resource of an operator's kind in the stacks of the harness, in these API versions."""
    found = [
        (path, each) for path in sorted(STACKS.glob("*/manifests/*.yaml")) for each in read_manifests(path)
    ]
    return [
        (str(path.relative_to(STACKS)), each)
        for path, each in found
        if each["apiVersion"].startswith(OPERATED) and each["apiVersion"].rpartition("/")[2] in versions
    ]


def named(each: Any) -> str:
    """``edge/manifests/kafka.yaml:Kafka:edge-kafka``, for parametrized tests."""
    if isinstance(each, dict):
        return f"{each['kind']}:{each['metadata']['name']}"
    return str(each)


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """The cluster that is there, or one for these tests."""
    with cluster.standing(reuse=True, keep=False) as made:
        yield Api(made.kubeconfig(), "default")


@pytest.fixture(scope="module")
def knowing(
    request: pytest.FixtureRequest, api: Api, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """An API server that knows one version of Strimzi, and the Flink operator."""
    folder = tmp_path_factory.mktemp("crds")
    yield from known(api, [*crds.strimzi(request.param, folder), *crds.flink()])


of_the_seeds_time = pytest.mark.parametrize("knowing", [crds.OLD], indirect=True)
current = pytest.mark.parametrize("knowing", [crds.NEW], indirect=True)


def known(api: Api, definitions: list[Manifest]) -> Iterator[Api]:
    """*api* once it serves *definitions*; those that were not there before go after."""
    made = established(api, definitions)
    try:
        yield api
    finally:
        taken_away(api, made)


CORRECTED = [pair for pair in operated("v1beta1", "v1beta2") if pair[0] != SEED]


def test_there_is_something_to_judge() -> None:
    """Each operator's kinds are among the manifests, the seed's own too."""
    kinds = {each["kind"] for _, each in operated("v1beta1", "v1beta2", "v1")}

    assert kinds >= {"Kafka", "KafkaNodePool", "KafkaTopic", "FlinkDeployment"}
    assert SEED in {path for path, _ in operated("v1beta2")}


@of_the_seeds_time
@pytest.mark.parametrize(("path", "manifest"), CORRECTED, ids=named)
def test_the_corrected_manifests_are_taken(knowing: Api, path: str, manifest: Manifest) -> None:
    """The API server has nothing against any of them."""
    knowing.check(manifest)


@current
@pytest.mark.parametrize(("path", "manifest"), operated("v1"), ids=named)
def test_the_manifests_for_a_current_operator_are_taken(knowing: Api, path: str, manifest: Manifest) -> None:
    """Nor against those of Kafka 4."""
    knowing.check(manifest)


@of_the_seeds_time
def test_the_seeds_kafka_is_refused_in_the_servers_words(knowing: Api) -> None:
    """What the harness reports names both fields that the seed lacks."""
    (manifest,) = read_manifests(STACKS / SEED)

    with pytest.raises(StackError) as refused:
        knowing.check(manifest)

    assert "the API server refused Kafka edge-kafka" in refused.value.sentence()
    assert "spec.kafka.listeners: Required value" in refused.value.why
    assert "spec.zookeeper: Required value" in refused.value.why


@of_the_seeds_time
def test_what_a_run_puts_on_record_of_the_seed(knowing: Api) -> None:
    """Its Kafka's refusal and its FlinkDeployment's acceptance, one line each."""
    files = ["../edge-seed/manifests/kafka.yaml", "../edge-seed/manifests/flink.yaml"]
    refused, taken = tried(knowing, STACKS / "edge", files)

    assert refused.startswith("../edge-seed/manifests/kafka.yaml: the API server refused Kafka edge-kafka: ")
    assert "spec.zookeeper: Required value" in refused
    assert taken.endswith("flink.yaml: the API server takes FlinkDeployment edge-processing")


@of_the_seeds_time
def test_a_kind_that_the_cluster_lacks_is_named(knowing: Api) -> None:
    """Without its definition nothing can be said of a resource but that."""
    (manifest,) = read_manifests(STACKS / SEED)

    with pytest.raises(StackError, match=r"the cluster knows no Kafka of kafka\.strimzi\.io/v9"):
        knowing.check({**manifest, "apiVersion": "kafka.strimzi.io/v9"})


@of_the_seeds_time
def test_a_judged_manifest_is_not_kept(knowing: Api) -> None:
    """What was taken is not there after: nothing acts on it."""
    _, manifest = CORRECTED[0]
    knowing.check(manifest)

    assert knowing.find(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]) is None


@of_the_seeds_time
def test_a_misspelt_field_is_refused(knowing: Api, tmp_path: Path) -> None:
    """The judgement can fail: a corrected manifest with one wrong value is not taken."""
    (manifest, *_) = read_manifests(STACKS / "edge-strimzi/manifests/kafka.yaml")
    manifest["spec"]["kafka"]["replicas"] = "three"

    with pytest.raises(StackError, match=r"spec\.kafka\.replicas"):
        knowing.check(manifest)
