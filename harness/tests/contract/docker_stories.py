"""Stories of a stack of containers, told beside Docker: ``python -m harness.tests.contract.docker_stories``.

A story gets three real brokers and an object store in containers, and returns what it saw, as data for the
tests to judge.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.clock import MONOTONIC, seconds_between
from harness.errors import NotExpressible
from harness.faults.degrade import latency, s3_refuses
from harness.faults.injection import Injector
from harness.faults.journal import Journal
from harness.faults.nft import standing
from harness.faults.selectors import broker
from harness.faults.spec import FaultSpec, isolate, kill
from harness.faults.watchdog import Watch
from harness.launch import Prepared
from harness.stack.booted import BootedStack
from harness.stack.docker import images as docker_images
from harness.stack.docker.platform import booted
from harness.stack.kind import beside
from harness.stack.namespaces import enclosure
from harness.stack.parts import NO_PARTS
from harness.tests.contract.each import EACH
from harness.tests.contract.storing import stored

TOPIC = "orders"
DELAY_MS = 200
LEASE_S = 5
Seen = dict[str, object]

_ROOT = Path(__file__).resolve().parents[3]


def start(story: str, folder: Path) -> subprocess.Popen[str]:
    """Start *story* beside Docker; its folder's name is its run id."""
    argv = [sys.executable, "-P", "-m", __name__, story, str(folder)]
    path = os.pathsep.join([str(_ROOT), *sys.path[1:]])
    mark = {"HARNESS_RUN": folder.name, "HARNESS_DIR": str(folder), "PYTHONPATH": path}
    pipe = subprocess.PIPE
    environment = dict(os.environ) | mark
    return subprocess.Popen(
        beside.command(argv), stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment
    )


def prepared() -> Prepared:
    """Three brokers and an object store."""
    return stored("docker")


def faults(folder: Path, stack: BootedStack) -> Seen:
    """Inject one fault of each kind, with its proofs, or see why it cannot be."""
    roles = {"brokers": stack.roles.brokers(), "leader": stack.roles.leader(TOPIC, 0)}
    specs = {str(kind): spec for kind, spec in EACH.items()} | {"wipe": kill(broker(2), wipe=True)}
    with injecting(folder, stack) as injector:
        told = {name: _told(injector, spec) for name, spec in specs.items()}
    left = sum(len(standing(node).blocks) for node in stack.nodes.values() if node.role != "observer")
    return {"roles": roles, "faults": told, "left": left, "proxies": sorted(stack.proxies)}


def cut(_folder: Path, stack: BootedStack) -> Seen:
    """Cut a broker off until somebody ends this process."""
    return _held(_folder, stack, isolate(broker(1)))


def refused(folder: Path, stack: BootedStack) -> Seen:
    """Have the object store refuse everything until somebody ends this process."""
    return _held(folder, stack, s3_refuses())


def delayed(folder: Path, stack: BootedStack) -> Seen:
    """Delay a broker's answers until somebody ends this process."""
    return _held(folder, stack, latency(broker(1), ms=DELAY_MS))


def _held(folder: Path, stack: BootedStack, spec: FaultSpec) -> Seen:
    with Watch(folder, folder.name), injecting(folder, stack) as injector, injector.inject(spec):
        sys.stdout.write("in force\n")
        sys.stdout.flush()
        signal.pause()
    return {}


def _told(injector: Injector, spec: FaultSpec) -> Seen:
    """What one injection was, or why it could not be."""
    asked = MONOTONIC.now()
    guard = injector.inject(spec, seconds=1.0)
    try:
        with guard as fault:
            pass
    except NotExpressible as error:
        return {"not expressible": error.sentence()}
    return {
        "observed": fault.observed,
        "proof": fault.proof,
        "healing": fault.healing_proof,
        "inject_s": seconds_between(asked, fault.injected_t),
        "heal_s": seconds_between(fault.healed_t, fault.healing_proven_t),
    }


@contextlib.contextmanager
def injecting(folder: Path, stack: BootedStack) -> Iterator[Injector]:
    """An injector with its journal in *folder*."""
    with (
        contextlib.closing(Journal(folder / "journal.jsonl")) as journal,
        Injector(stack, journal, topic=TOPIC, ready_seconds=90) as injector,
    ):
        yield injector


STORIES = {"faults": faults, "cut": cut, "delayed": delayed, "refused": refused}


def main(story: str, told: str) -> int:
    """Boot, tell the story, and keep what it saw in ``result.json``."""
    assert enclosure.is_inside()
    folder, ready = Path(told), prepared()
    software = ready.software
    docker_images.make(ready.definition, software)
    (folder / "logs").mkdir()
    marks = {"HARNESS_RUN": folder.name, "HARNESS_DIR": told}

    with booted(
        ready.definition, ready.folder, software, NO_PARTS, logs=folder / "logs", environment=marks
    ) as stack:
        stack.roles.create_topic(TOPIC, partitions=3, replication=3, config={})
        seen = STORIES[story](folder, stack)
    (folder / "result.json").write_text(json.dumps(seen))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
