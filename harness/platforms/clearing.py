"""A run that enters somebody's cluster, taken to the gate by the user's harness and by the one in there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.guards.allow import Place
from harness.guards.gate import Admission, Clearance, admit, clear, demand
from harness.guards.limits import Planned
from harness.guards.rights import SEND, needed
from harness.guards.seen import read
from harness.order import Order
from harness.platforms import Entry
from harness.rehearsal import plan_of
from harness.stack.definition import StackDefinition
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.manifests import read_manifests
from harness.stack.kubernetes.owned import Manifest, Right
from harness.stack.seams import Check, Strike


def manifests_of(definition: StackDefinition, folder: Path) -> list[Manifest]:
    """What the harness applies of a stack, as the files have it."""
    return [each for name in definition.manifests for each in read_manifests(folder / name)]


def rights_of(definition: StackDefinition, folder: Path, plan: Sequence[Planned]) -> frozenset[Right]:
    """What the run needs to be allowed in there, to boot the stack and execute *plan*."""
    return needed((each.strike for each in plan), manifests_of(definition, folder))


def admitted(entry: Entry, context: str, server: str) -> Admission:
    """See ``harness.guards.gate.admit``; connects to nothing."""
    kubernetes = entry.prepared.definition.kubernetes
    assert kubernetes is not None
    return admit(Place(context, server, kubernetes.namespace), entry.asked)


def cleared(entry: Entry, admission: Admission, api: Api) -> Clearance:
    """The run's plan, held against what the cluster shows before anything is applied; changes nothing.

    Raises:
        BadInput: a part of it may not be done, or we may not send it.
        NotExpressible: a part of it needs what no Role gives.
        StackError: the cluster does not tell.
    """
    definition, folder = entry.prepared.definition, entry.prepared.folder
    rights_of(definition, folder, entry.plan)  # what no Role gives is refused before anything is asked
    demand(api.missing(SEND), admission.place, f"context {admission.place.context}")
    seen = read(api, definition.nodes, to_apply=manifests_of(definition, folder))
    return clear(admission, seen, entry.plan)


def entitled(admission: Admission, order: Order, api: Api, account: str) -> None:
    """Return when whoever runs in there may do all that the order needs; nothing was applied yet.

    Raises:
        BadInput: something is missing.
    """
    rights = rights_of(order.definition, order.folder, plan_of(order.scenario, order.definition))
    demand(api.missing(rights), admission.place, f"service account {account}")


def each_time(admission: Admission, order: Order, api: Api) -> Check:
    """Holds each strike to the limits of the stack as it stands by then: labels, machines, what is down."""

    def check(strike: Strike, held: Sequence[Strike]) -> None:
        Clearance(admission, read(api, order.definition.nodes)).check(strike, held)

    return check
