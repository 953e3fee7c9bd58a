"""Rules for a broker's settings, in a Kafka resource's ``config`` or in ``server.properties``."""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.documents import Kind
from harness.audit.findings import Severity
from harness.audit.rules import Case, Hit, Table, version

TABLE = Table(Kind.KAFKA, Kind.BROKER)
_rule = TABLE.rule
_INTERNAL = ("offsets.topic.replication.factor", "transaction.state.log.replication.factor")
_FORBIDDEN = (
    "listeners", "advertised.", "broker.", "listener.", "host.name", "port", "inter.broker.listener.name",
    "sasl.", "ssl.", "security.", "password.", "log.dir", "zookeeper.connect", "zookeeper.set.acl",
    "zookeeper.ssl", "authorizer.", "super.user", "node.id", "process.roles", "controller.",
    "metadata.log.dir",
)  # fmt: skip
_ALLOWED = (
    "controller.quorum.election.backoff.max.ms", "controller.quorum.election.timeout.ms",
    "controller.quorum.fetch.timeout.ms", "ssl.cipher.suites", "ssl.protocol", "ssl.enabled.protocols",
    "zookeeper.connection.timeout.ms",
)  # fmt: skip
_ALLOWED_FROM_048 = (
    "broker.session.timeout.ms",
    "broker.heartbeat.interval.ms",
    "controller.socket.timeout.ms",
)


@_rule(
    "KAFKA-REPLICATION", Severity.ERROR,
    what="new topics have too few replicas",
    why="default.replication.factor is 1 unless set: the loss of one disk is the loss of a topic made "
    "without a word about replicas",
    fix="set default.replication.factor: 3",
    scenario="single_replica_wiped_loses",
)  # fmt: skip
def _replication(case: Case) -> Iterator[Hit]:
    if (case.whole("default.replication.factor") or 1) < 3:
        yield case.settings_hit("default.replication.factor")


@_rule(
    "KAFKA-INTERNAL-REPLICATION", Severity.ERROR,
    what="an internal topic has too few replicas",
    why="with it go the consumers' offsets or the state of every transaction",
    fix="set the factor to 3",
    scenario="single_replica_wiped_loses",
)  # fmt: skip
def _internal_replication(case: Case) -> Iterator[Hit]:
    for name in _INTERNAL:
        count = case.whole(name)
        if count is not None and count < 3:
            yield case.settings_hit(name, what=f"{name} is {count}")


@_rule(
    "KAFKA-REPLICATION-OVER-BROKERS", Severity.ERROR,
    what="more replicas than brokers",
    why="no topic can be made, the internal ones neither: consumers and transactions do not start",
    fix="set the factor to at most the number of brokers",
    kinds=(Kind.KAFKA,),
)  # fmt: skip
def _replication_over_brokers(case: Case) -> Iterator[Hit]:
    brokers = case.root.number("spec", "kafka", "replicas")
    if brokers is None or any(case.others(Kind.NODE_POOL)):
        return
    for name in ("default.replication.factor", *_INTERNAL):
        count = case.whole(name)
        if count is not None and count > brokers:
            yield case.settings_hit(name, what=f"{name} is {count}, and there are {brokers} brokers")


@_rule(
    "KAFKA-MIN-ISR-ONE", Severity.ERROR,
    what="a write counts when one broker has it",
    why="min.insync.replicas is 1 unless set: acks=all is then acknowledged by a leader alone, and lost "
    "with it",
    fix="set min.insync.replicas: 2 with three replicas",
    scenario="two_brokers_killed",
)  # fmt: skip
def _min_isr_one(case: Case) -> Iterator[Hit]:
    if (case.whole("min.insync.replicas") or 1) < 2:
        yield case.settings_hit("min.insync.replicas")
    log = case.whole("transaction.state.log.min.isr")
    if log is not None and log < 2:
        yield case.settings_hit(
            "transaction.state.log.min.isr", what="a transaction counts when one broker has it"
        )


@_rule(
    "KAFKA-MIN-ISR-ALL", Severity.ERROR,
    what="every replica must be in sync for a write",
    why="one broker's restart stops all writes with acks=all; the operator rolls such brokers all the same"
    " and only logs it",
    fix="keep min.insync.replicas one below the number of replicas",
    scenario="rolling_restart",
)  # fmt: skip
def _min_isr_all(case: Case) -> Iterator[Hit]:
    replicas, least = case.whole("default.replication.factor"), case.whole("min.insync.replicas")
    if replicas is not None and least is not None and 1 < replicas <= least:
        yield case.settings_hit("min.insync.replicas", what=f"{least} of {replicas} replicas must be in sync")


