"""The object store's part: the uplink is gone, slow or lying, and the site goes on working."""

from harness.scenario import (
    PIPELINE,
    Run,
    bandwidth,
    disk_full,
    disk_read_only,
    kill,
    latency,
    object_store,
    partition,
    s3_cuts_bodies,
    s3_hangs,
    s3_refuses,
    s3_slow,
    scenario,
)


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_uplink_to_s3_gone(run: Run) -> None:
    """With the uplink gone for minutes records go on being taken, and everything arrives once it is back."""
    with run.load(rate=1_000):
        run.hold_steady(seconds=8)
        with run.inject(partition(object_store(), "everyone"), seconds=120) as gone:
            run.require(gone.observed)
            run.require(run.acked_in(seconds=5) > 0, "the site stopped taking records")
        run.expect_caught_up(within=120)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_object_store_killed(run: Run) -> None:
    """An object store that dies and comes back with its disk has every record in the end."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(kill(object_store()), seconds=10) as killed:
            run.require(killed.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_object_store_refuses(run: Run) -> None:
    """An object store that answers 503 to half of all requests delays checkpoints, and loses nothing."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(s3_refuses(status=503, share=0.5), seconds=20) as refusing:
            run.require(refusing.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_object_store_slow(run: Run) -> None:
    """An object store that takes a second for every request slows checkpoints down, not records."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(s3_slow(delay_ms=1_000), seconds=20) as slow:
            run.require(slow.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_object_store_hangs(run: Run) -> None:
    """An object store that takes requests and answers none holds checkpoints up, and no record is lost."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(s3_hangs(), seconds=20) as hanging:
            run.require(hanging.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_object_store_cuts_bodies(run: Run) -> None:
    """Answers that end too early are noticed: no object of the archive is torn."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(s3_cuts_bodies(share=0.5), seconds=20) as cutting:
            run.require(cutting.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_checkpoint_storage_full(run: Run) -> None:
    """With no room for checkpoints the job goes on, and results wait until there is room again."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(disk_full(object_store()), seconds=15) as full:
            run.require(full.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_checkpoint_storage_read_only(run: Run) -> None:
    """A store that can only be read takes no checkpoint and no record, and later has them all."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(disk_read_only(object_store()), seconds=15) as frozen:
            run.require(frozen.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_narrow_uplink(run: Run) -> None:
    """An uplink of a megabit carries the archive of a quiet site, if slowly."""
    with run.load(rate=500):
        run.hold_steady(seconds=12)
        with run.inject(bandwidth(object_store(), to_mbit=1), seconds=30) as narrow:
            run.require(narrow.observed)
        run.expect_caught_up(within=90)
    run.verify()


@scenario(stack="edge", guarantees=PIPELINE, nightly=True)
def test_distant_object_store(run: Run) -> None:
    """An object store a tenth of a second away slows every request down, and no record is lost over it."""
    with run.load(rate=1_500):
        run.hold_steady(seconds=8)
        with run.inject(latency(object_store(), ms=100), seconds=20) as distant:
            run.require(distant.observed)
        run.expect_caught_up(within=90)
    run.verify()
