"""The lives that the page tells: of the first witnesses of each finding, few enough to keep it small."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import BadInput
from harness.findings import RunDocument
from harness.ledger.evidence import Evidence
from harness.lives.record import Life, life, parse

PER_FINDING = 3
AT_MOST = 12


def lives_of(document: RunDocument, evidence: Evidence) -> dict[str, Life]:
    """The lives of witness records by record; a witness that names none, or one unknown, has none."""
    named = dict.fromkeys(_first_witnesses(document))
    found = ((record, _life(evidence, record)) for record in list(named)[:AT_MOST])
    return {record: told for record, told in found if told is not None}


def _first_witnesses(document: RunDocument) -> Iterator[str]:
    for finding in document.findings:
        named = (witness.record for witness in finding.witnesses if witness.record)
        yield from list(dict.fromkeys(named))[:PER_FINDING]


def _life(evidence: Evidence, record: str) -> Life | None:
    try:
        return life(evidence, parse(record))
    except BadInput:
        return None
