"""The processor limits of a pod, changed in place: Kubernetes' ``resize`` of a pod (since 1.33).

A limit can be changed and not taken away, so only a container that has one can be given another and get its
own back. Beforehand the pod is marked with what it had: by the mark whoever finds it gives it back, as the
watchdog and ``heal`` do with the cluster's own ``kubectl`` (``give_back``). Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from harness.stack.kubernetes.cluster_left import ran

MARK = "edge-harness/limited"
"""The label of a pod whose limits we changed, and the annotation with those that it had."""

UNLIMIT = "unlimit"
"""In a journal's note, under ``do``: the limits of the pod under ``node`` are to be given back."""

_SECONDS = 30.0
Pod: TypeAlias = dict[str, Any]
Limits: TypeAlias = dict[str, dict[str, str]]
"""By container: its ``limits`` and its ``requests`` of processor time, as Kubernetes writes them."""


def asked(pod: Pod) -> Limits:
    """What its containers are to have; those without a limit are not named."""
    return {each["name"]: own for each in pod["spec"]["containers"] if (own := _cpu(each)).get("limits")}


def given(pod: Pod) -> dict[str, int]:
    """The limit of each container as the kubelet has applied it, in thousandths of a processor."""
    told = pod.get("status", {}).get("containerStatuses", ())
    found = {each["name"]: (each.get("resources") or {}).get("limits", {}).get("cpu") for each in told}
    return {name: milli_of(limit) for name, limit in found.items() if limit}


def pending(pod: Pod) -> str:
    """Why the kubelet has not applied what was asked, in its words; empty: it has."""
    told = pod.get("status", {}).get("conditions", ())
    late = (each for each in told if each["type"].startswith("PodResize") and each["status"] == "True")
    return "; ".join(
        " ".join((each["type"], each.get("reason", ""), each.get("message", ""))) for each in late
    )


def lowered(before: Mapping[str, Mapping[str, str]], milli: int) -> Limits:
    """What to ask for so that each container of *before* gets no more than *milli*."""
    return {
        name: {kind: _at_most(kind, old, milli) for kind, old in own.items()} for name, own in before.items()
    }


def _at_most(kind: str, old: str, milli: int) -> str:
    """A limit is what was asked; a request is only not more than that."""
    return f"{min(milli, milli_of(old)) if kind == 'requests' else milli}m"


def change(limits: Mapping[str, Mapping[str, str]]) -> Pod:
    """The patch that asks for *limits*."""
    containers = [
        {"name": name, "resources": {kind: {"cpu": each} for kind, each in own.items()}}
        for name, own in limits.items()
    ]
    return {"spec": {"containers": containers}}


def marking(before: Mapping[str, Mapping[str, str]] | None) -> Pod:
    """The patch that marks a pod with what it had; None: that takes the mark away."""
    told = None if before is None else json.dumps(before)
    return {"metadata": {"labels": {MARK: before and "true"}, "annotations": {MARK: told}}}


def marked(pod: Pod) -> Limits:
    """What a marked pod had; empty: it is not marked."""
    told = (pod["metadata"].get("annotations") or {}).get(MARK)
    found: Limits = json.loads(told) if told else {}
    return found


def milli_of(quantity: str) -> int:
    """What ``500m`` or ``2`` is in thousandths of a processor."""
    return int(quantity[:-1]) if quantity.endswith("m") else round(float(quantity) * 1000)


def limited(kubectl: Sequence[str]) -> list[Pod]:
    """Every pod with our mark, whoever's.

    Raises:
        OSError: the cluster does not answer.
    """
    told = ran([*kubectl, "get", "pods", "--all-namespaces", "-l", MARK, "-o", "json"], _SECONDS)
    found: list[Pod] = json.loads(told)["items"]
    return found


def give_back(kubectl: Sequence[str]) -> list[str]:
    """Give every marked pod its limits back; returns their names.

    Raises:
        OSError: the cluster does not answer, or refuses.
    """
    found = limited(kubectl)
    for pod in found:
        for command in undoing(kubectl, pod):
            ran(command, _SECONDS)
    return [pod["metadata"]["name"] for pod in found]


def undoing(kubectl: Sequence[str], pod: Pod) -> Iterator[list[str]]:
    """The commands that give *pod* its limits back and take the mark away."""
    place = ["patch", "pod", pod["metadata"]["name"], "--namespace", pod["metadata"]["namespace"]]
    if before := marked(pod):
        yield [*kubectl, *place, "--subresource", "resize", "--patch", json.dumps(change(before))]
    yield [*kubectl, *place, "--patch", json.dumps(marking(None))]


def _cpu(container: Pod) -> dict[str, str]:
    resources = container.get("resources") or {}
    kinds = ("limits", "requests")
    return {kind: resources[kind]["cpu"] for kind in kinds if "cpu" in (resources.get(kind) or {})}
