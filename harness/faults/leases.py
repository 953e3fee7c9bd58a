"""Every cut of a run: put in force, renewed in short leases, lifted.

Invariant: what is in force outlives its last renewal by at most ``LEASE_SECONDS``,
because the kernel removes it; nothing in user space has to be alive for that. A
renewal that comes too late does not bring a cut back: it counts as lapsed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping

from harness.clock import MONOTONIC, Clock, seconds_between
from harness.errors import FaultError, MissingAbility
from harness.faults import redirect
from harness.faults.nft import Block, Script, install_scripts, lease_scripts, lift_scripts, run_scripts
from harness.stack.seams import Node

LEASE_SECONDS = 5
RENEW_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Cuts:
    """Every cut of a run: installs, renews each second, lifts. Safe to call from any thread.

    Cuts may overlap: a block stays in force until the last cut that holds it is lifted.
    """

    def __init__(
        self,
        nodes: Mapping[str, Node],
        *,
        lease_seconds: int = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
        clock: Clock = MONOTONIC,
    ) -> None:
        self._nodes, self._lease, self._every, self._clock = nodes, lease_seconds, renew_seconds, clock
        self._lock = threading.Lock()
        self._held: dict[int, frozenset[Block]] = {}
        self._renewed: dict[Block, int] = {}
        self._lapsed: set[Block] = set()
        self._closing = threading.Event()
        self._renewer: threading.Thread | None = None

    def install_plan(self, blocks: Iterable[Block]) -> tuple[Script, ...]:
        """What ``install`` runs."""
        return install_scripts(self._nodes, blocks, self._lease)

    def lift_plan(self, blocks: Iterable[Block]) -> tuple[Script, ...]:
        """What ``lift`` runs when no other cut holds the same blocks."""
        return lift_scripts(self._nodes, blocks, self._lease)

    def install(self, holder: int, blocks: Iterable[Block]) -> None:
        """Put *blocks* in force and keep them so until ``lift(holder)``.

        Raises:
            FaultError: a kernel refused; some may be in force until lifted.
        """
        with self._lock:
            self._held[holder] = frozenset(blocks)
            asked = self._clock.now()
            run_scripts(self.install_plan(self._held[holder]))
            self._renewed |= dict.fromkeys(self._held[holder], asked)
            self._lapsed -= self._held[holder]
        self._start_renewer()

    def lift(self, holder: int, blocks: Iterable[Block]) -> None:
        """End *blocks* except those that another cut holds; repeating it is harmless.

        Raises:
            FaultError: a kernel refused; the leases then run out by themselves.
        """
        with self._lock:
            others = (held for other, held in self._held.items() if other != holder)
            free = frozenset(blocks).difference(*others)
            for block in free:
                self._renewed.pop(block, None)
            run_scripts(self.lift_plan(free))
            self._lapsed -= free
            self._held.pop(holder, None)

    def lapsed(self, blocks: Iterable[Block]) -> frozenset[Block]:
        """Those of *blocks* that the kernel ended because no renewal came in time."""
        with self._lock:
            return frozenset(self._lapsed.intersection(blocks))

    def held(self, blocks: Iterable[Block]) -> frozenset[Block]:
        """Those of *blocks* that some cut holds."""
        with self._lock:
            everything: frozenset[Block] = frozenset().union(*self._held.values())
            return everything.intersection(blocks)

    def disturbs(self, one: Node, other: Node) -> bool:
        """Whether some cut, loss or rate still stands between the two: what they send may not arrive."""
        ends = {(one.name, other.address), (other.name, one.address)}
        with self._lock:
            held = (block for blocks in self._held.values() for block in blocks)
            return any((b.node, b.address) in ends for b in held if not b.set_name.startswith(redirect.VIA))

    def renew(self) -> None:
        """Give every block in force a full lease again; one that comes too late stays lapsed.

        Raises:
            FaultError: a kernel refused.
        """
        with self._lock:
            asked = self._clock.now()
            self._expire(asked)
            run_scripts(lease_scripts(self._nodes, self._renewed, self._lease))
            # A kernel that was reached late, as by an agent that had died, may have ended a block meanwhile.
            self._expire(self._clock.now())
            self._renewed = dict.fromkeys(self._renewed, asked)

    def _expire(self, now: int) -> None:
        """Count every block as lapsed that a kernel may have ended by *now*."""
        late = {block for block, t in self._renewed.items() if seconds_between(t, now) >= self._lease}
        self._lapsed |= late
        for block in late:
            del self._renewed[block]

    def close(self) -> None:
        """Stop renewing; whatever is still in force ends within one lease."""
        self._closing.set()
        if self._renewer is not None:
            self._renewer.join()

    def _start_renewer(self) -> None:
        with self._lock:
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._keep_renewing, name="nft-leases", daemon=True)
                self._renewer.start()

    def _keep_renewing(self) -> None:
        while not self._closing.wait(self._every):
            try:
                self.renew()
            except (FaultError, MissingAbility) as error:
                # The next second tries again; if none succeeds in time, the blocks count as lapsed.
                _log.warning("renewing a cut failed: %s", error)
