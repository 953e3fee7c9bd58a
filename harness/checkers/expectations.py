"""How long each kind of fault should keep producers waiting, from the live configuration.

The expectation is an upper bound on the time from injection until every
partition acknowledges again, with acks=all, as a sum of named settings. Where
it comes from, by kind:

* A broker that dies or goes silent stalls *every* partition it replicates: it
  stays in the ISR until the controller fences it, a session timeout after its
  last heartbeat. The controller looks every heartbeat interval.
* A controller that dies is replaced first, and the new one gives every broker
  a fresh session.
* With ZooKeeper it is ZooKeeper's session that runs out, the controller's too.
* A broker that stops cleanly hands its leaderships over within a heartbeat.
* A request that is under way to a silent leader dies with the client's request
  timeout, or gets through when the leader is back, whichever comes first. TCP doubles
  its interval between two tries (RFC 6298, 5.5), so the next try may come as much
  after the healing as the cut was long.
* A broker cut off from its followers or from its clients alone keeps its
  session, so nothing fails over: its partitions wait for the healing.
* When fewer replicas are left than ``min.insync.replicas``, writes wait for the healing.
* A broker that is hindered (lossy or slow cable, starved) may lose its session like a silent
  one, or keep it and serve too slowly until the healing. A delay alone costs no session.
* A broker whose disk takes no more halts, and is fenced like a dead one; one that lives on
  refuses until the healing. So the later of both is expected.
* A fault that touches neither a broker nor the way of producers to one costs them nothing.

After a healing the broker's next heartbeat and the client's back-off pass
before the first acknowledgement. Defaults are those of Kafka 3.5 and librdkafka 2,
used for a setting that the cluster did not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

_DEFAULT_MS = {
    "broker.session.timeout.ms": 9_000,
    "broker.heartbeat.interval.ms": 2_000,
    "zookeeper.session.timeout.ms": 18_000,
    "controller.quorum.fetch.timeout.ms": 2_000,
    "controller.quorum.election.timeout.ms": 1_000,
    "controller.quorum.election.backoff.max.ms": 1_000,
    "client.request.timeout.ms": 30_000,
    "client.socket.timeout.ms": 60_000,
    "client.retry.backoff.max.ms": 1_000,
    "client.reconnect.backoff.max.ms": 10_000,
}

_SESSION = ("broker.session.timeout.ms", "broker.heartbeat.interval.ms")
_ELECTION = (
    "controller.quorum.fetch.timeout.ms",
    "controller.quorum.election.timeout.ms",
    "controller.quorum.election.backoff.max.ms",
)
_IN_ZOOKEEPER = ("zookeeper.session.timeout.ms",)
"""What runs out when a broker dies that keeps its metadata in ZooKeeper, the controller's own session too."""

_RESUME = ("broker.heartbeat.interval.ms", "client.retry.backoff.max.ms")
_REJOIN = (*_RESUME, "client.reconnect.backoff.max.ms")


_PRESENT = frozenset({"loss", "bandwidth", "starve", "latency"})
"""Kinds that hinder a broker and leave it there."""

LIKE = {
    **dict.fromkeys(("pod_delete", "image_missing", "out_of_memory"), "kill"),
    **dict.fromkeys(("machine_stop", "machine_reboot"), "kill"),
    **dict.fromkeys(("drain", "rolling_update"), "terminate"),
    **dict.fromkeys(("machine_pause", "network_policy"), "pause"),
    "unlisted": "latency",
    "cpu_limit": "starve",
}
"""Kinds that an orchestrator makes, and the kind that brokers and clients take each for."""

_HINDERING = frozenset({"loss", "bandwidth", "starve", "disk_full", "disk_read_only"})
_KNOWN = frozenset({"kill", "terminate", "pause", "partition"}) | _PRESENT | _HINDERING


@dataclass(frozen=True, slots=True)
class Impact:
    """What an expectation depends on, of one fault or of several in force together.

    ``touches`` is "brokers" when the target is a broker or the way to one, else "others";
    ``leads`` is whether the target led partitions of the load's topic, ``held_s`` how long the
    fault was in force, ``down`` how many brokers were away at once.
    """

    kind: str
    scope: str
    leads: bool
    controls: bool
    held_s: float
    down: int
    replication: int
    touches: str = "brokers"


@dataclass(frozen=True, slots=True)
class Expected:
    """Seconds until every partition acknowledges again, and from which settings."""

    seconds: float
    why: str

    def __add__(self, other: Expected) -> Expected:
        return Expected(self.seconds + other.seconds, " + ".join(w for w in (self.why, other.why) if w))


