"""Rules for Kafka's clients: ``producer.properties`` and ``consumer.properties``."""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.documents import Kind
from harness.audit.findings import Severity
from harness.audit.rules import Case, Hit, Table

TABLE = Table(Kind.PRODUCER)
_rule = TABLE.rule
_IN_FLIGHT = "max.in.flight.requests.per.connection"


def _is_idempotent(case: Case) -> bool:
    return case.setting("enable.idempotence").lower() != "false"


@_rule(
    "PRODUCER-ACKS", Severity.ERROR,
    what="a write counts before it is replicated",
    why="with acks=1 the leader's word is enough, and goes with the leader; with acks=0 nobody's word is "
    "asked",
    fix="set acks=all, with min.insync.replicas=2 on the topic",
    scenario="acks_one_loses",
)  # fmt: skip
def _acks(case: Case) -> Iterator[Hit]:
    if case.setting("acks") in {"0", "1"}:
        yield case.settings_hit("acks", what=f"acks={case.setting('acks')}")


@_rule(
    "PRODUCER-ACKS-UNSAID", Severity.WARNING,
    what="acks is left to the client's version",
    why="it is all from 3.0 on and 1 before; librdkafka and others have defaults of their own",
    fix="set acks=all",
    versions="clients before 3.0 default to 1",
    scenario="acks_one_loses",
)  # fmt: skip
def _acks_unsaid(case: Case) -> Iterator[Hit]:
    if not case.setting("acks"):
        yield case.settings_hit("acks")


@_rule(
    "PRODUCER-IDEMPOTENCE", Severity.ERROR,
    what="a retry writes the record again",
    why="enable.idempotence=false: an answer that was lost makes the client send once more, and both stay",
    fix="set enable.idempotence=true",
    versions="all; true by default from 3.0 on, and with acks=1 switched off without a word",
    scenario="retries_without_idempotence_repeat",
)  # fmt: skip
def _idempotence(case: Case) -> Iterator[Hit]:
    if not _is_idempotent(case):
        yield case.settings_hit("enable.idempotence")


@_rule(
    "PRODUCER-ORDER", Severity.ERROR,
    what="a retry overtakes its neighbours",
    why="several requests under way without idempotence: the second is written, the first is tried again, "
    "and a key's records change places",
    fix="set enable.idempotence=true, or max.in.flight.requests.per.connection=1",
    scenario="retries_without_idempotence_repeat",
)  # fmt: skip
def _order(case: Case) -> Iterator[Hit]:
    if not _is_idempotent(case) and case.setting(_IN_FLIGHT) != "1":
        yield case.settings_hit(_IN_FLIGHT)


@_rule(
    "PRODUCER-IN-FLIGHT", Severity.ERROR,
    what="more requests under way than idempotence allows",
    why="with more than five the client refuses to start, or switches idempotence off without a word when "
    "it is left to its default",
    fix="set max.in.flight.requests.per.connection to 5 or less",
    versions="clients 1.0 and newer",
)  # fmt: skip
def _in_flight(case: Case) -> Iterator[Hit]:
    count = case.whole(_IN_FLIGHT)
    if _is_idempotent(case) and count is not None and count > 5:
        yield case.settings_hit(_IN_FLIGHT, what=f"{count} requests under way, and idempotence allows 5")


@_rule(
    "PRODUCER-RETRIES", Severity.ERROR,
    what="no retries",
    why="an election takes seconds, and every record sent in them is given up at the first refusal",
    fix="remove retries and bound the time with delivery.timeout.ms",
    scenario="leader_killed",
)  # fmt: skip
def _retries(case: Case) -> Iterator[Hit]:
    if case.setting("retries") == "0":
        yield case.settings_hit("retries")


@_rule(
    "PRODUCER-DELIVERY-TIMEOUT", Severity.WARNING,
    what="a record is given up before a new leader is there",
    why="a broker's crash is noticed after 9 s with KRaft and 18 s with ZooKeeper; delivery.timeout.ms "
    "below 30 s gives up while the cluster still heals",
    fix="set delivery.timeout.ms=120000, the default",
    versions="clients 2.1 and newer",
    scenario="leader_killed",
)  # fmt: skip
def _delivery_timeout(case: Case) -> Iterator[Hit]:
    limit = case.whole("delivery.timeout.ms")
    if limit is not None and limit < 30_000:
        yield case.settings_hit("delivery.timeout.ms", what=f"a record is given up after {limit} ms")


@_rule(
    "PRODUCER-TRANSACTION-TIMEOUT", Severity.ERROR,
    what="a transaction longer than the broker grants",
    why="transaction.max.timeout.ms is 15 minutes unless set: the producer is refused "
    "(INVALID_TRANSACTION_TIMEOUT)",
    fix="set transaction.timeout.ms=900000 or less, or raise the brokers' maximum",
    scenario="transaction_timeout_too_short",
)  # fmt: skip
def _transaction_timeout(case: Case) -> Iterator[Hit]:
    limit = case.whole("transaction.timeout.ms")
    if limit is not None and limit > 900_000:
        yield case.settings_hit("transaction.timeout.ms", what=f"a transaction of up to {limit} ms")


@_rule(
    "CONSUMER-AUTO-COMMIT", Severity.WARNING,
    what="offsets are committed by the clock",
    why="enable.auto.commit is true unless set: what was fetched and not yet worked on counts as read "
    "after a crash",
    fix="set enable.auto.commit=false and commit after the work",
    kinds=(Kind.CONSUMER,),
)  # fmt: skip
def _auto_commit(case: Case) -> Iterator[Hit]:
    if case.setting("enable.auto.commit").lower() != "false":
        yield case.settings_hit("enable.auto.commit")


@_rule(
    "CONSUMER-START", Severity.WARNING,
    what="a new group skips what is there",
    why="auto.offset.reset is latest unless set; also after the offsets have expired",
    fix="set auto.offset.reset=earliest, or none to be told",
    kinds=(Kind.CONSUMER,),
)  # fmt: skip
def _start(case: Case) -> Iterator[Hit]:
    if case.setting("auto.offset.reset") not in {"earliest", "none"}:
        yield case.settings_hit("auto.offset.reset")


@_rule(
    "CONSUMER-ISOLATION", Severity.WARNING,
    what="aborted transactions are read as well",
    why="isolation.level is read_uncommitted unless set: results that an exactly-once sink has taken back "
    "are delivered",
    fix="set isolation.level=read_committed",
    versions="Java clients; librdkafka defaults to read_committed",
    scenario="sink_without_exactly_once",
    kinds=(Kind.CONSUMER,),
)  # fmt: skip
def _isolation(case: Case) -> Iterator[Hit]:
    if case.setting("isolation.level") != "read_committed":
        yield case.settings_hit("isolation.level")
