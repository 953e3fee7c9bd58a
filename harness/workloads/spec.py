"""What workloads there are, as a story asks for them. Plain data; nothing here knows Kafka's client.

Each is named for what its clients do; its first topic has the same name, so that a story aims at
``leader_of("transfers", 0)``. ``wrong`` has one kind of client do one thing wrong on purpose: the proof that
its anomaly would be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict, Unpack

from pydantic import Field, ValidationError

from harness.errors import BadInput
from harness.history.operations import History
from harness.model import Frozen
from harness.names import AnomalyName

Form = Literal["transfers", "transactions", "copies", "group", "compacted"]
Wrong = Literal[
    "", "halves", "identities", "skips", "jumps", "sees_open", "commits_ahead", "commits_apart", "forgets"
]

_READING: tuple[AnomalyName, ...] = (
    *(
        "lost",
        "duplicate_log",
        "phantom",
        "int_poll_skip",
        "int_nonmono_poll",
        "realtime_offset",
        "nonmono_send",
    ),
    *(
        "ack_offset_mismatch",
        "inconsistent_offset",
        "divergent_readers",
        "epoch_regression",
        "read_before_write",
    ),
)
_ENDING: tuple[AnomalyName, ...] = (
    *_READING,
    *("aborted_read", "torn_transaction", "precommitted_read", "zombie_write", "hanging_transaction"),
)
PROVES: dict[Form, tuple[AnomalyName, ...]] = {
    "transfers": (*_ENDING, "conservation"),
    "transactions": _ENDING,
    "copies": (*_READING, "torn_transaction", "own_read", "inputs_twice", "inputs_left_out"),
    "group": (*_READING, "redelivered_committed", "commit_ahead", "left_behind"),
    "compacted": (*_READING, "latest_value"),
}
"""What each form's history has to have something to compare for, or it proves less than it promises."""

_FITS: dict[Wrong, tuple[Form, ...]] = {
    "": ("transfers", "transactions", "copies", "group", "compacted"),
    "halves": ("transfers",),
    "identities": ("transfers", "transactions"),
    "skips": ("transfers", "transactions", "group"),
    "jumps": ("transfers", "transactions", "group"),
    "sees_open": ("transfers", "transactions"),
    "commits_ahead": ("group",),
    "commits_apart": ("copies",),
    "forgets": ("compacted",),
}


class WorkloadOptions(TypedDict, total=False):
    """What may be said of a workload; see ``Workload``."""

    partitions: int
    replication: int
    writers: int
    members: int
    rate: float
    keys: int
    upset_every: float
    watched: bool
    fresh_s: float
    client: Mapping[str, str]
    topic_config: Mapping[str, str]
    wrong: Wrong


class Workload(Frozen):
    """One workload.

    Args:
        writers: processes that write.
        members: processes of its consumer group, if it has one.
        rate: transactions, or single records, per second of each writer.
        keys: distinct record keys; accounts, for transfers.
        upset_every: seconds between two upsets on purpose (a client is killed, or frozen until another one
            has taken its place, or leaves); 0: none.
        watched: whether readers read along while the clients write; all is read once more in the end.
        fresh_s: seconds that a visible record may wait for who reads; nothing is said of that unless given.
        client: settings of those that write, over the workload's own.
        topic_config: settings of its topics, over the workload's own.
        wrong: what is done wrong on purpose.
    """

    form: Form
    partitions: int = Field(default=3, ge=1)
    replication: int = Field(default=3, ge=1)
    writers: int = Field(default=2, ge=1, le=16)
    members: int = Field(default=0, ge=0, le=16)
    rate: float = Field(default=15.0, gt=0, le=500)
    keys: int = Field(default=20, ge=2)
    upset_every: float = Field(default=4.0, ge=0)
    watched: bool = True
    fresh_s: float | None = Field(default=None, gt=0)
    client: dict[str, str] = {}
    topic_config: dict[str, str] = {}
    wrong: Wrong = ""

    @property
    def name(self) -> str:
        """Its name, that of its first topic, and that of its history."""
        return self.form

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that it writes to; the first one is what its own clients begin with."""
        return (self.name, f"{self.name}-out") if self.form == "copies" else (self.name,)

    @property
    def transactional(self) -> bool:
        """Whether its first topic is written to in transactions."""
        return self.form in {"transfers", "transactions"}

    @property
    def proves(self) -> tuple[AnomalyName, ...]:
        """The anomalies that its history must have something to compare for."""
        idempotent = self.client.get("enable.idempotence", "true") == "true"
        fresh: tuple[AnomalyName, ...] = ("lag",) if self.fresh_s else ()
        return (*PROVES[self.form], *fresh) if idempotent else ("lost", "phantom")

    @property
    def topic_settings(self) -> dict[str, str]:
        """The settings of its topics. What is compacted is so within seconds."""
        if self.form != "compacted":
            return self.topic_config
        compact = {
            "cleanup.policy": "compact,delete" if self.wrong == "forgets" else "compact",
            "segment.ms": "2000",
            "min.cleanable.dirty.ratio": "0.01",
            "delete.retention.ms": "1000",
        }
        return compact | self.topic_config

    def history(self, *, transaction_version: int) -> History:
        """The settings under which its history is to be judged."""
        return History(
            acks=_acks(self.client.get("acks", "all")),
            idempotent=self.client.get("enable.idempotence", "true") == "true",
            unclean_election=self.topic_config.get("unclean.leader.election.enable") == "true",
            cleanup="compact" if self.form == "compacted" else "keep",
            conserved=self.form == "transfers",
            transaction_version=transaction_version,
            fresh_ns=round(self.fresh_s * 1e9) if self.fresh_s else None,
        )


def transfers(**options: Unpack[WorkloadOptions]) -> Workload:
    """Values move between accounts, two records in one transaction: all that is committed sums to zero."""
    return _asked("transfers", options)


def transactions(**options: Unpack[WorkloadOptions]) -> Workload:
    """Transactions of a few records over several partitions, some of which are aborted."""
    return _asked("transactions", options)


def copies(**options: Unpack[WorkloadOptions]) -> Workload:
    """A group consumes, transforms and produces: input offsets are committed in the output's transactions."""
    return _asked("copies", {"writers": 1, "members": 2, "rate": 40.0, **options})


def group(**options: Unpack[WorkloadOptions]) -> Workload:
    """A consumer group whose members join, leave and die, and commit what they have handled."""
    return _asked("group", {"writers": 1, "members": 3, "rate": 60.0, **options})


def compacted(**options: Unpack[WorkloadOptions]) -> Workload:
    """A compacted topic: keys are written again and again, and some are taken away by tombstones."""
    return _asked("compacted", {"rate": 60.0, **options})


def _asked(form: Form, options: WorkloadOptions) -> Workload:
    """The workload that a story asks for.

    Raises:
        BadInput: an option does not fit.
    """
    try:
        made = Workload.model_validate({"form": form, **options})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInput(f"{where} of {form}() does not fit", why=first["msg"]) from error
    if form not in _FITS[made.wrong]:
        fits = ", ".join(wrong for wrong in _FITS if wrong and form in _FITS[wrong])
        raise BadInput(f"{form}() has nobody for wrong={made.wrong!r}", fix=f"one of {fits or 'none'}")
    return made


def _acks(told: str) -> Literal["all", "1", "0"]:
    return "1" if told == "1" else "0" if told == "0" else "all"
