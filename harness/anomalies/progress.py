"""What brings a group forward: commits of its members, and inputs that transactions commit for it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from harness.anomalies.facts import Facts, Fate, Mask
from harness.history.columns import NEVER, Ints
from harness.model import Outcome


@dataclass(frozen=True, eq=False, slots=True)
class Steps:
    """Offsets that groups were asked to stand at. ``done``: when it certainly did, or ``NEVER``."""

    op: Ints
    group: Ints
    log: Ints
    offset: Ints
    invoked: Ints
    done: Ints

    def chosen(self, rows: Mask) -> Steps:
        """Those at these rows alone."""
        return Steps(*(getattr(self, each.name)[rows] for each in fields(self)))

    def __or__(self, other: Steps) -> Steps:
        return Steps(
            *(np.concatenate((getattr(self, one.name), getattr(other, one.name))) for one in fields(self))
        )


def committed(facts: Facts) -> Steps:
    """Of each commit of a member; one that failed is none."""
    commits = facts.columns.commits
    done = np.where(commits.outcome == Outcome.OK, commits.done, NEVER)
    return Steps(commits.op, commits.group, commits.log, commits.offset, commits.invoked, done)


def consumed(facts: Facts) -> Steps:
    """Of each input of a transaction that is not known to be aborted."""
    inputs, ends, total = facts.columns.inputs, facts.columns.ends, len(facts.columns.names.transactions)
    invoked, done = np.full(total, NEVER, np.int64), np.full(total, NEVER, np.int64)
    over = np.where(ends.outcome == Outcome.OK, ends.done, NEVER)
    invoked[ends.number], done[ends.number] = ends.invoked, over
    number = inputs.number
    every = Steps(inputs.op, inputs.group, inputs.log, inputs.until, invoked[number], done[number])
    return every.chosen(facts.fates[number] != Fate.ABORTED)
