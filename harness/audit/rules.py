"""A rule of the audit, the table it stands in, and what it is given.

A rule is one small function with its texts beside it. It yields a ``Hit`` for
each place that will hurt and nothing when all is well; it never raises on a
file that is merely wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.audit.documents import Document, Kind
from harness.audit.findings import AuditFinding, Severity
from harness.audit.nodes import Node, flat
from harness.audit.topology import Topology

_SETTINGS = {Kind.KAFKA: ("spec", "kafka", "config"), Kind.FLINK: ("spec", "flinkConfiguration")}
"""Where the flat settings lie; a file of settings has them at its root."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule applies; texts that are given replace the rule's own."""

    line: int
    where: str
    what: str = ""
    why: str = ""
    severity: Severity | None = None


@dataclass(frozen=True)
class Case:
    """What a rule is given: one document, and all documents of the audit around it."""

    document: Document
    site: tuple[Document, ...]

    @property
    def root(self) -> Node:
        """The document's content."""
        return self.document.root

    @cached_property
    def config(self) -> dict[str, Node]:
        """The flat settings: broker keys of a Kafka CR or file, Flink keys of a FlinkDeployment or file."""
        holder = self.root.at(*self._settings)
        return {} if holder is None else dict(flat(holder))

    @cached_property
    def topology(self) -> Topology:
        """The components of a Vector configuration; each program runs once, however many rules ask."""
        return Topology.of(self.root)

    def setting(self, *names: str) -> str:
        """The first of the settings *names* that is set; empty when none is."""
        found = (self.config[name] for name in names if name in self.config)
        return next((node.text().strip() for node in found), "")

    def whole(self, name: str) -> int | None:
        """The setting *name* as a whole number, None when it is none."""
        text = self.setting(name)
        return int(text) if text.isdecimal() and len(text) < 16 else None

    def settings_hit(self, name: str, what: str = "", why: str = "", severity: Severity | None = None) -> Hit:
        """The place of the setting *name*, or where it belongs."""
        place = self.config.get(name) or self.root.near(*self._settings)
        dotted = ".".join((*self._settings, name))
        return Hit(place.line, self.document.base + dotted, what, why, severity)

    def hit(self, *path: str, what: str = "", why: str = "", severity: Severity | None = None) -> Hit:
        """The place of *path*, or where it belongs when it is missing."""
        dotted = self.document.base + ".".join(path)
        return Hit(self.root.near(*path).line, dotted, what, why, severity)

    def others(self, kind: Kind) -> Iterator[Document]:
        """The documents of *kind* in this audit."""
        return (document for document in self.site if document.kind is kind)

    @property
    def _settings(self) -> tuple[str, ...]:
        return _SETTINGS.get(self.document.kind, ())


Check = Callable[[Case], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its texts, the kinds of documents it reads, and the function that reads them."""

    name: str
    severity: Severity
    kinds: frozenset[Kind]
    what: str
    why: str
    fix: str
    versions: str
    scenario: str
    check: Check

    def findings(self, case: Case) -> Iterator[AuditFinding]:
        """What this rule finds in *case*."""
        if case.document.kind not in self.kinds:
            return
        for hit in self.check(case):
            yield AuditFinding(
                rule=self.name, severity=hit.severity or self.severity, file=case.document.file,
                line=hit.line, where=hit.where, what=hit.what or self.what, why=hit.why or self.why,
                fix=self.fix, versions=self.versions, scenario=self.scenario,
            )  # fmt: skip


class Table:
    """The rules of one subject, in the order in which they are written."""

    def __init__(self, *kinds: Kind) -> None:
        self._kinds = frozenset(kinds)
        self.rules: list[Rule] = []

    def rule(
        self, name: str, severity: Severity, *, what: str, why: str, fix: str, versions: str = "all",
        scenario: str = "", kinds: tuple[Kind, ...] = (),
    ) -> Callable[[Check], Check]:  # fmt: skip
        """Register the function below as the rule *name*, for *kinds* instead of the table's if given."""

        def register(check: Check) -> Check:
            chosen = frozenset(kinds) or self._kinds
            self.rules.append(
                Rule(name, severity, chosen, what, why, fix, versions, scenario, check)
            )  # fmt: skip
            return check

        return register


def version(text: str) -> tuple[int, ...]:
    """``3.5.1`` or ``v1_17`` as numbers; empty when it is none."""
    return tuple(int(part) for part in re.findall(r"\d{1,6}", text)[:3])
