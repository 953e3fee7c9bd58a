"""What cuts nodes apart: nftables set elements with a timeout, for each node its transactions.

Every affected node holds one table ``inet harness``: four sets of peer addresses
(what to do × which direction) and two base chains that look them up. Loopback is
never cut. A cut of A from B stands at A's end alone, for both directions: one
transaction in one kernel, so there is no instant at which half of it is in force.

Who renews them, and for how long they last: ``harness.faults.leases``.

A loss is a cut by chance: one more set for each share, looked up by a chain of its
own. It stands where packets come in, at either end; dropped on its way out a
packet is no loss, for the sender is told and sends it again at once.

A port behind a proxy is one more set too, of the peers that are led to it; see
``harness.faults.redirect``. So is a rate, of the peers that share it: ``harness.faults.policing``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.errors import FaultError, MissingAbility
from harness.faults import policing, redirect
from harness.faults.spec import Direction, How
from harness.stack.running import run_at
from harness.stack.seams import Node

TABLE = "inet harness"
_NFT_SECONDS = 5.0
_FROM_INPUT = ("nft", "-f", "-")

SetName: TypeAlias = str
"""drop_in, drop_out, reset_in, reset_out; loss_N: lose N of a thousand packets that come in; via_PORT_PROXY:
lead who connects to PORT to PROXY; rate_N: let pass N kilobits a second."""

_SETS: dict[tuple[How, Direction], tuple[SetName, ...]] = {
    ("drop", "both"): ("drop_in", "drop_out"),
    ("drop", "in"): ("drop_in",),
    ("drop", "out"): ("drop_out",),
    ("reset", "both"): ("reset_in", "reset_out"),
    ("reset", "in"): ("reset_in",),
    ("reset", "out"): ("reset_out",),
}

# Both parts may be sent again at any time: the chains are flushed before the rules are added.
_FRAME = """\
add table inet harness
add set inet harness drop_in { type ipv4_addr; flags timeout; }
add set inet harness drop_out { type ipv4_addr; flags timeout; }
add set inet harness reset_in { type ipv4_addr; flags timeout; }
add set inet harness reset_out { type ipv4_addr; flags timeout; }
"""
# A reset is a packet too: those to a peer pass, or the rejection of its packets would be dropped on
# its way out; those to this node itself come over loopback.
_CHAINS = """\
add chain inet harness input { type filter hook input priority -300; policy accept; }
add chain inet harness output { type filter hook output priority -300; policy accept; }
flush chain inet harness input
flush chain inet harness output
add rule inet harness input iifname "lo" accept
add rule inet harness input ip saddr @drop_in counter drop
add rule inet harness input ip saddr @reset_in meta l4proto tcp counter reject with tcp reset
add rule inet harness output oifname "lo" accept
add rule inet harness output ip daddr @drop_out counter drop
add rule inet harness output ip daddr @reset_out tcp flags & rst == rst accept
add rule inet harness output ip daddr @reset_out meta l4proto tcp counter reject with tcp reset
"""

_LOSS = "loss_"
_THOUSAND = 1_000
_MORE = "add set inet harness {name} {{ type ipv4_addr; flags timeout; }}\n"
"""A set for which there is a chain of its own."""

# The first counter is of packets that met the chance, the second of those that it took.
_LOSS_CHAINS = """\
add chain inet harness {name}_input {{ type filter hook input priority -299; policy accept; }}
flush chain inet harness {name}_input
add rule inet harness {name}_input ip saddr @{name} counter numgen random mod 1000 < {number} counter drop
"""


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """One set element: at *node*, the packets from or to *address* that *set_name* stands for."""

    node: str
    set_name: SetName
    address: str


@dataclass(frozen=True, slots=True)
class Script:
    """One nft transaction in one node's network."""

    at: Node
    text: str

    @property
    def node(self) -> str:
        """The node's name."""
        return self.at.name

    def __str__(self) -> str:
        return f"{' '.join(self.at.enter(_FROM_INPUT))} <<'EOF'\n{self.text}EOF"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a node's kernel holds: blocks in force, and per set, since the last install, packets lost.

    ``met`` counts those that met a chance of being lost; ``vias`` are the sets, empty or not, of ports behind
    a proxy, and what these "lose" are the connections that were led to it; ``flows`` is what met a rate, by
    chain.
    """

    blocks: frozenset[Block]
    lost: Mapping[str, int]
    met: Mapping[str, int] = field(default_factory=dict)
    vias: frozenset[SetName] = frozenset()
    flows: Mapping[str, policing.Flow] = field(default_factory=dict)


def blocks_at(node: Node, peers: Iterable[Node], direction: Direction, how: How) -> tuple[Block, ...]:
    """The blocks at *node*'s end that cut it off from *peers*."""
    names = _SETS[how, direction]
    return tuple(Block(node.name, name, peer.address) for peer in peers for name in names)


