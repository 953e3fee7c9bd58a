"""Simulated histories with all that a defect may need: keys, epochs, sums, inputs, a sink, a bound of age."""

from __future__ import annotations

from random import Random
from typing import Literal

from harness.history.operations import (
    Commit,
    Consumed,
    Delivered,
    History,
    Operation,
    Poll,
    Send,
    Transaction,
)
from harness.planting.told import Told
from harness.tests.anomalies.simulated import World

Cleanup = Literal["keep", "delete", "compact"]
_KEYS, _TAKEN = 3, 2


def world(seed: int, *, cleanup: Cleanup = "keep", steps: int = 12, skew_ns: int = 0) -> Told:
    """A correct history, whatever it is drawn from."""
    told = World(Random(seed), steps=steps).operations[1:]  # noqa: S311 - it makes histories, no secrets
    settings = History(cleanup=cleanup, conserved=True, fresh_ns=10**7, skew_ns=skew_ns)
    return Told([settings, *map(_furnished, _with_inputs(told))])


def _furnished(operation: Operation) -> Operation:
    match operation:
        case Send():
            return operation.model_copy(update={"key": operation.sequence % _KEYS})
        case Poll():
            return operation.model_copy(update={"records": tuple(map(_of_epoch, operation.records))})
        case Commit():
            return operation.model_copy(update={"durable": operation.offset})
        case _:
            return operation


def _of_epoch(record: Delivered) -> Delivered:
    return record.model_copy(update={"epoch": 4})


def _with_inputs(operations: list[Operation]) -> list[Operation]:
    """With inputs for what committed, one behind the other, and with how many records it holds."""
    held = [each.transaction for each in operations if isinstance(each, Send)]
    taken = 0
    found: list[Operation] = []
    for each in operations:
        if isinstance(each, Transaction) and each.end == "commit" and each.outcome == "ok":
            consumed = Consumed(group="copies", partition=0, first=taken, until=taken + _TAKEN)
            told = {"consumed": (consumed,), "records": held.count(each.transaction)}
            found.append(each.model_copy(update=told))
            taken += _TAKEN
        else:
            found.append(each)
    return found
