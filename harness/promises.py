"""The guarantees a scenario may ask for, each as a function that reads like a sentence.

``allowed`` violations are excused, the next one fails.
"""

from __future__ import annotations

from harness.model import Guarantee
from harness.names import AnomalyName, GuaranteeName

_RECORDS: tuple[GuaranteeName, ...] = (
    "no_loss",
    "no_duplicates",
    "order_per_key",
    "no_phantoms",
    "integrity",
)
_HOPS: tuple[GuaranteeName, ...] = (
    "results_exact",
    "results_single",
    "every_record_placed",
    "state_kept",
    "archive_complete",
    "archive_single",
    "archive_intact",
)

EVERYTHING: tuple[Guarantee, ...] = tuple(Guarantee(name=name) for name in _RECORDS)
"""All that can be asked of the source topic."""

PIPELINE: tuple[Guarantee, ...] = (*EVERYTHING, *(Guarantee(name=name) for name in _HOPS))
"""All that can be asked of a pipeline but for its metrics, whose hop needs a Vector."""


def no_loss(*, allowed: int = 0) -> Guarantee:
    """Every acknowledged record is there after the fence."""
    return Guarantee(name="no_loss", allowed=allowed)


def no_duplicates(*, allowed: int = 0) -> Guarantee:
    """No record lies at two offsets."""
    return Guarantee(name="no_duplicates", allowed=allowed)


def order_per_key(*, allowed: int = 0) -> Guarantee:
    """The records of one producer and key lie in the order in which they were sent."""
    return Guarantee(name="order_per_key", allowed=allowed)


def no_phantoms(*, allowed: int = 0) -> Guarantee:
    """No record is there that nobody attempted, or whose attempt was refused for good."""
    return Guarantee(name="no_phantoms", allowed=allowed)


def integrity(*, allowed: int = 0) -> Guarantee:
    """Every record is what was sent, where it was sent."""
    return Guarantee(name="integrity", allowed=allowed)


def results_exact(*, allowed: int = 0) -> Guarantee:
    """Every window's result is what the records in the source log make of it."""
    return Guarantee(name="results_exact", allowed=allowed)


def results_single(*, allowed: int = 0) -> Guarantee:
    """No window has two results."""
    return Guarantee(name="results_single", allowed=allowed)


def every_record_placed(*, allowed: int = 0) -> Guarantee:
    """Every record of the source log is in exactly one window, or late, or refused with the reason."""
    return Guarantee(name="every_record_placed", allowed=allowed)


def state_kept(*, allowed: int = 0) -> Guarantee:
    """The job's running totals never fall back."""
    return Guarantee(name="state_kept", allowed=allowed)


def archive_complete(*, allowed: int = 0) -> Guarantee:
    """Every valid record of the source log is in the archive."""
    return Guarantee(name="archive_complete", allowed=allowed)


def archive_single(*, allowed: int = 0) -> Guarantee:
    """No record is in the archive twice."""
    return Guarantee(name="archive_single", allowed=allowed)


def archive_intact(*, allowed: int = 0) -> Guarantee:
    """Every object of the archive is whole and holds nothing else."""
    return Guarantee(name="archive_intact", allowed=allowed)


def metrics_complete(*, allowed: int = 0) -> Guarantee:
    """What the metrics agent scraped is in its bucket, in shape."""
    return Guarantee(name="metrics_complete", allowed=allowed)


def none_late(*, allowed: int = 0) -> Guarantee:
    """No record without a flaw comes after its window has closed."""
    return Guarantee(name="none_late", allowed=allowed)


def no_anomaly(name: AnomalyName) -> Guarantee:
    """No workload's history holds this one. All are looked for; one that is named must have evidence."""
    return Guarantee(name=name)


def one_quorum_leader() -> Guarantee:
    """No two brokers lead the metadata quorum for longer than a handover takes."""
    return Guarantee(name="one_quorum_leader")


def no_hanging_transaction() -> Guarantee:
    """Behind an aborted transaction the log lets its readers go on."""
    return Guarantee(name="no_hanging_transaction")
