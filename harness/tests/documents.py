"""What the documents say, taken apart for the test that holds them to the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.tests.source import ROOT

_BLOCK = re.compile(r"^[ ]*```(\w+)\n(.*?)^[ ]*```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ROW = re.compile(r"^\| (.+?) \|", re.MULTILINE)


def pages() -> list[Path]:
    """Every Markdown file of the project."""
    top = sorted(ROOT.glob("*.md"))
    folders = ("docs", "harness", "fixtures", "scenarios")
    return [
        *top,
        *(page for f in folders for page in sorted((ROOT / f).rglob("*.md"))),
        ROOT / "reports/README.md",
    ]


def blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced blocks of *language* in *page*."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if found[1] == language:
            yield found[2]


def commands(page: Path) -> list[str]:
    """Every command that a console block of *page* tells its reader to type."""
    lines = (line.strip() for block in blocks(page, "console") for line in block.splitlines())
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def links(page: Path) -> list[str]:
    """Where *page* links to, other sites left out."""
    found: list[str] = _LINK.findall(page.read_text(encoding="utf-8"))
    return [link for link in found if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of *page*, as a forge makes them."""
    headings: list[str] = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def first_column(page: Path, heading: str) -> list[str]:
    """The words in code style in the first column of the tables below *heading*, up to the next heading."""
    text = page.read_text(encoding="utf-8")
    level = heading.partition(" ")[0]
    start = text.index(f"{heading}\n") + len(heading)
    end = text.find(f"\n{level} ", start)
    rows: list[str] = _ROW.findall(text[start : end if end >= 0 else len(text)])
    return [word for row in rows for word in re.findall(r"`([^`]+)`|^(\d+)$", row) for word in word if word]
