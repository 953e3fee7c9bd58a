"""A session against a broker: every record it takes in hand comes out as a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.clock import MONOTONIC
from harness.errors import LoadError
from harness.load.plan import LoadPlan, Slot
from harness.load.session import Reservations, Session, check_topic
from harness.load.tally import Counts
from harness.tests.mock_cluster import PARTITIONS, mock_cluster
from harness.waiting import NotYet, wait_for

Row = tuple[float | str, ...]


class Listed:
    """Rows kept in a list, and how many of them were flushed."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.flushed = 0
        self.waited: list[int] = []

    def add(self, *row: float | str) -> None:
        """Keep one row."""
        self.rows.append(row)

    def flush(self) -> None:
        """Take note."""
        self.flushed = len(self.rows)

    @property
    def written(self) -> int:
        """How many rows were flushed."""
        return self.flushed

    def wait_kept(self, written: int) -> None:
        """Take note that somebody waits until so many are kept."""
        self.waited.append(written)


def planned(
    bootstrap: str, *, partitions: int = PARTITIONS, client: dict[str, str] | None = None
) -> LoadPlan:
    """A plan with batches of ten; the names in *client* have underscores for dots."""
    return LoadPlan(
        run_id="run-1",
        topic="orders",
        partitions=partitions,
        bootstrap=bootstrap,
        ledger=Path("unused"),
        samples=Path("unused"),
        batch=10,
        client={"log_level": "0"} | {name.replace("_", "."): value for name, value in (client or {}).items()},
    )


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[str]:
    """A broker for the tests of this file."""
    with mock_cluster() as address:
        yield address


@pytest.fixture
def make(bootstrap: str) -> Callable[..., tuple[Session, Listed, Counts]]:
    """Makes a session of producer 5 with batches of ten."""

    def session(address: str = bootstrap, **client: str) -> tuple[Session, Listed, Counts]:
        plan = planned(address, client=client)
        rows, counts = Listed(), Counts()
        made = Session(plan, 5, attempts=rows, announced=Listed(), counts=counts, clock=MONOTONIC)
        return made, rows, counts

    return session


def settle(session: Session) -> None:
    """Poll until no record is open."""

    def observe() -> None:
        session.poll()
        if session.open_records:
            raise NotYet(f"{session.open_records} open")

    wait_for(observe, what="every outcome", seconds=10, every=0.005)


def test_acknowledged_batches_are_rows_with_offsets(
    make: Callable[..., tuple[Session, Listed, Counts]],
) -> None:
    """Two batches of one partition become two ok rows, dense in sequence and true in offset."""
    session, rows, counts = make()
    for t_intended in (1_000, 2_000):
        assert session.attempt(Slot(t_intended, 2)) == []
    settle(session)
    (one, two) = sorted(rows.rows)

    assert one[:5] == (5, 2, 0, 10, 1_000)
    assert two[:5] == (5, 2, 10, 10, 2_000)
    assert (one[7], one[9], one[10]) == (0, 1_000, "")
    assert int(one[8]) + 10 == two[8]
    assert Counts(attempted=20, ok=20, requests=2) == counts


def test_full_queue_is_a_failure_at_once(make: Callable[..., tuple[Session, Listed, Counts]]) -> None:
    """What the client's queue has no room for fails at hand-over; what it took does not."""
    session, rows, counts = make("127.0.0.1:1", queue_buffering_max_messages="15")
    session.attempt(Slot(1, 0))
    session.attempt(Slot(2, 1))

    assert (counts.attempted, counts.ok, counts.fail, counts.unknown) == (20, 0, 5, 0)
    assert [(row[1], row[2], row[3], row[7], row[8], row[10]) for row in rows.rows] == [
        (1, 5, 5, 1, -1, "_QUEUE_FULL: refused by the client, never queued")
    ]


def test_oversized_records_fail(make: Callable[..., tuple[Session, Listed, Counts]]) -> None:
    """Records above the client's size limit were never sent: the whole batch fails and is closed."""
    session, _, counts = make(message_max_bytes="1000", message_copy_max_bytes="1000")
    big = session._plan.model_copy(update={"record_bytes": 2_000})
    session._frames, session._plan = big.frames, big

    assert len(session.attempt(Slot(1, 0))) == 1
    assert Counts(attempted=10, fail=10, requests=1, failures=1) == counts


