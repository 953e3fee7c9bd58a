"""What only an orchestrator does to a cluster: pods deleted, machines drained and stopped, updates rolled.

They run on Kubernetes: `harness run NAME --platform kind`. Elsewhere they are not executed.
"""

import pytest

from harness.scenario import (
    PIPELINE,
    Run,
    all_brokers,
    broker,
    delete_pod,
    deny,
    disk_full,
    drain,
    kill,
    leader_of,
    limit_cpu,
    lose_image,
    name_service,
    out_of_memory,
    partition,
    pause_machine,
    reboot_machine,
    rolling_update,
    scenario,
    split_machines,
    stop_machine,
    task_manager,
    unlist,
)

pytestmark = pytest.mark.kubernetes


@scenario(nightly=True)
def test_pods_deleted(run: Run) -> None:
    """Records survive the pod of their leader, deleted without grace and then with it."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(delete_pod(leader_of("orders", 0)), seconds=5) as deleted:
            run.require(deleted.observed)
        run.expect_recovery()
        with run.inject(delete_pod(leader_of("orders", 0), grace_s=20), seconds=5) as asked:
            run.require(asked.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_claim_lost(run: Run) -> None:
    """A broker that comes back without its claim gets every record again from the others."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(kill(broker(1), wipe=True), seconds=5) as lost:
            run.require(lost.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_machine_drained(run: Run) -> None:
    """A broker leaves when its machine is drained, and no acknowledged record leaves with it."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(drain(leader_of("orders", 0)), seconds=10) as drained:
            run.require(drained.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_machine_stopped(run: Run) -> None:
    """Records survive a machine that loses its power, and one that reboots."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(stop_machine(leader_of("orders", 0)), seconds=15) as stopped:
            run.require(stopped.observed)
        run.expect_recovery()
        with run.inject(reboot_machine(broker(1)), seconds=5) as rebooted:
            run.require(rebooted.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_machine_paused(run: Run) -> None:
    """A machine that freezes and comes back as if nothing had happened undoes no acknowledgement."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(pause_machine(leader_of("orders", 0)), seconds=15) as paused:
            run.require(paused.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_machines_split(run: Run) -> None:
    """Two machines that do not see each other, and are seen by all others, lose no record."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(split_machines(broker(1), broker(2)), seconds=15) as split:
            run.require(split.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_brokers_rolled(run: Run) -> None:
    """A rolling update of all brokers under load costs no record."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(rolling_update(all_brokers()), seconds=5) as rolled:
            run.require(rolled.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_image_lost(run: Run) -> None:
    """A broker whose image cannot be had stays away until it can; the others serve meanwhile."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(lose_image(broker(2)), seconds=10) as lost:
            run.require(lost.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_names_lost(run: Run) -> None:
    """Brokers that know each other go on without names, and without endpoints behind them."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(partition(all_brokers(), name_service()), seconds=15) as nameless:
            run.require(nameless.observed)
        run.expect_recovery()
        with run.inject(unlist(broker(1)), seconds=10) as unlisted:
            run.require(unlisted.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_leader_denied(run: Run) -> None:
    """A leader that a NetworkPolicy hides from everybody loses no record; UNKNOWN where none is enforced."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(deny(leader_of("orders", 0)), seconds=15) as denied:
            run.require(denied.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_broker_out_of_memory(run: Run) -> None:
    """A leader that the kernel kills for want of memory takes no acknowledged record along."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(out_of_memory(leader_of("orders", 0)), seconds=5) as killed:
            run.require(killed.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_broker_short_of_processor(run: Run) -> None:
    """A leader that gets a fifth of a processor is slow, and loses no acknowledged record."""
    with run.load(rate=500):
        run.hold_steady(seconds=8)
        with run.inject(limit_cpu(leader_of("orders", 0), milli=200), seconds=15) as limited:
            run.require(limited.observed)
        run.expect_recovery()
    run.verify()


@scenario(nightly=True)
def test_broker_disk_full(run: Run) -> None:
    """A broker whose volume has no room left ends, and comes back with every record once it has."""
    with run.load(rate=2_000):
        run.hold_steady(seconds=8)
        with run.inject(disk_full(broker(3)), seconds=10) as full:
            run.require(full.observed)
        run.expect_recovery()
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_pods_of_flink_deleted(run: Run) -> None:
    """The job goes on from its checkpoint when the pod of a TaskManager is deleted under it."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(delete_pod(task_manager(1)), seconds=5) as deleted:
            run.require(deleted.observed)
        run.expect_caught_up(within=60)
    run.verify()
