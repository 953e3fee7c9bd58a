"""A history as JSON lines: one operation a line, the first one the settings (``History``).

Reading is strict: a number in quotes, a field that is given twice, or settings without a version would
each be read as something, and not by everybody as the same.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

from harness.errors import BadInput
from harness.history.operations import ADAPTER, VERSION, History, Operation, Poll, Transaction
from harness.model import Frozen

HELP = "docs/reference/history.md describes every line"


class Unclear(ValueError):
    """A line that is no operation; the message names the field that is wrong, and says why."""


def read_lines(path: Path) -> list[Operation]:
    """Every operation of the file at *path*, in its order.

    Raises:
        BadInput: as ``read_numbered``.
    """
    return list(read_numbered(path).values())


def read_numbered(path: Path) -> dict[int, Operation]:
    """Every operation of the file at *path* by the number of its line, in its order; blank lines are nothing.

    Raises:
        BadInput: it cannot be read, is empty, does not open with its settings, or a line is wrong; the
            error names the line and the field.
    """
    try:
        with path.open("rb") as file:
            operations = dict(_numbered(path, file))
    except OSError as error:
        raise BadInput(f"{path} cannot be read", why=error.strerror or "") from error
    if not isinstance(next(iter(operations.values()), None), History):
        first = f'open it with {{"op":"history","version":{VERSION}}}; {HELP}'
        raise BadInput(f"{path} has no settings in its first line", fix=first)
    return operations


def parsed(text: bytes) -> Operation:
    """The operation that a line tells of.

    Raises:
        Unclear: it tells of none, or not of one alone.
    """
    try:
        operation = ADAPTER.validate_json(text, strict=True)
    except ValidationError as error:
        raise Unclear(_MARKED if text.startswith(_MARKS) else _first(error)) from error
    if text.count(b":") != _given(operation):  # one within a text, or behind a name that is there twice
        json.loads(text, object_pairs_hook=_distinct)
    if isinstance(operation, History) and "version" not in operation.model_fields_set:
        raise Unclear("version: Field required")
    return operation


def read_settings(path: Path) -> History:
    """The settings in a file of their own: YAML, hence JSON as well, with the fields of ``History``.

    Raises:
        BadInput: it cannot be read, or a field is wrong.
    """
    try:
        return _settings(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read", why=error.strerror or "") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no YAML", why=str(error).splitlines()[0]) from error
    except ValidationError as error:
        raise BadInput(f"{path} holds no settings", why=_first(error), fix=HELP) from error
    except Unclear as error:
        raise BadInput(f"{path}, {error}", fix=HELP) from error


def write_lines(path: Path, operations: Iterable[Operation]) -> None:
    """Write *operations* to *path*, defaults left out."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line(each)}\n" for each in operations)


def line(operation: Operation) -> str:
    """One operation as a line, without what is a default; settings always tell their version."""
    told = operation.model_dump_json(exclude_defaults=True)
    if isinstance(operation, History):
        told = f'{{"version":{VERSION}{"," if told != "{}" else ""}{told[1:]}'
    rest = "," + told[1:] if told != "{}" else "}"
    return f'{{"op":"{operation.op}"{rest}'


def _numbered(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[int, Operation]]:
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            yield number, parsed(text)
        except Unclear as error:
            raise BadInput(f"{path}, line {number}", why=str(error), fix=HELP) from error


def _settings(text: str) -> History:
    """What *text* says, an empty one nothing.

    Raises:
        Unclear: it says one thing twice; YAML itself would keep the last.
    """
    tree, known = yaml.compose(text, yaml.SafeLoader), set[str]()
    for key, _ in tree.value if isinstance(tree, yaml.MappingNode) else ():
        name = str(key.value)
        if name in known:
            raise Unclear(f"line {key.start_mark.line + 1}: {name}: {_TWICE}")
        known.add(name)
    told = yaml.safe_load(text)
    return History.model_validate({} if told is None else told, strict=True)


def _given(operation: Operation) -> int:
    """How many names a line gives at least from which *operation* can be read."""
    parts: tuple[Frozen, ...] = ()
    if isinstance(operation, Poll):
        parts = operation.records
    elif isinstance(operation, Transaction):
        parts = operation.consumed
    return len(operation.model_fields_set) + sum([len(each.model_fields_set) for each in parts])


def _distinct(pairs: list[tuple[str, object]]) -> None:
    known: set[str] = set()
    for name, _ in pairs:
        if name in known:
            raise Unclear(f"{name}: {_TWICE}")
        known.add(name)


def _first(error: ValidationError) -> str:
    """The first thing wrong with a line, and where in it."""
    wrong = error.errors()[0]
    where = ".".join(str(part) for part in wrong["loc"] if part not in _KINDS)
    said = str(wrong["msg"]).replace(" at line 1 column", " at column")
    return f"{where}: {said}" if where else said


_KINDS = frozenset({"history", "reader", "send", "poll", "move", "transaction", "commit", "fence"})
_TWICE = "it is given twice"
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# RFC 8259 forbids to write one. To pass over it would let a file pass that other readers of JSON refuse.
_MARKED = "it begins with a byte order mark: write UTF-8 without one"
