"""What an operator says of its custom resources: ready, not yet and why, or refused for good.

Strimzi writes ``status.conditions`` with the words of whatever failed; the Flink operator writes what became
of the JobManager, and ``status.error``. A state of an older generation of the resource counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from harness.errors import StackError
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.owned import Manifest
from harness.waiting import NotYet, wait_for

_JUDGED = frozenset({"Kafka", "KafkaTopic", "KafkaUser", "FlinkDeployment"})
"""Kinds that their operators judge: a Kafka's node pools are judged with it."""

_FOR_GOOD = ("Invalid", "Unsupported")
"""So begin the reasons that no waiting changes."""


def wait_all_ready(
    api: Api, resources: Iterable[Manifest], seconds: float, last_words: Callable[[], str] = lambda: ""
) -> None:
    """Return once the operators say of each of *resources* that it is ready.

    Raises:
        StackError: one was refused, or was not ready in time; carries the operator's words of the resource,
            and its *last_words* in its log.
    """
    for resource in resources:
        if resource["kind"] not in _JUDGED:
            continue
        try:
            wait_for(
                partial(_observe, api, resource),
                what=f"{_name(resource)} to be ready",
                seconds=seconds,
                every=0.5,
            )
        except StackError as error:
            said = last_words()
            why = f"{error.why}{f'; the last words of its operator: {said}' if said else ''}"
            raise StackError(error.what, why=why, fix=error.fix) from error


def is_ready(resource: Manifest) -> bool:
    """Whether its operator says that it serves, of its present generation."""
    status = _status(resource)
    seen = int(status.get("observedGeneration") or 0)
    if resource["kind"] == "FlinkDeployment":
        return status.get("jobManagerDeploymentStatus") == "READY" and not status.get("error")
    return seen >= int(resource["metadata"].get("generation") or 0) and any(
        each.get("type") == "Ready" and each.get("status") == "True" for each in _conditions(resource)
    )


def refusal(resource: Manifest) -> str:
    """Why its operator will not take it, in the operator's words; empty: it may yet be ready."""
    if resource["kind"] == "FlinkDeployment":
        status = _status(resource)
        refused = status.get("error") and not status.get("jobManagerDeploymentStatus", "").startswith(
            "DEPLOY"
        )
        return str(status["error"]) if refused else ""
    for each in _conditions(resource):
        if each.get("type") == "NotReady" and str(each.get("reason", "")).startswith(_FOR_GOOD):
            return _words(each)
    return ""


def said_of(resource: Manifest) -> str:
    """All that its operator says of it now; "nothing" when it has not looked at it."""
    status = _status(resource)
    told = [_words(each) for each in _conditions(resource)]
    told += [
        f"{key} {status[key]}" for key in ("jobManagerDeploymentStatus", "lifecycleState") if status.get(key)
    ]
    told += [str(status["error"])] if status.get("error") else []
    return "; ".join(told) or "its operator says nothing of it"


def _observe(api: Api, resource: Manifest) -> None:
    metadata = resource["metadata"]
    found = api.find(resource["apiVersion"], resource["kind"], metadata["name"])
    if found is None:
        raise NotYet("it is not there")
    if why := refusal(found):
        raise StackError(f"the operator refused {_name(resource)}", why=why, fix="correct its manifest")
    if not is_ready(found):
        raise NotYet(said_of(found))


def _name(resource: Manifest) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"


def _status(resource: Manifest) -> dict[str, Any]:
    return dict(resource.get("status") or {})


def _conditions(resource: Manifest) -> list[dict[str, Any]]:
    return list(_status(resource).get("conditions") or [])


def _words(condition: dict[str, Any]) -> str:
    about = " ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key))
    state = "" if condition.get("status") == "True" else f" {condition.get('status')}"
    return f"{condition.get('type')}{state}{f' ({about})' if about else ''}"
