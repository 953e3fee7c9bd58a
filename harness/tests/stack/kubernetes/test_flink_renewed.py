"""A FlinkDeployment that is changed: done when its operator deployed the change, and not before."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from harness.errors import StackError
from harness.stack.kubernetes.flink_renewed import FlinkByOperator, is_deployed
from harness.stack.kubernetes.owned import Manifest
from harness.tests.stack.clusters import FakeApi
from harness.tests.stack.flinks import FakeFlink

NAME = "edge-processing"
RESOURCE: Manifest = {
    "apiVersion": "flink.apache.org/v1beta1",
    "kind": "FlinkDeployment",
    "metadata": {"name": NAME},
    "spec": {},
}


def status(nonce: int, state: str = "DEPLOYED", manager: str = "READY", **more: str) -> dict[str, Any]:
    """What the operator says once it has *nonce* in hand."""
    last = json.dumps({"spec": {"restartNonce": nonce}})
    told = {"state": state, "lastReconciledSpec": last}
    return {"reconciliationStatus": told, "jobManagerDeploymentStatus": manager, **more}


class Operated(FakeApi):
    """An operator that answers a change by the next of *says*, and then replaces the pods if it is to."""

    def __init__(self, *says: dict[str, Any], replaces: bool = True) -> None:
        super().__init__(copy.deepcopy(RESOURCE))
        self.known = {("flink.apache.org/v1beta1", "FlinkDeployment")}
        self.says, self.replaces = list(says), replaces
        self.generation = 0

    def find(self, version: str, kind: str, name: str) -> Manifest | None:
        """What the operator says next, the last of it for ever; pods go with the last but one."""
        found = super().find(version, kind, name)
        if found is not None and found["spec"].get("restartNonce") and self.says:
            found["status"] = self.says.pop(0) if len(self.says) > 1 else self.says[0]
            self.generation = int(self.replaces and len(self.says) == 1)
        return found

    def every(self, version: str, kind: str, label: str = "") -> list[Manifest]:
        """Two pods with the FlinkDeployment's label."""
        assert (version, kind, label) == ("v1", "Pod", f"app={NAME}")
        return [{"metadata": {"uid": f"{name}-{self.generation}"}} for name in ("jm", "tm")]


class Registering(FakeFlink):
    """Tells who waited for how many TaskManagers."""

    def wait_task_managers(self, wanted: int, seconds: float) -> str:
        """They are there."""
        self.done.append(f"{wanted} registered in {seconds:g} s")
        return "registered"


def test_a_change_is_awaited_until_it_runs() -> None:
    """Old words, a deployment under way and old pods are no upgrade; then every TaskManager is waited for."""
    api = Operated(status(0), status(1, state="UPGRADING"), status(1, manager="DEPLOYING"), status(1))
    flink = Registering()

    told = FlinkByOperator(api, flink, RESOURCE, workers=2).renew()

    assert told == "FlinkDeployment edge-processing was upgraded by its operator (restartNonce 1)"
    assert api.told == ["patch FlinkDeployment edge-processing"]
    assert flink.done == ["2 registered in 120 s"]


def test_every_upgrade_is_another_change() -> None:
    """A nonce that stays would change nothing, and nothing would happen."""
    api = Operated(status(7))
    api.held["FlinkDeployment", NAME]["spec"]["restartNonce"] = 6
    FlinkByOperator(api, Registering(), RESOURCE, workers=2).renew()

    assert api.held["FlinkDeployment", NAME]["spec"] == {"restartNonce": 7}


def test_a_refusal_ends_the_wait_in_the_operators_words() -> None:
    """It would not change by waiting."""
    api = Operated(status(1, manager="MISSING", error="Cannot switch mode"))

    with pytest.raises(StackError, match=r"the operator refused FlinkDeployment .*Cannot switch mode"):
        FlinkByOperator(api, Registering(), RESOURCE, workers=2).renew()


def test_a_resource_that_is_gone_is_named() -> None:
    """Somebody deleted it."""
    with pytest.raises(StackError, match="there is no FlinkDeployment edge-processing"):
        FlinkByOperator(FakeApi(), Registering(), RESOURCE, workers=2)._found()


@pytest.mark.parametrize(
    ("told", "deployed"),
    [
        (status(1), True),
        (status(2), False),
        (status(1, state="UPGRADING"), False),
        (status(1, manager="DEPLOYING"), False),
        ({}, False),
    ],
)
def test_only_that_specification_counts(told: dict[str, Any], *, deployed: bool) -> None:
    """An operator that is ready with another one has not begun."""
    assert is_deployed({**RESOURCE, "status": told}, 1) is deployed
