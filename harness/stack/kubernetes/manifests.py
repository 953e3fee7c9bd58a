"""Manifests as their files have them."""

from __future__ import annotations

from pathlib import Path

import yaml

from harness.errors import BadInput
from harness.stack.kubernetes.owned import Manifest


def read_manifests(path: Path) -> list[Manifest]:
    """The resources in one file.

    Raises:
        BadInput: it is not YAML, or holds something else.
    """
    try:
        found = [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"{path} cannot be read", why=str(error)) from error
    for each in found:
        if not isinstance(each, dict) or not {"apiVersion", "kind", "metadata"} <= each.keys():
            raise BadInput(f"{path} holds something that is no resource")
    return found
