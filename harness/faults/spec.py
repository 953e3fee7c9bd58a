"""What a fault is, as plain data: asked for by a scenario, saved in a schedule, shown by a rehearsal.

The constructors are named for the effect. A spec knows no mechanism and no
platform; nothing happens until an ``Injector`` gets it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from harness.errors import BadInput, unknown_name
from harness.faults.kinds import WITH_PEERS, Kind, Parameter, check_parameters
from harness.faults.selector_json import Json, selector_from_json, selector_to_json
from harness.faults.selectors import (
    LeaderOf,
    Resolution,
    Selector,
    followers_of,
    nodes_with_role,
    resolve,
)
from harness.stack.seams import Roles, Stack

Scope: TypeAlias = Literal["followers", "clients", "brokers", "everyone"]
Direction: TypeAlias = Literal["both", "in", "out"]
How: TypeAlias = Literal["drop", "reset"]
Peers: TypeAlias = Scope | Selector

_WAYS: dict[Direction, str] = {"both": "", "in": ", inbound only", "out": ", outbound only"}


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One fault.

    ``peers`` and ``direction`` are for partitions and losses, ``how`` for partitions, ``wipe`` for
    kills; which kind takes which of the numbers stands in ``harness.faults.kinds``.
    ``direction`` is seen from the target: "in" loses what the target should receive.
    """

    kind: Kind
    target: Selector
    peers: Peers | None = None
    direction: Direction = "both"
    how: How = "drop"
    wipe: bool = False
    share: float | None = None
    to_mbit: float | None = None
    ms: float | None = None
    status: int | None = None
    bytes_per_s: int | None = None
    grace_s: float | None = None
    milli: int | None = None

    def __post_init__(self) -> None:
        _one_of("fault", self.kind, get_args(Kind))
        _one_of("direction", self.direction, get_args(Direction))
        _one_of("way to cut", self.how, get_args(How))
        _check_peers(self)
        check_parameters(self.kind, self.numbers)

    @property
    def numbers(self) -> dict[str, float | None]:
        """The parameters that are numbers, by name; None where none was given."""
        return {
            "share": self.share,
            "to_mbit": self.to_mbit,
            "ms": self.ms,
            "status": self.status,
            "bytes_per_s": self.bytes_per_s,
            "grace_s": self.grace_s,
            "milli": self.milli,
        }

    @property
    def name(self) -> str:
        """The fault in words, with roles rather than nodes."""
        if self.kind in _WORDS:
            return _WORDS[self.kind](self)
        if self.kind != "partition":
            return f"{self.kind}{' and wipe' if self.wipe else ''} {self.target}"
        reset = ", with resets" if self.how == "reset" else ""
        if self.peers == "everyone":
            return f"isolate {self.target}{_WAYS[self.direction]}{reset}"
        return f"partition {self.target} from {self.peers}{_WAYS[self.direction]}{reset}"

    @property
    def traits(self) -> dict[str, str]:
        """What recovery expectations need to know beside the kind."""
        if self.kind == "kill":
            return {"data": "wiped" if self.wipe else "kept"}
        numbers = {name: f"{value:g}" for name, value in self.numbers.items() if value is not None}
        if self.kind not in WITH_PEERS:
            return dict(numbers)
        scope = self.peers if isinstance(self.peers, str) else "nodes"
        way = {"how": self.how} if self.kind == "partition" else {}
        return {"scope": scope, "direction": self.direction, **way, **numbers}

    def to_json(self) -> dict[str, Json]:
        """The spec as JSON; ``from_json`` gives an equal one back."""
        return {
            "kind": self.kind,
            "target": selector_to_json(self.target),
            "peers": _peers_to_json(self.peers),
            "direction": self.direction,
            "how": self.how,
            "wipe": self.wipe,
            **{name: value for name, value in self.numbers.items() if value is not None},
        }

    @classmethod
    def from_json(cls, value: object) -> FaultSpec:
        """The spec that ``to_json`` wrote.

        Raises:
            BadInput: it is none; shows the offending value.
        """
        if not isinstance(value, Mapping) or "kind" not in value or "target" not in value:
            raise BadInput(f"expected a fault but got {value!r}", fix='give it "kind" and "target"')
        known = ("kind", "target", "peers", "direction", "how", "wipe", *get_args(Parameter))
        for key in value:
            _one_of("key of a fault", key, known)
        return cls(
            kind=value["kind"],
            target=selector_from_json(value["target"]),
            peers=_peers_from_json(value.get("peers")),
            direction=value.get("direction", "both"),
            how=value.get("how", "drop"),
            wipe=_flag(value.get("wipe", False)),
            **{name: value[name] for name in get_args(Parameter) if name in value},
        )


def kill(target: Selector, *, wipe: bool = False) -> FaultSpec:
    """SIGKILL the target; healed by starting it again, with *wipe* on an empty disk."""
    return FaultSpec("kill", target, wipe=wipe)


def terminate(target: Selector) -> FaultSpec:
    """SIGTERM the target and wait until it ended; healed by starting it again."""
    return FaultSpec("terminate", target)


def pause(target: Selector) -> FaultSpec:
    """SIGSTOP the target; healed by SIGCONT."""
    return FaultSpec("pause", target)


def partition(
    target: Selector, peers: Peers, *, direction: Direction = "both", how: How = "drop"
) -> FaultSpec:
    """Cut the target off from *peers*: a selector, or "followers", "clients", "brokers", "everyone".

    "followers" needs ``leader_of(…)`` as the target. Over a one-way cut no TCP connection can be
    opened in either direction; what was connected before goes on in the other one.
    """
    return FaultSpec("partition", target, peers, direction=direction, how=how)


