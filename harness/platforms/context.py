"""An existing cluster, by a context of the user's kubeconfig: no root, no Docker, no view of its nodes.

The user's own ``harness`` only looks, asks the guard rails, and then has a pod of the cluster, owned by a
Job, run the same command (``harness.platforms.errand``). In there the stack is applied to the namespace, and
agents on the nodes do what faults need (``harness.stack.agents.agent_pods``). Everything that is made belongs
to the Job and goes with it; the Job has a deadline, and goes by itself once it has ended.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.guards.allow import allow_file, places_of
from harness.guards.gate import Clearance, demand, handed, received
from harness.guards.rights import HEAL
from harness.launch import marks
from harness.order import Order
from harness.platforms import Entry, Wish
from harness.platforms.booting import ordered
from harness.platforms.clearing import admitted, cleared, each_time, entitled
from harness.platforms.errand import ACCOUNT, DEADLINE_S, HOME, POD, Errand, image_of
from harness.platforms.mending import Mending
from harness.platforms.remains import kinds_of_stacks
from harness.stack.agents.agent_pods import ThroughAgents
from harness.stack.booted import BootedStack
from harness.stack.delays import in_image
from harness.stack.kubernetes import platform as kubernetes
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.connection import Context, OwnAccount, reached, server_of


class Elsewhere:
    """See ``harness.platforms.Platform``."""

    def __init__(self, context: str) -> None:
        self._context = Context(context)

    def cleared(self, entry: Entry) -> Clearance:
        """See ``harness.platforms.Guarded``."""
        admission = admitted(entry, self._context.name, server_of(self._context))
        reached(self._context)
        return cleared(entry, admission, Api(self._context, admission.place.namespace))

    def enter(self, entry: Entry) -> int:
        """Have a pod of the cluster run it, and bring home what it found."""
        clearance = self.cleared(entry)
        for line in clearance.lines:
            sys.stderr.write(f"{line}\n")
        inside = HOME / entry.directory.name
        own = marks(Path(inside), entry.seed) | handed(clearance.admission)
        return Errand(Api(self._context, clearance.admission.place.namespace), entry, own).run()

    def heal(self, wish: Wish, say: Callable[[str], None]) -> int:
        """See ``harness.platforms.Guarded``."""
        context = self._context
        places = places_of(context.name, server_of(context), wish.namespace, allow_file(wish.allow))
        reached(context)
        apis = [Api(context, place.namespace) for place in places]
        for api, place in zip(apis, places, strict=True):
            demand(api.missing(HEAL), place, f"context {context.name}")
        kinds = kinds_of_stacks()
        codes = [
            Mending(api, place, kinds, wish.home, wish.abort, say).heal()
            for api, place in zip(apis, places, strict=True)
        ]
        return max(codes)

    @contextlib.contextmanager
    def boot(self, order: Order) -> Iterator[BootedStack]:
        """Its pods, in the namespace of the pod that we are in."""
        definition = order.definition.kubernetes
        assert definition is not None
        run = order.directory.run_id
        name = os.environ[POD]
        looking = Api(OwnAccount(), definition.namespace)
        owner = looking.owner_of(name)
        api = Api(OwnAccount(), definition.namespace, guest=run, owner=owner)
        admission, own = received(os.environ), looking.pods()[name].address
        entitled(admission, order, looking, ACCOUNT)
        grip = ThroughAgents(api, run, image_of(definition), own, owner, DEADLINE_S)
        with ordered(partial(kubernetes.booted, api=api, grip=grip), order) as stack:
            check = each_time(admission, order, looking)
            delays = in_image(stack.delays, order.definition.toxiproxy.binary, grip.image)
            yield replace(stack, check=check, notes=(*stack.notes, *admission.notes), delays=delays)
