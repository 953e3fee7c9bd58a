"""Docker through testcontainers: the network, the disks and the containers of one run.

The one module that imports testcontainers. Its reaper is off: what a run makes carries the labels of
``harness.stack.docker.left`` instead, by which ``heal`` and the watchdog find it without another image.
Nothing is pulled: whoever asks for a container has seen its image.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from docker.errors import DockerException, NotFound
from docker.types import EndpointConfig, IPAMConfig, IPAMPool
from docker.version import __version__ as _docker
from requests.exceptions import RequestException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.network import Network

from harness.errors import BadInput, MissingAbility, StackError
from harness.stack.docker.left import RUN
from harness.stack.namespaces.syscalls import DISK_SOURCE
from harness.waiting import NotYet, wait_for

testcontainers_config.ryuk_disabled = True

_REFUSED = (DockerException, RequestException)
_ENDED_S = 10.0


@dataclass(frozen=True, slots=True)
class Volume:
    """A node's disk: its name, and where this machine has it mounted while a container uses it."""

    name: str = ""
    place: Path = Path()


NO_VOLUME = Volume()


@dataclass(frozen=True)
class Recipe:
    """One container, as it is to be made.

    Args:
        entrypoint: in the place of the image's own; empty: that one.
        arguments: what follows it.
        files: host path to the path inside, read-only.
        disk: the volume that is its disk; ``at`` is where it has it.
        address: on the network of the run.
        beside: the container whose network it shares; it then has no address of its own.
    """

    name: str
    image: str
    arguments: Sequence[str] = ()
    entrypoint: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
    disk: str = ""
    at: str = ""
    address: str = ""
    beside: str = ""


class Container:
    """One container; made at its first start and then started again."""

    def __init__(self, recipe: Recipe, network: str, labels: Mapping[str, str]) -> None:
        self.recipe = recipe
        self._network, self._labels = network, labels
        self._made: DockerContainer | None = None

    def start(self) -> None:
        """Start it.

        Raises:
            StackError: Docker refused; carries its words.
        """
        try:
            if self._made is None:
                self._made = self._described()
                self._made.start()
            else:
                # Docker learns of a death a little later, and starts nothing that it takes for alive.
                wait_for(self._ended, what=f"Docker to see the end of {self.recipe.name}", seconds=_ENDED_S)
                self._made.get_wrapped_container().start()
        except _REFUSED as error:
            raise StackError(f"container {self.recipe.name} did not start", why=str(error)) from error

    @property
    def identity(self) -> str:
        """Docker's own id of it, once it was started."""
        return self._wrapped().get_container_id()

    def pid(self) -> int:
        """The pid of its first process as seen here; 0: Docker says that it does not run."""
        try:
            wrapped = self._wrapped()
            wrapped.get_wrapped_container().reload()
            return int(wrapped.get_wrapped_container().attrs["State"]["Pid"])
        except _REFUSED as error:
            raise StackError(f"Docker does not know {self.recipe.name}", why=str(error)) from error

    def log(self, lines: int | None = None) -> str:
        """What it wrote, or the last *lines* of it."""
        try:
            told = self._wrapped().get_wrapped_container().logs(tail="all" if lines is None else lines)
        except (*_REFUSED, StackError) as error:
            return f"no log: {error}"
        return bytes(told).decode(errors="replace")

    def _wrapped(self) -> DockerContainer:
        if self._made is None:
            raise StackError(f"{self.recipe.name} was never started")
        return self._made

    def _ended(self) -> None:
        wrapped = self._wrapped()
        wrapped.reload()
        if wrapped.status == "running":
            raise NotYet("it runs")

    def _described(self) -> DockerContainer:
        recipe = self.recipe
        made = DockerContainer(recipe.image, name=recipe.name, env=dict(recipe.environment))
        made.image = recipe.image  # whatever prefix the environment sets: this one is here
        made.with_command(list(recipe.arguments))
        for path, inside in recipe.files.items():
            made.with_volume_mapping(path, inside, "ro")
        if recipe.disk:
            made.with_volume_mapping(recipe.disk, recipe.at, "rw")
        return made.with_kwargs(labels=dict(self._labels), **self._entry(), **self._place())

    def _entry(self) -> dict[str, list[str]]:
        return {"entrypoint": list(self.recipe.entrypoint)} if self.recipe.entrypoint else {}

    def _place(self) -> dict[str, object]:
        if self.recipe.beside:
            return {"network_mode": f"container:{self.recipe.beside}"}
        here = EndpointConfig(_docker, ipv4_address=self.recipe.address)
        return {"network": self._network, "networking_config": {self._network: here}}


