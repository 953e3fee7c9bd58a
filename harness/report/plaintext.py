"""Text from outside, made harmless before it reaches a terminal, an XML file or a page.

Broker logs, topic names and error messages are written by others. Invariant:
what leaves this module holds no control character but tab and newline, no
character that reorders or hides its neighbours, and nothing that XML 1.0
forbids. Removed characters stay visible as a symbol or an escape, because a
report that hides what was there cannot be trusted either.
"""

from __future__ import annotations

import re

# ECMA-48: CSI and OSC/DCS/PM/APC strings, then every other two-character escape.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_C0 = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_HIDDEN = re.compile(
    "[\x80-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
# GitHub reads "::name" at the start of a line, older runners and Azure "##[" and "##vso[" anywhere.
_COMMAND = re.compile(r"(?<!\S)::(?=\S)")
_OLD_COMMAND = re.compile(r"##(?=[A-Za-z]*\[)")


def visible(text: str) -> str:
    """*text* without escape sequences, every other control or reordering character made visible."""
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    text = _C0.sub(_picture, text)
    text = _HIDDEN.sub(_escape, text)
    return _NOT_XML.sub("\ufffd", text)


def one_line(text: str) -> str:
    """The same on one line, with no run of blanks."""
    return " ".join(visible(text).split())


def log_line(text: str) -> str:
    """One line that no continuous-integration runner takes for a command."""
    return table_line(one_line(text))


def table_line(text: str) -> str:
    """The same with the blanks that make columns left as they are."""
    flat = re.sub(r"[\n\t]", " ", visible(text))
    return _OLD_COMMAND.sub("# #", _COMMAND.sub(": :", flat))


def _picture(found: re.Match[str]) -> str:
    code = ord(found.group())
    return "\u2421" if code == 0x7F else chr(0x2400 + code)


def _escape(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
