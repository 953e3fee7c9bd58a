"""Rules for Kafka as the Strimzi operator is told of it: the Kafka resource, its node pools and topics."""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.documents import Kind
from harness.audit.findings import Severity
from harness.audit.nodes import Node
from harness.audit.rules import Case, Hit, Table, version

TABLE = Table(Kind.KAFKA)
_rule = TABLE.rule
_KAFKA = ("spec", "kafka")
_LAST_OPERATOR = ((3, 4), "0.37"), ((3, 5), "0.39"), ((3, 6), "0.42"), ((3, 7), "0.44"), ((3, 8), "0.45")
"""The newest operator that runs each Kafka line."""


def _version(case: Case) -> tuple[int, ...]:
    return version(case.root.text(*_KAFKA, "version"))


def _is_v1(case: Case) -> bool:
    return case.root.text("apiVersion") == "kafka.strimzi.io/v1"


def _is_kraft(case: Case) -> bool:
    annotated = case.root.text("metadata", "annotations", "strimzi.io/kraft") == "enabled"
    return annotated or _version(case) >= (4,)


def _volumes(case: Case) -> Iterator[tuple[tuple[str, ...], Node]]:
    """The paths of the storages: each volume of a jbod, or the storage itself."""
    holder = ("spec", "storage") if case.document.kind is Kind.NODE_POOL else (*_KAFKA, "storage")
    storage = case.root.at(*holder)
    if storage is None:
        return
    for volume in storage.list_of("volumes") or (storage,):
        yield holder, volume


@_rule(
    "KAFKA-LISTENERS", Severity.ERROR,
    what="no listener is defined",
    why="the resource definition requires spec.kafka.listeners, so the API server rejects the whole resource",
    fix="add listeners: [{name: plain, port: 9092, type: internal, tls: false}]",
    versions="every operator",
)  # fmt: skip
def _listeners(case: Case) -> Iterator[Hit]:
    if not case.root.list_of(*_KAFKA, "listeners"):
        yield case.hit(*_KAFKA, "listeners")


@_rule(
    "KAFKA-ZOOKEEPER", Severity.ERROR,
    what="spec.zookeeper is missing",
    why="operators up to 0.39 require it, with KRaft too, and no newer one runs this Kafka version",
    fix="add zookeeper: {replicas: 3, storage: …}, or move to Kafka 3.7 with KRaft and node pools",
    versions="operators up to 0.39 (Kafka up to 3.5); up to 0.45 without KRaft",
)  # fmt: skip
def _zookeeper(case: Case) -> Iterator[Hit]:
    if case.root.at("spec", "zookeeper") is not None:
        return
    if version(case.root.text(*_KAFKA, "version")) < (3, 6) and _version(case):
        yield case.hit("spec", "zookeeper")
    elif not _is_kraft(case):
        why = "without it and without the annotation strimzi.io/kraft nothing keeps the cluster's metadata"
        yield case.hit("spec", "zookeeper", why=why)


@_rule(
    "KAFKA-ZOOKEEPER-GONE", Severity.ERROR,
    what="ZooKeeper is asked for, and this Kafka has none",
    why="Kafka 4 runs with KRaft only, and operators from 0.46 know no ZooKeeper",
    fix="migrate to KRaft with Kafka 3.7–3.9 first, then remove spec.zookeeper",
    versions="Kafka 4.0 and newer, operators 0.46 and newer",
)  # fmt: skip
def _zookeeper_gone(case: Case) -> Iterator[Hit]:
    if case.root.at("spec", "zookeeper") is not None and _version(case) >= (4,):
        yield case.hit("spec", "zookeeper")


@_rule(
    "KAFKA-OPERATOR-RANGE", Severity.NOTE,
    what="this Kafka version ties the operator to old releases",
    why="a newer operator leaves the cluster NotReady, so the operator cannot be upgraded alone",
    fix="plan the upgrade of Kafka before that of the operator",
    versions="Kafka 3.5.1: operators 0.36.1–0.39.0 only",
)  # fmt: skip
def _operator_range(case: Case) -> Iterator[Hit]:
    newest = next((last for line, last in _LAST_OPERATOR if _version(case)[:2] == line), "")
    if newest:
        told = f"Kafka {case.root.text(*_KAFKA, 'version')} is run by operators up to {newest} only"
        yield case.hit(*_KAFKA, "version", what=told)


@_rule(
    "KAFKA-NO-VERSION", Severity.WARNING,
    what="the Kafka version is not pinned",
    why="the operator's default applies, so upgrading the operator also upgrades the brokers",
    fix="set spec.kafka.version",
)  # fmt: skip
def _no_version(case: Case) -> Iterator[Hit]:
    if not _version(case):
        yield case.hit(*_KAFKA, "version")


