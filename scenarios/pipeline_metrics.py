"""The metrics agent: what it holds when it dies. Without a `vector` in PATH these are not executed."""

from harness.scenario import Run, kill, metrics_complete, object_store, partition, scenario, vector_agent


@scenario(stack="edge", guarantees=[metrics_complete()], nightly=True)
def test_vector_killed(run: Run) -> None:
    """With a disk buffer a killed agent sends what it had scraped once it is back."""
    with run.load(rate=500):
        run.hold_steady(seconds=12)
        with run.inject(kill(vector_agent()), seconds=3) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(stack="edge", guarantees=[metrics_complete()], nightly=True)
def test_metrics_wait_for_the_object_store(run: Run) -> None:
    """Metrics scraped while the object store is away are in its bucket once it is back."""
    with run.load(rate=500):
        run.hold_steady(seconds=12)
        with run.inject(partition(object_store(), vector_agent()), seconds=20) as cut:
            run.require(cut.observed)
        run.expect_caught_up(within=60)
    run.verify()


@scenario(
    stack="edge",
    expect="broken",
    guarantees=[metrics_complete()],
    nightly=True,
    settings={"vector.config": "vector-memory.toml"},
)
def test_vector_memory_buffer_lost(run: Run) -> None:
    """With a memory buffer, and the seed's batches of five minutes, a killed agent takes all of it along."""
    with run.load(rate=500):
        run.hold_steady(seconds=15)
        with run.inject(kill(vector_agent()), seconds=3) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=60)
    run.verify()
