"""The values that cross module borders, and the lines of ``events.jsonl``.

``events.jsonl`` holds one ``Event`` a line and ``journal.jsonl`` one ``JournalEntry``
(``harness.journal_entry``) a line, both in the order of their instants. Together with the
ledger and the samples they are everything checkers and the report may know:
``run.json`` is a pure function of them. Instants (``t`` and every ``*_t``) are
CLOCK_MONOTONIC nanoseconds; ``wall`` is a label only.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from harness.names import AnomalyName, GuaranteeName

EVENTS_VERSION = 1


class Outcome(IntEnum):
    """How an attempt ended: must exist, must not exist, may exist."""

    OK = 0
    FAIL = 1
    UNKNOWN = 2


class ReadState(IntEnum):
    """What the reader made of a record it got back."""

    GOOD = 0
    CORRUPT = 1
    FOREIGN = 2
    MISROUTED = 3


class Phase(StrEnum):
    """The phases of a run, in their order; ``disturb`` and ``recover`` may alternate."""

    PREPARE = "prepare"
    STEADY = "steady"
    DISTURB = "disturb"
    RECOVER = "recover"
    DRAIN = "drain"
    VERIFY = "verify"
    REPORT = "report"


class Frozen(BaseModel):
    """A value of the file format: unknown keys are errors, nothing changes after birth."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Guarantee(Frozen):
    """What must hold of records. ``allowed`` violations are excused, the next one fails.

    Named for an anomaly it asks that no workload's history holds it; of those none can be allowed.
    """

    name: GuaranteeName | AnomalyName
    allowed: int = 0


class Budgets(Frozen):
    """What must hold of times; None means measured and shown, not judged.

    A recovery's budget is ``recovery_factor`` times the time expected from the live
    configuration plus ``recovery_slack_s``, unless ``recovery_s`` overrides it. What a scenario allows
    its job for catching up counts ``catch_up_factor`` times. Where what counts as late differs more
    than ``baseline_apart`` times between the halves of the baseline, recoveries are UNKNOWN. The last
    seven are for a stack with a pipeline: see ``harness.checkers.monitoring``.
    """

    latency_p99_ms: float | None = None
    recovery_s: float | None = None
    recovery_factor: float = 1.5
    recovery_slack_s: float = 5.0
    catch_up_factor: float = 1.0
    baseline_apart: float = 3.0
    load_reached: float = 0.95
    send_error_p99_ms: float = 20.0
    result_p99_ms: float | None = None
    throughput_share: float | None = None
    lag_records: int | None = None
    error_share: float | None = None
    late_share: float | None = None
    rss_mb: float | None = None
    cpu_percent: float | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _unbounded(cls, given: object) -> object:
        """A setting that says ``none`` takes a budget back."""
        return None if given == "none" else given


class _Event(Frozen):
    t: int
    wall: str


class RunStarted(_Event):
    """The first line: what was asked for. ``title`` is the scenario's docstring sentence."""

    kind: Literal["run-started"] = "run-started"
    version: int = EVENTS_VERSION
    run_id: str
    scenario: str
    title: str
    platform: str
    stack: str
    seed: int
    expect: Literal["held", "broken"] = "held"
    guarantees: tuple[Guarantee, ...]
    budgets: Budgets
    command: tuple[str, ...]
    settings: dict[str, str] = {}
    """Every effective stack setting that was not a default, with where it came from."""


class EnvironmentSeen(_Event):
    """What the run ran on.

    ``parts`` are versions, ``host`` facts of the machine, ``effective`` the configuration
    read back from the live cluster.
    """

    kind: Literal["environment"] = "environment"
    parts: dict[str, str]
    host: dict[str, str]
    effective: dict[str, str]


class PhaseEntered(_Event):
    """The run moved on to ``phase``."""

    kind: Literal["phase"] = "phase"
    phase: Phase


class Irregularities(Frozen):
    """What is wrong with the records of a load, on purpose; by default nothing.

    Args:
        disorder_ms: a record's event time lies up to so much before its batch's.
        late_share: the share of batches whose event time lies *late_by_ms* further back.
        late_by_ms: by how much.
        clock_skew_ms: by how much each producer's clock is wrong, in the order of the producers.
        poison_share: the share of records that the job has to refuse.
    """

    disorder_ms: int = Field(default=0, ge=0)
    late_share: float = Field(default=0.0, ge=0.0, le=1.0)
    late_by_ms: int = Field(default=10_000, ge=0)
    clock_skew_ms: tuple[int, ...] = ()
    poison_share: float = Field(default=0.0, ge=0.0, le=1.0)


class LoadPlanned(_Event):
    """What the load was asked to do. Batches are intended every 1/rate; ``record_bytes`` per value."""

    kind: Literal["load-planned"] = "load-planned"
    topic: str
    partitions: int
    replication: int
    rate: float
    keys: int
    record_bytes: int
    producers: int
    processes: int
    client: dict[str, str]
    irregular: Irregularities = Irregularities()


class Fence(Frozen):
    """One partition's proof that everything was read: ``position`` passed ``sentinel_offset``."""

    partition: int
    first_offset: int
    end_offset: int
    committed_end_offset: int
    sentinel_offset: int
    position: int

    @property
    def complete(self) -> bool:
        """Whether the partition was read through the sentinel from its first offset."""
        reached = self.position > self.sentinel_offset >= self.end_offset
        return reached and self.end_offset == self.committed_end_offset


