"""librdkafka's own mock cluster: a broker that speaks the protocol, without a JVM, on loopback.

It keeps a few megabytes per partition and makes topics of four partitions on first use. What it
cannot do: replicate, crash, forget. As a process of its own it can be stopped and killed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Producer

PARTITIONS = 4


@contextmanager
def mock_cluster() -> Iterator[str]:
    """A broker in this process while the block runs; yields its bootstrap address."""
    owner = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    brokers = owner.list_topics(timeout=5).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    owner.flush(0)


@dataclass(frozen=True, slots=True)
class MockProcess:
    """A broker in a process of its own."""

    bootstrap: str
    process: subprocess.Popen[str]


@contextmanager
def mock_process() -> Iterator[MockProcess]:
    """A broker in its own process while the block runs; it is killed in the end, stopped or not."""
    argv = [sys.executable, "-c", f"from {__name__} import serve; serve()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield MockProcess(process.stdout.readline().strip(), process)
        finally:
            process.kill()


def serve() -> None:
    """Be the broker until stdin closes."""
    with mock_cluster() as bootstrap:
        print(bootstrap, flush=True)  # noqa: T201 - read by mock_process
        sys.stdin.read()