def isolate(target: Selector) -> FaultSpec:
    """Cut the target off from every other node."""
    return partition(target, "everyone")


def split(group_a: Selector, group_b: Selector) -> FaultSpec:
    """Cut every node of one group off from every node of the other."""
    return partition(group_a, group_b)


def resolve_peers(spec: FaultSpec, target: Resolution, roles: Roles, stack: Stack) -> tuple[str, ...]:
    """The nodes that *target*, the resolved target of *spec*, is to be cut off from.

    Raises:
        BadInput: there is none, or a node would be cut off from itself.
    """
    peers = spec.peers
    assert peers is not None, spec
    if isinstance(peers, str):
        named = _scope(spec, peers, roles, stack)
        chosen = tuple(name for name in named if name not in target.nodes)
    else:
        chosen = resolve(peers, roles, stack).nodes
    if shared := sorted(set(chosen) & set(target.nodes)):
        fix = "choose two separate groups"
        raise BadInput(f"{', '.join(shared)} would be cut off from itself", why=spec.name, fix=fix)
    if not chosen:
        raise BadInput(f"{', '.join(target.nodes)} has no {peers} to be cut off from", why=spec.name)
    return chosen


def _scope(spec: FaultSpec, scope: Scope, roles: Roles, stack: Stack) -> tuple[str, ...]:
    match scope:
        case "followers":
            assert isinstance(spec.target, LeaderOf), spec
            return followers_of(roles, spec.target.topic, spec.target.partition)
        case "clients":
            return nodes_with_role(stack, "load")
        case "brokers":
            return roles.brokers()
        case "everyone":
            return tuple(stack.nodes)


def _check_peers(spec: FaultSpec) -> None:
    if spec.wipe and spec.kind != "kill":
        raise BadInput(f"a {spec.kind} cannot wipe data", fix="use kill(target, wipe=True)")
    if spec.kind not in WITH_PEERS:
        if spec.peers is not None or spec.direction != "both" or spec.how != "drop":
            raise BadInput(f"a {spec.kind} has no peers, direction or way to cut")
        return
    if spec.kind == "loss" and spec.how != "drop":
        raise BadInput("a loss has no way to cut", fix='use partition(…, how="reset")')
    if spec.peers is None:
        raise BadInput(
            f"a {spec.kind} needs peers", fix=f"a selector or one of: {', '.join(get_args(Scope))}"
        )
    if isinstance(spec.peers, str):
        _one_of("group of peers", spec.peers, get_args(Scope))
    if spec.peers == "followers" and not isinstance(spec.target, LeaderOf):
        raise BadInput(f"{spec.target} has no followers", fix='use leader_of("topic", partition)')


def _one_of(kind: str, given: object, known: tuple[str, ...]) -> None:
    if given not in known:
        raise unknown_name(kind, str(given), known)


def _peers_to_json(peers: Peers | None) -> Json:
    return peers if peers is None or isinstance(peers, str) else selector_to_json(peers)


def _peers_from_json(value: object) -> Peers | None:
    if value is None:
        return None
    if isinstance(value, str):
        _one_of("group of peers", value, get_args(Scope))
        return value  # type: ignore[return-value] # just checked to be a Scope
    return selector_from_json(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise BadInput(f"expected wipe to be true or false but got {value!r}")
    return value


def _loss_words(spec: FaultSpec) -> str:
    between = "" if spec.peers == "everyone" else f" and {spec.peers}"
    return f"lose {_percent(spec.share)} of the packets of {spec.target}{between}{_WAYS[spec.direction]}"


def _slow_words(spec: FaultSpec) -> str:
    rate = "" if spec.bytes_per_s is None else f", {spec.bytes_per_s} bytes/s"
    return f"{spec.target} answers after {spec.ms:g} ms{rate}"


def _grace(spec: FaultSpec) -> str:
    return f" with {spec.grace_s:g} s of grace" if spec.grace_s else ""


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0):g} %"


_WORDS: dict[Kind, Callable[[FaultSpec], str]] = {
    "bandwidth": lambda spec: f"limit {spec.target} to {spec.to_mbit:g} Mbit/s",
    "loss": _loss_words,
    "latency": lambda spec: f"delay {spec.target} by {spec.ms:g} ms",
    "disk_full": lambda spec: f"fill the disk of {spec.target}",
    "disk_read_only": lambda spec: f"make the disk of {spec.target} read-only",
    "starve": lambda spec: f"starve {spec.target} to {_percent(spec.share)} of its processor time",
    "s3_refuse": lambda spec: f"{spec.target} refuses {_percent(spec.share)} of requests with {spec.status}",
    "s3_slow": _slow_words,
    "s3_truncate": lambda spec: f"{spec.target} cuts off {_percent(spec.share)} of its answers",
    "s3_hang": lambda spec: f"{spec.target} does not answer",
    "pod_delete": lambda spec: f"delete the pod {spec.target}{_grace(spec)}",
    "drain": lambda spec: f"drain {spec.target}",
    "rolling_update": lambda spec: f"roll {spec.target}",
    "image_missing": lambda spec: f"lose the image of {spec.target}",
    "unlisted": lambda spec: f"take the endpoints of {spec.target} away",
    "network_policy": lambda spec: f"deny {spec.target} every connection",
    "cpu_limit": lambda spec: f"limit {spec.target} to {spec.milli} thousandths of a processor",
    "out_of_memory": lambda spec: f"fill the memory of {spec.target}",
    "reconciliation_paused": lambda spec: f"pause the reconciliation of {spec.target}",
    "machine_stop": lambda spec: f"stop {spec.target}",
    "machine_pause": lambda spec: f"pause {spec.target}",
    "machine_reboot": lambda spec: f"reboot {spec.target}",
}
