"""Custom resource definitions: they are cluster-wide, so none that was there before is touched."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.owned import OURS, Manifest
from harness.waiting import NotYet, wait_for

VERSION, KIND = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
_ESTABLISHED_S, _GONE_S = 30.0, 180.0


def established(api: Api, definitions: Iterable[Manifest]) -> tuple[str, ...]:
    """Have the cluster serve *definitions*; the names of those that this call made.

    One that is there and does not carry our label is somebody's, and stays as it is.

    Raises:
        StackError: one is refused, or not served in time; what was made before it is taken away.
    """
    made: list[str] = []
    try:
        for definition in definitions:
            if _may_make(api, definition):
                made.append(str(definition["metadata"]["name"]))
                api.apply([labelled(definition)])
            for version, kind in _served(definition):
                known = partial(_is_served, api, version, kind)
                wait_for(known, what=f"{kind} to be known", seconds=_ESTABLISHED_S)
    except BaseException:
        taken_away(api, made)
        raise
    return tuple(made)


def taken_away(api: Api, names: Iterable[str]) -> None:
    """Delete the definitions *names*, with every resource of theirs, and wait until they are gone."""
    wanted = tuple(names)
    for name in wanted:
        api.delete(VERSION, KIND, name)
    for name in wanted:
        _wait_gone(api, name)


def labelled(manifest: Manifest) -> Manifest:
    """A copy of *manifest* with the mark of what the harness made."""
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **OURS}}}


def is_ours(resource: Manifest) -> bool:
    """Whether the harness made *resource*, as the API server has it."""
    return OURS.items() <= (resource["metadata"].get("labels") or {}).items()


def _may_make(api: Api, definition: Manifest) -> bool:
    """Whether it is not there, or ours; one that an earlier run took away is let go first."""
    name = definition["metadata"]["name"]
    found = api.find(VERSION, KIND, name)
    if found is not None and "deletionTimestamp" in found["metadata"]:
        _wait_gone(api, name)
        found = None
    return found is None or is_ours(found)


def _wait_gone(api: Api, name: str) -> None:
    # Deleted as soon as it was made it meets a server that is not ready for it, and that tries again only
    # after a long pause, unless the definition changes.
    wait_for(partial(_is_gone, api, name), what=f"definition {name} to go", seconds=_GONE_S, every=1.0)


def _served(definition: Manifest) -> list[tuple[str, str]]:
    spec = definition["spec"]
    return [
        (f"{spec['group']}/{each['name']}", spec["names"]["kind"])
        for each in spec["versions"]
        if each["served"]
    ]


def _is_served(api: Api, version: str, kind: str) -> None:
    if not api.knows((version, kind)):
        raise NotYet("the API server does not list it")


def _is_gone(api: Api, name: str) -> None:
    if api.find(VERSION, KIND, name) is not None:
        api.touch(VERSION, KIND, name)
        raise NotYet("it is terminating")
