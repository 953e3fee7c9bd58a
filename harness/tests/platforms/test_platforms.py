"""How a run enters its platform: in which order, with which marks, and what is told inside."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import BadInput
from harness.launch import prepare
from harness.platforms import NAMES, Entry, kind, local, platform
from harness.platforms.context import Elsewhere
from harness.platforms.docker import DockerPlatform
from harness.platforms.kind import Kind
from harness.platforms.local import Local
from harness.rundir import RunDirectory
from harness.stack.kind import cluster, gateway, images
from harness.stack.kind.cluster import Cluster
from harness.stack.kubernetes import platform as kubernetes
from harness.stack.namespaces import enclosure
from harness.stack.parts import NO_PARTS, Parts
from harness.tests.source import ROOT
from harness.tests.test_order import order

Told = list[tuple[str, ...]]


class Entered(Exception):
    """Stands in for the process that the harness becomes."""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Told:
    """Every step that both platforms take outside, instead of the step."""
    steps: Told = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def step(name: str) -> Parts:
        steps.append((name,))
        return NO_PARTS

    for module in (kind, local):
        for name in ("preflight", "fetch", "find_parts"):
            monkeypatch.setattr(module, name, lambda *_, name=name: step(name))
    return steps


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, told: Told, request: pytest.FixtureRequest) -> Told:
    """A cluster, its images and its network, each told of instead; a parameter is the exit code inside."""
    code: int = getattr(request, "param", 3)

    @contextlib.contextmanager
    def standing(*, reuse: bool, keep: bool) -> Iterator[Cluster]:
        made = Cluster("edge-harness", 77, "172.18.0.2", ours=not reuse)
        told.append(("standing", str(reuse), str(keep)))
        yield made
        told.append(("gone",))

    def run(argv: Sequence[str], environment: Mapping[str, str]) -> int:
        secret = Path(environment["HARNESS_KUBECONFIG"])
        told.append((secret.read_text(), environment["HARNESS_CLUSTER"], environment["HARNESS_RUN"]))
        told.append(tuple(argv))
        return code

    monkeypatch.setattr(cluster, "standing", standing)
    monkeypatch.setattr(Cluster, "kubeconfig", lambda _self: "credentials")
    monkeypatch.setattr(images, "images_of", lambda *_: {})
    monkeypatch.setattr(images, "load", lambda tags, name: told.append(("load", name, *tags)))
    dns = SimpleNamespace(service_address=lambda *_: "10.96.0.10")
    monkeypatch.setattr(kind, "Api", lambda *_: dns)
    monkeypatch.setattr(enclosure, "keep", run)
    monkeypatch.setattr(kind, "heal", lambda *, only, **_: told.append(("heal", only)))
    return told


def entry(folder: Path, name: str, *, reuse: bool = False, keep: bool = False) -> Entry:
    """A run of the quickstart that is about to enter."""
    prepared = prepare("edge-kafka", {}, name)
    return Entry(["run", "quickstart"], prepared, folder / "run-1", 7, reuse=reuse, keep=keep)


def test_every_name_has_its_platform() -> None:
    """Both verbs each; a name that is none is bad input with the nearest that is one."""
    assert [type(platform(name)) for name in NAMES] == [Local, Kind, DockerPlatform, Elsewhere]

    with pytest.raises(BadInput, match=r"did you mean 'kind'"):
        platform("kin")


def test_only_the_platform_that_is_asked_for_is_imported() -> None:
    """A local run starts without the packages that a cluster needs."""
    words = "import sys; from harness.platforms import platform; platform('local'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, cwd=ROOT, check=True)

    assert not {"harness.platforms.kind", "kubernetes"} & set(done.stdout.split())


def test_a_local_run_becomes_the_keeper_of_an_enclosure(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that needs a network comes first; the marks of the run are there from the start."""

    def become(path: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        told.append((path, *argv))
        told.append((environment["HARNESS_RUN"], environment["HARNESS_DIR"], environment["HARNESS_SEED"]))
        raise Entered

    monkeypatch.setattr(os, "execve", become)
    with pytest.raises(Entered):
        Local().enter(entry(tmp_path, "local"))

    assert told[:3] == [("preflight",), ("fetch",), ("find_parts",)]
    assert told[3][0] == sys.executable
    assert told[3][-4:] == ("-m", "harness", "run", "quickstart")
    assert told[4] == ("run-1", str(tmp_path / "run-1"), "7")


def test_a_run_on_kind_stands_in_the_network_of_its_cluster(inside: Told, tmp_path: Path) -> None:
    """Its images are loaded first; the exit code is that of the harness inside; then the cluster goes."""
    assert Kind().enter(entry(tmp_path, "kind")) == 3

    first = [("preflight",), ("fetch",), ("find_parts",), ("standing", "False", "False")]
    assert inside[:5] == [*first, ("load", "edge-harness")]
    assert inside[5] == ("credentials", "edge-harness", "run-1")
    argv = [sys.executable, "-m", "harness", "run", "quickstart"]
    assert inside[6] == tuple(gateway.command(77, "10.96.0.10", argv))
    assert inside[7] == ("gone",)


def test_an_image_that_was_named_comes_into_a_cluster_that_is_made_for_the_run(
    inside: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could load it into that before; one that Docker does not have the machines fetch themselves."""
    monkeypatch.setattr(images, "run", lambda argv, **_: "0a1b2c" if argv[-1] == "mirror/kafka:1" else "")
    named = {"images.kafka": "mirror/kafka:1", "images.load": "far/load:1"}
    prepared = prepare("edge-kafka", named, "kind")
    Kind().enter(replace(entry(tmp_path, "kind"), prepared=prepared))

    assert inside[4] == ("load", "edge-harness", "mirror/kafka:1")


@pytest.mark.parametrize(("inside", "healed"), [(137, True), (3, False)], indirect=["inside"])
def test_pods_of_a_run_that_was_killed_are_taken_away(inside: Told, tmp_path: Path, *, healed: bool) -> None:
    """It could not do it itself; of any other run nothing is left that somebody else should undo."""
    Kind().enter(entry(tmp_path, "kind"))

    assert (("heal", "run-1") in inside) is healed


@pytest.mark.parametrize(
    ("reuse", "keep", "place"),
    [
        (False, False, "edge-harness"),
        (False, True, "edge-harness/edge-harness"),
        (True, False, "edge-harness/edge-harness"),
    ],
)
def test_heal_may_delete_only_a_cluster_that_was_made_to_be_deleted(
    inside: Told, tmp_path: Path, *, reuse: bool, keep: bool, place: str
) -> None:
    """Of one that was there before, or that is to stay, only the namespace is the run's own."""
    Kind().enter(entry(tmp_path, "kind", reuse=reuse, keep=keep))

    assert inside[5][1] == place


def test_pods_carry_the_marks_of_the_run_and_of_its_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By these heal finds them; the credentials are read from the file that the outside made."""
    given: dict[str, Any] = {}
    (tmp_path / "kubeconfig").write_text("credentials")
    monkeypatch.setenv("HARNESS_KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("HARNESS_CLUSTER", "edge-harness/edge")
    monkeypatch.setattr(kubernetes, "booted", lambda *_, **named: contextlib.nullcontext(given.update(named)))
    monkeypatch.setattr(kind, "Api", lambda *words: words)
    monkeypatch.setattr(kind, "SizedClaims", contextlib.nullcontext)
    stack = prepare("edge-kafka", {}, "kind").definition
    made = replace(order(RunDirectory.create(tmp_path, "run-1")), definition=stack)
    with Kind().boot(made):
        pass

    assert given["environment"] == made.marks | {"HARNESS_CLUSTER": "edge-harness/edge"}
    assert (given["api"], given["logs"]) == (("credentials", "edge-harness"), made.directory.logs)
    assert (given["grip"].run, given["grip"].api) == ("run-1", given["api"])


def test_local_processes_carry_the_marks_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no cluster's."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(local, "booted", lambda *_, **named: given.update(named))
    made = order(RunDirectory.create(tmp_path, "run-1"))
    Local().boot(made)

    assert given == {"environment": made.marks, "logs": made.directory.logs}