@_rule(
    "KAFKA-UNCLEAN-ELECTION", Severity.ERROR,
    what="a replica that is behind may become leader",
    why="unclean.leader.election.enable: true trades acknowledged records for availability",
    fix="set unclean.leader.election.enable: false",
    versions="all; with KRaft the setting is heeded from 3.9 on",
    scenario="two_brokers_killed",
)  # fmt: skip
def _unclean_election(case: Case) -> Iterator[Hit]:
    if case.setting("unclean.leader.election.enable").lower() == "true":
        yield case.settings_hit("unclean.leader.election.enable")


@_rule(
    "KAFKA-UNCLEAN-UNSAID", Severity.NOTE,
    what="unclean leader election is left to its default",
    why="the default is false, which is right; said in the file it survives a change of defaults and of "
    "minds",
    fix="set unclean.leader.election.enable: false",
    versions="all; default false since 0.11",
)  # fmt: skip
def _unclean_unsaid(case: Case) -> Iterator[Hit]:
    if not case.setting("unclean.leader.election.enable"):
        yield case.settings_hit("unclean.leader.election.enable")


@_rule(
    "KAFKA-AUTO-CREATE", Severity.WARNING,
    what="a misspelt topic is a new topic",
    why="auto.create.topics.enable is true unless set: producers to a wrong name succeed, and nobody reads"
    " them",
    fix="set auto.create.topics.enable: false",
)  # fmt: skip
def _auto_create(case: Case) -> Iterator[Hit]:
    if case.setting("auto.create.topics.enable").lower() != "false":
        yield case.settings_hit("auto.create.topics.enable")


@_rule(
    "KAFKA-REPLICA-LAG", Severity.NOTE,
    what="a silent follower counts as in sync for 30 s and more",
    why="replica.lag.time.max.ms is 30000 unless set: acks=all waits for a cut-off follower for 30–45 s",
    fix="set replica.lag.time.max.ms to what writers can wait, say 10000",
    versions="all; default 30 s since 2.5",
    scenario="follower_paused",
)  # fmt: skip
def _replica_lag(case: Case) -> Iterator[Hit]:
    if not case.setting("replica.lag.time.max.ms"):
        yield case.settings_hit("replica.lag.time.max.ms")


@_rule(
    "KAFKA-TRANSACTION-MAXIMUM", Severity.NOTE,
    what="transactions end after 15 minutes at the latest",
    why="transaction.max.timeout.ms is 900000 unless set; Flink's sink asks for an hour and is refused, "
    "and an outage longer than the timeout aborts what a checkpoint had counted as written",
    fix="set transaction.max.timeout.ms above the longest outage to survive, and the sink's timeout to the"
    " same",
    scenario="transaction_timeout_too_short",
)  # fmt: skip
def _transaction_maximum(case: Case) -> Iterator[Hit]:
    longest = case.whole("transaction.max.timeout.ms")
    if longest is None:
        yield case.settings_hit("transaction.max.timeout.ms")
    elif longest < 900_000:
        told = f"transactions end after {longest} ms at the latest"
        yield case.settings_hit("transaction.max.timeout.ms", what=told, severity=Severity.WARNING)


@_rule(
    "KAFKA-FORBIDDEN-SETTING", Severity.WARNING,
    what="a setting that the operator ignores",
    why="the operator owns these keys and drops them from config with a warning in its log only",
    fix="remove it, or use the resource's own key for it",
    versions="every operator; broker.session.timeout.ms and two more are taken from 0.48 on",
    kinds=(Kind.KAFKA,),
)  # fmt: skip
def _forbidden_setting(case: Case) -> Iterator[Hit]:
    kafka = version(case.root.text("spec", "kafka", "version"))
    allowed = _ALLOWED + (_ALLOWED_FROM_048 if kafka >= (4,) else ())
    for name in case.config:
        if name.startswith(_FORBIDDEN) and name not in allowed:
            yield case.settings_hit(name, what=f"{name} is ignored by the operator")