@_rule(
    "KAFKA-API-VERSION", Severity.NOTE,
    what="v1beta2 is an API version with an end",
    why="operators from 1.0 serve kafka.strimzi.io/v1 only and refuse this resource; in v1 replicas, "
    "storage and resources of the brokers have moved to KafkaNodePool",
    fix="convert to v1 and node pools (operators from 0.49 serve both) before the operator reaches 1.0",
    versions="operators 1.0 and newer; from 0.49 convertible",
    kinds=(Kind.KAFKA, Kind.NODE_POOL),
)  # fmt: skip
def _api_version(case: Case) -> Iterator[Hit]:
    if case.root.text("apiVersion").endswith(("v1beta2", "v1beta1", "v1alpha1")):
        # Kafka from 4.2 on is where operators 1.0 begin, so the end is near enough to hurt.
        severity = Severity.WARNING if _version(case) >= (4, 2) else None
        yield case.hit("apiVersion", severity=severity)


@_rule(
    "KAFKA-MOVED-TO-POOLS", Severity.ERROR,
    what="replicas, storage and resources of the brokers are in the Kafka resource",
    why="v1 has no such keys: they moved to KafkaNodePool, so the API server rejects or drops them",
    fix="write a KafkaNodePool with replicas, roles and storage",
    versions="kafka.strimzi.io/v1 (operators 0.49 and newer)",
)  # fmt: skip
def _moved_to_pools(case: Case) -> Iterator[Hit]:
    for key in ("replicas", "storage", "resources"):
        if _is_v1(case) and case.root.at(*_KAFKA, key) is not None:
            yield case.hit(*_KAFKA, key, what=f"spec.kafka.{key} does not exist in v1")


@_rule(
    "KAFKA-ENTITY-OPERATOR", Severity.WARNING,
    what="no entityOperator",
    why="KafkaTopic and KafkaUser resources are accepted and never acted upon",
    fix="add entityOperator: {topicOperator: {}, userOperator: {}}",
    versions="every operator",
)  # fmt: skip
def _entity_operator(case: Case) -> Iterator[Hit]:
    if case.root.at("spec", "entityOperator") is None:
        yield case.hit("spec", "entityOperator")


@_rule(
    "KAFKA-PROTOCOL-VERSION", Severity.WARNING,
    what="the protocol version is not pinned",
    why="without inter.broker.protocol.version (ZooKeeper) or metadataVersion (KRaft) an upgrade of Kafka "
    "also raises the format, and cannot be undone",
    fix='set config inter.broker.protocol.version: "3.5", or metadataVersion with KRaft; raise it last',
    versions="every operator",
    scenario="rolling_restart",
)  # fmt: skip
def _protocol_version(case: Case) -> Iterator[Hit]:
    pinned = case.setting("inter.broker.protocol.version") or case.root.text(*_KAFKA, "metadataVersion")
    if not pinned:
        key = "metadataVersion" if _is_kraft(case) else "config.inter.broker.protocol.version"
        yield case.hit(*_KAFKA, *key.split(".", 1))


@_rule(
    "KAFKA-SPREAD", Severity.WARNING,
    what="nothing keeps two brokers off one machine",
    why="no rack, affinity or topologySpreadConstraints, and the operator adds none: one machine's loss "
    "can take the majority of a partition's replicas",
    fix="set rack.topologyKey, and podAntiAffinity on kubernetes.io/hostname in template.pod",
    versions="every operator",
    scenario="two_brokers_killed",
    kinds=(Kind.KAFKA, Kind.NODE_POOL),
)  # fmt: skip
def _spread(case: Case) -> Iterator[Hit]:
    place = _KAFKA if case.document.kind is Kind.KAFKA else ("spec",)
    pod = (*place, "template", "pod")
    ways = ((*place, "rack"), (*pod, "affinity"), (*pod, "topologySpreadConstraints"))
    in_pools = case.document.kind is Kind.KAFKA and any(case.others(Kind.NODE_POOL))
    if not in_pools and all(case.root.at(*way) is None for way in ways):
        yield case.hit(*place, "rack")


@_rule(
    "KAFKA-REPLICAS", Severity.ERROR,
    what="fewer than three brokers",
    why="three replicas with two in sync need three brokers; with fewer, one loss stops writes or loses data",
    fix="set replicas: 3",
    scenario="leader_killed",
)  # fmt: skip
def _replicas(case: Case) -> Iterator[Hit]:
    count = case.root.number(*_KAFKA, "replicas")
    if count is not None and count < 3 and not any(case.others(Kind.NODE_POOL)):
        yield case.hit(*_KAFKA, "replicas", what=f"{count} brokers")


@_rule(
    "KAFKA-EPHEMERAL", Severity.WARNING,
    what="a broker's log lives in its pod",
    why="a pod that is deleted or moved comes back empty; while it refills, the other replicas are all "
    "there is",
    fix="use type: persistent-claim",
    versions="every operator",
    scenario="single_replica_wiped_loses",
    kinds=(Kind.KAFKA, Kind.NODE_POOL),
)  # fmt: skip
def _ephemeral(case: Case) -> Iterator[Hit]:
    for path, volume in _volumes(case):
        if volume.text("type") == "ephemeral":
            yield Hit(volume.near("type").line, ".".join((*path, "type")))


