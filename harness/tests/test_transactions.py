"""The transactional producer says what it did, and one that ends is told with its log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import LoadError
from harness.stack.kafka.admin import java_hash
from harness.transactions import Transaction


def producer(program: str) -> subprocess.Popen[str]:
    """Stands in for ``harness.load.transaction``."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True)


def test_it_aborts_in_the_partition_that_was_chosen() -> None:
    """The number of the partition goes to the producer, and the abort is waited for."""
    echo = "print('ready', flush=True)\nprint({'2': 'aborted'}[input()], flush=True)"
    with producer(echo) as process:
        made = Transaction(process, Path("transaction.log"))
        made.partition = 2
        made.abort()

    assert str(made.leader) == "leader_of(transactions, 2)"
    assert process.returncode == 0


@pytest.mark.parametrize("program", ["print('oops')", ""])
def test_a_producer_that_ends_is_an_error(program: str) -> None:
    """Whatever it said instead, and where its log is, stand in the sentence."""
    with (
        producer(program) as process,
        pytest.raises(LoadError, match=r"was to say 'ready'.*transaction\.log"),
    ):
        Transaction(process, Path("transaction.log"))


@pytest.mark.parametrize(
    ("text", "code"),
    [("", 0), ("a", 97), ("hello", 99_162_322), ("polygenelubricants", 0), ("edge-harness", None)],
)
def test_a_coordinator_is_chosen_by_java_s_hash(text: str, code: int | None) -> None:
    """The positive hash of a string is Java's; the one value that has no positive is 0, as Kafka has it."""
    found = java_hash(text)

    assert 0 <= found < 1 << 31
    assert code is None or found == code