def test_purged_records_are_unknown(make: Callable[..., tuple[Session, Listed, Counts]]) -> None:
    """What the client gives up by purging may have been retried before, so it is unknown."""
    session, rows, counts = make("127.0.0.1:1")
    session.attempt(Slot(1, 0))
    session.purge()
    settle(session)

    assert Counts(attempted=10, unknown=10, requests=1, failures=1) == counts
    assert rows.rows[0][10] == "_PURGE_QUEUE: purged while queued, perhaps for a retry"


def test_abandoned_records_are_unknown(make: Callable[..., tuple[Session, Listed, Counts]]) -> None:
    """A session that is given up leaves no record without an outcome."""
    session, _, counts = make("127.0.0.1:1")
    session.attempt(Slot(1, 0))

    assert [closed.error for closed in session.abandon("over")] == ["over"]
    assert Counts(attempted=10, unknown=10, requests=1, failures=1) == counts


def test_another_partition_count_is_refused(bootstrap: str) -> None:
    """A topic that differs from the plan is an error before anything is sent."""
    check_topic(planned(bootstrap), 5)
    with pytest.raises(LoadError, match="has 4 partitions, the plan says 5"):
        check_topic(planned(bootstrap, partitions=PARTITIONS + 1), 5)


def test_no_broker_is_an_error() -> None:
    """When no broker answers before the load, it says so in time."""
    with pytest.raises(LoadError, match="no broker answers the load"):
        check_topic(planned("127.0.0.1:1"), 0.2)


def test_wrong_client_setting_is_refused(make: Callable[..., tuple[Session, Listed, Counts]]) -> None:
    """A setting the client does not know is named in the error."""
    with pytest.raises(LoadError, match=r"no\.such\.setting"):
        make(no_such_setting="1")


def test_sequences_are_announced_before_they_are_taken() -> None:
    """A reservation is flushed before the first of its sequences is given out; later ones come from it."""
    rows = Listed()
    reservations = Reservations(5, 2, at_once=30, rows=rows)

    assert [reservations.take(1, 10) for _ in range(3)] == [0, 10, 20]
    assert (rows.rows, rows.flushed) == ([(5, 1, 30)], 1)
    assert reservations.take(1, 10) == 30
    assert (rows.rows, rows.flushed) == ([(5, 1, 30), (5, 1, 60)], 2)


def test_what_is_opened_is_announced_for_every_partition_at_once() -> None:
    """With one flush, and without waiting for anybody."""
    rows = Listed()
    reservations = Reservations(5, 2, at_once=30, rows=rows)
    reservations.open()

    assert (rows.rows, rows.flushed, rows.waited) == ([(5, 0, 30), (5, 1, 30)], 2, [])
    assert reservations.take(1, 10) == 0
    assert rows.flushed == 2


def test_what_is_announced_must_be_kept_before_it_is_taken() -> None:
    """Once for each reservation, and no further than that reservation: a later one is not waited for."""
    rows = Listed()
    reservations = Reservations(5, 2, at_once=30, rows=rows)
    reservations.take(0, 20)
    reservations.top_up()
    assert rows.waited == [1]
    assert [reservations.take(0, 10) for _ in range(3)] == [20, 30, 40]

    assert rows.rows == [(5, 0, 30), (5, 0, 50)]
    assert rows.waited == [1, 2]


def test_top_up_announces_ahead_for_partitions_in_use() -> None:
    """Topping up renews a reservation that is more than half used, and leaves unused partitions alone."""
    rows = Listed()
    reservations = Reservations(5, 2, at_once=30, rows=rows)
    reservations.take(0, 10)
    reservations.top_up()

    assert rows.rows == [(5, 0, 30)]
    reservations.take(0, 10)
    reservations.top_up()
    assert rows.rows == [(5, 0, 30), (5, 0, 50)]
