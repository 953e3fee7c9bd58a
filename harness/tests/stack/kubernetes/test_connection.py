"""The way to somebody's API server: what is wrong with it is one sentence, and comes within seconds."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from harness.clock import MONOTONIC, seconds_between
from harness.errors import BadInput, MissingAbility
from harness.stack.kubernetes import connection
from harness.stack.kubernetes.connection import Context, OwnAccount, connected, reached, server_of
from harness.tests.webserver import Answers, WebServer


def kubeconfig(folder: Path, monkeypatch: pytest.MonkeyPatch, server: str, *, name: str = "staging") -> None:
    """The user's kubeconfig, with one context that leads to *server*."""
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    (folder / "config").write_text(yaml.safe_dump(told))
    monkeypatch.setenv("KUBECONFIG", str(folder / "config"))


def test_an_unknown_context_has_its_nearest_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that was mistyped is corrected."""
    kubeconfig(tmp_path, monkeypatch, "http://127.0.0.1:1")

    with pytest.raises(BadInput, match=r"there is no context 'stagign'\. Fix: did you mean 'staging'\?"):
        connected(Context("stagign"))


def test_without_a_kubeconfig_there_is_no_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where it was looked for."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    with pytest.raises(
        BadInput, match=r"there is no kubeconfig for context staging: .*none\. Fix: set KUBECONFIG"
    ):
        connected(Context("staging"))


def test_a_kubeconfig_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the file holds."""
    (tmp_path / "config").write_text("contexts: 7\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))

    with pytest.raises(BadInput, match=r"the kubeconfig .*config cannot be read"):
        connected(Context("staging"))


def test_the_server_is_told_without_asking_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the allow-list is compared with comes from the file alone."""
    kubeconfig(tmp_path, monkeypatch, "https://10.255.255.1:6443")

    assert server_of(Context("staging")) == "https://10.255.255.1:6443"


def test_a_closed_port_is_unreachable_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is retried: the user waits for one answer."""
    kubeconfig(tmp_path, monkeypatch, "http://127.0.0.1:1")
    started = MONOTONIC.now()

    with pytest.raises(
        MissingAbility, match=r"context staging cannot be reached: http://127.0.0.1:1: .*refused"
    ):
        reached(Context("staging"))

    assert seconds_between(started, MONOTONIC.now()) < 5


def test_a_server_that_says_nothing_is_unreachable_within_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts the connection and never answers."""
    monkeypatch.setattr(connection, "_REACHED_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kubeconfig(tmp_path, monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = MONOTONIC.now()
        with pytest.raises(MissingAbility, match="context staging cannot be reached"):
            reached(Context("staging"))
    assert seconds_between(started, MONOTONIC.now()) < 5


def test_credentials_that_ran_out_are_told_from_a_server_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own words, and what to renew."""
    with WebServer() as server:
        server.says("/version/", Answers('{"message": "Unauthorized"}', 401))
        kubeconfig(tmp_path, monkeypatch, server.url(""))
        with pytest.raises(
            MissingAbility, match=r"does not let us in: .*Unauthorized\. Fix: renew its credentials"
        ):
            reached(Context("staging"))


def test_a_server_that_answers_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address comes back."""
    version = {
        **dict.fromkeys(("major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate"), "1"),
        **dict.fromkeys(("goVersion", "compiler", "platform"), "x"),
    }
    with WebServer() as server:
        server.says("/version/", Answers(_json(version)))
        kubeconfig(tmp_path, monkeypatch, server.url(""))

        assert reached(Context("staging")) == server.url("")


def _json(value: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": "{each}"' for key, each in value.items()) + "}"


def test_outside_of_a_pod_there_is_no_account_of_its_own() -> None:
    """The harness in a pod uses the pod's; anywhere else that is an error in one sentence."""
    with pytest.raises(MissingAbility, match="the credentials for the cluster cannot be used"):
        connected(OwnAccount())
