"""The gate before somebody's cluster: pure decisions, each a sentence when it is a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from harness.errors import BadInput, FaultError
from harness.guards.allow import Entry, Place, allow_file, entry_for, read_allow_list
from harness.guards.limits import Planned, Refusal, Target, at_once, too_much
from harness.guards.names import Ask, confirmed
from harness.stack.kubernetes.owned import MAY_BE_BROKEN, Right, is_given
from harness.stack.seams import Strike


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line said about guard rails.

    Args:
        allow: ``--allow``.
        confirm: ``--confirm``; empty: not given.
        ask: None when there is no terminal.
    """

    allow: Path | None = None
    confirm: str = ""
    ask: Ask | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """A place that may be entered, to look at it."""

    place: Place
    entry: Entry
    override: str = ""
    """How a name that looks like production was confirmed; empty: none did."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run's events have to record."""
        return (self.override,) if self.override else ()


_HANDED = "HARNESS_ADMITTED"
_ADMISSION = TypeAdapter(Admission)


@dataclass(frozen=True, slots=True)
class Disruption:
    """A PodDisruptionBudget: which pods it covers, and how many more may be evicted now."""

    name: str
    covers: tuple[str, ...]
    allowed: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cluster shows of a stack, before or after it stands.

    Args:
        targets: its pods; for a stack that is still to be applied, as its definition has them.
        namespace: the labels of the namespace.
        disruptions: its PodDisruptionBudgets.
        to_apply: whether the harness, or an operator for it, makes the pods that are not there yet.
    """

    targets: tuple[Target, ...]
    namespace: Mapping[str, str]
    disruptions: tuple[Disruption, ...] = ()
    to_apply: bool = False


@dataclass(frozen=True, slots=True)
class Clearance:
    """A plan that may be executed; ``check`` holds each injection to the same limits."""

    admission: Admission
    seen: Seen

    @property
    def lines(self) -> tuple[str, ...]:
        """What a user is shown before anything starts."""
        place, entry = self.admission.place, self.admission.entry
        limits = f"at most {entry.share_of_brokers} of the brokers, a majority of controllers always stays"
        head = f"guard   {place.context} ({place.server}), namespace {place.namespace}: {limits}"
        return (head, *(f"        {note}" for note in self.admission.notes), *_shown(self.seen))

    def check(self, strike: Strike, held: Sequence[Strike]) -> None:
        """Return when *strike* may be made while *held* are in force.

        Raises:
            FaultError: it may not.
        """
        found = _refused((*held, strike), self.admission, self.seen)
        if found is not None:
            raise FaultError(found.what, why=found.why, fix=found.fix)


def admit(place: Place, asked: Asked) -> Admission:
    """Whether *place* may be entered, from its names and the allow-list alone; connects to nothing.

    Raises:
        BadInput: it may not; says what would have to be so.
    """
    path = allow_file(asked.allow)
    entry = entry_for(place, read_allow_list(path, place), path)
    return Admission(place, entry, confirmed(place, asked.confirm, asked.ask))


def handed(admission: Admission) -> dict[str, str]:
    """*admission* as the environment of the process that was admitted; ``received`` gives it back."""
    return {_HANDED: _ADMISSION.dump_json(admission).decode()}


def received(environment: Mapping[str, str]) -> Admission:
    """The admission that ``handed`` put into *environment*."""
    return _ADMISSION.validate_json(environment[_HANDED])


def demand(missing: Sequence[Right], place: Place, who: str) -> None:
    """Return when nothing is *missing*.

    Raises:
        BadInput: something is; names each verb and resource.
    """
    if missing:
        what = f"{who} is not allowed to {', '.join(map(str, missing))} in namespace {place.namespace}"
        fix = f"harness rbac SCENARIO --platform context:{place.context} prints the Role that allows it"
        raise BadInput(what, fix=fix)


def clear(admission: Admission, seen: Seen, plan: Sequence[Planned]) -> Clearance:
    """Whether all of *plan* may be done to what was *seen*.

    Raises:
        BadInput: a part of it may not.
    """
    for together in at_once(plan):
        found = _refused(together, admission, seen)
        if found is not None:
            raise BadInput(found.what, why=found.why, fix=found.fix)
    return Clearance(admission, seen)


def _refused(together: Sequence[Strike], admission: Admission, seen: Seen) -> Refusal | None:
    return (
        _not_ours(together, admission.place, seen)
        or _machines(together, admission.entry)
        or too_much(together, seen.targets, admission.entry.share_of_brokers)
    )


def _not_ours(strikes: Sequence[Strike], place: Place, seen: Seen) -> Refusal | None:
    """A target without a label that gives it to the harness."""
    if is_given(seen.namespace):
        return None
    labels = {each.name: each.labels for each in seen.targets}
    names = dict.fromkeys(name for strike in strikes for name in strike.nodes)
    to_come = {name for name in names if seen.to_apply and not labels.get(name)}
    missing = [name for name in names if name not in to_come and not is_given(labels.get(name, {}))]
    if not missing:
        return None
    label = ",".join(f"{key}={value}" for key, value in MAY_BE_BROKEN.items())
    fix = f"if it may be broken: kubectl --context {place.context} label namespace {place.namespace} {label}"
    return Refusal(
        f"{', '.join(missing)} may not be broken", f"no label says that it is ours or {label}", fix
    )


def _machines(strikes: Sequence[Strike], entry: Entry) -> Refusal | None:
    found = [strike.name for strike in strikes if strike.machine]
    if not found or entry.node_faults:
        return None
    why = f"{found[0]} takes a whole node with everything on it"
    return Refusal("node faults are not allowed here", why, "node_faults: true in the allow-list")


def _shown(seen: Seen) -> tuple[str, ...]:
    covered = {name for each in seen.disruptions for name in each.covers}
    bare = [each.name for each in seen.targets if each.name not in covered]
    lines = [
        f"        PodDisruptionBudget {each.name} covers {', '.join(each.covers) or 'nothing'}: "
        f"{each.allowed} more may be evicted now"
        for each in seen.disruptions
    ]
    return (*lines, *([f"        no PodDisruptionBudget covers {', '.join(bare)}"] if bare else []))
