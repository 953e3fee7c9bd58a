"""The life of a record of a workload, from a history that was written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import cli
from harness.errors import BadInput
from harness.history.operations import (
    Commit,
    Consumed,
    Delivered,
    Fence,
    History,
    Operation,
    Poll,
    Reader,
    Send,
    Transaction,
)
from harness.ledger import evidence
from harness.lives.find import find
from harness.lives.names import parse
from harness.lives.steps import Step
from harness.report.html import write_report
from harness.rundir import RunDirectory
from harness.tests.anomalies.test_stored import ended, planned, stored
from harness.tests.anomalies.told import Story

S = 1_000_000_000


def placed(offset: int, sequence: int, **more: object) -> Delivered:
    """A record of producer 1 as it was handed out."""
    return Delivered(offset=offset, producer=1, sequence=sequence, **more)  # type: ignore[arg-type]


def poll(line: int, reader: int, end: int, *records: Delivered, topic: str = "orders") -> Poll:
    """A poll of partition 0 from its start, answered in that second."""
    at = (line * S, line * S + 1)
    return Poll(reader=reader, topic=topic, partition=0, t=at, position=(0, end), records=records)


def send(sequence: int, second: int, *, offset: int | None = None, **more: object) -> Send:
    """An attempt of producer 1 at partition 0 of orders."""
    told: dict[str, object] = {"outcome": "ok", "t": (second * S, second * S + S // 2), **more}
    return Send(producer=1, topic="orders", partition=0, sequence=sequence, offset=offset, **told)  # type: ignore[arg-type]


def commit(second: int, offset: int, outcome: str = "ok") -> Commit:
    """A member of billing commits."""
    at = (second * S, second * S + 1 if outcome != "unknown" else None)
    told: dict[str, object] = {"group": "billing", "topic": "orders", "outcome": outcome}
    return Commit(reader=9, partition=0, t=at, offset=offset, **told)  # type: ignore[arg-type]


WRITER = {"writer": "copier", "incarnation": 2}
WHOLE: list[Operation] = [
    History(),
    Reader(reader=9, isolation="committed", mode="subscribe", group="billing"),
    send(3, 1, outcome="unknown", t=(S, None)),
    send(3, 2, offset=4, epoch=7, transaction="t1"),
    Transaction(transaction="t1", t=(3 * S, 3 * S + 1), end="commit", outcome="ok", records=1, **WRITER),  # type: ignore[arg-type]
    poll(4, 9, 6, placed(4, 3)),
    poll(5, 8, 6),
    commit(6, 4),
    commit(7, 6, "unknown"),
    commit(8, 5),
    commit(9, 6),
    Transaction(
        transaction="t2", t=(10 * S, 10 * S + 1), end="abort", outcome="ok",
        consumed=(Consumed(group="copies", topic="orders", partition=0, first=0, until=5),),
    ),
    Fence(topic="orders", partition=0, end=6, stable=6),
]  # fmt: skip


def run(folder: Path, operations: list[Operation]) -> RunDirectory:
    """A run of one workload with this history."""
    story = Story()
    story.operations = operations
    return stored(folder, story, planned(), ended())


def steps(folder: Path, operations: list[Operation], record: str) -> list[Step]:
    """What is told of *record*."""
    directory = run(folder, operations)
    numbered = dict(enumerate(operations, 1))
    return list(find(evidence.load(directory), parse(record), lambda: {"transfers": numbered}).steps)


def explained(directory: RunDirectory, record: str, *more: str) -> str:
    """What the command prints."""
    arguments = ["explain", str(directory.root), record, *more]
    return CliRunner().invoke(cli.commands, arguments, standalone_mode=False, catch_exceptions=False).output


def test_a_record_is_told_from_its_attempts_to_the_commits_that_passed_it(tmp_path: Path) -> None:
    """Two attempts, the transaction and its end, both readers, and of the commits those that went past it."""
    told = [(step.hop, step.said) for step in steps(tmp_path, WHOLE, "1/orders/0/3")]

    assert told == [
        ("history", "of workload transfers, 13 operations"),
        ("sent", "attempt 1 of 2, to orders/0 (line 3)"),
        ("sent", "attempt 2 of 2, to orders/0 in transaction t1 (line 4)"),
        (
            "acknowledged",
            "offset 4, leader epoch 7: it must exist if its transaction is committed (line 4)",
        ),
        ("commit", "of transaction t1 asked for by copier, incarnation 2 (line 5)"),
        ("commit granted", "transaction t1, 1 record as its writer says"),
        ("delivered", "offset 4 of orders/0 to reader 9 (committed, subscribe, group billing) (line 6)"),
        ("passed over", "reader 8 (committed, assign) was handed no record at offset 4 of orders/0 (line 7)"),
        (
            "commit unanswered",
            "group billing past it, to 6 by reader 9 (committed, subscribe, group billing) (line 9)",
        ),
        (
            "commit granted",
            "group billing past it, to 5 by reader 9 (committed, subscribe, group billing) (line 10)",
        ),
        ("consumed, abort granted", "as input of transaction t2, by group copies (line 12)"),
        ("unanswered", "it may exist or not (line 3)"),
        ("fence", "orders/0 ended at 6, from 0; stable up to 6"),
    ]


def test_a_lost_record_names_who_was_handed_what_in_its_place(tmp_path: Path) -> None:
    """It was acknowledged where a reader was handed another one; no fence says that this was the end."""
    operations: list[Operation] = [History(), send(0, 1, offset=0), poll(2, 9, 1, placed(0, 5))]
    told = {step.hop: step.said for step in steps(tmp_path, operations, "1/orders/0/0")}

    assert told["not delivered"] == "no reader was handed it"
    assert told["passed over"].startswith("reader 9 (committed, assign) was handed 1/orders/0/5 at offset 0")
    assert "is not known" in told["no fence"]


def test_an_open_transaction_and_a_phantom_are_told(tmp_path: Path) -> None:
    """Nobody ended the one; nobody sent the other, which lay in another topic and was damaged."""
    strayed = placed(0, 9, sent_to=("orders", 0), whole=False)
    operations: list[Operation] = [
        History(),
        send(0, 1, transaction="t"),
        poll(2, 9, 1, strayed, topic="other"),
    ]
    opened = {step.hop: step.said for step in steps(tmp_path / "a", operations, "1/orders/0/0")}
    phantom = {step.hop: step.said for step in steps(tmp_path / "b", operations, "1/orders/0/9")}

    assert opened["no end"] == "nobody ended transaction t: it is open, or its writer died"
    assert "not sent" in phantom
    assert "damaged, its payload names orders/0" in phantom["delivered"]
    assert (
        phantom["delivered"]
        == {s.hop: s.said for s in steps(tmp_path / "c", operations, "1/other/0/9")}["delivered"]
    )


def test_a_commit_that_went_back_is_told(tmp_path: Path) -> None:
    """Past the record, back below it, and past it again: three commits; those between say nothing of it."""
    moves = [commit(n, offset) for n, offset in enumerate((2, 3, 1, 0, 2), 3)]
    operations: list[Operation] = [History(), send(0, 1, offset=1), poll(2, 9, 2, placed(1, 0)), *moves]
    told = [step.said for step in steps(tmp_path, operations, "1/orders/0/0") if "commit" in step.hop]

    assert [said.split(" by ")[0] for said in told] == [
        "group billing past it, to 2",
        "group billing back below it, to 1",
        "group billing past it, to 2",
    ]


def test_the_command_explains_every_witness_of_a_workload(tmp_path: Path) -> None:
    """Torn and zombie records among them; with log lines around, in both forms, and in the report."""
    operations: list[Operation] = [
        History(),
        send(0, 1, offset=0, transaction="new"),
        Transaction(
            transaction="new", writer="w", incarnation=2, t=(2 * S, 2 * S + 1), end="commit", outcome="ok"
        ),
        send(1, 3, offset=2, transaction="old"),
        send(2, 4, offset=3, transaction="old"),
        Transaction(
            transaction="old", writer="w", incarnation=1, t=(5 * S, 5 * S + 1), end="commit", outcome="ok"
        ),
        poll(6, 9, 5, placed(0, 0), placed(2, 1)),
        Fence(topic="orders", partition=0, end=5, stable=5),
    ]
    directory = run(tmp_path, operations)
    directory.logs.mkdir(exist_ok=True)
    (directory.logs / "broker-1.log").write_text("[2026-01-01 00:00:03,000] WARN fenced\n")
    arguments = ["verify", str(directory.root)]
    CliRunner().invoke(cli.commands, arguments, standalone_mode=False, catch_exceptions=False)
    document = directory.read_document()
    named = {w.record for f in document.findings for w in f.witnesses if w.record}
    torn, zombie = (
        next(f.witnesses[0].record for f in document.findings if f.checker == f"transfers.{name}")
        for name in ("torn_transaction", "zombie_write")
    )

    assert (torn, zombie) == ("1/orders/0/2", "1/orders/0/1")
    assert all(f"record {record} of run-1" in explained(directory, record) for record in named)
    assert "broker-1.log: [2026-01-01 00:00:03,000] WARN fenced" in explained(directory, zombie)
    told = json.loads(explained(directory, torn, "--json"))
    assert (told["record"], told["steps"][0]["hop"]) == (torn, "history")
    page = write_report(directory).read_text()
    assert f"harness explain reports/run-1 {torn}" in page
    assert f"<summary>The life of {zombie}</summary>" in page


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("1/orders/0/99", "producer 1 attempted sequences up to 3 in orders/0"),
        ("4/orders/0/3", "the producers of orders/0 in workload transfers are 1"),
        ("1/order/0/3", "workload transfers wrote to orders/0"),
        ("1/0/3", "workload transfers wrote to orders/0"),
    ],
)
def test_an_unknown_record_of_a_workload_says_which_there_are(tmp_path: Path, record: str, why: str) -> None:
    """One clear error, with the nearest that exists."""
    directory = run(tmp_path, WHOLE)

    with pytest.raises(BadInput, match=f"record {record} is not in this run") as raised:
        explained(directory, record)
    assert why in raised.value.why


def test_a_topic_in_a_run_without_workloads_is_one_clear_error(tmp_path: Path) -> None:
    """The load's topic has no name there."""
    with pytest.raises(BadInput) as raised:
        explained(stored(tmp_path, None), "1/orders/0/3")

    assert raised.value.why == "it has no workload, and topics are named in those of workloads only"
