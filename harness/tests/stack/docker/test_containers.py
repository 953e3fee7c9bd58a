"""What Docker is asked for: labels on everything, an address of its own, no image pulled, no reaper."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from docker.errors import APIError, DockerException
from testcontainers.core.config import testcontainers_config

from harness.errors import BadInput, MissingAbility, StackError
from harness.stack.docker import containers
from harness.stack.docker.containers import Container, Docker, Recipe
from harness.stack.docker.left import OWNER, RUN

LABELS = {RUN: "r1", OWNER: "1 2 3"}
SUBNET = ipaddress.IPv4Network("198.18.0.0/24")


@dataclass
class Made:
    """What a daemon would have made."""

    attrs: dict[str, object]


@dataclass
class FakeDaemon:
    """Stands in for a Docker daemon: knows networks, and notes what it is asked."""

    networks_there: list[Made] = field(default_factory=list)
    refuses: str = ""
    volume: dict[str, object] = field(default_factory=dict)

    @property
    def client(self) -> FakeDaemon:
        """Itself, as it plays every part."""
        return self

    volumes = networks = client

    def ping(self) -> None:
        """Answer, or not."""
        if self.refuses == "ping":
            raise DockerException("connection refused")

    def list(self) -> list[Made]:
        """Its networks."""
        return self.networks_there

    def create(self, name: str, **told: object) -> Made:
        """A volume."""
        if self.refuses == "volume":
            raise APIError("no space left on device")
        self.volume = {"name": name, **told}
        return Made({"Mountpoint": f"/volumes/{name}/_data"})


@pytest.fixture(name="daemon")
def _daemon(monkeypatch: pytest.MonkeyPatch) -> FakeDaemon:
    """The one that testcontainers would connect to."""
    made = FakeDaemon()
    monkeypatch.setattr(containers, "DockerClient", lambda: made)
    return made


def test_no_reaper_is_started() -> None:
    """Its image could not be had everywhere, and what a run makes is found by labels."""
    assert testcontainers_config.ryuk_disabled


def test_a_daemon_that_does_not_answer_is_one_sentence(daemon: FakeDaemon) -> None:
    """Before anything is made."""
    daemon.refuses = "ping"

    with pytest.raises(MissingAbility, match="the Docker daemon does not answer: connection refused"):
        Docker(LABELS)


@pytest.mark.parametrize(
    ("labels", "fix"), [({}, "docker network rm theirs"), ({RUN: "r0", OWNER: ""}, "harness heal")]
)
def test_addresses_that_somebody_has_are_named(daemon: FakeDaemon, labels: dict[str, str], fix: str) -> None:
    """With the command that frees them: heal where an earlier run of ours left the network."""
    config = [{"Subnet": "fd00::/64"}, {"Subnet": "198.18.0.128/25"}]
    daemon.networks_there = [Made({"Name": "theirs", "IPAM": {"Config": config}, "Labels": labels})]

    with pytest.raises(BadInput, match=f"theirs has addresses of {SUBNET}. Fix: {fix}"):
        Docker(LABELS).open_network(SUBNET, "198.18.0.1")


def test_an_address_of_this_machine_is_named(daemon: FakeDaemon) -> None:
    """Whatever interface has it."""
    with pytest.raises(BadInput, match=r"this machine has the address 127\.0\.0\.1 of 127\.0\.0\.0/8 at lo"):
        Docker(LABELS).open_network(ipaddress.IPv4Network("127.0.0.0/8"), "127.0.0.1")


def test_a_network_leads_nowhere_and_carries_the_labels(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its gateway is where the harness stands."""
    told: dict[str, object] = {}

    class FakeNetwork:
        name = ""

        def __init__(self, docker_network_kw: dict[str, object]) -> None:
            told.update(docker_network_kw)

        def create(self) -> None:
            told["name"] = self.name

    monkeypatch.setattr(containers, "Network", FakeNetwork)
    monkeypatch.setattr(psutil, "net_if_addrs", dict)  # a real stack may stand on this machine
    Docker(LABELS).open_network(SUBNET, "198.18.0.1")

    assert (told["name"], told["internal"], told["labels"]) == ("edge-r1", True, LABELS)
    assert told["ipam"] == {
        "Driver": "default",
        "Config": [
            {"Subnet": str(SUBNET), "IPRange": None, "Gateway": "198.18.0.1", "AuxiliaryAddresses": None}
        ],
    }