class PipelinePlanned(_Event):
    """What lies behind the source topic: how its job makes results, and where each kind goes.

    Windows are tumbling in event time, ``window_ms`` long, aligned to the epoch; a record is late
    when the watermark, ``out_of_order_ms`` behind the newest event, has passed its window's end.
    ``guarantee`` is that of the job's sinks. ``parts`` names every hop that this run executes.
    """

    kind: Literal["pipeline-planned"] = "pipeline-planned"
    source: str
    results: str
    dead_letters: str
    late: str
    archive: str
    metrics_bucket: str
    window_ms: int
    out_of_order_ms: int
    dedup_ttl_ms: int
    guarantee: Literal["exactly-once", "at-least-once", "none"]
    parts: tuple[Literal["source", "results", "archive", "metrics"], ...]


class JobStarted(_Event):
    """The job was handed to Flink: the first time, or again after a failure or an upgrade.

    ``restored_from`` is the savepoint or checkpoint it began from; empty: it began without state.
    """

    kind: Literal["job-started"] = "job-started"
    job_id: str
    jar: str
    jar_sha256: str
    main: str
    arguments: tuple[str, ...]
    restored_from: str = ""


class HopRead(_Event):
    """One hop was read back, or why it could not be.

    ``complete`` says that nothing more can come: every input was processed, the outputs committed and
    read through a fence, or that the hop's worker has ended for good (``detail`` then says so).
    ``counts`` are what the reader or the worker itself counted, by name.
    """

    kind: Literal["hop-read"] = "hop-read"
    hop: Literal["source", "results", "dead-letters", "late", "archive", "metrics"]
    complete: bool
    detail: str = ""
    fences: tuple[Fence, ...] = ()
    counts: dict[str, int] = {}


class CaughtUp(_Event):
    """The job had worked through everything that was sent before the story asked.

    ``took_s`` counts from the question; None when it did not within the story's patience.
    """

    kind: Literal["caught-up"] = "caught-up"
    within_s: float
    took_s: float | None


class NotExecuted(_Event):
    """A part of the scenario that this run could not execute, and why; never counts as passed."""

    kind: Literal["not-executed"] = "not-executed"
    part: str
    reason: str


class LoadEnded(_Event):
    """What Locust itself counted, to be held against the ledger; one request is one batch.

    ``first_t`` and ``last_t`` bound the intended instants that were due.
    ``clean`` is False when a worker died or its ledger had a cut tail.
    """

    kind: Literal["load-ended"] = "load-ended"
    first_t: int
    last_t: int
    locust_requests: int
    locust_failures: int
    clean: bool
    detail: str = ""


class FencePassed(_Event):
    """The reader finished: load stopped, sentinel written, every partition read through it."""

    kind: Literal["fence"] = "fence"
    fences: tuple[Fence, ...]


class TransactionSettled(_Event):
    """A transaction was aborted, and ``watched_s`` later the partition it wrote to stood like this.

    ``end`` is the log's end offset, ``stable`` its last stable offset; 0 both: nobody named them.
    """

    kind: Literal["transaction-settled"] = "transaction-settled"
    topic: str
    partition: int
    end: int
    stable: int
    watched_s: float


class WorkloadPlanned(_Event):
    """A workload's clients begin, and write down what they do; its first topic has the workload's name.

    ``wrong`` says what its clients do wrong on purpose; ``proves`` are the anomalies that its history has to
    have something to compare for.
    """

    kind: Literal["workload-planned"] = "workload-planned"
    workload: str
    topics: tuple[str, ...]
    partitions: int
    replication: int
    writers: int
    members: int
    client: dict[str, str] = {}
    wrong: str = ""
    proves: tuple[AnomalyName, ...] = ()


class WorkloadEnded(_Event):
    """A workload's clients have ended: how many operations they did, how often one was upset on purpose.

    ``troubles`` are those that ended otherwise than they should.
    """

    kind: Literal["workload-ended"] = "workload-ended"
    workload: str
    operations: int
    upsets: int
    troubles: tuple[str, ...] = ()


class RecoveryExpected(_Event):
    """The story asked that the fault before it be recovered from within ``within_s`` seconds."""

    kind: Literal["recovery-expected"] = "recovery-expected"
    within_s: float


class Noted(_Event):
    """Something worth a line on the timeline: a restart, a role that moved, a warning."""

    kind: Literal["note"] = "note"
    text: str
    node: str = ""


class Aborted(_Event):
    """The run was ended early: a signal, an error, a vacuity guard that did not hold."""

    kind: Literal["aborted"] = "aborted"
    reason: str
    by_user: bool


class RunEnded(_Event):
    """The last line of a run that ended by itself; its absence means the harness died."""

    kind: Literal["run-ended"] = "run-ended"


Event = Annotated[
    RunStarted
    | EnvironmentSeen
    | PhaseEntered
    | LoadPlanned
    | PipelinePlanned
    | JobStarted
    | HopRead
    | CaughtUp
    | NotExecuted
    | LoadEnded
    | FencePassed
    | TransactionSettled
    | WorkloadPlanned
    | WorkloadEnded
    | RecoveryExpected
    | Noted
    | Aborted
    | RunEnded,
    Field(discriminator="kind"),
]

EVENT: TypeAdapter[Event] = TypeAdapter(Event)
