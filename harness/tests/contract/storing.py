"""Three brokers and an object store: the pipeline without what computes, for faults one by one."""

from __future__ import annotations

from dataclasses import replace

from harness.launch import Prepared, prepare
from harness.stack.definition import StackDefinition

_KEPT = frozenset({"broker", "load", "s3"})
_COMPUTES = "flink.yaml"


def stored(platform: str) -> Prepared:
    """The stack on *platform*."""
    whole = prepare("edge", {}, platform)
    return replace(whole, definition=_without_flink(whole.definition))


def _without_flink(definition: StackDefinition) -> StackDefinition:
    pods = definition.kubernetes
    if pods is not None:
        kept = tuple(name for name in pods.manifests if not name.endswith(_COMPUTES))
        pods = pods.model_copy(update={"manifests": kept})
    gone = dict.fromkeys(("flink", "job", "topics", "vector"))
    nodes = tuple(node for node in definition.nodes if node.role in _KEPT)
    return definition.model_copy(update={**gone, "nodes": nodes, "kubernetes": pods})
