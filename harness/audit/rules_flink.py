"""Rules for Flink as its operator is told of it: image, upgrades, placement, the job's arguments."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

from harness.audit.documents import Kind
from harness.audit.findings import Severity
from harness.audit.rules import Case, Hit, Table, version

TABLE = Table(Kind.FLINK)
_rule = TABLE.rule
_JOB = ("spec", "job")
_STOCK = re.compile(r"(?:docker\.io/)?(?:library/|apache/)?flink:(\S+)")
_BROKER_LIMIT_MS = 900_000


def _stock_tag(case: Case) -> str:
    """The tag of the image when it is Flink's own, which holds no job; empty when it is another."""
    match = _STOCK.fullmatch(case.root.text("spec", "image"))
    return match[1] if match else ""


def argument(case: Case, name: str) -> str:
    """The value behind ``--name`` among the job's arguments; empty when it is not given."""
    words = [node.text() for node in case.root.list_of(*_JOB, "args")]
    return next((value for word, value in itertools.pairwise(words) if word == f"--{name}"), "")


def _slots(case: Case) -> int:
    return case.whole("taskmanager.numberOfTaskSlots") or 1


def _parallelism(case: Case) -> int:
    return case.root.number(*_JOB, "parallelism") or case.whole("parallelism.default") or 1


def task_managers(case: Case) -> int:
    """How many TaskManagers a FlinkDeployment comes to: as many as it names, else as its subtasks need."""
    named = case.root.number("spec", "taskManager", "replicas")
    spare = case.whole("slotmanager.redundant-taskmanager-num") or 0
    return (named or math.ceil(_parallelism(case) / _slots(case))) + spare


@_rule(
    "FLINK-STATELESS", Severity.ERROR,
    what="every change of the resource begins from empty state",
    why="upgradeMode: stateless cancels the job and starts it anew without its state; with the "
    "JobManager's deployment lost the operator even drops a savepoint's path, and says nothing",
    fix="set upgradeMode: last-state (or savepoint) with checkpoints and high availability",
    versions="every operator",
    scenario="seed_upgrade_forgets",
)  # fmt: skip
def _stateless(case: Case) -> Iterator[Hit]:
    if case.root.at("spec", "job") is not None and case.root.text(*_JOB, "upgradeMode") in {"stateless", ""}:
        yield case.hit(*_JOB, "upgradeMode")


@_rule(
    "FLINK-UPGRADE-UNSUPPORTED", Severity.ERROR,
    what="the upgrade mode needs what is not configured",
    why="the operator refuses last-state and savepoint without state.checkpoints.dir, and savepoint "
    "without state.savepoints.dir",
    fix="set both directories to a store that outlives the pods",
    versions="every operator",
    scenario="seed_upgrade_forgets",
)  # fmt: skip
def _upgrade_unsupported(case: Case) -> Iterator[Hit]:
    mode = case.root.text(*_JOB, "upgradeMode")
    needed = {"last-state": ("checkpoints",), "savepoint": ("checkpoints", "savepoints")}.get(mode, ())
    missing = [
        f"state.{kind}.dir"
        for kind in needed
        if not case.setting(f"state.{kind}.dir", f"execution.checkpointing.{kind.removesuffix('s')}-dir")
        and not (kind == "checkpoints" and case.setting("execution.checkpointing.dir"))
    ]
    if missing:
        told = f"upgradeMode: {mode} needs {' and '.join(missing)}"
        yield case.hit(*_JOB, "upgradeMode", what=told)


@_rule(
    "FLINK-RESTART-FAILED", Severity.WARNING,
    what="a job that failed stays failed",
    why="kubernetes.operator.job.restart.failed is false unless set: the operator watches a FAILED job and"
    " leaves it so",
    fix='set kubernetes.operator.job.restart.failed: "true"',
    versions="every operator that has the setting",
    scenario="no_restart_strategy",
)  # fmt: skip
def _restart_failed(case: Case) -> Iterator[Hit]:
    name = "kubernetes.operator.job.restart.failed"
    if case.setting(name).lower() != "true":
        yield case.settings_hit(name)


