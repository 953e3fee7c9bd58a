"""What holds of keys and values: latest_value of compacted topics, and conservation.

latest_value: after a whole read the last record of a key in the log is the last one that was
acknowledged, or a later one that may exist. conservation: transfers move a value in one transaction,
so the values of what is committed sum to zero, topic by topic (the bank test).
"""

from __future__ import annotations

import numpy as np

from harness.anomalies.facts import Facts, Mask, at
from harness.anomalies.found import Found, hits
from harness.anomalies.largest import Largest
from harness.anomalies.places import copies
from harness.anomalies.presence import keys_of, last_attempt, tombstones
from harness.checkers.guarantees import records as counted
from harness.history.columns import NONE, Ints


def latest_value(facts: Facts) -> Found:
    """Keys whose last acknowledged record is neither there nor followed by a later one of the key."""
    every, got, key = facts.records, facts.columns.deliveries, keys_of(facts)
    rows = np.flatnonzero((facts.delivered != NONE) & facts.decides)
    there = Largest(at(got.log[rows], key[facts.delivered[rows]]), got.offset[rows]).of(at(every.log, key))
    last = _last_due(facts, key) & facts.whole_logs[every.log] & ~tombstones(facts)
    rows = np.flatnonzero(last & (there < every.offset))
    return Found(
        "latest_value",
        compared={"keys": int(last.sum())},
        hits=hits(every.log[rows], offset=every.offset[rows], record=rows, op=last_attempt(facts)[rows]),
        detail="it is the last acknowledged record of its key, and the log holds none as late",
        held=f"Each of {counted(int(last.sum()), 'key')} has its last acknowledged value, or a later one.",
        broken=f"{counted(len(rows), 'key')} without their last acknowledged value.",
    )


def _last_due(facts: Facts, key: Ints) -> Mask:
    """Of each record, whether it is the due one at the highest offset of its key."""
    every = facts.records
    candidate = every.due & (key != NONE) & (every.offset != NONE)
    code = at(every.log, key)
    highest = Largest(code[candidate], every.offset[candidate]).of(code)
    last: Mask = candidate & (every.offset == highest)
    return last


def _committed(facts: Facts) -> Mask:
    """Of each record, whether it is known to be committed: it must be, or who shows nothing else showed it.

    What a reader of uncommitted records alone was handed of a transaction that nobody ended may have been
    half of it.
    """
    handed = facts.delivered[facts.shown_committed & (facts.delivered != NONE)]
    shown = np.zeros(facts.records.count, np.bool_)
    shown[handed] = True
    committed: Mask = (facts.records.due | shown) & ~facts.records.barred
    return committed


def conservation(facts: Facts) -> Found | None:
    """Topics whose committed values do not sum to zero; None unless the history says that they must."""
    if not facts.columns.settings.conserved:
        return None
    lie, sends, logs = copies(facts), facts.columns.sends, facts.columns.names.logs
    value = np.zeros(facts.records.count, np.int64)
    value[facts.attempted] = sends.value
    topics = sorted({topic for topic, _ in logs})
    topic = np.asarray([topics.index(name) for name, _ in logs], np.int64)
    shown = _committed(facts)[lie.record]
    sums = np.zeros(len(topics), np.int64)
    np.add.at(sums, topic[lie.log[shown]], value[lie.record[shown]])
    whole = np.ones(len(topics), np.bool_)
    np.logical_and.at(whole, topic, facts.whole_logs)
    off = np.flatnonzero((sums != 0) & whole)
    first = np.asarray([int(np.flatnonzero(topic == each)[0]) for each in off.tolist()], np.int64)
    return Found(
        "conservation",
        compared={"records": int(shown.sum()) if whole.any() else 0},
        hits=hits(first),
        detail=", ".join(f"{topics[each] or 'the topic'} sums to {sums[each]:,}" for each in off.tolist()),
        held=f"The values of {counted(int(shown.sum()), 'record')} sum to zero.",
        broken=f"The values of {counted(len(off), 'topic')} do not sum to zero.",
        doubt="" if whole.all() else "not every partition was read through a fence",
    )