def losses_at(node: Node, peers: Iterable[Node], share: float) -> tuple[Block, ...]:
    """The blocks at *node* that lose *share* of what *peers* send it."""
    name = f"{_LOSS}{round(share * _THOUSAND)}"
    return tuple(Block(node.name, name, peer.address) for peer in peers)


def vias_at(node: Node, peers: Iterable[Node], proxies: Mapping[int, int]) -> tuple[Block, ...]:
    """The blocks at *node* that lead *peers* to its *proxies* (port → proxy's port), not to its ports."""
    names = [redirect.via(port, proxy) for port, proxy in proxies.items()]
    return tuple(Block(node.name, name, peer.address) for peer in peers for name in names)


def install_scripts(nodes: Mapping[str, Node], blocks: Iterable[Block], lease: int) -> tuple[Script, ...]:
    """The transactions that put *blocks* in force for one lease, one for each affected node."""
    return _scripts(nodes, blocks, lambda own: _frame(own) + _chains(own) + _adding(own, lease))


def lease_scripts(nodes: Mapping[str, Node], blocks: Iterable[Block], lease: int) -> tuple[Script, ...]:
    """The transactions that give *blocks* a full lease again."""
    # Adding an element that exists keeps its old expiry, deleting one that does not is an error:
    # add, delete, add is right in both cases, and the packets see only the end of the transaction.
    return _scripts(nodes, blocks, lambda own: _adding(own, lease) + _deleting(own) + _adding(own, lease))


def lift_scripts(nodes: Mapping[str, Node], blocks: Iterable[Block], lease: int) -> tuple[Script, ...]:
    """The transactions that end *blocks*, whether they are still in force or not."""
    return _scripts(nodes, blocks, lambda own: _frame(own) + _adding(own, lease) + _deleting(own))


def clear_scripts(nodes: Mapping[str, Node], blocks: Iterable[Block]) -> tuple[Script, ...]:
    """The transactions after which no rule of the ports behind a proxy that *blocks* name is left."""
    return _scripts(nodes, blocks, lambda own: _frame(own) + _each(redirect.removal, own, redirect.VIA))


def run_scripts(scripts: Iterable[Script]) -> None:
    """Run one transaction for each node, all at once.

    Raises:
        FaultError: a kernel refused; the other transactions may be in force.
        MissingAbility: there is no nft here.
    """
    every = list(scripts)
    with ThreadPoolExecutor(max(len(every), 1), thread_name_prefix="nft") as pool:
        told = list(pool.map(_refusal, every))
    refused = [(script, words) for script, words in zip(every, told, strict=True) if words]
    if refused:
        script, words = refused[0]
        raise FaultError(f"nft refused at {script.node}", why=words, fix="harness doctor")


