"""The cluster that the tests of the kind platform share, and how a story gets into its network."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.launch import fetch, machine_lock
from harness.platforms.kind import load_images
from harness.stack.kind import cluster, gateway
from harness.stack.kubernetes.api import Api
from harness.stack.parts import Parts
from harness.tests.contract.storing import stored
from harness.tests.source import ROOT

STORY_S = 900


@contextlib.contextmanager
def told_by(story: str, folder: Path, given: dict[str, object]) -> Iterator[subprocess.Popen[str]]:
    """The process that tells *story* of ``kind_stories``; ended with the block."""
    place, prepared = cluster.find(), stored("kind")
    fetch(prepared)
    load_images(prepared, Parts(), place.name)
    with machine_lock(folder.name), cluster.secret(place.kubeconfig()) as secret:
        dns = Api(secret.read_text(), "kube-system").service_address("kube-dns", "kube-system")
        module = "harness.tests.contract.kind_stories"
        argv = [sys.executable, "-m", module, story, str(folder), json.dumps(given)]
        marks = {
            "HARNESS_RUN": folder.name,
            "HARNESS_DIR": str(folder),
            "HARNESS_KUBECONFIG": str(secret),
            "HARNESS_CLUSTER": f"{place.name}/edge-harness",
        }
        command = gateway.command(place.control_plane_pid, dns, argv)
        teller = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **marks}, stderr=subprocess.PIPE, text=True
        )
        try:
            yield teller
        finally:
            teller.kill()
            teller.communicate()


def heard(story: str, folder: Path, given: dict[str, object]) -> dict[str, object]:
    """What *story* told in the end."""
    with told_by(story, folder, given) as teller:
        _, words = teller.communicate(timeout=STORY_S)
        assert teller.returncode == 0, words[-3000:]
    told: dict[str, object] = json.loads((folder / "told.json").read_text())
    return told
