"""A scenario: one pytest function that tells one story, and the words it is told in.

Scenario files import everything they need from here::

    from harness.scenario import Run, isolate, leader_of, no_loss, scenario

    @scenario(guarantees=[no_loss()])
    def test_leader_isolated(run: Run) -> None:
        \"\"\"The sentence that the report prints.\"\"\"

``@scenario`` is a pytest marker with its arguments checked where they stand.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, Unpack

import pytest

from harness.errors import BadInput, unknown_name
from harness.faults.cluster import (
    delete_pod,
    deny,
    drain,
    limit_cpu,
    lose_image,
    out_of_memory,
    pause_machine,
    pause_reconciliation,
    reboot_machine,
    rolling_update,
    split_machines,
    stop_machine,
    unlist,
)
from harness.faults.degrade import (
    bandwidth,
    disk_full,
    disk_read_only,
    latency,
    loss,
    s3_cuts_bodies,
    s3_hangs,
    s3_refuses,
    s3_slow,
    starve,
)
from harness.faults.places import (
    all_task_managers,
    api_server,
    flink,
    job_manager,
    name_service,
    object_store,
    operator,
    task_manager,
    vector_agent,
    zookeeper,
)
from harness.faults.selectors import (
    LeaderOf,
    all_brokers,
    another_broker_than,
    broker,
    clients,
    controller,
    coordinator_of,
    follower_of,
    leader_of,
    together,
)
from harness.faults.spec import FaultSpec, isolate, kill, partition, pause, split, terminate
from harness.load.request import LoadOptions
from harness.model import Budgets, Guarantee
from harness.promises import (
    EVERYTHING,
    PIPELINE,
    archive_complete,
    archive_intact,
    archive_single,
    every_record_placed,
    integrity,
    metrics_complete,
    no_anomaly,
    no_duplicates,
    no_hanging_transaction,
    no_loss,
    no_phantoms,
    none_late,
    one_quorum_leader,
    order_per_key,
    results_exact,
    results_single,
    state_kept,
)
from harness.workloads.spec import Workload, compacted, copies, group, transactions, transfers

__all__ = [
    "PIPELINE",
    "Run",
    "Workload",
    "all_brokers",
    "all_task_managers",
    "another_broker_than",
    "api_server",
    "archive_complete",
    "archive_intact",
    "archive_single",
    "bandwidth",
    "broker",
    "clients",
    "compacted",
    "controller",
    "coordinator_of",
    "copies",
    "delete_pod",
    "deny",
    "disk_full",
    "disk_read_only",
    "drain",
    "every_record_placed",
    "flink",
    "follower_of",
    "group",
    "integrity",
    "isolate",
    "job_manager",
    "kill",
    "latency",
    "leader_of",
    "limit_cpu",
    "lose_image",
    "loss",
    "metrics_complete",
    "name_service",
    "no_anomaly",
    "no_duplicates",
    "no_hanging_transaction",
    "no_loss",
    "no_phantoms",
    "none_late",
    "object_store",
    "one_quorum_leader",
    "operator",
    "order_per_key",
    "out_of_memory",
    "partition",
    "pause",
    "pause_machine",
    "pause_reconciliation",
    "reboot_machine",
    "results_exact",
    "results_single",
    "rolling_update",
    "s3_cuts_bodies",
    "s3_hangs",
    "s3_refuses",
    "s3_slow",
    "scenario",
    "split",
    "split_machines",
    "starve",
    "state_kept",
    "stop_machine",
    "task_manager",
    "terminate",
    "together",
    "transactions",
    "transfers",
    "unlist",
    "vector_agent",
    "zookeeper",
]

Expect = Literal["held", "broken"]

TOPIC = "orders"
"""The topic of a run's load, as selectors name it: ``leader_of("orders", 0)``."""


class Injected(Protocol):
    """A fault in force."""

    @property
    def observed(self) -> bool:
        """Whether probes proved its effect."""
        ...


class Transactional(Protocol):
    """A transactional producer on a load node, which has committed one transaction."""

    @property
    def leader(self) -> LeaderOf:
        """The leader of its partition; another broker coordinates its transactions."""
        ...

    def abort(self) -> None:
        """Send a record in another one, give it up after five seconds without an answer, and abort."""
        ...


