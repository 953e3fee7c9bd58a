"""A kind cluster taken for somebody's: reached by a token of a Role, without Docker or any capability."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness import bundle
from harness.launch import prepare
from harness.stack.kind import cluster, images
from harness.tests.contract.loose import SETTINGS
from harness.tests.source import ROOT

CONTEXT = "drill"
POWERLESS = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")
"""Nothing that root may do: no namespace entered, no process of another looked into, no packet filtered."""

_RUN_S, _ASKED_S = 900, 120


@dataclass(frozen=True)
class Drill:
    """One namespace of the cluster, as a user sees it who may break it, and as its administrator sees it."""

    namespace: str
    home: Path
    admin: Path

    @property
    def reports(self) -> Path:
        """Where runs are stored."""
        return self.home / "reports"

    def kubectl(self, *words: str, told: str = "") -> str:
        """What kubectl tells the administrator of the namespace."""
        argv = ["kubectl", "--kubeconfig", str(self.admin), "--namespace", self.namespace, *words]
        done = subprocess.run(argv, input=told, capture_output=True, text=True, check=True, timeout=_ASKED_S)
        return done.stdout

    def names(self, kinds: str = "all,configmaps,persistentvolumeclaims") -> set[str]:
        """Everything there, but for what each namespace has."""
        found = set(self.kubectl("get", kinds, "-o", "name").split())
        return found - {"configmap/kube-root-ca.crt"}

    def argv(self, *words: str, settings: tuple[str, ...] = ()) -> list[str]:
        """The user's command line."""
        told = (*SETTINGS, f"kubernetes.namespace={self.namespace}", *settings)
        chosen = [word for each in told for word in ("--set", each)]
        where = ["--platform", f"context:{CONTEXT}", "--out", str(self.reports)]
        return [*POWERLESS, sys.executable, "-m", "harness", "run", *words, *where, *chosen]

    @property
    def environment(self) -> dict[str, str]:
        """The user's: a token, an allow-list, no Docker."""
        own = {
            "KUBECONFIG": str(self.home / "config"),
            "HARNESS_ALLOW": str(self.home / "clusters.yaml"),
            "DOCKER_HOST": "unix:///nowhere",
        }
        return {**os.environ, **own}

    def run(self, *words: str, settings: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """The user's ``harness run``, to its end."""
        return subprocess.run(
            self.argv(*words, settings=settings),
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=_RUN_S,
        )

    def heal(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The user's ``harness heal`` of the context."""
        where = ["--platform", f"context:{CONTEXT}", "--out", str(self.reports)]
        argv = [*POWERLESS, sys.executable, "-m", "harness", "heal", *words, *where]
        return subprocess.run(
            argv,
            env={**self.environment, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=_RUN_S,
        )

    @contextlib.contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """The user's ``harness run`` while the block runs."""
        process = subprocess.Popen(
            self.argv(*words),
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def lacking() -> str:
    """Why there can be no cluster here; empty when there can."""
    missing = [name for name in ("docker", "kind", "kubectl", "setpriv") if shutil.which(name) is None]
    return f"needs root and {', '.join(missing) or 'nothing else'}" if missing or os.geteuid() else ""


@contextlib.contextmanager
def standing(folder: Path) -> Iterator[Path]:
    """The administrator's kubeconfig of a cluster with our images on it; one made for this goes after."""
    with cluster.standing(reuse=True, keep=False) as made:
        prepared = prepare("edge-kafka", {"load.workers": "1"}, "kind")
        ours = images.images_of(prepared.definition, prepared.software)
        for name, image in ours.items():
            images.build(image, bundle.fixtures() / "images" / name / "Dockerfile")
        images.load([images.tag_of(image) for image in ours.values()], made.name)
        config = folder / "admin"
        argv = ["kind", "get", "kubeconfig", "--name", made.name]
        config.write_text(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
        yield config


@contextlib.contextmanager
def drill(
    namespace: str, admin: Path, home: Path, *, labels: str = "", plan: Sequence[str] = ("quickstart",)
) -> Iterator[Drill]:
    """A namespace with the account that ``harness rbac`` prints for *plan*, and its token; gone after."""
    place = Drill(namespace, home, admin)
    place.kubectl("create", "namespace", namespace)
    try:
        if labels:
            place.kubectl("label", "namespace", namespace, labels)
        _write(home / "clusters.yaml", {"clusters": [{"context": CONTEXT, "namespaces": [namespace]}]})
        _write(home / "config", _kubeconfig(admin, ""))
        argv = place.argv(*plan)
        argv[argv.index("run")] = "rbac"
        argv = [*argv[: argv.index("--out")], "--set", f"kubernetes.namespace={namespace}"]
        role = subprocess.run(
            argv, env=place.environment, cwd=ROOT, capture_output=True, text=True, check=True
        )
        place.kubectl("apply", "-f", "-", told=role.stdout)
        token = place.kubectl("create", "token", "edge-harness", "--duration=2h").strip()
        _write(home / "config", _kubeconfig(admin, token))
        yield place
    finally:
        place.kubectl("delete", "namespace", namespace)


def _kubeconfig(admin: Path, token: str) -> dict[str, object]:
    found = yaml.safe_load(admin.read_text())
    (known,) = found["clusters"]
    context = {"cluster": known["name"], "user": CONTEXT}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [known],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": context}],
        "current-context": CONTEXT,
    }


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