def standing(node: Node) -> Standing:
    """What the kernel of *node* holds now.

    Raises:
        FaultError: it could not be asked.
    """
    # The whole ruleset: asking for a table that was never made is an error.
    try:
        done = run_at(node, ["nft", "-j", "list", "ruleset", "inet"], seconds=_NFT_SECONDS)
    except MissingAbility as error:
        raise FaultError(f"nft could not be asked at {node.name}", why=error.what) from error
    if done.rc:
        raise FaultError(f"nft did not answer at {node.name}", why=done.err, fix="harness doctor")
    return parse_table(node.name, done.out)


def parse_table(node: str, text: str) -> Standing:
    """The answer of ``nft -j list table`` as a ``Standing``."""
    blocks: set[Block] = set()
    vias: set[str] = set()
    lost: dict[str, int] = {}
    met: dict[str, int] = {}
    flows: dict[str, policing.Flow] = {}
    for item in json.loads(text)["nftables"]:
        if "set" in item:
            name = item["set"]["name"]
            blocks |= {Block(node, name, e["elem"]["val"]) for e in item["set"].get("elem", ())}
            vias |= {name} if name.startswith(redirect.VIA) else set()
        if "rule" in item and (flow := policing.flow_of(item["rule"])):
            flows |= flow
        elif "rule" in item:
            for name, (first, last) in _counted(item["rule"]["expr"]).items():
                lost[name] = last
                met |= {name: first} if name.startswith(_LOSS) else {}
    return Standing(frozenset(blocks), lost, met, frozenset(vias), flows)


def _counted(expressions: list[dict[str, dict[str, object]]]) -> dict[str, tuple[int, int]]:
    """The set a counting rule looks up, and its first and last counts; empty for the other rules."""
    rights = [str(part["match"]["right"]) for part in expressions if "match" in part]
    counts = [int(str(part["counter"]["packets"])) for part in expressions if "counter" in part]
    sets = [right.removeprefix("@") for right in rights if right.startswith("@")]
    return {name: (counts[0], counts[-1]) for name in sets if counts}


def _scripts(
    nodes: Mapping[str, Node], blocks: Iterable[Block], text_for: Callable[[list[Block]], str]
) -> tuple[Script, ...]:
    by_node: dict[str, list[Block]] = {}
    for block in sorted(blocks):
        by_node.setdefault(block.node, []).append(block)
    return tuple(Script(nodes[name], text_for(own)) for name, own in by_node.items())


def _frame(blocks: list[Block]) -> str:
    own = (_each(_set_of, blocks, prefix) for prefix in (_LOSS, policing.RATE, redirect.VIA))
    return _FRAME + "".join(own)


def _set_of(name: SetName) -> str:
    return _MORE.format(name=name)


def _chains(blocks: list[Block]) -> str:
    losses = _each(
        lambda name: _LOSS_CHAINS.format(name=name, number=name.removeprefix(_LOSS)), blocks, _LOSS
    )
    rates = _each(policing.chains, blocks, policing.RATE)
    return _CHAINS + losses + rates + _each(redirect.chains, blocks, redirect.VIA)


def _each(text_for: Callable[[SetName], str], blocks: Iterable[Block], prefix: str) -> str:
    names = {block.set_name for block in blocks if block.set_name.startswith(prefix)}
    return "".join(text_for(name) for name in sorted(names))


def _adding(blocks: Iterable[Block], lease: int) -> str:
    return "".join(
        f"add element {TABLE} {block.set_name} {{ {block.address} timeout {lease}s }}\n" for block in blocks
    )


def _deleting(blocks: Iterable[Block]) -> str:
    return "".join(f"delete element {TABLE} {block.set_name} {{ {block.address} }}\n" for block in blocks)


def _refusal(script: Script) -> str:
    """The words of an nft that failed; empty when it did as told."""
    try:
        done = run_at(script.at, _FROM_INPUT, script.text, seconds=_NFT_SECONDS)
    except FaultError as error:
        return error.why or error.what
    return (done.err.strip() or f"exit code {done.rc}") if done.rc else ""
