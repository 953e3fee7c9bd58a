"""The command line before somebody's cluster: whatever is not allowed is refused without a connection."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.tests.source import ROOT

ALLOWED = "clusters: [{context: eu-prod, namespaces: [edge-harness]}]"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Stands in for an API server; answers nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.fixture
def home(tmp_path: Path, listener: socket.socket) -> Path:
    """A user with a kubeconfig of one context, ``eu-prod``, that leads to the listener."""
    tmp_path.chmod(0o700)
    host, port = listener.getsockname()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://{host}:{port}"}}],
        "users": [{"name": "u", "user": {"token": "not-a-secret"}}],
        "contexts": [{"name": "eu-prod", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "eu-prod",
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    (tmp_path / "allow.yaml").write_text(ALLOWED)
    (tmp_path / "allow.yaml").chmod(0o600)
    return tmp_path


def harness(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``harness run quickstart`` on that context, without a terminal."""
    argv = [sys.executable, "-m", "harness", "run", "quickstart", "--platform", "context:eu-prod", *arguments]
    own = {"HOME": str(home), "KUBECONFIG": str(home / "kubeconfig"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        argv,
        cwd=home,
        env={"PATH": os.defpath, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def was_reached(listener: socket.socket) -> bool:
    """Whether anybody connected."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("rehearse", [[], ["--rehearse"]])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "eu-prod may not be broken: there is no allow-list"),
        (["--confirm", "eu-prod"], "eu-prod may not be broken: there is no allow-list"),
        (
            ["--allow", "allow.yaml"],
            "context eu-prod looks like production. Fix: if it may be broken: --confirm",
        ),
        (["--allow", "allow.yaml", "--confirm", "yes"], "'yes' is not 'eu-prod'"),
        (
            ["--allow", "allow.yaml", "--confirm", "eu-prod", "--set", "kubernetes.namespace=kafka"],
            "namespace kafka is not on the allow-list",
        ),
    ],
)
def test_what_is_not_allowed_is_refused_without_a_connection(
    home: Path, listener: socket.socket, arguments: list[str], words: str, rehearse: list[str]
) -> None:
    """One sentence, the exit code of bad input, nobody connected, and nothing is left on disk."""
    before = sorted(home.iterdir())
    done = harness(home, *arguments, *rehearse)

    assert words in done.stderr
    assert (done.returncode, "Traceback" in done.stderr) == (254, False)
    assert not was_reached(listener)
    assert sorted(home.iterdir()) == before


def test_what_is_allowed_and_confirmed_is_asked(home: Path, listener: socket.socket) -> None:
    """So the tests above do see a connection when there is one."""
    listener.listen()
    done = harness(home, "--allow", "allow.yaml", "--confirm", "eu-prod", "--rehearse")

    assert "context eu-prod cannot be reached" in done.stderr
    assert was_reached(listener)
