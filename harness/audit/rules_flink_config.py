"""Rules for Flink's settings, in a FlinkDeployment's ``flinkConfiguration`` or in ``flink-conf.yaml``."""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.documents import Kind
from harness.audit.findings import Severity
from harness.audit.rules import Case, Hit, Table
from harness.durations import milliseconds

TABLE = Table(Kind.FLINK, Kind.FLINK_CONF)
_rule = TABLE.rule
_INTERVAL = "execution.checkpointing.interval"
_HA = ("high-availability.type", "high-availability")
_RESTART = ("restart-strategy.type", "restart-strategy")
_OFF = {"none", "off", "disable"}
_LOCAL = ("file:", "/", "local:")


def _checkpoints(case: Case) -> bool:
    return (milliseconds(case.setting(_INTERVAL)) or 0) > 0


def _is_highly_available(case: Case) -> bool:
    return case.setting(*_HA).lower() not in {"", "none"}


@_rule(
    "FLINK-NO-CHECKPOINTS", Severity.ERROR,
    what="no checkpoints",
    why="nothing is kept of the state: whatever restarts begins empty, and exactly-once sinks never "
    "commit. Only the jar's own code could still switch them on",
    fix="set execution.checkpointing.interval: 10s and state.checkpoints.dir",
    scenario="seed_task_manager_killed",
)  # fmt: skip
def _no_checkpoints(case: Case) -> Iterator[Hit]:
    if not _checkpoints(case):
        yield case.settings_hit(_INTERVAL)


@_rule(
    "FLINK-CHECKPOINT-PLACE", Severity.ERROR,
    what="checkpoints have no place that outlives the JobManager",
    why="without state.checkpoints.dir they lie in the JobManager's memory and go with it",
    fix="set state.checkpoints.dir: s3://BUCKET/checkpoints",
    versions="all; execution.checkpointing.dir from 1.20 on",
    scenario="job_manager_lost_without_ha",
)  # fmt: skip
def _checkpoint_place(case: Case) -> Iterator[Hit]:
    place = case.setting("state.checkpoints.dir", "execution.checkpointing.dir")
    if not place:
        yield case.settings_hit("state.checkpoints.dir")
    elif place.startswith(_LOCAL):
        told = f"checkpoints lie in {place}, on the disk of one machine"
        yield case.settings_hit("state.checkpoints.dir", what=told, severity=Severity.WARNING)


@_rule(
    "FLINK-SAVEPOINT-PLACE", Severity.WARNING,
    what="savepoints have no place",
    why="a planned stop or an upgrade cannot take one, so it needs a path by hand every time",
    fix="set state.savepoints.dir: s3://BUCKET/savepoints",
    versions="all; execution.checkpointing.savepoint-dir from 1.20 on",
    scenario="seed_upgrade_forgets",
)  # fmt: skip
def _savepoint_place(case: Case) -> Iterator[Hit]:
    if not case.setting("state.savepoints.dir", "execution.checkpointing.savepoint-dir"):
        yield case.settings_hit("state.savepoints.dir")


@_rule(
    "FLINK-NO-RESTART", Severity.ERROR,
    what="the first failure is the last",
    why='without checkpoints the default restart strategy is none: one lost TaskManager fails the job for '
    'good ("Recovery is suppressed by NoRestartBackoffTimeStrategy")',
    fix="set restart-strategy: exponential-delay, or fixed-delay with enough attempts, and checkpoints",
    scenario="no_restart_strategy",
)  # fmt: skip
def _no_restart(case: Case) -> Iterator[Hit]:
    strategy = case.setting(*_RESTART).lower()
    if strategy in _OFF or (not strategy and not _checkpoints(case)):
        yield case.settings_hit("restart-strategy")


@_rule(
    "FLINK-RESTART-UNSAID", Severity.NOTE,
    what="the restart strategy is left to its default",
    why="with checkpoints it is fixed-delay without end up to 1.18 and exponential-delay from 1.19 on: an "
    "upgrade changes how the job comes back",
    fix="set restart-strategy",
    versions="1.19 and newer differ from 1.18 and older",
)  # fmt: skip
def _restart_unsaid(case: Case) -> Iterator[Hit]:
    if _checkpoints(case) and not case.setting(*_RESTART):
        yield case.settings_hit("restart-strategy")


@_rule(
    "FLINK-RESTART-FEW", Severity.WARNING,
    what="few restarts, then none",
    why="fixed-delay tries once unless told otherwise; an outage longer than attempts × delay fails the "
    "job for good",
    fix="set restart-strategy.fixed-delay.attempts: 2147483647, or exponential-delay",
    scenario="no_restart_strategy",
)  # fmt: skip
def _restart_few(case: Case) -> Iterator[Hit]:
    text = case.setting("restart-strategy.fixed-delay.attempts") or "1"
    fixed = case.setting(*_RESTART).lower() in {"fixed-delay", "fixeddelay"}
    if fixed and text.isdecimal() and int(text) < 100:
        told = f"{text} restart{'s' * (text != '1')}, then none"
        yield case.settings_hit("restart-strategy.fixed-delay.attempts", what=told)


@_rule(
    "FLINK-NO-HA", Severity.ERROR,
    what="the JobManager's loss is the job's",
    why="its Deployment restarts it and main() runs again, but where the checkpoints lie was in its "
    "memory: the job starts empty, from wherever its OffsetsInitializer says",
    fix="set high-availability.type: kubernetes and high-availability.storageDir: s3://BUCKET/ha",
    versions="all; the key is high-availability up to 1.16",
    scenario="job_manager_lost_without_ha",
)  # fmt: skip
def _no_ha(case: Case) -> Iterator[Hit]:
    if not _is_highly_available(case):
        yield case.settings_hit("high-availability.type")


