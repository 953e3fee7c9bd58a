"""The marks of a run in manifests: the environment by which ``heal`` finds its processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.stack.kubernetes.owned import Manifest


def marked(manifest: Manifest, environment: Mapping[str, str]) -> Manifest:
    """A copy of *manifest* in which every variable of *environment* that stands there empty has its value.

    Wherever it stands: custom resources have their templates of containers in places of their own.
    """
    found: Manifest = _filled(manifest, environment)
    return found


def _filled(part: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(part, list):
        return [_filled(each, environment) for each in part]
    if not isinstance(part, dict):
        return part
    filled = {key: _filled(value, environment) for key, value in part.items()}
    if part.get("value") == "" and part.get("name") in environment:
        filled["value"] = environment[part["name"]]
    return filled
