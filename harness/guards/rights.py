"""What a run needs to be allowed in a cluster, derived from one table: the verbs of each kind of fault.

Nothing cluster-wide, no wildcard, and never a secret. A test demands a row for each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.errors import BadInput, NotExpressible
from harness.stack.kubernetes.owned import Manifest, Right
from harness.stack.seams import Strike


def rights(group: str, resource: str, *verbs: str) -> frozenset[Right]:
    """One right for each of *verbs*."""
    return frozenset(Right(group, resource, verb) for verb in verbs)


EXEC = rights("", "pods/exec", "create", "get")
"""A command by websocket: that is a GET, and from Kubernetes 1.35 on it needs ``create``, too."""

LOOK = (
    rights("", "namespaces", "get")
    | rights("", "pods", "list")
    | rights("", "pods/log", "get")
    | rights("", "events", "list")
    | rights("policy", "poddisruptionbudgets", "list")
)
"""To see pods, why they do not start, and what protects them. ``namespaces``: a Role means its own alone."""

HEAL = LOOK | EXEC | rights("batch", "jobs", "list", "delete")
"""What ``harness heal`` needs at the least: to find the Jobs of runs, and to delete them."""

SEND = HEAL | rights("batch", "jobs", "create") | rights("", "configmaps", "create")
"""What a user needs to have a Job of the cluster run the scenario, and to bring home what it found."""

APPLY = ("get", "create", "patch", "list", "delete")
"""What is done with everything that a stack consists of, from the check that its name is free to its end."""

CLAIMS = rights("", "persistentvolumeclaims", "list", "delete")
"""Made by the cluster from a stack's templates, deleted by the harness."""

AGENT = EXEC | rights("", "pods", "create", "list", "delete")
"""A short-lived pod of ours on the node of each pod, and commands in it: no effect is proven without."""


_NOTHING: frozenset[Right] = frozenset()
"""For what is not expressible in somebody's cluster."""

_POD = rights("", "pods", "get", "list")
_CONTROLLER = _POD | rights("apps", "statefulsets", "get", "patch")
_ENDPOINTS = rights("", "services", "list", "patch") | rights("discovery.k8s.io", "endpointslices", "list")

_KAFKA = _POD | rights("kafka.strimzi.io", "kafkas", "get", "patch")

ROWS: Mapping[str, frozenset[Right]] = {
    "kill": AGENT,
    "terminate": AGENT,
    "pause": AGENT,
    "partition": AGENT,
    "bandwidth": AGENT,
    "loss": AGENT,
    "latency": AGENT,
    "disk_full": AGENT | _POD | rights("", "persistentvolumeclaims", "get"),
    "disk_read_only": _NOTHING,
    "starve": AGENT,
    "s3_refuse": _NOTHING,
    "s3_slow": _NOTHING,
    "s3_truncate": _NOTHING,
    "s3_hang": _NOTHING,
    "pod_delete": _POD | rights("", "pods", "delete"),
    "drain": _POD | rights("", "pods/eviction", "create"),
    "rolling_update": _CONTROLLER,
    "image_missing": _CONTROLLER | rights("", "pods", "delete"),
    "unlisted": _POD | _ENDPOINTS,
    "network_policy": AGENT | _POD | rights("networking.k8s.io", "networkpolicies", *APPLY),
    "out_of_memory": AGENT | _POD,
    "cpu_limit": AGENT | _POD | rights("", "pods", "patch") | rights("", "pods/resize", "patch"),
    "reconciliation_paused": _KAFKA,
    "machine_stop": _NOTHING,
    "machine_pause": _NOTHING,
    "machine_reboot": _NOTHING,
}
"""Every kind of fault, as ``harness.faults.kinds`` has them."""

WIPE = _POD | rights("", "pods", "delete") | rights("", "persistentvolumeclaims", "get", "delete")
"""To have a pod made anew, on a new claim."""

BY_OPERATOR = {"rolling_update": _KAFKA | rights("core.strimzi.io", "strimzipodsets", "patch")}
"""What a kind needs instead where an operator keeps the pods."""

BEYOND: Mapping[str, Right] = {"drain": Right("", "nodes", "patch")}
"""What a kind needs outside of any namespace: no Role gives it."""

_IRREGULAR = {"Endpoints": "endpoints"}
_CLUSTER_WIDE = frozenset(
    {
        *("Namespace", "Node", "PersistentVolume", "StorageClass", "PriorityClass", "RuntimeClass"),
        *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "APIService"),
        *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "IngressClass", "CSIDriver"),
    }
)


def needed(strikes: Iterable[Strike], manifests: Iterable[Manifest]) -> frozenset[Right]:
    """What the Job needs to apply *manifests*, look at what they become, and make *strikes*.

    Raises:
        BadInput: a manifest is a Secret, or lies in no namespace.
        NotExpressible: a strike needs what no Role gives.
    """
    found, applied = LOOK | AGENT, list(manifests)
    for each in applied:
        found |= rights(*_resource(each), *APPLY)
    if applied:
        found |= CLAIMS | rights("", "configmaps", *APPLY)
    by_operator = BY_OPERATOR if any(_is_kafka(each) for each in applied) else {}
    for strike in strikes:
        found |= _of(strike, by_operator)
    return found


def _is_kafka(manifest: Manifest) -> bool:
    """Whether it is one for whose pods an operator is asked."""
    return str(manifest["apiVersion"]).startswith("kafka.strimzi.io/") and manifest["kind"] == "Kafka"


def _of(strike: Strike, by_operator: Mapping[str, frozenset[Right]]) -> frozenset[Right]:
    """What one fault needs."""
    if strike.kind in BEYOND:
        why = f"it has to {BEYOND[strike.kind]}, which lies outside of any namespace"
        raise NotExpressible(f"{strike.name} cannot be done in somebody's cluster", why=why)
    return by_operator.get(strike.kind, ROWS[strike.kind]) | (WIPE if strike.wipes else _NOTHING)


def _resource(manifest: Manifest) -> tuple[str, str]:
    """The API group and the plural of a manifest's kind, as a Role names them."""
    kind, group = str(manifest["kind"]), str(manifest["apiVersion"]).rpartition("/")[0]
    if kind in _CLUSTER_WIDE or kind == "Secret":
        why = "the harness asks for nothing cluster-wide, and for no secret"
        raise BadInput(f"{kind} {manifest['metadata']['name']} needs a right that no Role here has", why=why)
    return group, _IRREGULAR.get(kind) or _plural(kind.lower())


def _plural(word: str) -> str:
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"
