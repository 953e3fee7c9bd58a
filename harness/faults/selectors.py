"""Role selectors: which nodes a fault hits, said as a part they play.

A selector is plain data. It is resolved at injection time, never earlier: the
leader of a partition is whoever leads it at that instant. A resolution carries
the reason for the choice, in full, because the report prints it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from harness.errors import BadInput, StackError, unknown_name
from harness.stack.seams import Roles, Stack


@dataclass(frozen=True, slots=True)
class Resolution:
    """The nodes a selector meant at one instant, and why these."""

    nodes: tuple[str, ...]
    why: str


class Selector(Protocol):
    """A choice of nodes, as data; ``str()`` gives it as a scenario writes it."""

    verb: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[object]]]

    def pick(self, roles: Roles, stack: Stack) -> Resolution:
        """Choose now."""
        ...


@dataclass(frozen=True, slots=True)
class LeaderOf:
    """The leader of one partition."""

    topic: str
    partition: int
    verb: ClassVar[str] = "leader_of"

    def __post_init__(self) -> None:
        _check_partition(self.topic, self.partition)

    def __str__(self) -> str:
        return f"leader_of({self.topic}, {self.partition})"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:
        """Choose now."""
        leader = roles.leader(self.topic, self.partition)
        why = f"leader of {self.topic}/{self.partition} at injection; {_situation(roles, self)}"
        return Resolution((_known(leader, stack),), why)


@dataclass(frozen=True, slots=True)
class FollowerOf:
    """One follower of one partition, counted from 0 in the order of the assignment."""

    topic: str
    partition: int
    index: int = 0
    verb: ClassVar[str] = "follower_of"

    def __post_init__(self) -> None:
        _check_partition(self.topic, self.partition)
        if self.index < 0:
            raise BadInput(f"follower_of got index={self.index}", fix="count followers from 0")

    def __str__(self) -> str:
        return f"follower_of({self.topic}, {self.partition}, {self.index})"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:
        """Choose now."""
        followers = followers_of(roles, self.topic, self.partition)
        if self.index >= len(followers):
            raise BadInput(
                f"{self.topic}/{self.partition} has no follower {self.index}",
                why=f"its followers are {_listed(followers)}",
                fix=f"use an index below {len(followers)}",
            )
        why = (
            f"follower {self.index} of {self.topic}/{self.partition} at injection; {_situation(roles, self)}"
        )
        return Resolution((_known(followers[self.index], stack),), why)


@dataclass(frozen=True, slots=True)
class Controller:
    """The active controller."""

    verb: ClassVar[str] = "controller"

    def __str__(self) -> str:
        return "controller()"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:
        """Choose now."""
        why = f"active controller at injection; brokers {_listed(roles.brokers())}"
        return Resolution((_known(roles.controller(), stack),), why)


@dataclass(frozen=True, slots=True)
class CoordinatorOf:
    """The coordinator of a consumer group."""

    group: str
    verb: ClassVar[str] = "coordinator_of"

    def __str__(self) -> str:
        return f"coordinator_of({self.group})"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:
        """Choose now."""
        why = f"coordinator of group {self.group} at injection; {_controller_words(roles)}"
        return Resolution((_known(roles.coordinator(self.group), stack),), why)


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker by name, or by its number counted from 1 in the order of the names."""

    which: str | int
    verb: ClassVar[str] = "broker"

    def __str__(self) -> str:
        return f"broker({self.which})"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:  # noqa: ARG002 - one shape for all
        """Choose now."""
        brokers = roles.brokers()
        if isinstance(self.which, str):
            if self.which not in brokers:
                raise unknown_name("broker", self.which, brokers)
            return Resolution((self.which,), f"named by the scenario; {_controller_words(roles)}")
        if not 1 <= self.which <= len(brokers):
            raise BadInput(f"there is no broker {self.which}", fix=f"use 1 to {len(brokers)}")
        why = f"broker {self.which} of {len(brokers)} by name; {_controller_words(roles)}"
        return Resolution((brokers[self.which - 1],), why)


@dataclass(frozen=True, slots=True)
class AllBrokers:
    """Every broker of the stack."""

    verb: ClassVar[str] = "all_brokers"

    def __str__(self) -> str:
        return "all_brokers()"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:  # noqa: ARG002 - one shape for all
        """Choose now."""
        return Resolution(roles.brokers(), f"every broker; {_controller_words(roles)}")


