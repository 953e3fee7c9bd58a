"""YAML, JSON, TOML and properties read into nodes that know their lines; nothing in a file is executed.

YAML is composed, never constructed, so a tag cannot make an object. What
would cost more than it can be worth is refused: tags of a programming
language, aliases that unfold without end, keys nested without end.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator

import yaml

from harness.audit.nodes import Node, Scalar
from harness.audit.toml_lines import TomlLines
from harness.errors import BadInput

DEEPEST = 60
MOST_NODES = 100_000
MOST_DOTS = 1_000
"""Dots in one line of TOML: its reader's time grows with the square of a dotted key's length."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = ("str", "int", "float", "bool", "null", "seq", "map", "timestamp", "binary", "merge", "value", "set")
_TAGS = {f"tag:yaml.org,2002:{name}" for name in _CORE}
_SCALARS = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null")}
_PROPERTY = re.compile(r"((?:\\.|[^=:\s\\])+)\s*[=:\s]?\s*(.*)")
_FIX = "correct the file"


def read_yaml(text: str, name: str) -> Iterator[Node]:
    """The documents of a YAML or JSON file, empty ones left out.

    Raises:
        BadInput: not YAML, a foreign tag, or more nodes than a configuration has.
    """
    try:
        for composed in yaml.compose_all(text, Loader=_LOADER):
            if composed is not None:
                yield _Tree(name).node(composed, composed.start_mark.line + 1, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{name}:{mark.line + 1}" if mark else name
        why = " ".join(f"{error.context or ''} {error.problem or ''}".split())
        raise BadInput(f"{place} is not YAML", why=why, fix=_FIX) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise BadInput(f"{name} is not YAML", why=" ".join(str(error).split()), fix=_FIX) from error


def read_json(text: str, name: str) -> Iterator[Node]:
    """The document of a JSON file; YAML would take what is none.

    Raises:
        BadInput: not JSON, or more values than a configuration has.
    """
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"{name}:{error.lineno} is not JSON", why=error.msg, fix=_FIX) from error
    except (RecursionError, ValueError) as error:
        raise BadInput(f"{name} is not JSON", why=str(error), fix=_FIX) from error
    return read_yaml(text, name)


class _Tree:
    """Turns one composed document into nodes and counts what its aliases unfold to."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def node(self, composed: yaml.Node, line: int, depth: int) -> Node:
        self._check(composed, depth)
        if isinstance(composed, yaml.MappingNode):
            return Node(line, entries=self._entries(composed, depth))
        if isinstance(composed, yaml.SequenceNode):
            below = tuple(self.node(one, one.start_mark.line + 1, depth + 1) for one in composed.value)
            return Node(line, items=below)
        assert isinstance(composed, yaml.ScalarNode)
        block = composed.style in {"|", ">"}
        begins = composed.start_mark.line + 1 + block
        return Node(line, value=_scalar(composed), text_line=begins)

    def _entries(self, composed: yaml.MappingNode, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in composed.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BadInput(f"{self._name}:{key.start_mark.line + 1} has a key that is no word", fix=_FIX)
            below = self.node(value, key.start_mark.line + 1, depth + 1)
            if key.tag.endswith(":merge"):
                for source in below.items or (below,):
                    merged = dict(source.entries) | merged
            else:
                found[key.value] = below
        return merged | found

    def _check(self, composed: yaml.Node, depth: int) -> None:
        place = f"{self._name}:{composed.start_mark.line + 1}"
        self._count += 1
        if composed.tag not in _TAGS:
            raise BadInput(
                f"{place} has the tag {composed.tag}", why="a configuration is data, not objects",
                fix="write the value without a tag",
            )  # fmt: skip
        if self._count > MOST_NODES or depth > DEEPEST:
            raise BadInput(
                f"{place} unfolds without end", why=f"over {MOST_NODES} values or {DEEPEST} levels",
                fix="write it without nested aliases",
            )  # fmt: skip


def _scalar(composed: yaml.ScalarNode) -> Scalar:
    text = str(composed.value)
    if composed.tag not in _SCALARS:
        return text
    try:
        value: Scalar = yaml.safe_load(text) if len(text) < 40 else text
    except (yaml.YAMLError, ValueError):
        return text
    return value if isinstance(value, (str, int, float, bool)) or value is None else text


def read_toml(text: str, name: str, first_line: int = 1) -> Node:
    """A TOML file, or one inside another file whose first line is *first_line* there.

    Raises:
        BadInput: not TOML; the line named is that of the outer file.
    """
    for number, line in enumerate(text.splitlines()):
        if line.count(".") > MOST_DOTS:
            raise BadInput(
                f"{name}:{first_line + number} has a line with over {MOST_DOTS} dots",
                why="no configuration nests so deep", fix="shorten the line",
            )  # fmt: skip
    try:
        values = tomllib.loads(text)
        lines = TomlLines(text, first_line)
        return _from_toml(values, (), first_line, lines)
    except tomllib.TOMLDecodeError as error:
        told = re.search(r"at line (\d+)", str(error))
        place = f"{name}:{first_line + int(told[1]) - 1}" if told else name
        raise BadInput(f"{place} is not TOML", why=str(error), fix=_FIX) from error
    except RecursionError as error:
        raise BadInput(f"{name} is not TOML", why="it nests without end", fix=_FIX) from error


def _from_toml(value: object, path: tuple[str, ...], line: int, lines: TomlLines) -> Node:
    own = lines.of(path, line)
    if isinstance(value, dict):
        below = {key: _from_toml(inner, (*path, key), own, lines) for key, inner in value.items()}
        return Node(own, entries=below)
    if isinstance(value, list):
        numbered = enumerate(value)
        return Node(own, items=tuple(_from_toml(one, (*path, str(n)), own, lines) for n, one in numbered))
    scalar: Scalar = value if isinstance(value, (str, int, float, bool)) else str(value)
    return Node(own, value=scalar, text_line=lines.text_of(path, own))


def read_properties(text: str, first_line: int = 1) -> Node:
    """A Java properties file: ``key=value`` lines, ``#`` and ``!`` comments, a last backslash goes on."""
    found: dict[str, Node] = {}
    pending, started = "", 0
    for number, raw in enumerate(text.splitlines(), first_line):
        line = raw.strip()
        if not pending and (not line or line[0] in "#!"):
            continue
        started = started if pending else number
        pending += line
        if pending.endswith("\\") and not pending.endswith("\\\\"):
            pending = pending[:-1]
            continue
        if match := _PROPERTY.fullmatch(pending):
            found[match[1].replace("\\", "")] = Node(started, value=match[2].strip(), text_line=started)
        pending = ""
    return Node(first_line, entries=found)
