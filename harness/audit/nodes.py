"""One value of a configuration file with the line it stands on, whatever the file's language.

A rule looks up what it needs by path and says where it found it. What is
absent reads as empty text or None, so a rule needs no special case for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, a mapping or a list.

    ``line`` is that of the key (of the value, in a list), counted from 1; ``text_line`` is where the
    text of a scalar begins: after the key when it is a block of several lines.
    """

    line: int
    value: Scalar = None
    entries: Mapping[str, Node] = field(default_factory=dict)
    items: tuple[Node, ...] = ()
    text_line: int = 0

    def at(self, *path: str) -> Node | None:
        """What lies at *path* below, None when nothing does."""
        place: Node | None = self
        for part in path:
            place = None if place is None else place.entries.get(part)
        return place

    def near(self, *path: str) -> Node:
        """The deepest node on the way to *path* that exists: where a missing one belongs."""
        place = self
        for part in path:
            if part not in place.entries:
                break
            place = place.entries[part]
        return place

    def text(self, *path: str) -> str:
        """The scalar at *path* as it would be typed; empty when there is none."""
        found = self.at(*path)
        if found is None or found.value is None:
            return ""
        return str(found.value).lower() if isinstance(found.value, bool) else str(found.value)

    def flag(self, *path: str) -> bool:
        """Whether *path* says true."""
        return self.text(*path).strip().lower() == "true"

    def number(self, *path: str) -> int | None:
        """The whole number at *path*, None when there is none."""
        text = self.text(*path).strip()
        return int(text) if text.removeprefix("-").isdecimal() and len(text) < 20 else None

    def list_of(self, *path: str) -> tuple[Node, ...]:
        """The list at *path*; a scalar counts as a list of one."""
        found = self.at(*path)
        if found is None:
            return ()
        return found.items if found.items or found.value is None else (found,)

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for below in (*self.entries.values(), *self.items):
            yield from below.walk()


def flat(node: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """The scalars below *node* by dotted key: nested and dotted spellings of one key read the same."""
    for key, below in node.entries.items():
        if below.entries:
            yield from flat(below, f"{prefix}{key}.")
        else:
            yield prefix + key, below


def nested(keys: Mapping[str, Node], line: int) -> Node:
    """A mapping of plain keys, for languages that have nothing deeper."""
    return Node(line, entries=dict(keys))