@_rule(
    "FLINK-JAR-NOT-IN-IMAGE", Severity.ERROR,
    what="the image does not hold the job",
    why="jarURI points into the image, and Flink's own image has neither the jar nor the Kafka connector: "
    "the JobManager restarts for ever",
    fix="build an image FROM flink with the jar and its connectors, and name it in spec.image",
    versions="all",
)  # fmt: skip
def _jar_not_in_image(case: Case) -> Iterator[Hit]:
    jar = case.root.text(*_JOB, "jarURI")
    inside = jar.startswith("local://") and not jar.startswith("local:///opt/flink/examples/")
    template = [
        node for node in case.root.near("spec", "podTemplate").walk() if "volumeMounts" in node.entries
    ]
    if _stock_tag(case) and inside and not template:
        told = f"{case.root.text('spec', 'image')} does not hold {jar.removeprefix('local://')}"
        yield case.hit(*_JOB, "jarURI", what=told)


@_rule(
    "FLINK-IMAGE-MOVES", Severity.WARNING,
    what="the image's tag moves",
    why="a tag without a patch version names another image tomorrow, so a pod that restarts may run other "
    "code than its neighbours",
    fix="name the patch version or a digest, as in flink:1.17.2-java11",
)  # fmt: skip
def _image_moves(case: Case) -> Iterator[Hit]:
    image = case.root.text("spec", "image")
    tag = image.rpartition(":")[2] if ":" in image.rpartition("/")[2] else ""
    moves = tag in {"", "latest"} or (_stock_tag(case) and len(version(tag.partition("-")[0])) < 3)
    if image and moves and "@sha256:" not in image:
        yield case.hit("spec", "image", what=f"the tag of {image} moves")


@_rule(
    "FLINK-VERSION-MISMATCH", Severity.ERROR,
    what="flinkVersion and the image differ",
    why="the operator writes the configuration for the version it is told, and the image reads it as another",
    fix="set both to one version",
    versions="every operator",
)  # fmt: skip
def _version_mismatch(case: Case) -> Iterator[Hit]:
    told = version(case.root.text("spec", "flinkVersion"))
    tag = version(_stock_tag(case).partition("-")[0])[:2]
    if told and len(tag) == 2 and told != tag:
        yield case.hit("spec", "flinkVersion")


@_rule(
    "FLINK-VERSION-OLD", Severity.NOTE,
    what="this Flink version nears its end in the operator",
    why="new operators still accept it, marked as deprecated; a later one will not",
    fix="plan the move to 1.20 or newer, with a savepoint",
    versions="1.15: deprecated from operator 1.10, 1.16: from 1.11, 1.17 and 1.18: from 1.13",
)  # fmt: skip
def _version_old(case: Case) -> Iterator[Hit]:
    if (0,) < version(case.root.text("spec", "flinkVersion")) < (1, 19):
        yield case.hit("spec", "flinkVersion")


@_rule(
    "FLINK-ONE-TASK-MANAGER", Severity.WARNING,
    what="one TaskManager runs every task",
    why="parallelism fits into one TaskManager's slots, so one pod's failure stops all of it and there is "
    "no warm slot to go to",
    fix="raise parallelism, lower taskmanager.numberOfTaskSlots, or set taskManager.replicas: 2",
    versions="all",
    scenario="seed_task_manager_killed",
)  # fmt: skip
def _one_task_manager(case: Case) -> Iterator[Hit]:
    slots, wanted = _slots(case), _parallelism(case)
    if task_managers(case) < 2:
        told = f"one TaskManager with {slots} slots runs all {wanted} subtasks"
        yield case.settings_hit("taskmanager.numberOfTaskSlots", what=told)


@_rule(
    "FLINK-NAME-LONG", Severity.ERROR,
    what="the name is longer than 45 characters",
    why="the operator refuses it: names of its Services are made from it",
    fix="choose a shorter metadata.name",
    versions="every operator",
)  # fmt: skip
def _name_long(case: Case) -> Iterator[Hit]:
    if len(case.root.text("metadata", "name")) > 45:
        yield case.hit("metadata", "name")


@_rule(
    "FLINK-SERVICE-ACCOUNT", Severity.NOTE,
    what="the service account comes from elsewhere",
    why="the account flink is made by the operator's Helm chart in the namespaces it was told of; in "
    "another namespace the pods are never made",
    fix="create the ServiceAccount and its RoleBinding in this namespace, or name it in watchNamespaces",
    versions="every operator",
)  # fmt: skip
def _service_account(case: Case) -> Iterator[Hit]:
    name = case.root.text("spec", "serviceAccount")
    made = {
        one.root.text("metadata", "name")
        for one in case.others(Kind.OBJECT)
        if one.root.text("kind") == "ServiceAccount"
    }
    if name not in made:
        yield case.hit("spec", "serviceAccount")


