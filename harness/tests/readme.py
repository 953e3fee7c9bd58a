"""The table of modules in ``harness/README.md``: ``python -m harness.tests.readme`` writes it anew.

Each line is the first sentence of a module's own docstring, so that it cannot
tell something else than the module.
"""

from __future__ import annotations

import ast
from itertools import groupby

from harness.tests.source import PACKAGE, Module, modules

README = PACKAGE / "README.md"
START = "<!-- modules -->\n"


def generated() -> str:
    """The tables: the modules at the top, then one table for each folder."""
    chosen = [module for module in modules() if module.path.name not in {"__init__.py", "__main__.py"}]
    by_folder = sorted(chosen, key=lambda module: (_folder(module), module.name))
    tables = [_table(folder, list(found)) for folder, found in groupby(by_folder, key=_folder)]
    return START + "\n".join(tables)


def written() -> str:
    """The tables as they stand in the file."""
    text = README.read_text(encoding="utf-8")
    return text[text.index(START) :]


def _folder(module: Module) -> str:
    return module.path.parent.relative_to(PACKAGE).as_posix().removeprefix(".")


def _table(folder: str, found: list[Module]) -> str:
    heading = f"## {folder}/" if folder else "## At the top"
    rows = [f"| `{module.path.name}` | {_purpose(module)} |" for module in found]
    return "\n".join([heading, "", "| module | what it is for |", "|---|---|", *rows, ""])


def _purpose(module: Module) -> str:
    docstring = ast.get_docstring(module.tree) or ""
    return docstring.split("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    kept = README.read_text(encoding="utf-8").partition(START)[0]
    README.write_text(kept + generated(), encoding="utf-8")
