"""Names that look like production, and the confirmation that they need."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from harness.errors import BadInput
from harness.guards.allow import Place

Ask: TypeAlias = Callable[[str], str]
"""Shows a question on the terminal and gives what was typed."""

WORDS = frozenset({"prod", "production", "prd", "live"})
QUESTION = "Type the context's name to go on: "


def looks_like_production(name: str) -> bool:
    """Whether one of the words of *name* is a word for production; digits and case do not matter."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return bool(WORDS & set(re.split(r"[^a-z]+", apart.lower())))


def suspects(place: Place) -> tuple[str, ...]:
    """Which names of *place* look like production, in words."""
    host = urlsplit(place.server).hostname or ""
    named = {"context": place.context, "namespace": place.namespace, "API server": host}
    return tuple(f"{what} {name}" for what, name in named.items() if looks_like_production(name))


def confirmed(place: Place, given: str, ask: Ask | None) -> str:
    """How a user confirmed *place*, in words for the report; empty when nothing had to be.

    Args:
        given: what ``--confirm`` named; empty: nothing.
        ask: None when nobody can be asked.

    Raises:
        BadInput: it looks like production, and the context's exact name was not given.
    """
    found = suspects(place)
    if not found:
        return ""
    told = f"{' and '.join(found)} look{'' if len(found) > 1 else 's'} like production"
    if not given and ask is None:
        raise BadInput(told, fix=f"if it may be broken: --confirm {place.context}")
    typed, how = (given, "by --confirm") if given else (ask(f"{told}. {QUESTION}") if ask else "", "by hand")
    if typed != place.context:
        raise BadInput(f"{told}, and was not confirmed", why=f"{typed!r} is not {place.context!r}")
    return f"{told}; confirmed {how}"