@_rule(
    "FLINK-OBJECT-STORE-PLUGIN", Severity.ERROR,
    what="nothing in the image can write to s3://",
    why="Flink's own image has the S3 file systems switched off; without one no checkpoint can be written "
    "and the job does not start",
    fix="set ENABLE_BUILT_IN_PLUGINS=flink-s3-fs-presto-VERSION.jar in podTemplate, or put it into "
    "plugins/ of your image",
    scenario="uplink_to_s3_gone",
)  # fmt: skip
def _object_store_plugin(case: Case) -> Iterator[Hit]:
    uses = next((name for name, node in case.config.items() if node.text().startswith("s3")), "")
    told = {node.text() for node in case.root.near("spec", "podTemplate").walk()}
    if uses and _stock_tag(case) and "ENABLE_BUILT_IN_PLUGINS" not in told:
        yield case.settings_hit(uses)


@_rule(
    "FLINK-SINK-UNSEEN", Severity.NOTE,
    what="the sink's guarantee is in the jar",
    why="KafkaSink gives no guarantee unless the code asks for one, and exactly-once needs checkpoints, a "
    "transactional id prefix of its own and a transaction timeout that the broker grants",
    fix="read the code for setDeliveryGuarantee, or give it as a job argument --guarantee",
    versions="connector 3.0 and newer",
    scenario="sink_without_exactly_once",
)  # fmt: skip
def _sink_unseen(case: Case) -> Iterator[Hit]:
    if case.root.at(*_JOB) is not None and not argument(case, "guarantee"):
        yield case.hit(*_JOB, "args")


@_rule(
    "FLINK-SINK-GUARANTEE", Severity.ERROR,
    what="the sink may lose or repeat results",
    why="with none, what was not flushed at a failure is lost; with at-least-once it is written twice",
    fix="give the job --guarantee exactly-once, and let readers use isolation.level=read_committed",
    versions="connector 3.0 and newer",
    scenario="sink_without_exactly_once",
)  # fmt: skip
def _sink_guarantee(case: Case) -> Iterator[Hit]:
    guarantee = argument(case, "guarantee")
    if guarantee in {"none", "at-least-once"}:
        severity = Severity.ERROR if guarantee == "none" else Severity.WARNING
        yield case.hit(*_JOB, "args", what=f"the sink's guarantee is {guarantee}", severity=severity)


@_rule(
    "FLINK-TRANSACTION-TIMEOUT", Severity.ERROR,
    what="the sink's transaction timeout and the broker's do not fit",
    why="above transaction.max.timeout.ms (15 minutes unless set) the broker refuses the sink "
    "(INVALID_TRANSACTION_TIMEOUT); below the longest outage it aborts what a checkpoint had counted "
    "as written",
    fix="set it above the longest outage to survive, and the brokers' maximum to at least the same",
    versions="connector 3.0 and newer; its default is one hour",
    scenario="transaction_timeout_too_short",
)  # fmt: skip
def _transaction_timeout(case: Case) -> Iterator[Hit]:
    text = argument(case, "transaction-timeout-ms")
    asked = int(text) if text.isdecimal() and len(text) < 16 else None
    brokers = [Case(one, case.site) for kind in (Kind.KAFKA, Kind.BROKER) for one in case.others(kind)]
    granted = [broker.whole("transaction.max.timeout.ms") or _BROKER_LIMIT_MS for broker in brokers]
    most = min(granted, default=_BROKER_LIMIT_MS)
    if asked is not None and asked > most:
        # The limit is the brokers' to set: what they say is not known when no broker is in the audit.
        told = f"the sink asks for {asked} ms, the broker grants {most} ms" + (
            "" if brokers else " unless set"
        )
        yield case.hit(*_JOB, "args", what=told, severity=None if brokers else Severity.NOTE)
    elif asked is not None and asked < 300_000:
        told = f"a transaction is aborted after {asked} ms"
        yield case.hit(*_JOB, "args", what=told, severity=Severity.WARNING)
