"""The end of a workload: open transactions are ended, and each partition says where it ends.

Facts: a record that was not seen is lost only behind a fence. Clients have ended; every transactional id is
initialised once more, which ends what its last owner left open; then ends are taken when nothing is open
any more. What stays open is told as it stands: a transaction that hangs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from harness.errors import StackError
from harness.history.operations import Fence
from harness.history.parts import Part
from harness.ledger.fence import Extent, Topic, extents
from harness.waiting import NotYet, wait_for
from harness.workloads.kit import QUIET
from harness.workloads.plan import CALL_S, Ends, Plan
from harness.workloads.transacting import settings_of
from harness.workloads.writer import identity

_ENDED_S, _SETTLED_S = 60.0, 20.0


def end_transactions(plan: Plan) -> None:
    """Have nobody's transaction stay open.

    Raises:
        StackError: a coordinator did not answer.
    """
    workload = plan.workload
    slots = (
        workload.writers if workload.transactional else workload.members if workload.form == "copies" else 0
    )
    for slot in range(slots):
        name = identity(workload.name, slot)
        producer = Producer({"bootstrap.servers": plan.bootstrap, **QUIET, **settings_of(name)})
        wait_for(
            lambda producer=producer: producer.init_transactions(CALL_S),  # type: ignore[misc]
            what=f"ending the transactions of {name}",
            seconds=_ENDED_S,
            retry_on=(KafkaException,),
        )


def fenced(plan: Plan, part: Part) -> Iterator[tuple[str, Extent]]:
    """Write the end of every partition into *part*, once nothing is open or when that takes too long.

    Raises:
        StackError: a partition did not name its end.
    """
    for name in plan.workload.topics:
        for extent in _settled(Topic(plan.bootstrap, name, plan.workload.partitions)):
            line = Fence(
                topic=name,
                partition=extent.partition,
                first=extent.first,
                end=extent.end,
                stable=extent.stable,
            )
            part.write(line)
            yield name, extent


def ends_for(found: list[tuple[str, Extent]], path: Path, *, committed: bool) -> Path:
    """Write up to where a last reader reads."""
    ends = [(name, each.partition, each.stable if committed else each.end) for name, each in found]
    path.write_text(Ends(ends=tuple(ends)).model_dump_json(), encoding="utf-8")
    return path


def forget(plan: Plan) -> None:
    """Delete what partition 0 holds, as retention would where it must not: a workload that does wrong.

    Raises:
        StackError: the cluster did not do it.
    """
    client = AdminClient({"bootstrap.servers": plan.bootstrap, **QUIET})
    everything = [TopicPartition(plan.workload.name, 0, -1)]
    for done in client.delete_records(everything, request_timeout=CALL_S).values():
        try:
            done.result()
        except KafkaException as error:
            raise StackError("the records could not be deleted", why=str(error)) from error


def _settled(topic: Topic) -> list[Extent]:
    seen: list[Extent] = []

    def observe() -> None:
        nonlocal seen
        seen = extents(topic)
        if still := [each.partition for each in seen if each.stable < each.end]:
            raise NotYet(f"transactions are open in {still}")

    try:
        wait_for(observe, what=f"the end of {topic.name}", seconds=_SETTLED_S, every=0.5)
    except StackError:
        if not seen:
            raise
    return seen
