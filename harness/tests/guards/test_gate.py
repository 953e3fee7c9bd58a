"""The gate: what may be broken, in which order it is asked, and what a user is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BadInput, FaultError
from harness.guards.allow import Entry, Place
from harness.guards.gate import (
    Admission,
    Asked,
    Disruption,
    Seen,
    admit,
    clear,
    demand,
    handed,
    received,
)
from harness.guards.limits import Planned, Target
from harness.stack.kubernetes.owned import MAY_BE_BROKEN, OURS, Right
from harness.stack.seams import Strike

PLACE = Place("staging", "https://10.1.2.3:6443", "drill")
ADMITTED = Admission(PLACE, Entry(context="staging", namespaces=("drill",)))
KILL = Strike("kill", "kill broker(1)", ("kafka-0",))
OTHER = Strike("kill", "kill broker(2)", ("kafka-1",))


def seen(*given: int, namespace: dict[str, str] | None = None, to_apply: bool = False) -> Seen:
    """Three brokers, the *given* ones of them with a label, under one PodDisruptionBudget but the last."""
    targets = tuple(
        Target(f"kafka-{n}", "broker", MAY_BE_BROKEN if n in given else {"app": "kafka"}, controller=True)
        for n in range(3)
    )
    return Seen(targets, namespace or {}, (Disruption("kafka", ("kafka-0", "kafka-1"), 1),), to_apply)


def plan(*strikes: Strike) -> list[Planned]:
    """One after the other."""
    return [Planned(strike, 2 * n, 2 * n + 1) for n, strike in enumerate(strikes)]


def test_a_place_is_asked_about_before_it_is_connected_to(tmp_path: Path) -> None:
    """The list first, then the confirmation; both need names alone."""
    allow = tmp_path / "clusters.yaml"
    live = Place("prod", "https://10.1.2.3:6443", "drill")
    with pytest.raises(BadInput, match="there is no allow-list"):
        admit(live, Asked(allow, "prod"))
    tmp_path.chmod(0o700)
    allow.write_text("clusters: [{context: prod, namespaces: [drill]}]")
    allow.chmod(0o600)
    with pytest.raises(BadInput, match="looks like production"):
        admit(live, Asked(allow))

    admitted = admit(live, Asked(allow, "prod"))

    assert admitted.override == "context prod looks like production; confirmed by --confirm"
    assert admitted.notes == (admitted.override,)
    assert admitted.override in "\n".join(clear(admitted, seen(), []).lines)


def test_only_what_carries_a_label_may_be_broken() -> None:
    """A pod without one is refused with the command that gives it, and only if the plan hits it."""
    clear(ADMITTED, seen(0), plan(KILL))
    with pytest.raises(BadInput) as caught:
        clear(ADMITTED, seen(0), plan(KILL, OTHER))

    command = "kubectl --context staging label namespace drill edge-harness/may-be-broken=true"
    assert caught.value.what == "kafka-1 may not be broken"
    assert command in caught.value.fix


@pytest.mark.parametrize("labels", [MAY_BE_BROKEN, OURS])
def test_a_label_on_the_namespace_holds_for_all_in_it(labels: dict[str, str]) -> None:
    """So one command is enough, and what the harness made itself needs none."""
    clear(ADMITTED, seen(namespace=labels), plan(KILL, OTHER))


@pytest.mark.parametrize(
    "labels", [{"edge-harness/may-be-broken": "false"}, {"edge-harness/may-be-broken": ""}]
)
def test_a_label_with_another_value_is_none(labels: dict[str, str]) -> None:
    """Only ``true`` means yes."""
    with pytest.raises(BadInput, match="may not be broken"):
        clear(ADMITTED, seen(namespace=labels), plan(KILL))


def test_pods_that_the_harness_will_make_need_no_label_yet() -> None:
    """What is not there yet is made with its label; what is there already needs one."""
    nothing = tuple(Target(f"kafka-{n}", "broker", controller=True) for n in range(3))

    clear(ADMITTED, Seen(nothing, {}, to_apply=True), plan(KILL))
    with pytest.raises(BadInput, match="kafka-0 may not be broken"):
        clear(ADMITTED, Seen(nothing, {}), plan(KILL))
    with pytest.raises(BadInput, match="kafka-0 may not be broken"):
        clear(ADMITTED, seen(to_apply=True), plan(KILL))


def test_what_was_never_seen_is_not_given() -> None:
    """A name that no target has is refused, not passed over."""
    with pytest.raises(BadInput, match="elsewhere-0 may not be broken"):
        clear(ADMITTED, seen(0, 1, 2), plan(Strike("kill", "kill elsewhere", ("elsewhere-0",))))


def test_a_role_that_moved_is_held_to_the_same_limits() -> None:
    """A plan of two leaders one after the other becomes too much when they are hit together."""
    cleared = clear(ADMITTED, seen(0, 1, 2), plan(KILL, OTHER))

    cleared.check(OTHER, [])
    with pytest.raises(FaultError, match="no majority of the 3 controllers would be left"):
        cleared.check(OTHER, [KILL])


def test_disruption_budgets_are_shown() -> None:
    """Which covers what, how many more may be evicted now, and what none covers."""
    lines = "\n".join(clear(ADMITTED, seen(0, 1, 2), []).lines)

    assert "PodDisruptionBudget kafka covers kafka-0, kafka-1: 1 more may be evicted now" in lines
    assert "no PodDisruptionBudget covers kafka-2" in lines
    assert "staging (https://10.1.2.3:6443), namespace drill: at most 1/3 of the brokers" in lines


def test_an_admission_is_handed_on_whole() -> None:
    """The process that is sent into the cluster has the same limits and records the same override."""
    entry = Entry.model_validate({"context": "staging", "namespaces": ("drill",), "share_of_brokers": "2/5"})
    given = Admission(PLACE, entry, "confirmed by hand")

    assert received(handed(given)) == given


def test_a_missing_right_is_named_with_its_remedy() -> None:
    """Verb and resource, who lacks it and where; nothing missing is fine."""
    demand([], PLACE, "context staging")
    with pytest.raises(BadInput) as caught:
        demand(
            [Right("", "pods/exec", "get"), Right("apps", "statefulsets", "patch")], PLACE, "context staging"
        )

    what = "context staging is not allowed to get pods/exec, patch statefulsets.apps in namespace drill"
    assert caught.value.what == what
    assert "harness rbac SCENARIO --platform context:staging" in caught.value.fix


def test_a_fault_that_takes_a_machine_needs_leave() -> None:
    """A whole node is only hit where the list says so."""
    strike = Strike("kill", "stop the node of broker(1)", ("kafka-0",), machine=True)
    with pytest.raises(BadInput, match="node faults are not allowed here: stop the node of broker"):
        clear(ADMITTED, seen(0, 1, 2), plan(strike))

    free = Entry(context="staging", namespaces=("drill",), node_faults=True)
    clear(Admission(PLACE, free), seen(0, 1, 2), plan(strike))
