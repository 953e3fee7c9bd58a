"""Clients against a broker: what they write down is what they did, in the order in which they did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from harness.history.operations import Poll, Reader, Send, Transaction
from harness.tests.mock_cluster import PARTITIONS, mock_process
from harness.tests.workloads.kits import kit, planned, told
from harness.workloads.feeder import Feeder
from harness.workloads.plan import Ends
from harness.workloads.reader import AssignedReader
from harness.workloads.records import STRANGER
from harness.workloads.sending import Sender
from harness.workloads.spec import compacted, group, transactions, transfers
from harness.workloads.writer import Writer

QUIET = {"log_level": "0"}
"""A client whose broker is not there says so for as long as it lives."""


@pytest.fixture
def bootstrap() -> Iterator[str]:
    """A broker that remembers nothing of other tests."""
    with mock_process() as cluster:
        yield cluster.bootstrap


def test_a_record_is_written_down_before_it_is_sent(tmp_path: Path) -> None:
    """With nobody there to take it there is an operation all the same, and it is unknown."""
    plan = planned(tmp_path, group(client=QUIET), "127.0.0.1:1")
    Sender(kit(plan, "feeder", 3), {}).send("group", 1)
    (sent,) = told(plan)

    assert isinstance(sent, Send)
    assert (sent.producer, sent.partition, sent.sequence) == (3, 1, 0)
    assert (sent.outcome, sent.t[1]) == ("unknown", None)


def test_what_the_client_refuses_at_once_has_failed(tmp_path: Path) -> None:
    """A record that never came into the client's queue cannot be in the log."""
    plan = planned(tmp_path, group(client=QUIET | {"queue.buffering.max.messages": "1"}), "127.0.0.1:1")
    sender = Sender(kit(plan, "feeder", 3), {})
    for _ in range(3):
        sender.send("group", 0)

    assert [each.outcome for each in told(plan) if isinstance(each, Send)] == ["unknown", "fail", "fail"]


def test_a_transfer_is_two_records_of_one_transaction(tmp_path: Path, bootstrap: str) -> None:
    """What leaves one account comes to another; commits and aborts are told as such, with their size."""
    plan = planned(tmp_path, transfers(partitions=PARTITIONS, rate=500), bootstrap, operations=30)
    Writer(kit(plan, "writer", 1)).run()
    history = told(plan)
    ends = {each.transaction: each for each in history if isinstance(each, Transaction)}
    sums: Counter[str] = Counter()
    for each in history:
        if isinstance(each, Send):
            sums[each.transaction] += each.value or 0

    assert {each.end for each in ends.values()} == {"commit", "abort"}
    assert {each.outcome for each in ends.values()} == {"ok"}
    assert {(e.writer, e.incarnation, e.records) for e in ends.values()} == {("transfers-0", 1, 2)}
    assert sums.keys() == ends.keys()
    assert set(sums.values()) == {0}


def test_half_a_transfer_sums_to_something(tmp_path: Path, bootstrap: str) -> None:
    """Told to do it wrong, a writer commits one half and now and then aborts the other."""
    workload = transfers(partitions=PARTITIONS, rate=500, wrong="halves")
    plan = planned(tmp_path, workload, bootstrap, operations=80)
    Writer(kit(plan, "writer", 1)).run()
    history = told(plan)
    committed = {e.transaction for e in history if isinstance(e, Transaction) and e.end == "commit"}
    kept = [each.value or 0 for each in history if isinstance(each, Send) and each.transaction in committed]

    assert sum(kept) != 0


def test_a_reader_tells_what_it_was_handed_and_where_it_stood(tmp_path: Path, bootstrap: str) -> None:
    """Records of keys and tombstones come back as who they are; positions join on to each other."""
    workload = compacted(partitions=PARTITIONS, rate=500)
    plan = planned(tmp_path, workload, bootstrap, operations=40)
    Feeder(kit(plan, "feeder", 1)).run()
    sent = [each for each in told(plan) if isinstance(each, Send)]
    ends = Counter(each.partition for each in sent)
    until = tmp_path / "ends.json"
    until.write_text(Ends(ends=tuple(("compacted", n, end) for n, end in ends.items())).model_dump_json())
    AssignedReader(kit(plan, "uncommitted", 2, until)).run()
    polls = [each for each in told(plan) if isinstance(each, Poll)]
    got = {(each.partition, d.producer, d.sequence) for each in polls for d in each.records}

    assert any(each.value is None for each in sent)
    assert got == {(each.partition, 1, each.sequence) for each in sent}
    assert all(d.whole and d.sent_to is None for each in polls for d in each.records)
    for partition, end in ends.items():
        stood = [each.position for each in polls if each.partition == partition]
        assert [0, *(after for _, after in stood)] == [*(before for before, _ in stood), end]


def test_what_is_no_record_of_the_run_is_nobodys(tmp_path: Path, bootstrap: str) -> None:
    """What is no frame of this run was sent by no client of it; a frame that is broken names nobody."""
    plan = planned(tmp_path, group(partitions=PARTITIONS), bootstrap)
    client = kit(plan, "feeder", 1)
    encoded = Sender(client, {})._records["group"].encode(1, 0, 0, 0).value
    assert encoded is not None
    producer = Producer({"bootstrap.servers": bootstrap})
    for value in (b"hello", encoded[:40] + bytes([encoded[40] ^ 1]) + encoded[41:]):
        producer.produce("group", value, partition=0)
    producer.flush(10)
    until = tmp_path / "ends.json"
    until.write_text(Ends(ends=(("group", 0, 2),)).model_dump_json())
    AssignedReader(kit(plan, "committed", 2, until)).run()
    stranger, broken = [d for each in told(plan) if isinstance(each, Poll) for d in each.records]

    assert (stranger.producer, stranger.whole) == (STRANGER, True)
    assert not broken.whole


@pytest.mark.parametrize(("wrong", "shown"), [("", "committed"), ("sees_open", "committed")])
def test_a_reader_says_what_it_is_asked_to_be(tmp_path: Path, bootstrap: str, wrong: str, shown: str) -> None:
    """One that sees more than it says is wrong on purpose: its history claims that it does not."""
    workload = transactions(partitions=PARTITIONS, wrong=wrong)  # type: ignore[arg-type]
    plan = planned(tmp_path, workload, bootstrap)
    Sender(kit(plan, "feeder", 9), {}).producer.list_topics("transactions", timeout=10)
    reader = AssignedReader(kit(plan, "committed", 2))
    reader._open()
    (line,) = [each for each in told(plan) if isinstance(each, Reader)]

    assert line.isolation == shown
    assert reader._settings()["isolation.level"] == ("read_uncommitted" if wrong else "read_committed")
