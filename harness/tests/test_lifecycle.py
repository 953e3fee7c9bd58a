"""How a run ends: what is bad before any load is an error of the command, everything later a verdict."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clock import MONOTONIC, wall_label
from harness.display import PlainDisplay
from harness.errors import BadInput, ExitCode, FaultError, HarnessError, MissingAbility, StackError
from harness.interrupts import Interrupted, Interrupts
from harness.lifecycle import execute
from harness.model import Aborted, LoadPlanned, Phase, PhaseEntered, RunEnded
from harness.order import Order
from harness.rehearsal import Rehearsal
from harness.rundir import EventLog, RunDirectory
from harness.scenario import Run, Scenario
from harness.stack.definition import read_definition
from harness.stack.java import Java
from harness.stack.parts import NO_PARTS
from harness.stack.software import Software
from harness.tests.sites import STACKS

NO_BUCKET = BadInput("there is no bucket 'nowhere'", fix="name one of objects.buckets")


class Told:
    """One run whose story meets *error*, before or after its load was planned."""

    def __init__(self, folder: Path, error: BaseException, *, loaded: bool, beside: Exception | None) -> None:
        self.directory = RunDirectory.create(folder, "run-1")
        self.ended = False
        self._error, self._loaded, self._beside = error, loaded, beside

    def execute(self) -> int:
        """The exit code of its verdict."""
        definition = read_definition(STACKS, "edge-kafka", {})
        order = Order(
            scenario=self._scenario(),
            definition=definition,
            folder=STACKS / "edge-kafka",
            software=Software(Java(Path("/none"), "17", "a test"), {}),
            parts=NO_PARTS,
            directory=self.directory,
            seed=1,
            command=("harness", "run", "bad"),
            settings={},
        )
        return execute(order, PlainDisplay(), Interrupts(), standing=self._standing).exit_code

    def _scenario(self) -> Scenario:
        return Scenario(
            name="bad",
            title="It is bad.",
            path=Path("bad.py"),
            story=self._story,
            stack="edge-kafka",
            guarantees=(),
            expect="held",
            nightly=False,
        )

    @contextlib.contextmanager
    def _standing(self, order: Order, log: EventLog, *_: object) -> Iterator[Run]:
        """Nothing stands; that it was ended is remembered."""
        log.append(PhaseEntered(t=MONOTONIC.now(), wall=wall_label(), phase=Phase.PREPARE))
        if self._loaded:
            log.append(_planned())
        try:
            yield Rehearsal(order.definition)
        except BaseException as error:
            self.ended = True
            if self._beside is not None:
                raise BaseExceptionGroup("ending failed, too", [error, self._beside]) from error
            raise

    def _story(self, _: Run) -> None:
        raise self._error

    def events(self) -> list[str]:
        """The kinds of all events."""
        return [event.kind for event in self.directory.read_events()]


def _planned() -> LoadPlanned:
    return LoadPlanned(
        t=MONOTONIC.now(),
        wall=wall_label(),
        topic="orders",
        partitions=1,
        replication=1,
        rate=1.0,
        keys=1,
        record_bytes=64,
        producers=1,
        processes=1,
        client={},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the run goes."""
    return tmp_path


def told(
    folder: Path, error: BaseException, *, loaded: bool = False, beside: Exception | None = None
) -> Told:
    """A run whose story ends in *error*."""
    return Told(folder, error, loaded=loaded, beside=beside)


@pytest.mark.parametrize(
    "error",
    [NO_BUCKET, MissingAbility("taskmanager-1 could not get a disk", fix="harness doctor")],
    ids=["bad input", "missing ability"],
)
def test_bad_input_before_any_load_ends_the_command(folder: Path, error: HarnessError) -> None:
    """The one sentence, exit code 254, no verdict; the stack is ended and the events are kept."""
    run = told(folder, error)

    with pytest.raises(type(error)) as raised:
        run.execute()

    assert raised.value is error
    assert raised.value.exit_code == ExitCode.BAD_INPUT
    assert run.ended
    assert run.events() == ["run-started", "phase", "aborted", "run-ended"]
    assert not run.directory.document.exists()


def test_bad_input_wins_over_what_fails_beside_it(folder: Path) -> None:
    """A stack that does not end well must not hide why it was ended."""
    run = told(folder, NO_BUCKET, beside=StackError("broker-1 did not end"))

    with pytest.raises(BadInput, match="there is no bucket"):
        run.execute()
    (aborted,) = [event for event in run.directory.read_events() if isinstance(event, Aborted)]
    assert "there is no bucket 'nowhere'" in aborted.reason
    assert "broker-1 did not end" in aborted.reason


def test_bad_input_after_the_load_began_is_judged_as_far_as_it_went(folder: Path) -> None:
    """There is something to judge, so there is a verdict: UNKNOWN."""
    run = told(folder, NO_BUCKET, loaded=True)

    assert run.execute() == ExitCode.UNKNOWN
    assert run.ended
    assert run.directory.document.exists()


@pytest.mark.parametrize(
    "error",
    [StackError("broker-1 died"), FaultError("no leader"), AssertionError("the story's own")],
    ids=["stack", "fault", "story"],
)
def test_what_is_not_the_users_fault_is_a_verdict(folder: Path, error: Exception) -> None:
    """A stack that does not come up, or a story that ends itself, leaves a run that proves nothing."""
    run = told(folder, error)

    assert run.execute() == ExitCode.UNKNOWN
    assert run.events()[-2:] == ["aborted", "run-ended"]


def test_a_user_who_ends_the_run_meant_to(folder: Path) -> None:
    """An interrupt is no bad input, also when healing failed beside it."""
    run = told(folder, Interrupted(2), beside=NO_BUCKET)

    assert run.execute() == ExitCode.ABORTED
    (aborted,) = [event for event in run.directory.read_events() if isinstance(event, Aborted)]
    assert aborted.by_user


def test_a_defect_of_the_harness_is_no_verdict(folder: Path) -> None:
    """It passes through as it is; the ledger is sealed and the last line written all the same."""
    run = told(folder, ZeroDivisionError("a defect"))

    with pytest.raises(ZeroDivisionError):
        run.execute()
    assert isinstance(run.directory.read_events()[-1], RunEnded)
