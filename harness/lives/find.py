"""Where a record is told of: in the ledger of the run's load, or in the history of one of its workloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from harness.errors import BadInput
from harness.history.operations import Operation
from harness.ledger.evidence import Evidence
from harness.lives.names import RecordId
from harness.lives.record import Life, life, why_unknown
from harness.lives.steps import Moment
from harness.lives.workload import life_in, why_unknown_in

Histories = Callable[[], Mapping[str, Mapping[int, Operation]]]
"""Reads every history of the run, by workload and line; called only for what the ledger does not tell of."""


def find(evidence: Evidence, record: RecordId, histories: Histories = dict) -> Life:
    """The life of *record*; should several histories name one so, what each of them tells.

    Raises:
        BadInput: nobody attempted it, nor was anybody handed it.
        EvidenceError: a history is damaged.
    """
    told = None if record.topic else life(evidence, record)
    if told is not None:
        return told
    known, moment = histories(), Moment(evidence)
    steps = tuple(chain.from_iterable(life_in(name, known[name], record, moment) for name in known))
    if not steps:
        why = "; ".join(_why(evidence, record, known))
        raise BadInput(f"record {record} is not in this run", why=why)
    return Life(record, steps)


def _why(evidence: Evidence, record: RecordId, known: Mapping[str, Mapping[int, Operation]]) -> Iterator[str]:
    if not record.topic and (len(evidence.attempts.count) or not known):
        yield why_unknown(evidence, record)
    if record.topic and not known:
        yield "it has no workload, and topics are named in those of workloads only"
    yield from (why_unknown_in(name, operations, record) for name, operations in known.items())
