"""The table in ``docs/reference/audit-rules.md``: ``python -m harness.tests.rules_page`` writes it anew.

Each row is a rule's own texts, so that the page cannot tell something else than the audit.
"""

from __future__ import annotations

from itertools import groupby

from harness.audit.examine import RULES
from harness.audit.rules import Rule
from harness.tests.source import ROOT

PAGE = ROOT / "docs/reference/audit-rules.md"
START = "<!-- rules -->\n"


def generated() -> str:
    """One table for each subject, in the order of the rules."""
    groups = groupby(sorted(RULES, key=_subject), key=_subject)
    return START + "\n".join(_table(subject, list(rules)) for subject, rules in groups)


def written() -> str:
    """The tables as they stand on the page."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index(START) :]


def _subject(rule: Rule) -> str:
    return rule.name.partition("-")[0]


def _table(subject: str, rules: list[Rule]) -> str:
    head = [
        f"## {subject}",
        "",
        "| rule | severity | what it finds | why | in | proof |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(_row(rule) for rule in rules), ""])


def _row(rule: Rule) -> str:
    proof = f"`{rule.scenario}`" if rule.scenario else ""
    cells = (f"`{rule.name}`", rule.severity.value, rule.what, rule.why, rule.versions, proof)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    kept = PAGE.read_text(encoding="utf-8").partition(START)[0]
    PAGE.write_text(kept + generated(), encoding="utf-8")
