"""The workloads of one run: set up beside each other, played while a block runs, read to their ends.

What they write is in the run directory, under ``history/``; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.clock import MONOTONIC, wall_label
from harness.errors import BadInput, LoadError
from harness.history.parts import SETTINGS, Part
from harness.model import Event, WorkloadEnded, WorkloadPlanned
from harness.rundir import RunDirectory, private
from harness.stack.kafka.admin import KafkaAdmin
from harness.workloads.closing import end_transactions, ends_for, fenced, forget
from harness.workloads.crew import Crew, Enter, Hands
from harness.workloads.plan import Plan, Role
from harness.workloads.spec import Workload

_READ_S = 90.0

Record = Callable[[Event], None]
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Venue:
    """Where workloads are played.

    Args:
        enter: turns an argv into the one that runs it on the load's node.
        bootstrap: where the clients begin.
        transaction_version: of the brokers; below 2 transactions have the flaw of KIP-890.
    """

    directory: RunDirectory
    admin: KafkaAdmin
    enter: Enter
    bootstrap: str
    seed: int
    transaction_version: int


class Play:
    """One workload, from its topics to its last reader."""

    def __init__(
        self, workload: Workload, venue: Venue, record: Callable[[Event], None], note: Callable[[str], None]
    ) -> None:
        self._workload, self._venue, self._record = workload, venue, record
        self._own = venue.directory.logs / "workloads" / workload.name
        self._plan = Plan(
            workload=workload,
            run_id=venue.directory.run_id,
            bootstrap=venue.bootstrap,
            folder=venue.directory.history / workload.name,
            counts=self._own / "counts",
            seed=venue.seed,
        )
        self._hands = Hands(self._plan, self._own / "plan.json", venue.enter, venue.directory.logs)
        self._crew = Crew(self._hands, note)

    @property
    def name(self) -> str:
        """The workload's."""
        return self._workload.name

    def open(self) -> None:
        """Make the topics, open the history, and return when every client is at work.

        Raises:
            LoadError: one is not.
            StackError: there are no topics.
        """
        workload, plan = self._workload, self._plan
        self._record(planned(workload))
        self._venue.admin.create_topics(
            workload.topics,
            partitions=workload.partitions,
            replication=workload.replication,
            config=workload.topic_settings,
        )
        for folder in (plan.folder, plan.counts):
            folder.mkdir(parents=True, mode=0o700)
        with open(self._hands.file, "w", encoding="utf-8", opener=private) as file:
            file.write(plan.model_dump_json(indent=2))
        Part(plan.folder, SETTINGS).write(
            workload.history(transaction_version=self._venue.transaction_version)
        )
        self._crew.start()

    def close(self) -> None:
        """Let every client end what it has begun, and end."""
        self._crew.stop()
        self._tell_the_end()

    def abort(self) -> None:
        """End every client at once."""
        self._crew.stop(seconds=1.0)
        self._tell_the_end()

    def read_back(self) -> None:
        """Read everything once more, from the first offset to the end.

        Raises:
            LoadError: a reader did not come to the end.
            StackError: the cluster did not say where that is.
        """
        plan = self._plan
        end_transactions(plan)
        if self._workload.wrong == "forgets":
            forget(plan)
        ends = list(fenced(plan, Part(plan.folder, "fence")))
        readers = []
        for role, committed in _LAST:
            path = ends_for(ends, self._own / f"ends-{role}.json", committed=committed)
            readers.append(self._hands.start(role, 1, path))
        self._hands.wait_ended(readers, _READ_S)
        if trouble := "; ".join(each.trouble for each in readers if each.trouble):
            raise LoadError(f"{self.name} was not read to its end", why=trouble)

    def done(self) -> dict[Role, int]:
        """How much the clients of each role have done."""
        return self._crew.done()

    def failure(self) -> str:
        """Why its crew cannot go on; empty while it can."""
        return self._crew.failure

    def _tell_the_end(self) -> None:
        self._record(
            WorkloadEnded(
                t=MONOTONIC.now(),
                wall=wall_label(),
                workload=self.name,
                operations=sum(self.done().values()),
                upsets=self._crew.upsets,
                troubles=self._crew.troubles(),
            )
        )


class Stage:
    """Every workload of a run."""

    def __init__(self, record: Record, note: Note) -> None:
        self._record, self._note = record, note
        self._plays: list[Play] = []
        self._open: list[Play] = []

    @property
    def used(self) -> bool:
        """Whether there was any workload."""
        return bool(self._plays)

    def open(self, asked: Sequence[Workload], venue: Venue) -> None:
        """Set *asked* up, one after the other.

        Raises:
            BadInput: a workload is asked for twice.
            LoadError, StackError: one could not be set up; ``abort`` ends the others.
        """
        for workload in asked:
            if any(play.name == workload.name for play in self._plays):
                raise BadInput(f"there are two workloads {workload.name}", fix="one of each form in a run")
            play = Play(workload, venue, self._record, self._note)
            self._plays.append(play)
            self._open.append(play)
            play.open()

    def close(self) -> None:
        """Let the clients of every open workload end what they have begun, and end."""
        while self._open:
            self._open.pop().close()

    def abort(self) -> None:
        """End the clients of every open workload at once."""
        while self._open:
            self._open.pop().abort()

    def done(self) -> dict[str, int]:
        """How much was done so far, by workload and role."""
        return {f"{play.name} {role}": number for play in self._plays for role, number in play.done().items()}

    def failure(self) -> str:
        """Why a workload cannot go on; empty while all can."""
        return "; ".join(failure for play in self._open if (failure := play.failure()))

    def read_back(self) -> None:
        """Read every workload to its end."""
        for play in self._plays:
            play.read_back()


_LAST: tuple[tuple[Role, bool], ...] = (("committed", True), ("uncommitted", False))


def planned(workload: Workload) -> WorkloadPlanned:
    """*workload* as an event."""
    return WorkloadPlanned(
        t=MONOTONIC.now(),
        wall=wall_label(),
        workload=workload.name,
        topics=workload.topics,
        partitions=workload.partitions,
        replication=workload.replication,
        writers=workload.writers,
        members=workload.members,
        client=workload.client,
        wrong=workload.wrong,
        proves=workload.proves,
    )
