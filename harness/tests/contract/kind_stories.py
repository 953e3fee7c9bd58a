"""What happens on a booted stack of pods, told as data for the tests to judge; ``kind_place`` starts it.

It runs in the network of the cluster, as a run does: ``python -m … STORY FOLDER GIVEN``.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.clock import MONOTONIC, seconds_between
from harness.errors import HarnessError
from harness.faults.cluster import deny, limit_cpu
from harness.faults.degrade import disk_full, s3_refuses
from harness.faults.injection import Injector
from harness.faults.journal import Journal
from harness.faults.reach import all_pairs, connecting
from harness.faults.selectors import broker
from harness.faults.spec import FaultSpec, isolate
from harness.faults.watchdog import Watch
from harness.stack.booted import BootedStack
from harness.stack.delays import delays_here
from harness.stack.kind.cluster import KindMachines
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.platform import booted
from harness.stack.kubernetes.pods import OwnMachine
from harness.stack.kubernetes.policies import KIND, VERSION
from harness.stack.kubernetes.sized_claims import SizedClaims
from harness.stack.parts import Parts
from harness.tests.contract.enforcer import enforcing
from harness.tests.contract.storing import stored

Told = dict[str, object]


def _api() -> Api:
    """A client of its own of the stack's namespace."""
    kubernetes = stored("kind").definition.kubernetes
    assert kubernetes is not None
    return Api(Path(os.environ["HARNESS_KUBECONFIG"]).read_text(encoding="utf-8"), kubernetes.namespace)


@contextlib.contextmanager
def stack_in(folder: Path) -> Iterator[BootedStack]:
    """Three brokers and an object store as pods."""
    prepared = stored("kind")
    (folder / "logs").mkdir(parents=True)
    marks = {name: os.environ[name] for name in ("HARNESS_RUN", "HARNESS_DIR", "HARNESS_CLUSTER")}
    api = _api()
    parts = Parts(delays=delays_here(prepared.definition.toxiproxy.binary))
    with SizedClaims(_api()) as claims, booted(
        prepared.definition, prepared.folder, prepared.software, parts,
        logs=folder / "logs", environment=marks, api=api,
        grip=OwnMachine(marks["HARNESS_RUN"], api, KindMachines(), volumes=claims),
    ) as stack:  # fmt: skip
        stack.roles.create_topic("orders", partitions=6, replication=3, config={})
        yield stack


@contextlib.contextmanager
def injector_in(folder: Path) -> Iterator[tuple[BootedStack, Injector]]:
    """An injector over the stack, with its watchdog."""
    with stack_in(folder) as stack, Watch(folder, os.environ["HARNESS_RUN"]):
        journal = Journal(folder / "journal.jsonl")
        with contextlib.closing(journal), Injector(stack, journal, topic="orders") as injector:
            yield stack, injector


def each_fault(folder: Path, given: dict[str, object]) -> Told:
    """Every fault of *given* by itself, injected, held for a second and healed."""
    told: Told = {}
    with injector_in(folder) as (stack, injector):
        before = len(connecting(stack, dict.fromkeys(all_pairs(stack), 2.0)))
        for name, value in given.items():
            told[name] = _one(injector, FaultSpec.from_json(value))
        after = len(connecting(stack, dict.fromkeys(all_pairs(stack), 2.0)))
    return {"faults": told, "connections": [before, after], "expected": len(all_pairs(stack))}


def _one(injector: Injector, spec: FaultSpec) -> Told:
    started = MONOTONIC.now()
    try:
        with injector.inject(spec, seconds=1) as fault:
            pass
    except (HarnessError, BaseExceptionGroup) as error:
        return {"error": str(getattr(error, "exceptions", error))}
    return {
        "observed": fault.observed,
        "target": fault.resolution.nodes,
        "proof": fault.proof,
        "healing": fault.healing_proof,
        "inject_s": seconds_between(started, fault.injected_t),
        "proven_s": seconds_between(fault.injected_t, fault.effect_proven_t),
        "heal_s": seconds_between(fault.healed_t, fault.healing_proven_t),
    }


def denied(folder: Path, _given: dict[str, object]) -> Told:
    """A broker denied every connection: by the cluster's own network, and by one that certainly obeys."""
    with injector_in(folder) as (stack, injector):
        own = _one(injector, deny(broker(3)))
        api = _api()
        with enforcing(api, stack.nodes):
            obeyed = _one(injector, deny(broker(3)))
        left = [each["metadata"]["name"] for each in api.every(VERSION, KIND)]
    return {"own": own, "obeyed": obeyed, "left": left}


def cut_until_killed(folder: Path, _given: dict[str, object]) -> Told:
    """One broker cut off from all, until somebody kills this process."""
    with injector_in(folder) as (stack, injector), injector.inject(isolate(broker(1))) as fault:
        told = {"observed": fault.observed, "target": fault.resolution.nodes[0]}
        told["peer"] = next(name for name in stack.roles.brokers() if name != told["target"])
        told["address"] = stack.nodes[str(told["peer"])].address
        (folder / "cut.json").write_text(json.dumps(told))
        MONOTONIC.sleep(120)
    return {}


def hurt_until_killed(folder: Path, _given: dict[str, object]) -> Told:
    """A full disk, a small limit, a store that refuses and a policy, until somebody kills this process."""
    specs = (disk_full(broker(3)), limit_cpu(broker(2), milli=300), s3_refuses(), deny(broker(1)))
    with injector_in(folder) as (stack, injector), contextlib.ExitStack() as faults:
        faults.enter_context(enforcing(_api(), stack.nodes))
        injected = [faults.enter_context(injector.inject(spec)) for spec in specs]
        store = next(node for node in stack.nodes.values() if node.role == "s3")
        told: Told = {
            "proofs": [fault.proof for fault in injected if fault.observed],
            "store": [store.address, str(store.ports[0])],
            "pod": list(injected[1].resolution.nodes),
        }
        (folder / "hurt.json").write_text(json.dumps(told))
        MONOTONIC.sleep(120)
    return {}


STORIES: dict[str, Callable[[Path, dict[str, object]], Told]] = {
    story.__name__: story for story in (each_fault, denied, cut_until_killed, hurt_until_killed)
}


def main() -> None:
    """Tell one story; what it tells goes to ``told.json`` in its folder."""
    name, folder, given = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    told = STORIES[name](folder, given)
    (folder / "told.json").write_text(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
