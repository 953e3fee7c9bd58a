"""Where each key of a TOML text stands: the standard reader tells values, not lines.

Works on text that the standard reader has accepted, so it never judges. Keys
inside an inline table or a list stand where the key that holds them does.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\#[^\n]*)"""
    r"""|(?P<text>'''.*?'{3,5}|\"{3}(?:\\.|[^\\])*?\"{3,5}|'[^'\n]*'|"(?:\\.|[^"\\\n])*")"""
    r"""|(?P<mark>\[\[|\]\]|[\[\]{}=,.\n])"""
    r"""|(?P<word>[^\s\#'"\[\]{}=,.]+)""",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\.")

Token = tuple[str, str, int]


class TomlLines:
    """The lines of the keys of *text*, whose first line has the number *first_line*."""

    def __init__(self, text: str, first_line: int) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        self._texts: dict[tuple[str, ...], int] = {}
        self._tables: dict[tuple[str, ...], int] = {}
        self._scan(_tokens(text, first_line))

    def of(self, path: tuple[str, ...], default: int) -> int:
        """The line of the key at *path*; *default* when it has none of its own."""
        return self._lines.get(path, default)

    def text_of(self, path: tuple[str, ...], default: int) -> int:
        """The line on which the text at *path* begins."""
        return self._texts.get(path, default)

    def _scan(self, tokens: list[Token]) -> None:
        """Statement by statement: a header, or a key and its value."""
        table: tuple[str, ...] = ()
        place = 0
        while place < len(tokens):
            kind, word, line = tokens[place]
            if word == "\n" and kind == "mark":
                place += 1
            elif kind == "mark" and word in {"[", "[["}:
                keys, place = _keys(tokens, place + 1)
                table = self._header(keys, line, several=word == "[[")
            else:
                keys, place = _keys(tokens, place)
                place = self._value((*table, *keys), line, tokens, place)

    def _header(self, keys: tuple[str, ...], line: int, *, several: bool) -> tuple[str, ...]:
        """The path that *keys* open: an entry of a list of tables has its number in it."""
        path: tuple[str, ...] = ()
        for key in keys[:-1]:
            self._lines.setdefault((*path, key), line)
            path = self._entry((*path, key))
        path = (*path, keys[-1])
        if several:
            self._tables[path] = self._tables.get(path, -1) + 1
            self._lines.setdefault(path, line)
            path = self._entry(path)
        self._lines[path] = line
        return path

    def _entry(self, path: tuple[str, ...]) -> tuple[str, ...]:
        return (*path, str(self._tables[path])) if path in self._tables else path

    def _value(self, path: tuple[str, ...], line: int, tokens: list[Token], place: int) -> int:
        """Note the key at *path*, whose ``=`` is at *place*, and skip its value."""
        for deep in range(1, len(path) + 1):
            self._lines.setdefault(path[:deep], line)
        place += 1
        if place < len(tokens):
            kind, word, _ = tokens[place]
            opened = re.match(r"(?:'''|\"\"\")\r?\n", word) if kind == "text" else None
            self._texts[path] = line + (opened is not None)
        depth = 0
        while place < len(tokens):
            kind, word, _ = tokens[place]
            if kind == "mark":
                depth += {"[": 1, "[[": 2, "{": 1, "]": -1, "]]": -2, "}": -1}.get(word, 0)
                if word == "\n" and depth <= 0:
                    break
            place += 1
        return place


def _tokens(text: str, first_line: int) -> list[Token]:
    """The tokens of *text* with their lines, blanks and comments left out."""
    found: list[Token] = []
    line = first_line
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "blank":
            found.append((str(match.lastgroup), match[0], line))
        line += match[0].count("\n")
    return found


def _keys(tokens: list[Token], place: int) -> tuple[tuple[str, ...], int]:
    """The dotted key at *place*, and the place of the ``=`` or the line's end behind it."""
    keys: list[str] = []
    while place < len(tokens) and tokens[place][1] not in {"=", "\n"}:
        kind, word, _ = tokens[place]
        if kind == "word":
            keys.append(word)
        elif kind == "text":
            keys.append(_unquoted(word))
        place += 1
    return tuple(keys), place


def _unquoted(word: str) -> str:
    inner = word[1:-1]
    return _ESCAPED.sub(lambda at: at[0][1], inner) if word[0] == '"' else inner
