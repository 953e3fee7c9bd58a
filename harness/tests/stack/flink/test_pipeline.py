"""The job as its operator keeps it: what it is told, what a new start begins from, when it is at its end."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import bundle
from harness.checkers.steadiness import CHECKPOINTS
from harness.errors import StackError
from harness.stack.definition import read_definition
from harness.stack.flink.pipeline import SAVEPOINTS, Pipeline, Settled, Start
from harness.tests.stack.flinks import RUNNING, FakeFlink

STACKS = bundle.fixtures() / "stacks"
CLOSING = 5_000
THROUGH = "every task saw the closing watermark, and "


class Kept:
    """A pipeline on a cluster that does what the test says, and every start that was told of."""

    renew: Callable[[], str] | None = None

    def __init__(self, stack: str = "edge", **settings: str) -> None:
        told = {key.replace("__", "."): value for key, value in settings.items()}
        self.starts: list[Start] = []
        self.flink = FakeFlink()
        self.ends = (0, 0)
        self.pipeline = Pipeline(
            read_definition(STACKS, stack, told),
            STACKS / stack,
            self.flink,
            jar=Path("job.jar"),
            bootstrap="198.18.0.11:9092",
            source="orders",
            told=self.starts.append,
            renew=lambda: self.renew() if self.renew else "",
        )

    def renewed_by(self, renew: Callable[[], str]) -> None:
        """Have somebody make the cluster anew."""
        self.renew = renew

    def notes_renewal(self) -> str:
        """Put it among what was done."""
        self.flink.done.append("renew")
        return "renewed"

    def settle(self) -> Settled:
        """Wait for the end, by the cluster's clock."""
        return self.pipeline.settle(CLOSING, lambda: self.ends)


def test_the_job_is_told_everything_in_its_own_words() -> None:
    """Each argument of the job is given, so that none of its defaults decides anything."""
    words = Kept().pipeline.arguments()
    source = (bundle.fixtures() / "flink-job/src/main/java/edge/Settings.java").read_text()

    given = dict(zip(words[::2], words[1::2], strict=True))
    known = {f"--{name}" for name in re.findall(r'Map\.entry\("([a-z-]+)"', source)}
    assert len(known) == 15
    assert known | {"--bootstrap"} == set(given)
    assert given["--bootstrap"] == "198.18.0.11:9092"
    assert (given["--source"], given["--results"]) == ("orders", "edge-out")
    assert (given["--guarantee"], given["--archive"]) == ("exactly-once", "s3://edge-archive/records")
    assert (given["--transactional-id-prefix"], given["--group"]) == ("edge", "edge-processor")


def test_a_job_without_an_archive_is_told_of_none() -> None:
    """An empty word would be taken for an address."""
    assert "--archive" not in Kept(job__archive="").pipeline.arguments()


def test_a_start_is_told_of_before_its_tasks_run() -> None:
    """The event names the job, its arguments and what it began from, even if it never comes to run."""
    kept = Kept(flink__parallelism="3")
    kept.flink.seen = replace(RUNNING, tasks_running=3)

    with pytest.raises(StackError, match="last seen: 3 of 4 tasks run, RUNNING"):
        kept.pipeline.start()

    assert kept.starts == [Start("job-1", kept.pipeline.arguments(), "")]
    assert kept.flink.done == ["upload job.jar", "run id-of-job.jar edge.EdgeProcessor x3 from nothing"]


def test_a_job_that_fails_at_once_is_told_with_its_cause() -> None:
    """Nobody waits for a job that has ended; the cause is Flink's own."""
    kept = Kept()
    kept.flink.seen, kept.flink.cause = replace(RUNNING, state="FAILED"), "java.io.IOException: no room"

    with pytest.raises(StackError, match=r"the job has ended: FAILED: java\.io\.IOException: no room"):
        kept.pipeline.start()
    assert kept.flink.ticking.slept == []


