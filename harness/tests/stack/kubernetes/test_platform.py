"""In which order a stack's resources are applied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from harness.launch import prepare
from harness.stack.kubernetes import platform
from harness.stack.kubernetes.manifests import read_manifests


@dataclass
class Noting:
    """Stands in for ``Api``: notes what it is asked for, in order."""

    asked: list[str] = field(default_factory=list)

    def config_map(self, name: str, _told: object) -> None:
        """Kept."""
        self.asked.append(f"ConfigMap {name}")

    def apply(self, manifests: Iterable[dict[str, Any]]) -> None:
        """Taken."""
        self.asked += [f"{each['kind']} {each['metadata']['name']}" for each in manifests]

    def wait_ready(self, names: Iterable[str], _seconds: float, _choose: object) -> dict[str, object]:
        """They are."""
        self.asked.append(f"ready: {' '.join(names)}")
        return {}


def applied(stack: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked for when *stack* is applied."""
    monkeypatch.setattr(platform, "pod_files", lambda *_: {})
    prepared, api = prepare(stack, {}, "kind"), Noting()
    kubernetes = prepared.definition.kubernetes
    assert kubernetes is not None
    manifests = [
        each for name in prepared.definition.manifests for each in read_manifests(prepared.folder / name)
    ]
    assembly = SimpleNamespace(
        definition=prepared.definition, folder=prepared.folder, software=None, environment={}
    )
    platform._applied(api, assembly, manifests, {})  # type: ignore[arg-type] # as much as is used
    return api.asked


def test_flink_is_applied_once_the_brokers_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else comes before: on few processors brokers are up sooner without Flink beside them."""
    asked = applied("edge", monkeypatch)
    ready = asked.index("ready: edge-kafka-0 edge-kafka-1 edge-kafka-2")

    assert {"StatefulSet edge-kafka", "StatefulSet edge-s3"} <= set(asked[:ready])
    flink = [each for each in asked if each.split()[0] in {"Deployment", "StatefulSet"} and "manager" in each]
    assert flink
    assert not set(flink) & set(asked[:ready])


def test_without_flink_all_is_applied_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods are waited for once."""
    waits = [each for each in applied("edge-kafka", monkeypatch) if each.startswith("ready:")]

    assert len(waits) == 1
