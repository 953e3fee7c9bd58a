"""Ports behind a proxy on their own node, as nft text: who connects to the port is led to the proxy.

The set of such a port holds the peers that are led, each for one lease (see
``harness.faults.leases``). For those in it connections that were opened before are
reset, and new ones go to the proxy. For those that are not, or no longer, in it
the proxy refuses: what went through it is reset, and finds the port itself again.
So nothing is left in force by a lease that ran out, whoever is still alive.
"""

from __future__ import annotations

VIA = "via_"

# The node itself comes over loopback and is never led: that is how the proxy gets to the port. Where the
# filter looks, the port of who was led is the proxy's already. The end of a connection must pass, or the
# service would never hear of it.
_CHAINS = """\
add chain inet harness {name}_nat {{ type nat hook prerouting priority -100; policy accept; }}
add chain inet harness {name}_input {{ type filter hook input priority -298; policy accept; }}
flush chain inet harness {name}_nat
flush chain inet harness {name}_input
add rule inet harness {name}_nat iifname "lo" accept
add rule inet harness {name}_nat ip saddr @{name} tcp dport {port} counter redirect to :{proxy}
add rule inet harness {name}_input iifname "lo" accept
add rule inet harness {name}_input tcp flags & rst == rst accept
add rule inet harness {name}_input ip saddr @{name} tcp dport {port} reject with tcp reset
add rule inet harness {name}_input ip saddr != @{name} tcp dport {proxy} reject with tcp reset
"""
_REMOVAL = """\
add chain inet harness {name}_nat {{ type nat hook prerouting priority -100; policy accept; }}
add chain inet harness {name}_input {{ type filter hook input priority -298; policy accept; }}
flush chain inet harness {name}_nat
flush chain inet harness {name}_input
delete chain inet harness {name}_nat
delete chain inet harness {name}_input
delete set inet harness {name}
"""


def via(port: int, proxy: int) -> str:
    """The name of the set of those who are led from *port* to *proxy*."""
    return f"{VIA}{port}_{proxy}"


def chains(name: str) -> str:
    """Its two chains with their rules; may be sent again at any time."""
    port, proxy = name.removeprefix(VIA).split("_")
    return _CHAINS.format(name=name, port=port, proxy=proxy)


def removal(name: str) -> str:
    """What removes all of it, once the set is there."""
    # What is not there cannot be deleted; what is, may be added again.
    return _REMOVAL.format(name=name)
