"""The least Role for one plan, as YAML to review and apply: ServiceAccount, Role and RoleBinding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import yaml

from harness.stack.kubernetes.owned import OURS, Right

NAME = "edge-harness"


def render(rights: Iterable[Right], namespace: str, *, title: str, faults: Sequence[str]) -> str:
    """*rights* as manifests for *namespace*; *title* and *faults* say in comments what they are for."""
    metadata = {"name": NAME, "namespace": namespace, "labels": dict(OURS)}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME}
    who = {"kind": "ServiceAccount", "name": NAME, "namespace": namespace}
    documents = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": _API, "kind": "Role", "metadata": metadata, "rules": rules(rights)},
        {"apiVersion": _API, "kind": "RoleBinding", "metadata": metadata, "roleRef": role, "subjects": [who]},
    ]
    lines = [f"The least Role for: {title}", *(f"- {fault}" for fault in faults)]
    lines += [f"A token for it: kubectl --namespace {namespace} create token {NAME}"]
    head = "".join(f"# {' '.join(line.split())}\n" for line in lines)
    return head + "---\n".join(
        yaml.dump(each, Dumper=_Plain, sort_keys=False, default_flow_style=None, width=110)
        for each in documents
    )


def rules(rights: Iterable[Right]) -> list[dict[str, list[str]]]:
    """*rights* as the rules of a Role: one for each set of verbs of an API group, in a stable order."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), set()).add(right.verb)
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), own in sorted(verbs.items()):
        together.setdefault((group, tuple(sorted(own))), []).append(resource)
    return [
        {"apiGroups": [group], "resources": resources, "verbs": list(own)}
        for (group, own), resources in together.items()
    ]


_API = "rbac.authorization.k8s.io/v1"


class _Plain(yaml.SafeDumper):
    """Writes what is said twice twice: a reader of a Role should not have to follow anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - as its base has it
        return True
