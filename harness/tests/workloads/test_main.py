"""How a client's process ends: as it was told, because its session is over, or with what is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from harness.tests.mock_cluster import PARTITIONS, mock_process
from harness.tests.workloads.kits import planned
from harness.workloads.client import OVER, _over, main
from harness.workloads.plan import Client, Role
from harness.workloads.spec import Workload, group, transactions

FATAL = KafkaException(KafkaError(KafkaError._FENCED, "another one", fatal=True))


@pytest.fixture
def bootstrap() -> Iterator[str]:
    """A broker that remembers nothing of other tests."""
    with mock_process() as cluster:
        yield cluster.bootstrap


@pytest.fixture(autouse=True)
def _orders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A standard input on which no order ever comes."""
    reads, writes = os.pipe()
    with open(reads, encoding="utf-8") as orders, open(writes, "wb"):  # the input ends before it is closed
        monkeypatch.setattr(sys, "stdin", orders)
        yield


def ended(folder: Path, workload: Workload, role: Role, bootstrap: str, *, operations: int = 10) -> int:
    """The exit code of one client."""
    plan = planned(folder, workload, bootstrap, operations=operations)
    (folder / "plan.json").write_text(plan.model_dump_json())
    return main([str(folder / "plan.json"), Client(role=role, slot=0, number=1).model_dump_json()])


def test_one_that_has_done_its_share_ends_well(tmp_path: Path, bootstrap: str) -> None:
    """The bound on what a client may do ends it as an order would."""
    assert ended(tmp_path, group(partitions=PARTITIONS, rate=500), "feeder", bootstrap) == 0


def test_one_that_refuses_its_settings_ends_badly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another one in its place would refuse them too."""
    workload = transactions(client={"message.timeout.ms": "900000"})

    assert ended(tmp_path, workload, "writer", "127.0.0.1:1") == 1
    assert "refused" in capsys.readouterr().err


def test_a_fatal_error_that_callbacks_got_in_the_way_of_is_the_end_of_a_session() -> None:
    """It is the cause of a SystemError, or was cleared on the way; any other SystemError is a defect."""
    hidden = SystemError("returned a result with an exception set")
    hidden.__cause__ = FATAL

    cleared = "<method 'flush' of 'cimpl.Producer' objects> returned NULL without setting an exception"

    assert _over(hidden) == _over(FATAL) == _over(SystemError(cleared)) == OVER
    with pytest.raises(SystemError, match="a defect"):
        _over(SystemError("a defect"))