@pytest.mark.parametrize(
    ("mode", "before", "restored"),
    [
        ("savepoint", "savepoint of job-1", f"{SAVEPOINTS}/savepoint-1"),
        ("last-state", "cancel job-1", "s3://edge-state/chk-7+1"),
        ("stateless", "cancel job-1", ""),
    ],
)
def test_an_upgrade_begins_from_what_its_mode_says(mode: str, before: str, restored: str) -> None:
    """A savepoint; the newest checkpoint, one during cancellation included; or nothing at all."""
    kept = Kept(flink__upgrade=mode)
    kept.pipeline.start()
    kept.flink.seen = replace(RUNNING, last_path="s3://edge-state/chk-7")

    assert kept.pipeline.upgrade() == restored

    again = f"run id-of-job.jar edge.EdgeProcessor x2 from {restored or 'nothing'}"
    assert kept.flink.done[2:] == [before, "upload job.jar", again]
    assert [start.restored_from for start in kept.starts] == ["", restored]
    assert kept.pipeline.job_id == "job-2"


@pytest.mark.parametrize("mode", ["savepoint", "last-state", "stateless"])
def test_an_operator_renews_the_cluster_between_the_jobs_two_lives(mode: str) -> None:
    """Whatever the job begins from is known before its cluster goes, and it is handed to the new one."""
    kept = Kept(flink__upgrade=mode)
    kept.renewed_by(kept.notes_renewal)
    kept.pipeline.start()
    kept.pipeline.upgrade()

    stopped, renewed, uploaded, _ = kept.flink.done[2:]
    assert stopped.endswith("job-1")
    assert (renewed, uploaded) == ("renew", "upload job.jar")


def test_a_cluster_that_is_not_renewed_gets_no_job() -> None:
    """Its operator's words are the error: a job on the old cluster would be no upgrade."""

    def refuse() -> str:
        raise StackError("FlinkDeployment edge-processing to be upgraded took longer than 240 s")

    kept = Kept()
    kept.renewed_by(refuse)
    kept.pipeline.start()

    with pytest.raises(StackError, match="to be upgraded"):
        kept.pipeline.upgrade()
    assert len(kept.starts) == 1


def test_a_forgotten_job_is_handed_over_again_without_state() -> None:
    """A JobManager that came back without high availability knows no job any more."""
    kept = Kept()
    kept.pipeline.start()
    kept.flink.known.clear()

    kept.pipeline.keep()

    assert [(start.job_id, start.restored_from) for start in kept.starts] == [("job-1", ""), ("job-2", "")]


def test_a_job_that_is_remembered_is_left_alone() -> None:
    """Two of the same job would be worse than none."""
    kept = Kept()
    kept.pipeline.keep()
    kept.pipeline.start()
    kept.pipeline.keep()

    assert [start.job_id for start in kept.starts] == ["job-1"]


@pytest.mark.parametrize(("watermark", "reached"), [(4_999, False), (5_000, True), (None, False)])
def test_caught_up_is_a_matter_of_event_time(watermark: int | None, *, reached: bool) -> None:
    """The watermark has to reach the instant; a task without one has seen nothing."""
    kept = Kept()
    kept.flink.watermark = watermark

    assert kept.pipeline.wait_watermark(5_000, 2.0) is reached


