"""The allow-list: which clusters and namespaces a user lets the harness break, in a file of his own.

``~/.config/edge-harness/clusters.yaml``, or the file that ``--allow`` or ``HARNESS_ALLOW`` names::

    clusters:
      - context: staging                        # as kubectl config get-contexts names it
        server: https://10.1.2.3:6443           # optional: a renamed context does not pass for it
        namespaces: [edge-drill]
        share_of_brokers: 1/3                   # at most so many at a time; this is the default
        node_faults: false                      # whole machines: not unless it says true
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from harness.errors import BadInput, unknown_name
from harness.model import Frozen

VARIABLE = "HARNESS_ALLOW"
_MAX_BYTES = 1_000_000
_NUMBER = re.compile(r"\d{1,6}/0*[1-9]\d{0,5}|\d{0,6}\.?\d{1,9}")
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run wants to go, by names alone.

    Args:
        context: the name in the kubeconfig.
        server: the URL of its API server.
        namespace: the only one that is touched.
    """

    context: str
    server: str
    namespace: str


def _exactly(value: object) -> Fraction:
    """``1/3`` and ``0.5`` as they are written."""
    if isinstance(value, bool) or not _NUMBER.fullmatch(str(value)):
        raise ValueError(f"{value!r} is no share such as 1/3")
    return Fraction(str(value))


Share = Annotated[Fraction, BeforeValidator(_exactly), Field(gt=0, le=1)]


class Entry(Frozen):
    """One cluster that may be broken."""

    context: str = Field(min_length=1)
    server: str = ""
    namespaces: tuple[str, ...] = Field(min_length=1)
    share_of_brokers: Share = Fraction(1, 3)
    node_faults: bool = False


class AllowList(Frozen):
    """The whole file."""

    clusters: tuple[Entry, ...] = ()


def allow_file(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The file that holds: *given*, else the one in ``HARNESS_ALLOW``, else the user's own."""
    if given is not None:
        return given
    if named := environment.get(VARIABLE):
        return Path(named)
    base = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".config"
    return Path(base) / "edge-harness" / "clusters.yaml"


def read_allow_list(path: Path, place: Place) -> AllowList:
    """What *path* allows.

    Raises:
        BadInput: there is no such file (carries an entry for *place* to paste), others may write
            to it, or it holds something else.
    """
    try:
        _refuse_shared(path)
        raw = yaml.safe_load(_text(path))
    except FileNotFoundError as error:
        what = f"{place.context} may not be broken: there is no allow-list"
        raise BadInput(what, why=str(path), fix=f"if it may, write there: {example(place)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise BadInput(f"the allow-list {path} cannot be read", why=str(error)) from error
    return _validated(raw, path)


def example(place: Place) -> str:
    """The shortest file that allows *place*, on one line."""
    server = f", server: {place.server!r}" if place.server else ""
    namespace = place.namespace or "NAMESPACE"
    return f"clusters: [{{context: {place.context!r}{server}, namespaces: [{namespace!r}]}}]"


def entry_for(place: Place, allowed: AllowList, path: Path) -> Entry:
    """The entry that allows *place*.

    Raises:
        BadInput: there is none; says which part of it is not on the list.
    """
    here = _entries_for(place, allowed, path)
    found = next((entry for entry in here if place.namespace in entry.namespaces), None)
    if found is None:
        names = _namespaces_of(here)
        why, fix = f"it has {', '.join(names)} for {place.context}", f"choose one, or add it to {path}"
        raise BadInput(f"namespace {place.namespace} is not on the allow-list", why=why, fix=fix)
    return found


def places_of(context: str, server: str, namespace: str, path: Path) -> tuple[Place, ...]:
    """Every place of *context* that the list at *path* allows, or the one that *namespace* names.

    Raises:
        BadInput: see ``read_allow_list`` and ``entry_for``.
    """
    place = Place(context, server, namespace)
    allowed = read_allow_list(path, place)
    if namespace:
        entry_for(place, allowed, path)
        return (place,)
    return tuple(Place(context, server, each) for each in _namespaces_of(_entries_for(place, allowed, path)))


def _entries_for(place: Place, allowed: AllowList, path: Path) -> list[Entry]:
    """Those of its context, as far as they mean its server."""
    named = [entry for entry in allowed.clusters if entry.context == place.context]
    if not named:
        known = unknown_name("context", place.context, [entry.context for entry in allowed.clusters])
        fix = f"{known.fix} Or add to it: {example(place)}"
        raise BadInput(f"context {place.context} is not on the allow-list", why=str(path), fix=fix)
    here = [entry for entry in named if not entry.server or _same(entry.server, place.server)]
    if not here:
        pinned = ", ".join(entry.server for entry in named)
        why = f"the list has {pinned}, the context leads to {place.server}"
        raise BadInput(f"context {place.context} is another cluster than the allow-list means", why=why)
    return here


def _namespaces_of(entries: Sequence[Entry]) -> list[str]:
    return sorted({name for entry in entries for name in entry.namespaces})


def _refuse_shared(path: Path) -> None:
    """Whoever can write the list, or put another in its place, decides what is broken: only its owner may."""
    for each in (path, path.parent):
        found = each.stat()
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
            raise BadInput(
                f"others may write to {each}", why="it is no allow-list then", fix=f"chmod go-w {each}"
            )
        if found.st_uid not in (os.geteuid(), 0):
            raise BadInput(f"{each} belongs to another user", why="it is no allow-list then", fix="copy it")


def _text(path: Path) -> str:
    if path.stat().st_size > _MAX_BYTES:
        raise BadInput(f"{path} is too large", why="an allow-list is at most 1 MB")
    return path.read_text(encoding="utf-8")


def _validated(raw: object, path: Path) -> AllowList:
    try:
        return AllowList.model_validate(raw or {})
    except ValidationError as error:
        # A key that is misspelt is missing, too; its own error says more.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        if first["type"] == "extra_forbidden":
            model = AllowList if len(first["loc"]) == 1 else Entry
            raise unknown_name(
                f"key of the allow-list {path}", str(first["loc"][-1]), model.model_fields
            ) from error
        key = ".".join(str(part) for part in first["loc"]) or "what is"
        raise BadInput(f"{key} in {path} does not fit", why=first["msg"]) from error


def _same(pinned: str, server: str) -> bool:
    return _address(pinned) == _address(server)


def _address(url: str) -> tuple[str, int | None, str]:
    parts = urlsplit(url if "//" in url else f"https://{url}")
    return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme), parts.path.rstrip("/")