def test_a_disk_tells_its_size(daemon: FakeDaemon) -> None:
    """In the source of its mount, so that whoever finds it full knows how to heal it."""
    made = Docker(LABELS).make_disk("broker-1", 64)

    assert (made.name, made.place) == ("edge-r1-broker-1", Path("/volumes/edge-r1-broker-1/_data"))
    assert daemon.volume["driver_opts"] == {
        "type": "tmpfs",
        "device": "edge-disk-64m",
        "o": "size=64m,mode=0700",
    }
    assert daemon.volume["labels"] == LABELS


def test_a_disk_that_docker_refuses_is_an_error_of_the_stack(daemon: FakeDaemon) -> None:
    """With Docker's words."""
    daemon.refuses = "volume"

    with pytest.raises(StackError, match="broker-1 got no disk: no space left on device"):
        Docker(LABELS).make_disk("broker-1", 64)


class FakeDescribed:
    """Stands in for testcontainers' container: notes what it is described as, and plays its life."""

    def __init__(self, image: str, **told: object) -> None:
        self.image, self.told, self.status = image, told, "created"
        self.starts, self.seen = 0, 0
        self.attrs = {"State": {"Pid": 77}}

    def with_command(self, command: list[str]) -> None:
        """Note it."""
        self.told["command"] = command

    def with_volume_mapping(self, host: object, inside: str, mode: str) -> None:
        """Note it."""
        self.told[str(host)] = (inside, mode)

    def with_kwargs(self, **told: object) -> FakeDescribed:
        """Note them."""
        self.told |= told
        return self

    def start(self) -> None:
        """Run."""
        self.starts, self.status = self.starts + 1, "running"

    def reload(self) -> None:
        """It died, and Docker sees it the second time it looks."""
        self.seen += 1
        self.status = "exited" if self.seen > 1 else self.status

    def get_wrapped_container(self) -> FakeDescribed:
        """Itself."""
        return self

    def logs(self, tail: int | str) -> bytes:
        """What it was asked for."""
        return f"the last {tail}".encode()


@pytest.fixture(name="described", autouse=True)
def _described(monkeypatch: pytest.MonkeyPatch) -> list[FakeDescribed]:
    """Every container that is described to testcontainers."""
    made: list[FakeDescribed] = []

    def describe(image: str, **told: object) -> FakeDescribed:
        made.append(FakeDescribed("prefix/" + image, **told))
        return made[-1]

    monkeypatch.setattr(containers, "DockerContainer", describe)
    return made


def started(recipe: Recipe) -> Container:
    """A container after its first start."""
    container = Container(recipe, "edge-r1", LABELS)
    container.start()
    return container


def test_a_node_has_its_address(described: list[FakeDescribed]) -> None:
    """And the image that it was given, whatever prefix the environment would set."""
    started(Recipe("n", "kafka:1", ("infinity",), ("sleep",), {"A": "b"}, address="198.18.0.11"))
    (made,) = described

    assert (made.image, made.told["labels"], made.told["env"]) == ("kafka:1", LABELS, {"A": "b"})
    assert (made.told["entrypoint"], made.told["command"]) == (["sleep"], ["infinity"])
    assert made.told["networking_config"] == {"edge-r1": {"IPAMConfig": {"IPv4Address": "198.18.0.11"}}}


def test_what_runs_beside_it_shares_its_network_and_disk(described: list[FakeDescribed]) -> None:
    """Files are there to be read alone, and the image's own entrypoint stays."""
    started(Recipe("s", "kafka:1", files={Path("/etc/x"): "/etc/edge"}, disk="d", at="/data", beside="abc"))
    (made,) = described

    assert made.told["network_mode"] == "container:abc"
    assert (made.told["/etc/x"], made.told["d"]) == (("/etc/edge", "ro"), ("/data", "rw"))
    assert not {"entrypoint", "network", "networking_config"} & made.told.keys()


def test_a_container_that_died_is_started_again_once_docker_knows(described: list[FakeDescribed]) -> None:
    """Docker starts nothing that it takes for alive; and it is the same container, not another."""
    container = started(Recipe("s", "kafka:1"))
    container.start()
    (made,) = described

    assert (made.starts, made.seen) == (2, 2)
    assert (container.pid(), container.log(5), container.log()) == (77, "the last 5", "the last all")


def test_a_container_that_never_ran_says_so() -> None:
    """It has no pid, and its log is a sentence."""
    container = Container(Recipe("s", "kafka:1"), "edge-r1", LABELS)

    assert container.log() == "no log: s was never started"
    with pytest.raises(StackError, match="s was never started"):
        container.pid()


def test_a_refusal_carries_docker_s_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error of the stack."""

    def refuse(*_: object, **__: object) -> None:
        raise APIError("port is already allocated")

    monkeypatch.setattr(containers, "DockerContainer", refuse)

    with pytest.raises(StackError, match="container s did not start: port is already allocated"):
        started(Recipe("s", "kafka:1"))