def test_with_checkpoints_two_more_prove_the_end() -> None:
    """The first one may have been triggered before the watermark came, so it proves nothing."""
    kept = Kept()
    kept.flink.watermark, looks = CLOSING, iter(range(100))

    def happens() -> None:
        kept.flink.seen = replace(RUNNING, completed=7 + next(looks) // 10)

    kept.flink.each_look = happens
    assert kept.settle() == Settled(complete=True, detail=f"{THROUGH}a later checkpoint is complete")
    assert kept.flink.seen.completed == 9


@pytest.mark.parametrize(
    ("stack", "settings", "expected"),
    [
        ("edge", {}, 98),
        ("edge", {"flink__config__execution.checkpointing.interval": "1min"}, 330),
        ("edge", {"flink__config__execution.checkpointing.interval": "600000"}, 2_490),
        ("edge", {"flink__config__execution.checkpointing.min-pause": "10 s"}, 130),
        ("edge-seed", {}, 90),
        ("edge-seed", {"flink__config__execution.checkpointing.min-pause": "10 s"}, 90),
    ],
)
def test_patience_grows_with_the_interval_of_checkpoints(
    stack: str, settings: dict[str, str], expected: float
) -> None:
    """Four intervals, or pauses where those are longer, beside what the work takes."""
    assert Kept(stack, **settings).pipeline.settle_s == expected


def test_what_the_cluster_was_told_of_checkpoints_is_told() -> None:
    """A run keeps it, for a recovery is judged by it years later: the stack's file, then ``--set``."""
    told = Kept("edge", **{"flink__config__execution.checkpointing.interval": "7s"}).pipeline.effective

    assert ("7s", "500ms") == tuple(told[name] for name in CHECKPOINTS)


def test_checkpoints_that_are_rare_are_waited_for() -> None:
    """An interval longer than the patience for the work itself makes no hop incomplete."""
    kept = Kept(**{"flink__config__execution.checkpointing.interval": "5min"})
    kept.flink.watermark = CLOSING

    def happens() -> None:
        kept.flink.seen = replace(RUNNING, completed=7 + int(sum(kept.flink.ticking.slept) // 300))

    kept.flink.each_look = happens
    assert kept.settle() == Settled(complete=True, detail=f"{THROUGH}a later checkpoint is complete")


@pytest.mark.parametrize("more", [0, 1])
def test_fewer_than_two_checkpoints_prove_nothing(more: int) -> None:
    """When time is up, the hop is incomplete and says what was seen last."""
    kept = Kept()
    kept.flink.watermark, looks = CLOSING, iter(range(10_000))

    def happens() -> None:
        kept.flink.seen = replace(RUNNING, completed=7 + (more if next(looks) > 10 else 0))

    kept.flink.each_look = happens
    said = f"last seen: {more} checkpoints since the closing watermark"
    assert kept.settle() == Settled(complete=False, detail=said)


def test_a_failure_in_between_begins_the_proof_anew() -> None:
    """After a restart from an older checkpoint, those from before it say nothing of the watermark."""
    kept = Kept()
    kept.flink.watermark, looks = CLOSING, iter(range(100))
    whole, torn = replace(RUNNING, completed=1), replace(RUNNING, completed=2, tasks_running=3)
    story = [whole, whole, torn, *[replace(RUNNING, completed=n) for n in (3, 3, 3, 3, 4, 4, 5, 5)]]

    def happens() -> None:
        kept.flink.seen = story[min(next(looks), len(story) - 1)]

    kept.flink.each_look = happens
    assert kept.settle().complete
    assert kept.flink.seen.completed == 5


def test_without_checkpoints_the_topics_have_to_stand_still() -> None:
    """The seed takes none: its results are read when nothing was added for two seconds."""
    kept = Kept("edge-seed")
    kept.flink.watermark, looks = CLOSING, iter(range(1_000))

    def happens() -> None:
        kept.ends = (min(next(looks), 15), 3)

    kept.flink.each_look = happens
    assert kept.settle() == Settled(complete=True, detail=f"{THROUGH}the results stood still")
    assert kept.ends == (15, 3)
    assert sum(kept.flink.ticking.slept) >= 1.5 + 2.0


def test_without_checkpoints_results_that_never_stop_are_not_the_end() -> None:
    """As long as something comes, more may come."""
    kept = Kept("edge-seed")
    kept.flink.watermark, looks = CLOSING, iter(range(10_000))

    def happens() -> None:
        kept.ends = (next(looks), 0)

    kept.flink.each_look = happens
    said = "last seen: results still come, or came until just now"
    assert kept.settle() == Settled(complete=False, detail=said)


def test_a_job_that_ended_for_good_is_at_its_end() -> None:
    """Nothing more can come of it, and the hop says why."""
    kept = Kept()
    kept.flink.seen, kept.flink.cause = replace(RUNNING, state="FAILED"), "no restarts left"

    assert kept.settle() == Settled(
        complete=True, detail="the job has ended for good: FAILED (no restarts left)"
    )


@pytest.mark.parametrize(
    ("watermark", "running", "said"),
    [
        (4_999, 4, "last seen: watermark 4999, wanted 5000; 4 of 4 tasks run"),
        (None, 4, "last seen: watermark None, wanted 5000; 4 of 4 tasks run"),
        (5_000, 3, "last seen: watermark 5000, wanted 5000; 3 of 4 tasks run"),
    ],
)
def test_time_that_is_up_leaves_the_last_observation(watermark: int | None, running: int, said: str) -> None:
    """What was lacking is told in numbers."""
    kept = Kept()
    kept.flink.watermark, kept.flink.seen = watermark, replace(RUNNING, tasks_running=running)

    assert kept.settle() == Settled(complete=False, detail=said)