@_rule(
    "KAFKA-CLAIM-KEPT", Severity.NOTE,
    what="the volumes outlive the cluster",
    why="with deleteClaim: false the claims data-0-* stay, and a new cluster of this name refuses the old "
    "cluster's id at its first start",
    fix="right for a site; delete the claims by hand before a cluster of this name is made anew",
    versions="every operator",
    kinds=(Kind.KAFKA, Kind.NODE_POOL),
)  # fmt: skip
def _claim_kept(case: Case) -> Iterator[Hit]:
    for path, volume in _volumes(case):
        if volume.text("type") == "persistent-claim" and not volume.flag("deleteClaim"):
            yield Hit(volume.near("deleteClaim").line, ".".join((*path, "deleteClaim")))


@_rule(
    "KAFKA-CLAIM-DELETED", Severity.WARNING,
    what="deleting the resource deletes the data",
    why="deleteClaim: true removes the volumes with the cluster, also when the deletion was a mistake",
    fix="set deleteClaim: false where the data matters",
    versions="every operator",
    kinds=(Kind.KAFKA, Kind.NODE_POOL),
)  # fmt: skip
def _claim_deleted(case: Case) -> Iterator[Hit]:
    for path, volume in _volumes(case):
        if volume.flag("deleteClaim"):
            yield Hit(volume.near("deleteClaim").line, ".".join((*path, "deleteClaim")))


@_rule(
    "KAFKA-RESOURCES", Severity.WARNING,
    what="the brokers ask for no memory",
    why="without requests the scheduler overfills a machine, and such pods are the first to be evicted",
    fix="set resources.requests and resources.limits",
    versions="every operator",
)  # fmt: skip
def _resources(case: Case) -> Iterator[Hit]:
    in_pools = _is_v1(case) or any(case.others(Kind.NODE_POOL))
    if not in_pools and not case.root.text(*_KAFKA, "resources", "requests", "memory"):
        yield case.hit(*_KAFKA, "resources")


@_rule(
    "KAFKA-QUALITY-OF-SERVICE", Severity.NOTE,
    what="memory requested and memory allowed differ",
    why="what is above the request is not reserved: under memory pressure the broker is among those "
    "evicted, and the page cache it counts on is the machine's to take",
    fix="set the memory limit to the request",
    versions="every operator",
)  # fmt: skip
def _quality_of_service(case: Case) -> Iterator[Hit]:
    asked = case.root.text(*_KAFKA, "resources", "requests", "memory")
    allowed = case.root.text(*_KAFKA, "resources", "limits", "memory")
    if asked and allowed and asked != allowed:
        told = f"memory: {asked} requested, {allowed} allowed"
        yield case.hit(*_KAFKA, "resources", "limits", "memory", what=told)


@_rule(
    "KAFKA-PLAINTEXT", Severity.NOTE,
    what="a listener without encryption, open to every pod",
    why="the operator's network policy opens each listener to all unless networkPolicyPeers is set",
    fix="set tls: true and authentication, or networkPolicyPeers",
    versions="every operator",
)  # fmt: skip
def _plaintext(case: Case) -> Iterator[Hit]:
    for listener in case.root.list_of(*_KAFKA, "listeners"):
        closed = listener.flag("tls") or listener.at("networkPolicyPeers") is not None
        if not closed:
            name = listener.text("name") or "listener"
            yield Hit(listener.near("tls").line, f"spec.kafka.listeners.{name}.tls")


@_rule(
    "KAFKA-KRAFT-LEADER", Severity.WARNING,
    what="this KRaft has a controller that does not step down",
    why="KAFKA-15489: a quorum leader cut off from the others stays leader in its own view; KAFKA-15221: a"
    " rebooted follower can be taken back as in sync too early",
    fix="use Kafka 3.7 or newer with KRaft, or ZooKeeper until then",
    versions="Kafka 3.3–3.6 with KRaft, fixed in 3.7.0",
)  # fmt: skip
def _kraft_leader(case: Case) -> Iterator[Hit]:
    if _is_kraft(case) and (0,) < _version(case) < (3, 7):
        yield case.hit(*_KAFKA, "version")


@_rule(
    "KAFKA-HANGING-TRANSACTIONS", Severity.NOTE,
    what="transactions are not verified by the broker",
    why="KIP-890 is not in this version: a late write can open a transaction that nobody ends, and readers"
    " of committed records then stand still",
    fix="use Kafka 3.6.1 or newer; find them with kafka-transactions.sh find-hanging",
    versions="Kafka up to 3.5",
)  # fmt: skip
def _hanging_transactions(case: Case) -> Iterator[Hit]:
    if (0,) < _version(case) < (3, 6):
        yield case.hit(*_KAFKA, "version")


@_rule(
    "TOPIC-REPLICAS", Severity.ERROR,
    what="a topic with fewer than three replicas",
    why="with one replica a lost disk is lost data; with two, either min.insync.replicas or availability "
    "gives",
    fix="set spec.replicas: 3",
    scenario="single_replica_wiped_loses",
    kinds=(Kind.TOPIC,),
)  # fmt: skip
def _topic_replicas(case: Case) -> Iterator[Hit]:
    count = case.root.number("spec", "replicas")
    if count is not None and 0 < count < 3:
        yield case.hit("spec", "replicas", what=f"a topic with {count} replica{'s' * (count > 1)}")
