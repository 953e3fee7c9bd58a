"""The lives that the page tells: of the first witnesses of each finding, few enough to keep it small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from harness.errors import BadInput, EvidenceError
from harness.findings import RunDocument
from harness.history import parts
from harness.history.operations import Operation
from harness.ledger.evidence import Evidence
from harness.lives.find import Histories, find
from harness.lives.names import parse
from harness.lives.record import Life
from harness.rundir import RunDirectory

PER_FINDING = 3
AT_MOST = 12


def lives_of(document: RunDocument, evidence: Evidence, directory: RunDirectory) -> dict[str, Life]:
    """The lives of witness records by record; a witness that names none, or one unknown, has none."""
    named = dict.fromkeys(_first_witnesses(document))
    histories = cache(lambda: _histories(directory))
    found = ((record, _life(evidence, record, histories)) for record in list(named)[:AT_MOST])
    return {record: told for record, told in found if told is not None}


def _first_witnesses(document: RunDocument) -> Iterator[str]:
    for finding in document.findings:
        named = (witness.record for witness in finding.witnesses if witness.record)
        yield from list(dict.fromkeys(named))[:PER_FINDING]


def _histories(directory: RunDirectory) -> Mapping[str, Mapping[int, Operation]]:
    """Those of the workloads; none where one is damaged: that is for the verdict to say, not for the page."""
    try:
        return parts.stored(directory.history)
    except (BadInput, EvidenceError):
        return {}


def _life(evidence: Evidence, record: str, histories: Histories) -> Life | None:
    try:
        return find(evidence, parse(record), histories)
    except BadInput:
        return None
