"""What there is to delay with, and what a Toxiproxy is told: without the server, but for its API's double."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import BadInput, StackError
from harness.stack.delays import delays_here, find_toxiproxy
from harness.stack.toxiproxy.api import delay_of
from harness.stack.toxiproxy.in_front import Toxiproxy
from harness.tests.faults.fakes import FakeNode

NODE = FakeNode("broker-1", "broker", "198.18.0.1", (9092, 9093))


def program(folder: Path, text: str) -> Path:
    """A program that prints *text*."""
    path = folder / "toxiproxy-server"
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    return path


def test_no_toxiproxy_in_path_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told what would change that; whether the kernel has netem needs a `tc` and is told as well."""
    monkeypatch.setenv("PATH", str(tmp_path))

    found = delays_here("toxiproxy-server")

    said = "there is no 'toxiproxy-server' in PATH; give it with --set toxiproxy.binary=PATH"
    assert (found.toxiproxy, found.missing, found.netem) == (None, said, False)


def test_what_lies_in_path_is_taken_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is: a run that asks for no delay must not end for it."""
    path = program(tmp_path, "something else")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert (delays_here("toxiproxy-server").toxiproxy, delays_here("toxiproxy-server").missing) == (path, "")


def test_a_file_that_was_named_has_to_be_a_toxiproxy(tmp_path: Path) -> None:
    """A path is a promise: nothing there, or something else, is an error before anything starts."""
    path = program(tmp_path, "toxiproxy-server version 2.12.0")
    assert find_toxiproxy(str(path)) == path

    with pytest.raises(BadInput, match=r"toxiproxy\.binary '/no/such' is not a program"):
        find_toxiproxy("/no/such")
    with pytest.raises(BadInput, match="is not Toxiproxy: --version says 'else'"):
        find_toxiproxy(str(program(tmp_path, "else")))


def test_every_port_of_a_node_gets_a_proxy_of_its_own(tmp_path: Path) -> None:
    """What is told to the server can be pasted, and its ports are none that kernels give away."""
    proxy = Toxiproxy(NODE, Path("/bin/toxiproxy-server"), tmp_path)

    server, first, delay, second, _ = proxy.commands(40)

    assert "enter broker-1 /bin/toxiproxy-server -host 198.18.0.1 -port 61000" == server
    told = {"name": "9092", "enabled": True, "listen": "198.18.0.1:61001", "upstream": "198.18.0.1:9092"}
    assert f"curl -d '{json.dumps(told)}' http://198.18.0.1:61000/proxies" == first
    assert '"latency": 40' in delay
    assert delay.endswith("/proxies/9092/toxics")
    assert "198.18.0.1:61002" in second
    assert {9092: 61001, 9093: 61002} == proxy.ports
    assert min(proxy.ports.values()) > 60_999


@pytest.mark.parametrize(
    ("enabled", "toxic", "ms"),
    [
        (True, {"type": "latency", "stream": "downstream", "attributes": {"latency": 40}}, 40),
        (True, {"type": "latency", "stream": "upstream", "attributes": {"latency": 40}}, 0),
        (True, {"type": "timeout", "stream": "downstream", "attributes": {"timeout": 40}}, 0),
        (False, {"type": "latency", "stream": "downstream", "attributes": {"latency": 40}}, 0),
    ],
)
def test_only_a_delay_of_answers_in_force_counts(enabled: bool, toxic: dict[str, object], ms: int) -> None:  # noqa: FBT001
    """A proxy that is switched off, or does something else, delays by nothing."""
    assert ms == delay_of({"enabled": enabled, "toxics": [toxic]})


def test_a_server_that_does_not_answer_is_an_error_of_the_stack(tmp_path: Path) -> None:
    """With the node's name; and one that was never started is not alive, and can be stopped."""
    here = FakeNode("broker-1", "broker", "127.0.0.1", (9092,))
    proxy = Toxiproxy(here, Path("/bin/toxiproxy-server"), tmp_path)

    with pytest.raises(StackError, match="Toxiproxy at broker-1 refused /proxies"):
        proxy.delays()
    proxy.stop()
    assert not proxy.is_alive
