"""A standing proxy is told to lead clients on, to delay them, and to stop; what it refuses is an error."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.errors import StackError
from harness.stack.docker import standing_proxy
from harness.stack.docker.containers import Container, Recipe
from harness.stack.docker.standing_proxy import BEHIND, StandingProxy
from harness.stack.toxiproxy.api import delay_of
from harness.stack.toxiproxy.proxies import Delayer
from harness.tests.faults.fakes import FakeNode

NODE = FakeNode("broker-1", "broker", "198.18.0.11", (9092, 9093))


class FakeApi:
    """Stands in for the server: keeps proxies and toxics as it does."""

    def __init__(self, who: str, address: str, port: int) -> None:
        assert (who, address, port) == ("broker-1", "198.18.0.11", 61000)
        self.proxies: dict[str, dict[str, object]] = {}
        self.silent = 0

    def call(self, verb: str, path: str, body: Mapping[str, object] | None = None) -> object:
        """As its API says."""
        if path == "/proxies":
            assert body is not None
            self.proxies[str(body["name"])] = {**body, "toxics": []}
        elif verb == "post":
            self.proxies[path.split("/")[2]]["toxics"] = [body]
        else:
            assert (verb, path) == ("delete", "/proxies/clients/toxics/latency_downstream")
            self.proxies["clients"]["toxics"] = []
        return None

    def delays(self) -> dict[str, int]:
        """What it delays; silent at first, if it is to be."""
        if self.silent:
            self.silent -= 1
            raise StackError("Toxiproxy refused", why="connection refused")
        return {name: delay_of(proxy) for name, proxy in self.proxies.items()}


class FakeContainer(Container):
    """It runs, or not."""

    def __init__(self, *, runs: bool) -> None:
        super().__init__(Recipe("p", "toxiproxy:1"), "edge-r1", {})
        self.runs = runs

    def start(self) -> None:
        """Nothing."""

    def pid(self) -> int:
        """Of a process, or of none."""
        return 77 if self.runs else 0

    def log(self, lines: int | None = None) -> str:
        """Why it ended."""
        return "exec format error"


@pytest.fixture(name="api")
def _api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """The server's API."""
    made = FakeApi("broker-1", "198.18.0.11", 61000)
    monkeypatch.setattr(standing_proxy, "ToxiproxyApi", lambda *_: made)
    return made


def a_proxy(*, runs: bool = True) -> StandingProxy:
    """In front of the listener that a broker has for it."""
    return StandingProxy(NODE, FakeContainer(runs=runs), BEHIND)


def test_it_leads_clients_on_once_it_answers(api: FakeApi) -> None:
    """From the port that clients are given to the one that the broker has for it."""
    api.silent = 2
    proxy = a_proxy()
    proxy.start()

    told = api.proxies["clients"]
    assert (told["listen"], told["upstream"]) == ("198.18.0.11:61001", "198.18.0.11:61002")
    assert (proxy.port, proxy.delayed()) == (61001, 0)
    as_delayer: Delayer = proxy
    assert as_delayer.delayed() == 0


def test_it_delays_and_stops(api: FakeApi) -> None:
    """Stopping twice does no harm."""
    proxy = a_proxy()
    proxy.start()
    proxy.delay(40)
    assert proxy.delayed() == 40
    proxy.free()
    proxy.free()

    assert proxy.delayed() == 0


def test_what_it_is_told_can_be_pasted(api: FakeApi) -> None:
    """Both ways."""
    (on,), (off,) = a_proxy().commands(40), a_proxy().commands(0)

    assert on.startswith("curl -d ")
    assert '"latency": 40' in on
    assert on.endswith("http://198.18.0.11:61000/proxies/clients/toxics")
    assert off == "curl -X DELETE http://198.18.0.11:61000/proxies/clients/toxics/latency_downstream"


def test_a_proxy_that_ends_is_told_with_its_last_words(api: FakeApi) -> None:
    """As where the binary is of another machine."""
    api.silent = 99

    with pytest.raises(StackError, match="Toxiproxy at broker-1 ended: exec format error"):
        a_proxy(runs=False).start()
