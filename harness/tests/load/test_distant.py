"""A worker in a pod as the harness sees it: its ledger is copied byte by byte, and whoever is lost is told.

The pod here is a double that answers with parcels made by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.clock import MONOTONIC, NANOS_PER_SECOND
from harness.errors import StackError
from harness.load.fleet import DistantWorker
from harness.load.parcels import Asked, Label, packed
from harness.load.plan import LoadPlan
from harness.load.status import State, WorkerStatus
from harness.stack.seams import LoadPods

NAME = "attempts-load-0.arrow"


class Pod:
    """A double of a worker in a pod: ``life``, what its clock is off, and what its file holds."""

    def __init__(self) -> None:
        self.life, self.off_s, self.content, self.failed = "a", 0.0, b"", ""
        self.state: State = "sending"
        self.answers = True

    def ask(self, pod: str, path: str, body: bytes, seconds: float) -> bytes:
        """Answer with what is beyond what was asked for, at most three bytes at a time."""
        if not self.answers:
            raise StackError("no route")
        assert (pod, path) == ("edge-load-0", "/pull")
        beyond = self.content[Asked.model_validate_json(body).kept.get(NAME, 0) :]
        now = MONOTONIC.now() + int(self.off_s * NANOS_PER_SECOND)
        status = WorkerStatus(state=self.state, t=now, attempted=7)
        label = Label(
            life=self.life,
            t=now,
            status=status,
            files={NAME: len(beyond[:3])},
            whole=len(beyond) <= 3,
            failed=self.failed,
        )
        return packed(label, [beyond[:3]])


@pytest.fixture
def pod() -> Pod:
    """A pod that is well."""
    return Pod()


@pytest.fixture
def worker(pod: Pod, tmp_path: Path) -> DistantWorker:
    """The harness's side of it."""
    plan = LoadPlan(
        run_id="r", topic="orders", partitions=4, bootstrap="b:1", ledger=tmp_path, samples=tmp_path
    )
    return DistantWorker(LoadPods("master", ("edge-load-0",), "10.1.1.1", pod.ask), 0, plan)


def test_what_grows_there_is_appended_here(pod: Pod, worker: DistantWorker, tmp_path: Path) -> None:
    """Each byte once, in order; the copy is complete when the end was said and all of it is here."""
    for content in (b"ab", b"ab", b"abcdefg"):
        pod.content = content
        worker.pull()
    assert (tmp_path / NAME).read_bytes() == b"abcde"
    pod.state = "ended"
    pod.content += b"hijk"
    seen = []
    for _ in range(3):
        worker.pull()
        seen.append(worker.complete)

    assert seen == [False, True, True]
    assert (tmp_path / NAME).read_bytes() == b"abcdefghijk"
    assert worker.status is not None
    assert worker.status.attempted == 7


def died(pod: Pod) -> None:
    """Its process was started again."""
    pod.life, pod.content = "b", b"xyz"


def failed(pod: Pod) -> None:
    """It could not do as it was told."""
    pod.failed = "no broker answers the load"


def elsewhere(pod: Pod) -> None:
    """Its monotonic clock is that of another machine."""
    pod.off_s = 5_000


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (died, "its process died and was started again"),
        (failed, "no broker answers the load"),
        (elsewhere, r"its monotonic clock is 5,000 s from ours"),
    ],
)
def test_a_worker_that_is_lost_adds_nothing_more(
    pod: Pod, worker: DistantWorker, tmp_path: Path, happens: Callable[[Pod], None], said: str
) -> None:
    """What was brought home stays, what another life says is not mixed into it."""
    pod.content = b"ab"
    worker.pull()
    happens(pod)
    for _ in range(2):
        worker.pull()

    assert said in worker.lost
    assert not worker.complete
    assert (tmp_path / NAME).read_bytes() == b"ab"


def test_one_question_without_an_answer_is_no_loss(pod: Pod, worker: DistantWorker, tmp_path: Path) -> None:
    """A cut that ends in time costs nothing."""
    pod.answers = False
    worker.pull()
    assert worker.lost == ""
    pod.answers, pod.content = True, b"ab"
    worker.pull()

    assert (tmp_path / NAME).read_bytes() == b"ab"