@dataclass(frozen=True, slots=True)
class Clients:
    """Every node that drives load."""

    verb: ClassVar[str] = "clients"

    def __str__(self) -> str:
        return "clients()"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:  # noqa: ARG002 - one shape for all
        """Choose now."""
        nodes = nodes_with_role(stack, "load")
        if not nodes:
            raise BadInput("the stack has no load nodes", fix="choose brokers, or a stack with a load node")
        return Resolution(nodes, "every node that drives load")


@dataclass(frozen=True, slots=True)
class AnotherBrokerThan:
    """The first running broker by name that *other* does not choose."""

    other: Selector
    verb: ClassVar[str] = "another_broker_than"

    def __str__(self) -> str:
        return f"another_broker_than({self.other})"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:
        """Choose now."""
        taken = self.other.pick(roles, stack)
        left = [name for name in roles.brokers() if name not in taken.nodes and _runs(name, stack)]
        if not left:
            raise BadInput(f"no running broker is left besides {_listed(taken.nodes)}")
        why = f"first running broker that is not {_listed(taken.nodes)} ({taken.why})"
        return Resolution((left[0],), why)


@dataclass(frozen=True, slots=True)
class Together:
    """The nodes of several selectors as one target."""

    members: tuple[Selector, ...]
    verb: ClassVar[str] = "together"

    def __post_init__(self) -> None:
        if not self.members:
            raise BadInput("together() got no selector", fix="give at least one")

    def __str__(self) -> str:
        return f"together({', '.join(str(member) for member in self.members)})"

    def pick(self, roles: Roles, stack: Stack) -> Resolution:
        """Choose now."""
        picked = [member.pick(roles, stack) for member in self.members]
        nodes = dict.fromkeys(name for one in picked for name in one.nodes)
        why = "; and ".join(f"{_listed(one.nodes)}: {one.why}" for one in picked)
        return Resolution(tuple(nodes), why)


def leader_of(topic: str, partition: int) -> Selector:
    """The leader of *topic*/*partition*."""
    return LeaderOf(topic, partition)


def follower_of(topic: str, partition: int, index: int = 0) -> Selector:
    """Follower *index*, from 0, of *topic*/*partition*."""
    return FollowerOf(topic, partition, index)


def controller() -> Selector:
    """The active controller."""
    return Controller()


def coordinator_of(group: str) -> Selector:
    """The coordinator of consumer group *group*."""
    return CoordinatorOf(group)


def broker(which: int | str) -> Selector:
    """A broker by name, or by number counted from 1."""
    return Broker(which)


def all_brokers() -> Selector:
    """Every broker."""
    return AllBrokers()


def clients() -> Selector:
    """Every node that drives load."""
    return Clients()


def another_broker_than(other: Selector | str) -> Selector:
    """A running broker, the first by name, that *other* (a selector or a broker's name) is not."""
    return AnotherBrokerThan(Broker(other) if isinstance(other, str) else other)


def together(*members: Selector) -> Selector:
    """All nodes that any of *members* chooses, each once."""
    return Together(members)


def resolve(selector: Selector, roles: Roles, stack: Stack) -> Resolution:
    """The nodes *selector* means now.

    Raises:
        BadInput: a name that does not exist, with the nearest one that does.
        StackError: the cluster does not answer.
    """
    return selector.pick(roles, stack)


def followers_of(roles: Roles, topic: str, partition: int) -> tuple[str, ...]:
    """The replicas of a partition without its present leader, in the order of the assignment."""
    leader = roles.leader(topic, partition)
    return tuple(name for name in roles.replicas(topic, partition) if name != leader)


def nodes_with_role(stack: Stack, role: str) -> tuple[str, ...]:
    """The names of the nodes with *role*, in the order of the stack."""
    return tuple(name for name, node in stack.nodes.items() if node.role == role)


def _check_partition(topic: str, partition: int) -> None:
    if not topic or partition < 0:
        raise BadInput(f"there is no partition {topic!r}/{partition}", fix="name a topic and count from 0")


def _known(name: str, stack: Stack) -> str:
    if name not in stack.nodes:
        raise unknown_name("node", name, stack.nodes)
    return name


def _runs(name: str, stack: Stack) -> bool:
    return name in stack.services and stack.services[name].process.is_alive()


def _situation(roles: Roles, place: LeaderOf | FollowerOf) -> str:
    in_sync = _listed(roles.in_sync(place.topic, place.partition))
    return f"ISR {in_sync}; {_controller_words(roles)}"


def _controller_words(roles: Roles) -> str:
    # Who controls is only part of the reason: a quorum without a leader must not stop the fault.
    try:
        return f"controller is {roles.controller()}"
    except StackError as error:
        return f"controller not known ({error.what})"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
