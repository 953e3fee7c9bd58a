"""Expected recovery times follow the configuration, and what was measured on real brokers fits them."""

from __future__ import annotations

import pytest

from harness.checkers.expectations import LIKE, Impact, expected
from harness.faults.kinds import ON_MACHINES, ON_PODS

SEED = {
    "broker.session.timeout.ms": "9000",
    "broker.heartbeat.interval.ms": "2000",
    "topic.min.insync.replicas": "2",
}


def seconds(
    kind: str, held_s: float = 15.0, effective: dict[str, str] | None = None, **more: object
) -> float:
    """The expectation for a fault on one of three brokers that leads partitions."""
    facts = {"scope": "everyone", "leads": True, "controls": False, "down": 1, "replication": 3} | more
    found = expected(Impact(kind=kind, held_s=held_s, **facts), SEED if effective is None else effective)  # type: ignore[arg-type]
    assert found is not None
    return found.seconds


@pytest.mark.parametrize("measured", [7.4, 8.7])
def test_a_killed_broker_is_fenced_within_the_expectation(measured: float) -> None:
    """SIGKILL of one broker stalled all partitions for 7.4 to 8.7 s on real brokers."""
    assert measured <= seconds("kill", scope="") == 11.0


def test_an_isolated_broker_stalls_its_own_partitions_until_the_cut_heals() -> None:
    """A cut of 15 s stalled the broker's own partitions for 17.2 s and those led elsewhere for 8.9 s."""
    assert 17.2 <= seconds("partition", 15.0) == 33.0
    assert 8.9 <= seconds("partition", 15.0, leads=False) == 11.0


def test_an_isolated_broker_stalls_no_longer_than_the_clients_request() -> None:
    """In a long cut the client gives its request up and finds the new leader."""
    assert 33.0 == seconds("partition", 300.0)
    assert 11.0 == seconds("partition", 300.0, SEED | {"client.request.timeout.ms": "5000"})


def test_a_killed_controller_is_replaced_first() -> None:
    """The election's timeouts come before a fresh session."""
    assert 15.0 == seconds("kill", scope="", controls=True)


def test_a_clean_stop_hands_over_at_once() -> None:
    """A terminated broker costs a heartbeat and a back-off."""
    assert 3.0 == seconds("terminate", scope="")


@pytest.mark.parametrize("scope", ["followers", "clients"])
def test_a_leader_that_keeps_its_session_stalls_until_the_cut_heals(scope: str) -> None:
    """Cut off from followers or clients alone nothing fails over."""
    assert 40.0 < seconds("partition", 40.0, scope=scope) <= 53.0


def test_too_few_replicas_stall_until_the_healing() -> None:
    """Two of three brokers down leave less than min.insync.replicas; one replica is lost with its broker."""
    assert 43.0 == seconds("kill", 40.0, scope="", down=2)
    assert 43.0 == seconds("kill", 40.0, scope="", replication=1)


def test_the_expectation_follows_the_configuration() -> None:
    """Halving the session timeout moves the expectation by as much."""
    assert 6.5 == seconds("kill", scope="", effective=SEED | {"broker.session.timeout.ms": "4500"})


def test_the_expectation_names_its_settings() -> None:
    """The reason can be checked by hand."""
    found = expected(Impact("kill", "", leads=True, controls=False, held_s=9.0, down=1, replication=3), SEED)

    assert found is not None
    assert "broker.session.timeout.ms 9 s + broker.heartbeat.interval.ms 2 s" == found.why


def test_an_unknown_kind_has_no_expectation() -> None:
    """What a fault of an unknown kind should cost is not guessed."""
    impact = Impact("meteor", "", leads=True, controls=False, held_s=9.0, down=1, replication=3)

    assert expected(impact, SEED) is None


@pytest.mark.parametrize("kind", ["kill", "pause", "partition", "disk_full", "starve", "s3_hang", "meteor"])
def test_what_touches_no_broker_costs_producers_nothing(kind: str) -> None:
    """A fault on Flink, the object store or Vector is expected to leave the load alone, whatever it is."""
    assert 0.0 == seconds(kind, touches="others")


@pytest.mark.parametrize("kind", ["loss", "bandwidth", "starve", "disk_full", "disk_read_only"])
def test_a_hindered_broker_is_fenced_or_waited_for(kind: str) -> None:
    """Held 1 s it may still lose its session; held 40 s, what waits is answered after the healing."""
    assert 15.0 == seconds(kind, 1.0, scope="") == 1.0 * 2 + 13.0
    slower = SEED | {"broker.session.timeout.ms": "11000"}
    assert 17.0 == seconds(kind, 1.0, slower, scope="", controls=True)
    assert 40.0 + 13.0 == seconds(kind, 40.0, scope="")


def test_a_delay_costs_no_session() -> None:
    """Half a second more a round trip may make every answer late, until it is healed."""
    assert 23.0 == seconds("latency", 20.0, scope="")


def test_two_full_disks_of_three_stop_writes_until_the_healing() -> None:
    """Brokers that halt for want of room are away like killed ones; hindered ones are not."""
    assert 43.0 == seconds("disk_full", 40.0, scope="", down=2)
    assert 53.0 == seconds("loss", 40.0, scope="", down=2)


@pytest.mark.parametrize("kind", sorted(ON_PODS | ON_MACHINES))
def test_a_fault_of_an_orchestrator_costs_what_brokers_take_it_for(kind: str) -> None:
    """A deleted pod is a killed broker, a drained one a terminated one: each kind has its expectation."""
    for held in (1.0, 40.0):
        for more in ({}, {"controls": True}, {"leads": False}, {"down": 2}):
            assert seconds(kind, held, scope="", **more) == seconds(LIKE[kind], held, scope="", **more)


@pytest.mark.parametrize(
    ("kind", "figure"),
    [("pod_delete", 11.0), ("machine_stop", 11.0), ("rolling_update", 3.0), ("unlisted", 40.0 + 3.0)],
)
def test_a_fault_of_an_orchestrator_has_a_figure(kind: str, figure: float) -> None:
    """Sudden ends cost a session, clean ones a heartbeat, endpoints that are gone last until the healing."""
    assert figure == seconds(kind, 40.0, scope="")


def test_a_paused_machine_stalls_like_a_paused_broker() -> None:
    """It is silent, not dead: its partitions wait for TCP to try again or for the client to give up."""
    assert 33.0 == seconds("machine_pause", 15.0, scope="")
    assert 11.0 == seconds("machine_pause", 15.0, scope="", leads=False)


def test_only_kinds_of_an_orchestrator_are_taken_for_others() -> None:
    """None of them is a kind of its own, and each is taken for a kind that has an expectation."""
    assert LIKE.keys() == ON_PODS | ON_MACHINES
    assert not LIKE.keys() & set(LIKE.values())
