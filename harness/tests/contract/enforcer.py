"""A test double of a cluster's network that enforces NetworkPolicies: of the kind that forbids a pod all.

Some clusters' networks enforce none, and a fault made of policies must be seen on real packets both ways. The
double reads the policies of a namespace from the API server, and drops what opens a connection at the pods
that they choose, in the kernel, as such networks do: connections that are open stay. It knows only
policies without rules, and fails at any other.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.policies import KIND, VERSION
from harness.stack.seams import Node

_LOOK_S = 0.2
_TABLE = "inet policy_double"
_DROP = f"""\
table {_TABLE} {{
    chain in {{ type filter hook input priority 0; tcp flags & (syn | ack) == syn drop; }}
    chain out {{ type filter hook output priority 0; tcp flags & (syn | ack) == syn drop; }}
}}
"""


@contextmanager
def enforcing(api: Api, nodes: Mapping[str, Node]) -> Iterator[None]:
    """Policies are enforced in the networks of *nodes*, by name of their pod, until the block ends."""
    ended = threading.Event()
    thread = threading.Thread(target=_enforce, args=(api, nodes, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _enforce(api: Api, nodes: Mapping[str, Node], ended: threading.Event) -> None:
    closed: set[str] = set()
    while not ended.wait(_LOOK_S):
        wanted = _chosen(api) & nodes.keys()
        for name in wanted - closed:
            _nft(nodes[name], _DROP)
        for name in closed - wanted:
            _nft(nodes[name], f"delete table {_TABLE}")
        closed = wanted


def _chosen(api: Api) -> set[str]:
    """The pods that a policy forbids everything."""
    specs = [each["spec"] for each in api.every(VERSION, KIND)]
    assert all(spec.keys() == {"podSelector", "policyTypes"} for spec in specs), specs
    labels = {each["metadata"]["name"]: each["metadata"]["labels"] for each in api.every("v1", "Pod")}
    return {
        name
        for name, own in labels.items()
        for spec in specs
        if spec["podSelector"]["matchLabels"].items() <= own.items()
    }


def _nft(node: Node, script: str) -> None:
    subprocess.run(node.enter(["nft", "-f", "-"]), input=script, text=True, check=True)
