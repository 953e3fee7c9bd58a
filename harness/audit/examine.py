"""One audit: the files are read, every rule is asked about every document, the findings are put in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.audit import (
    documents,
    rules_broker,
    rules_flink,
    rules_flink_config,
    rules_kafka,
    rules_plain,
    rules_site,
    rules_vector,
    rules_vrl,
)
from harness.audit.documents import Document
from harness.audit.findings import Audit, ordered
from harness.audit.rules import Case, Rule
from harness.errors import BadInput

RULES: tuple[Rule, ...] = tuple(
    rule
    for module in (
        rules_kafka, rules_broker, rules_flink, rules_flink_config, rules_vector, rules_vrl, rules_plain,
        rules_site,
    )
    for rule in module.TABLE.rules
)  # fmt: skip
"""Every rule there is; the reference page has one row for each."""


def audit(paths: Sequence[Path]) -> Audit:
    """What will hurt in the files at *paths*, taken together: one may mount or feed what another defines.

    Raises:
        BadInput: a file that cannot be read or is no configuration, or nothing to audit in any of them.
    """
    files = tuple(dict.fromkeys(str(path) for path in paths))
    site = tuple(document for file in files for document in documents.read(Path(file)))
    audited = [document for document in site if document.kind.is_audited]
    if not audited:
        kinds = ", ".join(sorted({document.root.text("kind") for document in site}))
        raise BadInput(
            f"there is nothing to audit in {', '.join(files)}", why=f"no rule is about {kinds}",
            fix="name the file with the Kafka, FlinkDeployment or Vector configuration as well",
        )  # fmt: skip
    cases = [Case(document, site) for document in audited]
    found = [finding for case in cases for rule in RULES for finding in rule.findings(case)]
    return Audit(files, tuple(_named(document) for document in audited), ordered(found, files))


def _named(document: Document) -> str:
    name = document.root.text("metadata", "name") or document.inside
    return f"{document.kind.value} {name}".strip()
