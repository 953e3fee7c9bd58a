"""The engine on Ray: the same map and the same reduce, as tasks of a cluster.

Ray and not Spark: the steps are Python functions over numpy columns, which Ray's workers run as they
are and hand on without a copy; Spark would want a JVM beside every worker, a schema for every
intermediate, and a shuffle for a reduce whose partitions lie apart already.

A file is one map task, a partition one reduce task; results are taken in the order of the partitions, so
nothing depends on who was faster. The package is optional: ``pip install 'edge-harness[ray]'``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import ModuleType

from harness.engine.folder import Context, Part
from harness.engine.judge import Counted
from harness.engine.runs import Runs
from harness.engine.work import count_runs, runs_of_file
from harness.errors import MissingAbility

LOCAL = "local"


def counted(
    context: Context, parts: Sequence[Part], *, address: str = "", processes: int = 2
) -> list[Counted]:
    """What each partition holds, in the order of *parts*.

    ``address`` is a cluster's, or "local" for this machine alone with *processes* workers; unless given it
    is that of ``RAY_ADDRESS``, else "local". Every worker needs the harness installed, and sees the files
    under the same paths.

    Raises:
        EvidenceError: a file is damaged.
        BadInput: it is of another schema, or a value out of range.
        MissingAbility: Ray is not installed, or the cluster does not answer.
    """
    ray = _ray()
    try:
        _start(ray, address or os.environ.get("RAY_ADDRESS") or LOCAL, processes)
        return _counted(ray, context, parts)
    except ray.exceptions.RayError as error:
        raise _failed(error) from error
    finally:
        ray.shutdown()


def _counted(ray: ModuleType, context: Context, parts: Sequence[Part]) -> list[Counted]:
    read, reduce = ray.remote(runs_of_file), ray.remote(_reduce)
    known = ray.put(context)
    tasks = []
    for part in parts:
        produced = [read.remote(path.resolve(), "produce", part.partition) for path in part.produce]
        consumed = [read.remote(path.resolve(), "consume", part.partition) for path in part.consume]
        tasks.append(reduce.remote(known, part.partition, len(produced), *produced, *consumed))
    found: list[Counted] = ray.get(tasks)
    return found


def _reduce(context: Context, partition: int, produced: int, *runs: Runs) -> Counted:
    # Ray resolves arguments, not lists of them: hence one row of runs, and where it is cut.
    return count_runs(context, partition, list(runs[:produced]), list(runs[produced:]))


def _start(ray: ModuleType, address: str, processes: int) -> None:
    here = {"num_cpus": processes, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR", **(here if address == LOCAL else {}))
    except Exception as error:
        raise _failed(error) from error


def _ray() -> ModuleType:
    # Said before the import, which reads it: nothing is reported to anybody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray  # noqa: PLC0415 - optional, and heavy
    except ImportError as error:
        raise MissingAbility(
            "Ray is not installed", why=str(error), fix="pip install 'edge-harness[ray]'"
        ) from error
    module: ModuleType = ray
    return module


def _failed(error: Exception) -> Exception:
    """What a task raised, as it raised it; else that the cluster failed."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception):
        return cause
    said = str(error).strip().splitlines() or [type(error).__name__]
    return MissingAbility("Ray could not do the work", why=said[-1], fix="see the log of the Ray cluster")
