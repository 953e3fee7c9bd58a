"""The harness's own source, parsed, for the tests that hold it to its rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "harness"


@dataclass(frozen=True)
class Module:
    """One source file."""

    path: Path
    tree: ast.Module

    @property
    def name(self) -> str:
        """Its dotted name: ``harness.stack.java``."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def part(self) -> str:
        """The part of the harness it belongs to: ``stack`` of ``harness.stack.java``."""
        return [*self.name.split("."), ""][1]

    def imports(self) -> Iterator[str]:
        """The dotted names imported anywhere in the file, except for type checking only."""
        for node in _executed(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Every call with the dotted name of what is called; "…" stands for what is no name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield _dotted(node.func), node


def modules(*, tests: bool = False) -> list[Module]:
    """Every module of the harness; *tests* says whether its tests are among them."""
    paths = sorted(PACKAGE.rglob("*.py"))
    chosen = [path for path in paths if tests or "tests" not in path.relative_to(PACKAGE).parts]
    return [Module(path, ast.parse(path.read_text(encoding="utf-8"))) for path in chosen]


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return f"{_dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "…"


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _executed(node)
