"""A way into a cluster from outside: a NodePort for each broker, and a listener that advertises it.

Which port leads to which broker stands in the manifests: a Service of type NodePort that selects one pod by
name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.errors import BadInput
from harness.stack.kubernetes.owned import Manifest

LISTENER = "EXTERNAL"
_POD = "statefulset.kubernetes.io/pod-name"


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where one broker is reached from outside: it listens at *port*, and says that it is at *address*."""

    port: int
    address: str

    def beside(self, properties: Mapping[str, str]) -> dict[str, str]:
        """*properties* of a broker with this entrance beside its own listeners."""
        added = {
            "listeners": f"{LISTENER}://0.0.0.0:{self.port}",
            "advertised.listeners": f"{LISTENER}://{self.address}",
            "listener.security.protocol.map": f"{LISTENER}:PLAINTEXT",
        }
        return dict(properties) | {key: f"{properties[key]},{more}" for key, more in added.items()}


def entrances(manifests: Iterable[Manifest], brokers: Iterable[str], node: str) -> dict[str, Entrance]:
    """The entrance of each of *brokers* at the address *node*.

    Raises:
        BadInput: a broker has none.
    """
    found = {}
    for manifest in manifests:
        spec = manifest.get("spec", {})
        pod = spec.get("selector", {}).get(_POD) if spec.get("type") == "NodePort" else None
        if pod is not None:
            (port,) = spec["ports"]
            found[pod] = Entrance(int(port.get("targetPort", port["port"])), f"{node}:{port['nodePort']}")
    missing = [broker for broker in brokers if broker not in found]
    if missing:
        what = f"nothing leads to {missing[0]} from outside"
        raise BadInput(what, fix=f"add a Service of type NodePort that selects {_POD}={missing[0]}")
    return {broker: found[broker] for broker in brokers}
