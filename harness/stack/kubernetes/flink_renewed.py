"""A Flink cluster that its operator makes anew because its FlinkDeployment changed, as an upgrade has it.

The cluster is a session, so a job lives no longer than its JobManager; what it begins from afterwards is for
whoever hands it over again. The change is a new ``restartNonce``, which changes nothing else: its operator
deletes JobManager and TaskManagers and makes others. It is done when the operator says that it deployed
*that* specification, none of the old pods is left, and every TaskManager has registered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from harness.errors import StackError
from harness.stack.flink.rest import FlinkRest
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.conditions import refusal, said_of
from harness.stack.kubernetes.owned import Manifest
from harness.waiting import NotYet, wait_for

KIND = "FlinkDeployment"
_RENEWED_S, _REGISTERED_S = 240.0, 120.0


@dataclass(frozen=True, slots=True)
class FlinkByOperator:
    """The cluster of one FlinkDeployment.

    Args:
        resource: the FlinkDeployment, as its manifest has it.
        workers: how many TaskManagers it has.
    """

    api: Api
    rest: FlinkRest
    resource: Manifest
    workers: int

    def renew(self) -> str:
        """Change the FlinkDeployment, and return when its operator has replaced the whole cluster.

        Raises:
            StackError: the change is refused, or was not carried out in time; carries the operator's words.
        """
        before = self._pods()
        nonce = int((self._found().get("spec") or {}).get("restartNonce") or 0) + 1
        self.api.change(self.resource["apiVersion"], KIND, self._name, {"spec": {"restartNonce": nonce}})
        wait_for(
            lambda: self._renewed(nonce, before),
            what=f"{KIND} {self._name} to be upgraded",
            seconds=_RENEWED_S,
            every=0.5,
            fix="see its operator's log in logs/",
        )
        self.rest.wait_task_managers(self.workers, _REGISTERED_S)
        return f"{KIND} {self._name} was upgraded by its operator (restartNonce {nonce})"

    def _renewed(self, nonce: int, before: frozenset[str]) -> None:
        found = self._found()
        if why := refusal(found):
            raise StackError(f"the operator refused {KIND} {self._name}", why=why, fix="see its log in logs/")
        if left := before & self._pods():
            raise NotYet(f"{len(left)} of its pods are the old ones; {said_of(found)}")
        if not is_deployed(found, nonce):
            raise NotYet(said_of(found))

    def _found(self) -> Manifest:
        found = self.api.find(self.resource["apiVersion"], KIND, self._name)
        if found is None:
            raise StackError(f"there is no {KIND} {self._name}")
        return found

    def _pods(self) -> frozenset[str]:
        pods = self.api.every("v1", "Pod", f"app={self._name}")
        return frozenset(str(each["metadata"]["uid"]) for each in pods)

    @property
    def _name(self) -> str:
        return str(self.resource["metadata"]["name"])


def is_deployed(resource: Manifest, nonce: int) -> bool:
    """Whether its operator says that the specification with *nonce* runs."""
    status = resource.get("status") or {}
    told = status.get("reconciliationStatus") or {}
    last = json.loads(told.get("lastReconciledSpec") or "{}").get("spec") or {}
    ready = status.get("jobManagerDeploymentStatus") == "READY" and told.get("state") == "DEPLOYED"
    return bool(ready and last.get("restartNonce") == nonce)
