"""What the harness and the processes of a load in pods say to each other: one question, one answer, in bytes.

A question goes by HTTP POST to a pod; how it gets there is the platform's business
(``harness.stack.seams.LoadPods``). A worker answers to

``/plan``   a ``Task``: what to do, and where its Locust master is; once in the life of its process;
``/order``  ``start T`` or ``stop S``;
``/pull``   how many bytes of each of its files the harness has: a parcel of what lies beyond.

A parcel is one line of JSON, a ``Label``, and behind it the bytes that it announces, file by file. What the
harness says that it has, it has on its own disk; so a worker knows which of its announcements are safe.

A master answers to ``/plan`` (a ``Crew``), to ``/order``, which it passes on to all workers, to ``/pull`` (a
``MasterSays``) and to ``/quit``, after which its totals are final.
"""

from __future__ import annotations

from pydantic import ValidationError

from harness.errors import LoadError
from harness.load.plan import LoadPlan
from harness.load.status import WorkerStatus
from harness.model import Frozen

LOCUST_PORT = 5557


class Task(Frozen):
    """What one worker is to do; ``master`` and ``port`` are where its Locust master is."""

    plan: LoadPlan
    number: int
    master: str
    port: int = LOCUST_PORT


class Crew(Frozen):
    """How many workers a master waits for, and how many users it has them spawn."""

    workers: int
    users: int


class Asked(Frozen):
    """How many bytes of each file the harness has."""

    kept: dict[str, int] = {}


class Label(Frozen):
    """What one worker sends home.

    Args:
        life: the same as long as its process lives.
        t: its monotonic clock.
        status: None before it has anything to say.
        files: how many bytes of each file follow, in this order.
        whole: whether that is all there is by now.
        failed: why it could not do as it was told; empty while it can.
    """

    life: str
    t: int
    status: WorkerStatus | None = None
    files: dict[str, int] = {}
    whole: bool = True
    failed: str = ""


class MasterSays(Frozen):
    """The master's view; ``requests`` and ``failures`` are Locust's, summed over the workers' reports."""

    life: str
    workers: int = 0
    requests: int = 0
    failures: int = 0


def packed(label: Label, pieces: list[bytes]) -> bytes:
    """A parcel."""
    return label.model_dump_json().encode() + b"\n" + b"".join(pieces)


def unpacked(parcel: bytes) -> tuple[Label, dict[str, bytes]]:
    """The label and what came, by file.

    Raises:
        LoadError: it is not whole.
    """
    head, _, rest = parcel.partition(b"\n")
    try:
        label = Label.model_validate_json(head)
    except ValidationError as error:
        raise LoadError("a load worker sent what is no parcel", why=str(error).splitlines()[0]) from error
    if len(rest) != sum(label.files.values()):
        raise LoadError(
            "a load worker's parcel is cut", why=f"{len(rest)} of {sum(label.files.values())} bytes"
        )
    pieces: dict[str, bytes] = {}
    for name, size in label.files.items():
        pieces[name], rest = rest[:size], rest[size:]
    return label, pieces