@_rule(
    "FLINK-HA-PLACE", Severity.ERROR,
    what="high availability without a place for its data",
    why="the new JobManager finds a pointer and nothing behind it; Flink refuses to start without the "
    "setting",
    fix="set high-availability.storageDir: s3://BUCKET/ha",
    scenario="job_manager_lost_without_ha",
)  # fmt: skip
def _ha_place(case: Case) -> Iterator[Hit]:
    place = case.setting("high-availability.storageDir")
    if _is_highly_available(case) and (not place or place.startswith(_LOCAL)):
        yield case.settings_hit("high-availability.storageDir")


@_rule(
    "FLINK-CHECKPOINT-TOLERANCE", Severity.WARNING,
    what="one checkpoint that fails restarts the job",
    why="execution.checkpointing.tolerable-failed-checkpoints is 0 unless set: while the object store is "
    "away the job that could go on reading is restarted again and again",
    fix="set execution.checkpointing.tolerable-failed-checkpoints to the outage to survive, in checkpoints",
    scenario="uplink_to_s3_gone",
)  # fmt: skip
def _checkpoint_tolerance(case: Case) -> Iterator[Hit]:
    name = "execution.checkpointing.tolerable-failed-checkpoints"
    if _checkpoints(case) and case.setting(name) in {"", "0"}:
        yield case.settings_hit(name)


@_rule(
    "FLINK-AT-LEAST-ONCE", Severity.WARNING,
    what="checkpoints count records twice",
    why="execution.checkpointing.mode: AT_LEAST_ONCE lets records overtake the barrier: state counts them "
    "again after a restart, whatever the sink promises",
    fix="set execution.checkpointing.mode: EXACTLY_ONCE, with unaligned checkpoints if barriers are slow",
    scenario="sink_without_exactly_once",
)  # fmt: skip
def _at_least_once(case: Case) -> Iterator[Hit]:
    if case.setting("execution.checkpointing.mode").upper().replace("-", "_") == "AT_LEAST_ONCE":
        yield case.settings_hit("execution.checkpointing.mode")


@_rule(
    "FLINK-CHECKPOINT-PAUSE", Severity.NOTE,
    what="checkpoints may follow each other without a pause",
    why="when one takes longer than the interval the next begins at once, and the job does little else",
    fix="set execution.checkpointing.min-pause to about half the interval",
)  # fmt: skip
def _checkpoint_pause(case: Case) -> Iterator[Hit]:
    if _checkpoints(case) and not case.setting("execution.checkpointing.min-pause"):
        yield case.settings_hit("execution.checkpointing.min-pause")


@_rule(
    "FLINK-CHECKPOINT-KEPT", Severity.NOTE,
    what="a cancelled job takes its checkpoints along",
    why="externalized checkpoints are deleted on cancellation unless they are told to stay",
    fix="set execution.checkpointing.externalized-checkpoint-retention: RETAIN_ON_CANCELLATION",
    scenario="seed_upgrade_forgets",
)  # fmt: skip
def _checkpoint_kept(case: Case) -> Iterator[Hit]:
    name = "execution.checkpointing.externalized-checkpoint-retention"
    kept = case.setting(name, "execution.checkpointing.retention").upper()
    if _checkpoints(case) and kept != "RETAIN_ON_CANCELLATION":
        yield case.settings_hit(name)


@_rule(
    "FLINK-NO-METRICS", Severity.WARNING,
    what="no metrics reporter",
    why="nothing listens on port 9249, so there is nothing to scrape: lag, checkpoints and back pressure "
    "go unseen",
    fix="set metrics.reporter.prom.factory.class: "
    "org.apache.flink.metrics.prometheus.PrometheusReporterFactory and metrics.reporter.prom.port: "
    "9249",
    scenario="pipeline",
)  # fmt: skip
def _no_metrics(case: Case) -> Iterator[Hit]:
    if not any(name.startswith("metrics.reporter.") for name in case.config):
        yield case.settings_hit("metrics.reporter.prom.factory.class")


@_rule(
    "FLINK-HEARTBEAT", Severity.NOTE,
    what="a silent TaskManager is noticed after 50 s",
    why="heartbeat.timeout is 50 s and heartbeat.interval 10 s unless set; a dead one on a live machine "
    "takes about 20 s, and all that time nothing is processed",
    fix="set heartbeat.timeout and heartbeat.interval to what the results can wait, say 15000 and 3000",
    scenario="seed_task_manager_killed",
)  # fmt: skip
def _heartbeat(case: Case) -> Iterator[Hit]:
    if (milliseconds(case.setting("heartbeat.timeout")) or 50_000) >= 50_000:
        yield case.settings_hit("heartbeat.timeout")


@_rule(
    "FLINK-STATE-BACKEND", Severity.NOTE,
    what="state lives on the heap",
    why="the hashmap backend is the default: state that outgrows the heap is an OutOfMemoryError, and each"
    " checkpoint writes all of it",
    fix="set state.backend: rocksdb with incremental checkpoints when state can grow, else say hashmap",
    versions="all; state.backend.type from 1.19 on",
)  # fmt: skip
def _state_backend(case: Case) -> Iterator[Hit]:
    if not case.setting("state.backend", "state.backend.type"):
        yield case.settings_hit("state.backend")
