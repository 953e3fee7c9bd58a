"""What holds of keys and values: latest_value of compacted topics, and conservation.

latest_value: after a whole read the last record of a key in the log is the last one that was
acknowledged, or a later one that may exist. A tombstone may go, but not before the values that it ends
(retention of tombstones begins when they are gone). conservation: transfers move a value in one transaction,
so the values of what is committed sum to zero, topic by topic (the bank test).
"""

from __future__ import annotations

import numpy as np

from harness.anomalies.facts import Facts, Mask, at
from harness.anomalies.found import Found, hits
from harness.anomalies.largest import Largest
from harness.anomalies.places import copies
from harness.anomalies.presence import expired, keys_of, last_attempt, tombstones
from harness.checkers.guarantees import records as counted
from harness.history.columns import NONE, Ints


def latest_value(facts: Facts) -> Found:
    """Keys whose last acknowledged record is neither there nor followed by a later one of the key."""
    every, got, key = facts.records, facts.columns.deliveries, keys_of(facts)
    rows = np.flatnonzero((facts.delivered != NONE) & facts.decides)
    there = Largest(at(got.log[rows], key[facts.delivered[rows]]), got.offset[rows]).of(at(every.log, key))
    last = _last_due(facts, key) & facts.whole_logs[every.log] & ~expired(facts)
    gone, outlived = last & (there < every.offset), (there != NONE) & facts.looked_through[every.log]
    ended = gone & tombstones(facts) & outlived
    proven = (gone & ~tombstones(facts)) | (ended & _passed_at_once(facts, there))
    rows, unsure = np.flatnonzero(proven), int((ended & ~proven).sum())
    return Found(
        "latest_value",
        compared={"keys": int(last.sum())},
        hits=hits(every.log[rows], offset=every.offset[rows], record=rows, op=last_attempt(facts)[rows]),
        detail="it is the last acknowledged record of its key, and the log holds none as late",
        held=f"Each of {counted(int(last.sum()), 'key')} has its last acknowledged value, or a later one.",
        broken=f"{counted(len(rows), 'key')} without their last acknowledged value.",
        doubt=f"{counted(unsure, 'key')} had only values older than a tombstone that was passed over later"
        if unsure
        else "",
    )


def _passed_at_once(facts: Facts, older: Ints) -> Mask:
    """Of each record, whether the poll that handed out the *older* offset of its key passed over its own too.

    Between two polls a tombstone may go after the older value did, unseen by a slow reader.
    """
    every, got, decides = facts.records, facts.columns.deliveries, facts.decides
    passed = Largest(at(got.log, got.offset)[decides], facts.columns.polls.end[got.poll[decides]])
    over: Mask = passed.of(at(every.log, np.maximum(older, 0))) > every.offset
    return over


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
    committed: Mask = (facts.records.due | facts.seen_committed) & ~facts.records.barred
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
