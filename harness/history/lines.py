"""A history as JSON lines: one operation a line, the first one the settings (``History``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

from harness.errors import BadInput
from harness.history.operations import ADAPTER, VERSION, History, Operation

_HELP = "docs/reference/history.md describes every line"


def read_lines(path: Path) -> list[Operation]:
    """Every operation of the file at *path*, in its order.

    Raises:
        BadInput: it cannot be read, is empty, does not open with its settings, or a line is wrong; the
            error names the line and the field.
    """
    try:
        with path.open("rb") as file:
            operations = list(_parsed(path, file))
    except OSError as error:
        raise BadInput(f"{path} cannot be read", why=error.strerror or "") from error
    if not operations or not isinstance(operations[0], History):
        first = f'open it with {{"op":"history","version":{VERSION}}}; {_HELP}'
        raise BadInput(f"{path} has no settings in its first line", fix=first)
    return operations


def read_settings(path: Path) -> History:
    """The settings in a file of their own: YAML, hence JSON as well, with the fields of ``History``.

    Raises:
        BadInput: it cannot be read, or a field is wrong.
    """
    try:
        return History.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise BadInput(f"{path} cannot be read", why=error.strerror or "") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no YAML", why=str(error).splitlines()[0]) from error
    except ValidationError as error:
        raise BadInput(f"{path} holds no settings", why=_first(error), fix=_HELP) from error


def write_lines(path: Path, operations: Iterable[Operation]) -> None:
    """Write *operations* to *path*, defaults left out."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line(each)}\n" for each in operations)


def line(operation: Operation) -> str:
    """One operation as a line, without what is a default."""
    told = operation.model_dump_json(exclude_defaults=True)
    rest = "," + told[1:] if told != "{}" else "}"
    return f'{{"op":"{operation.op}"{rest}'


def _parsed(path: Path, lines: Iterable[bytes]) -> Iterator[Operation]:
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            yield ADAPTER.validate_json(text)
        except ValidationError as error:
            raise BadInput(f"{path}, line {number}", why=_first(error), fix=_HELP) from error


def _first(error: ValidationError) -> str:
    """The first thing wrong with a line, and where in it."""
    wrong = error.errors()[0]
    where = ".".join(str(part) for part in wrong["loc"] if part not in _KINDS)
    return f"{where}: {wrong['msg']}" if where else str(wrong["msg"])


_KINDS = frozenset({"history", "reader", "send", "poll", "move", "transaction", "commit", "fence"})