class Run(Protocol):
    """What a story is told with. A rehearsal takes the same part and only writes down what it is told."""

    budgets: Budgets

    def load(self, *, rate: float, **options: Unpack[LoadOptions]) -> AbstractContextManager[None]:
        """Drive *rate* records per second at the topic ``orders`` while the block runs, then drain.

        Open loop: nothing slows it down. See ``LoadRequest`` for the options.
        """
        ...

    def workload(self, *asked: Workload) -> AbstractContextManager[None]:
        """Have the clients of these workloads at work while the block runs, then let them end.

        Each writes a history of single operations, which is judged like the ledger of a load; a run
        may have either, or both. A workload's topic has its name: ``leader_of("transfers", 0)``.
        """
        ...

    def hold_steady(self, *, seconds: float) -> None:
        """Let the load run undisturbed for *seconds*: the baseline of every later comparison."""
        ...

    def inject(self, fault: FaultSpec, *, seconds: float) -> AbstractContextManager[Injected]:
        """Hold *fault* for *seconds* from its injection, then heal it and prove the healing.

        The block runs while the fault is in force; leaving it in any way heals.
        """
        ...

    def require(self, holds: bool, why: str = "the effect was not observed") -> None:  # noqa: FBT001 - as prose
        """End the run as UNKNOWN unless *holds*: the guard against a verdict that proves nothing."""
        ...

    def expect_recovery(self, *, within: float | None = None) -> None:
        """Wait until the load is served again as before the fault; without a load, until workloads go on.

        Args:
            within: seconds from the fault to the first acknowledgement on the last partition, instead
                of the run's budget. It is judged later, from the ledger; waiting goes on a while
                longer, so that the report can show how late it was.
        """
        ...

    def expect_caught_up(self, *, within: float) -> None:
        """Wait until the job has worked through everything that was sent before now.

        Args:
            within: seconds in which it has to; judged later. Waiting goes on a while longer.
        """
        ...

    def upgrade_job(self) -> None:
        """Stop the job and start it again from a savepoint, the last checkpoint or nothing.

        Which of them is the stack's ``flink.upgrade``.
        """
        ...

    def transaction(self) -> AbstractContextManager[Transactional]:
        """A transactional producer of its own; when the block ends its partition is watched for a while."""
        ...

    def acked_in(self, *, seconds: float) -> int:
        """How many records are acknowledged, and operations of workloads done, in the next *seconds*."""
        ...

    def note(self, text: str, *, node: str = "") -> None:
        """Put a line on the timeline."""
        ...

    def verify(self) -> None:
        """Read everything back through the fence; the checkers judge once the run has ended."""
        ...


Story = Callable[[Run], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario as found in a file. ``settings`` and ``budgets`` override the stack's."""

    name: str
    title: str
    path: Path
    story: Story
    stack: str
    guarantees: tuple[Guarantee, ...]
    expect: Expect
    nightly: bool
    settings: Mapping[str, str] = field(default_factory=dict)
    budgets: Mapping[str, float] = field(default_factory=dict)


def scenario(
    *,
    stack: str = "edge-kafka",
    guarantees: Iterable[Guarantee] = EVERYTHING,
    expect: Expect = "held",
    nightly: bool = False,
    settings: Mapping[str, str] | None = None,
    budgets: Mapping[str, float] | None = None,
) -> Callable[[Story], Story]:
    """Mark a function as a scenario.

    Args:
        stack: the stack it runs on, a folder of ``fixtures/stacks``.
        guarantees: what it judges; all five unless told otherwise.
        expect: "broken" when the harness must find one of *guarantees* violated.
        nightly: too long to run on every change.
        settings: stack settings, as ``--set`` would give them.
        budgets: times that must hold, by the names of ``harness.model.Budgets``.
    """
    mark = pytest.mark.scenario(
        stack=stack,
        guarantees=tuple(guarantees),
        expect=expect,
        nightly=nightly,
        settings=dict(settings or {}),
        budgets=dict(budgets or {}),
    )
    return lambda story: pytest.mark.nightly(mark(story)) if nightly else mark(story)


def from_function(story: Story, path: Path) -> Scenario | None:
    """The scenario that *story* is, or None when it is not marked as one.

    Raises:
        BadInput: it has no docstring, the sentence that the report prints.
    """
    mark = next((m for m in getattr(story, "pytestmark", ()) if m.name == "scenario"), None)
    if mark is None:
        return None
    title = (inspect.getdoc(story) or "").split("\n\n")[0].replace("\n", " ")
    name = story.__name__.removeprefix("test_")
    if not title:
        raise BadInput(f"scenario {name} has no docstring", fix="say in one sentence what must hold")
    return Scenario(name=name, title=title, path=path, story=story, **mark.kwargs)


def discover(folder: Path) -> dict[str, Scenario]:
    """Every scenario in the files of *folder*, by name.

    Raises:
        BadInput: a file cannot be imported, or two scenarios share a name.
    """
    found: dict[str, Scenario] = {}
    for path in sorted(folder.glob("*.py")):
        for one in _in_file(path):
            if one.name in found:
                raise BadInput(f"two scenarios are called {one.name}", why=f"{found[one.name].path}, {path}")
            found[one.name] = one
    return found


def find(folder: Path, name: str) -> Scenario:
    """The scenario *name* of *folder*; a leading ``test_`` is forgiven.

    Raises:
        BadInput: there is none; names the nearest.
    """
    found = discover(folder)
    plain = name.removeprefix("test_")
    if plain not in found:
        raise unknown_name("scenario", name, found)
    return found[plain]


def _in_file(path: Path) -> list[Scenario]:
    module = f"scenarios.{path.stem}"
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module] = loaded
    try:
        spec.loader.exec_module(loaded)
    except Exception as error:  # a user's file may raise anything
        raise BadInput(f"{path} cannot be imported", why=f"{type(error).__name__}: {error}") from error
    functions = [value for value in vars(loaded).values() if inspect.isfunction(value)]
    own = [function for function in functions if function.__module__ == module]
    return [one for one in (from_function(function, path) for function in own) if one is not None]