def expected(impact: Impact, effective: Mapping[str, str]) -> Expected | None:
    """The expectation for *impact* under the *effective* settings; None for a kind it does not know."""
    if impact.touches == "others":
        return Expected(0.0, "the fault touches no broker and no producer's way to one")
    impact = replace(impact, kind=LIKE.get(impact.kind, impact.kind))
    if impact.kind not in _KNOWN:
        return None
    quorum = impact.controls and not _in_zookeeper(effective)
    election = _sum(effective, *_ELECTION) if quorum else _NOTHING
    if _starves_writes(impact, effective):
        return _held(impact) + _sum(effective, *_RESUME) + election
    if impact.kind in _HINDERING:
        return _hindered(impact, effective, election)
    return _of_one_broker(impact, effective, election)


def _of_one_broker(impact: Impact, effective: Mapping[str, str], election: Expected) -> Expected:
    """The expectation while enough brokers are left to write to."""
    match impact.kind:
        case "latency":
            return _held(impact) + _sum(effective, *_RESUME)
        case "terminate":
            return _sum(effective, *_RESUME) + election
        case "kill":
            return election + _sum(effective, *_session(effective))
    return _silenced(impact, effective, election)


def _silenced(impact: Impact, effective: Mapping[str, str], election: Expected) -> Expected:
    """A target that runs on, paused or cut off from somebody."""
    if impact.scope == "clients":
        freed = max(_held(impact), _freed(impact, effective), key=lambda each: each.seconds)
        return freed + _sum(effective, *_REJOIN)
    if impact.scope == "followers":
        return _held(impact) + _sum(effective, *_RESUME) + election
    return _unheard(impact, effective, election)


def _hindered(impact: Impact, effective: Mapping[str, str], election: Expected) -> Expected:
    """A broker that serves badly or not at all, with or without its session."""
    fenced = election + _sum(effective, *_session(effective))
    waited = max(_held(impact), _freed(impact, effective), key=lambda each: each.seconds)
    return max(fenced, waited + _sum(effective, *_REJOIN), key=lambda each: each.seconds)


def _unheard(impact: Impact, effective: Mapping[str, str], election: Expected) -> Expected:
    """A broker that is there but not heard: paused, or cut off from the other brokers."""
    fenced = election + _sum(effective, *_session(effective))
    if not impact.leads:
        return fenced
    freed = _freed(impact, effective)
    # The client comes back to a leader only once there is a new one, or the old one is back.
    return max(fenced, freed + _sum(effective, *_RESUME), key=lambda each: each.seconds)


def _freed(impact: Impact, effective: Mapping[str, str]) -> Expected:
    """Until a request under way to a silent leader is answered or given up."""
    words = f"TCP tries again within twice the {impact.held_s:.1f} s in force"
    tried_again = Expected(2 * impact.held_s, words)
    return min(tried_again, _sum(effective, _client_timeout(effective)), key=lambda each: each.seconds)


def _starves_writes(impact: Impact, effective: Mapping[str, str]) -> bool:
    if impact.kind in _PRESENT or (impact.kind == "partition" and impact.scope in {"clients", "followers"}):
        return False
    least = int(effective.get("topic.min.insync.replicas") or effective.get("min.insync.replicas") or 1)
    return impact.replication - impact.down < min(least, impact.replication)


def _session(effective: Mapping[str, str]) -> tuple[str, ...]:
    return _IN_ZOOKEEPER if _in_zookeeper(effective) else _SESSION


def _in_zookeeper(effective: Mapping[str, str]) -> bool:
    return effective.get("zookeeper.connect", "None") not in {"", "None"}


def _client_timeout(effective: Mapping[str, str]) -> str:
    # librdkafka gives a request up at whichever of the two is shorter.
    names = ("client.request.timeout.ms", "client.socket.timeout.ms")
    return min(names, key=lambda name: _millis(effective, name))


def _held(impact: Impact) -> Expected:
    return Expected(impact.held_s, f"in force for {impact.held_s:.1f} s")


def _sum(effective: Mapping[str, str], *names: str) -> Expected:
    total = sum(_millis(effective, name) for name in names) / 1000
    return Expected(total, " + ".join(f"{name} {_millis(effective, name) / 1000:g} s" for name in names))


def _millis(effective: Mapping[str, str], name: str) -> float:
    told = effective.get(name, "")
    return float(told) if told.replace(".", "", 1).isdigit() else float(_DEFAULT_MS[name])


_NOTHING = Expected(0.0, "")
