"""One transactional producer: ``python -m harness.load.transaction BOOTSTRAP TOPIC PARTITIONS ID``.

It commits a transaction with a record in each partition and says ``ready``: every connection is there. For
each number of a partition that it reads it begins another one, sends a record in it, gives the record up
after five seconds without an answer, aborts, and says ``aborted``.
"""

from __future__ import annotations

import sys

from confluent_kafka import Producer

_GIVE_UP_MS = 5_000
_CALL_S = 30.0
READY, ABORTED = "ready", "aborted"


def main() -> None:
    """Talk on standard input and output until the input ends."""
    bootstrap, topic, partitions, identity = sys.argv[1:]
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": identity,
            "transaction.timeout.ms": 300_000,
            "message.timeout.ms": _GIVE_UP_MS,
            "linger.ms": 0,
        }
    )
    producer.init_transactions(_CALL_S)
    producer.begin_transaction()
    for partition in range(int(partitions)):
        producer.produce(topic, b"committed", partition=partition)
    producer.commit_transaction(_CALL_S)
    _say(READY)
    for line in sys.stdin:
        producer.begin_transaction()
        producer.produce(topic, b"late", partition=int(line))
        producer.flush(2 * _GIVE_UP_MS / 1000)
        producer.abort_transaction(_CALL_S)
        _say(ABORTED)


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
