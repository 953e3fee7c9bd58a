"""A paused reconciliation: proven by what the operator says, never by what it was asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import FaultError
from harness.faults.mechanism import Footprint, Seen
from harness.faults.unattended import Unattended
from harness.stack.kubernetes.orchestrated import Attention
from harness.tests.faults.orchestrated import Later, PodStack

READY = Attention("edge-kafka", "edge-harness", "edge", asked=False, paused=False, said="Ready True")


def on(stack: PodStack, *, kept: Attention = READY, clock: Later | None = None) -> Unattended:
    """Every broker of *stack*, which all belong to one Kafka."""
    stack.orchestrator.kept = dict.fromkeys(stack.pods, kept)
    return Unattended(stack.pods, stack.orchestrator, clock or Later())


def test_one_kafka_is_asked_once_for_all_its_brokers() -> None:
    """Its operator says that it is paused, and says so no more after healing; healing twice is fine."""
    stack = PodStack()
    fault = on(stack)
    fault.inject()

    assert stack.orchestrator.told == ["pause edge-kafka"]
    assert fault.landed() == Seen(ok=True, words="Kafka edge-kafka: Ready True")
    assert fault.still().ok
    fault.heal()
    fault.heal()
    assert fault.healed().ok
    assert fault.commands == ("kubectl annotate kafka edge-kafka strimzi.io/pause-reconciliation=true",)


def test_an_annotation_that_nobody_reads_pauses_nothing() -> None:
    """An operator that is away leaves the effect unproven, however long it is waited for."""
    stack = PodStack()
    stack.orchestrator.deaf = True
    clock = Later()
    fault = on(stack, clock=clock)
    fault.inject()

    assert fault.landed() == Seen(ok=False, words="last seen: Kafka edge-kafka: Ready True")
    assert clock.slept >= 180


def test_an_operator_that_never_looks_again_is_not_healed() -> None:
    """The annotation is gone, but its operator still says that it leaves the Kafka alone."""
    stack = PodStack()
    fault = on(stack)
    fault.inject()
    stack.orchestrator.deaf = True
    fault.heal()

    assert not fault.healed().ok


def test_an_operator_that_hears_late_is_waited_for() -> None:
    """It ends the reconciliation that it is at first."""
    stack = PodStack()
    stack.orchestrator.deaf = True
    heard = replace(READY, asked=True, paused=True)
    clock = Later(lambda: stack.orchestrator.kept.update(dict.fromkeys(stack.pods, heard)))
    fault = on(stack, clock=clock)
    fault.inject()

    assert fault.landed().ok
    assert clock.slept > 0


@pytest.mark.parametrize(("asked", "paused"), [(False, True), (True, False)])
def test_a_kafka_that_somebody_resumed_is_not_still_paused(asked: bool, paused: bool) -> None:  # noqa: FBT001
    """Whether he took the annotation away or the operator went on."""
    stack = PodStack()
    fault = on(stack)
    fault.inject()
    now = replace(READY, asked=asked, paused=paused)
    stack.orchestrator.kept = dict.fromkeys(stack.pods, now)

    assert fault.still() == Seen(ok=False, words="Kafka edge-kafka was reconciled again")


@pytest.mark.parametrize(("asked", "paused"), [(True, False), (False, True)])
def test_what_somebody_paused_is_his(asked: bool, paused: bool) -> None:  # noqa: FBT001
    """It would be resumed at the end: so it is refused."""
    with pytest.raises(FaultError, match=r"Kafka edge-kafka is paused already: Ready True"):
        on(PodStack(), kept=replace(READY, asked=asked, paused=paused))


def test_no_connection_may_go() -> None:
    """A pause that cut something would be found by the probes of the data plane."""
    fault = on(PodStack())

    assert fault.footprint == Footprint(severed=frozenset(), unsure=frozenset())


def test_the_journal_says_where_the_kafka_is() -> None:
    """The watchdog reads it after a death."""
    assert on(PodStack()).undo == (
        {
            "do": "resume-reconciliation",
            "cluster": "edge-harness",
            "namespace": "edge",
            "resource": "edge-kafka",
        },
    )