class Docker:
    """What one run makes in Docker. Everything carries *labels*; ``docker_left.remove`` takes it away."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.run, self._labels = labels[RUN], labels
        self._network = f"edge-{self.run}"
        try:
            self._client = DockerClient().client
            self._client.ping()
        except _REFUSED as error:
            why = str(error)
            raise MissingAbility("the Docker daemon does not answer", why=why, fix="start it") from error

    def open_network(self, subnet: ipaddress.IPv4Network, gateway: str) -> None:
        """Make the network; *gateway* is this machine's own address on it, and nothing leads out.

        Raises:
            BadInput: somebody else has addresses of it.
            StackError: Docker refused.
        """
        try:
            _require_free(self._client.networks.list(), subnet)
            pool = IPAMPool(subnet=str(subnet), gateway=gateway)
            told = {"driver": "bridge", "internal": True, "labels": dict(self._labels)}
            network = Network(docker_network_kw={**told, "ipam": IPAMConfig(pool_configs=[pool])})
            network.name = self._network
            network.create()
        except _REFUSED as error:
            raise StackError(f"the network {subnet} could not be made", why=str(error)) from error

    def make_disk(self, node: str, megabytes: int) -> Volume:
        """A disk of *megabytes* in memory for one node.

        Raises:
            StackError: Docker refused.
        """
        name, source = f"edge-{self.run}-{node}", f"{DISK_SOURCE}{megabytes}m"
        options = {"type": "tmpfs", "device": source, "o": f"size={megabytes}m,mode=0700"}
        try:
            made = self._client.volumes.create(name, driver_opts=options, labels=dict(self._labels))
            return Volume(name, Path(made.attrs["Mountpoint"]))
        except _REFUSED as error:
            raise StackError(f"{node} got no disk", why=str(error)) from error

    def container(self, recipe: Recipe) -> Container:
        """The container; not made yet."""
        return Container(recipe, self._network, self._labels)


def _require_free(networks: Sequence[object], subnet: ipaddress.IPv4Network) -> None:
    """Nobody else uses an address of *subnet*."""
    for network in networks:
        with suppress(NotFound):
            name, labels, subnets = _described(network)
            if any(subnet.overlaps(ipaddress.ip_network(each)) for each in subnets if ":" not in each):
                fix = "harness heal" if RUN in labels else f"docker network rm {name}"
                raise BadInput(f"the Docker network {name} has addresses of {subnet}", fix=fix)
    for name, addresses in psutil.net_if_addrs().items():
        for each in addresses:
            if ":" not in each.address and _is_in(each.address, subnet):
                fix = f"ip address del {each.address} dev {name}"
                raise BadInput(f"this machine has the address {each.address} of {subnet} at {name}", fix=fix)


def _described(network: object) -> tuple[str, Mapping[str, str], list[str]]:
    attributes = getattr(network, "attrs", {})
    configs = (attributes.get("IPAM") or {}).get("Config") or []
    subnets = [each["Subnet"] for each in configs if each.get("Subnet")]
    return attributes.get("Name", "?"), attributes.get("Labels") or {}, subnets


def _is_in(address: str, subnet: ipaddress.IPv4Network) -> bool:
    try:
        return ipaddress.ip_address(address) in subnet
    except ValueError:  # the address of a cable, not of a machine
        return False
