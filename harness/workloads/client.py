"""One client of a workload: ``python -m harness.workloads.client PLAN CLIENT``, a file and a word of JSON.

It ends when it is told to, when its session is over, or when a last reader has read to the end; the exit
code says which: 0 as it was told, 3 its session is over and another may take its place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from confluent_kafka import KafkaException

from harness.errors import HarnessError
from harness.stack.namespaces.syscalls import die_with_parent
from harness.workloads.copier import Copier
from harness.workloads.feeder import Feeder
from harness.workloads.kit import Kit, Over
from harness.workloads.member import Member
from harness.workloads.plan import Client, Plan, Role
from harness.workloads.reader import AssignedReader, Unread
from harness.workloads.writer import Writer

OVER = 3


class _Runs(Protocol):
    def run(self) -> None: ...


_ROLES: dict[Role, Callable[[Kit], _Runs]] = {
    "writer": Writer,
    "feeder": Feeder,
    "copier": Copier,
    "member": Member,
    "committed": AssignedReader,
    "uncommitted": AssignedReader,
}


def main(argv: list[str]) -> int:
    """Be the client; returns the exit code."""
    plan = Plan.model_validate_json(Path(argv[0]).read_bytes())
    client = Client.model_validate_json(argv[1])
    kit = Kit(plan, client)
    kit.obey()
    runs = _made(kit)
    if runs is None:
        return 1
    try:
        runs.run()
    except (Over, KafkaException, SystemError) as error:
        return _over(error)
    except (HarnessError, Unread) as error:
        _say(str(error))
        return 1
    return 0


def _over(error: Exception) -> int:
    """Its session is.

    confluent-kafka (2.16) raises a fatal error out of whatever serves callbacks, and goes on to call
    them with the exception set: then a SystemError comes out, with the fatal error for its cause, or with
    none if a callback cleared it. What a callback could not write down stays as it was asked: unknown.
    """
    if isinstance(error, SystemError) and not _of_the_client(error):
        raise error
    _say(f"over: {error.__cause__ or error}")
    return OVER


def _of_the_client(error: SystemError) -> bool:
    cleared = "cimpl." in str(error) and "without setting an exception" in str(error)
    return cleared or isinstance(error.__cause__, KafkaException)


def _made(kit: Kit) -> _Runs | None:
    """The client; None, once that was said: it refuses its settings, as another one would."""
    try:
        return _ROLES[kit.client.role](kit)
    except KafkaException as error:
        _say(f"refused: {error}")
        return None


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    die_with_parent()
    code = main(sys.argv[1:])
    # Everything is written; librdkafka's destructor would wait for brokers that do not answer.
    os._exit(code)
