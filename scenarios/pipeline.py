"""The whole edge pipeline: Kafka → Flink → Kafka and S3. The first thing to run after the quickstart."""

from harness.scenario import PIPELINE, Run, kill, leader_of, scenario, task_manager


@scenario(stack="edge", guarantees=PIPELINE)
def test_pipeline(run: Run) -> None:
    """Every record is in one window and in the archive once, though a TaskManager and a broker are killed."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(kill(task_manager(1)), seconds=5) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=40)
        with run.inject(kill(leader_of("orders", 0)), seconds=5) as broker:
            run.require(broker.observed)
        run.expect_recovery()
        run.expect_caught_up(within=40)
    run.verify()
