"""What a load's records carry beside their ids: keys, event times, readings, and the flaws made on purpose.

Everything here is a pure function of the plan and of a record's place in it: the same plan gives
the same records, whatever the cluster does. Event time is the wall clock at the intended instant
(``LoadPlan.wall_at_zero_ms`` maps the monotonic clock to it, once per load), made worse as
``Irregularities`` asks:

* a producer's clock may be wrong by a constant;
* each record may be up to ``disorder_ms`` older than its batch;
* a share of the batches is ``late_by_ms`` older, so that their records come too late;
* a share of the records is poison: whole, with a right checksum, and refused by the job all the
  same, for its value is -1 or its event time 0, in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.ledger.fingerprint import MODULUS, id_hashes, values_of
from harness.ledger.scan import Flags, Ints
from harness.load.plan import LoadPlan

_NANOS_PER_MS = 1_000_000
_DISORDER, _LATE, _POISON = 1, 2, 3
_BAD_VALUE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """What the records of one batch carry; ``event_ms`` is one number when they share it."""

    key: Ints
    event_ms: Ints | int
    value: Ints


class Readings:
    """Gives the batches of one producer incarnation what they carry."""

    def __init__(self, plan: LoadPlan, producer: int) -> None:
        self._plan = plan
        self._producer = producer
        self._irregular = plan.irregular
        self._keys = [len(plan.keys_of(partition)) for partition in range(plan.partitions)]
        skews = plan.irregular.clock_skew_ms
        user = (producer - plan.first_producer) % plan.producers
        self._skew_ms = skews[user] if user < len(skews) else 0

    def of_batch(self, partition: int, first: int, count: int, t_intended: int) -> Carried:
        """What the *count* records from sequence *first* on carry; intended at monotonic *t_intended*."""
        sequence = np.arange(first, first + count, dtype=np.int64)
        key = partition + sequence % self._keys[partition] * self._plan.partitions
        value = values_of(id_hashes(self._producer, partition, sequence))
        event_ms = self._event_ms(partition, sequence, t_intended)
        if not self._irregular.poison_share:
            return Carried(key, event_ms, value)
        return _poisoned(Carried(key, event_ms, value), *self._poison(partition, sequence))

    def _event_ms(self, partition: int, sequence: Ints, t_intended: int) -> Ints | int:
        asked = self._irregular
        base = self._plan.wall_at_zero_ms + t_intended // _NANOS_PER_MS + self._skew_ms
        if asked.late_share and self._draws(_LATE, partition, sequence[:1])[0] < asked.late_share * MODULUS:
            base -= asked.late_by_ms
        if not asked.disorder_ms:
            return base
        return base - self._draws(_DISORDER, partition, sequence) % (asked.disorder_ms + 1)

    def _poison(self, partition: int, sequence: Ints) -> tuple[Flags, Flags]:
        """Which records have a bad value, and which a bad time."""
        draws = self._draws(_POISON, partition, sequence)
        chosen = draws < self._irregular.poison_share * MODULUS
        odd = draws % 2 == 1
        return chosen & odd, chosen & ~odd

    def _draws(self, purpose: int, partition: int, sequence: Ints) -> Ints:
        """One number below 2^61 per record; purposes and seeds are independent of each other."""
        return id_hashes(self._producer + (purpose << 32), partition + (self._plan.seed << 20), sequence)


def _poisoned(carried: Carried, bad_value: Flags, bad_time: Flags) -> Carried:
    value = np.where(bad_value, _BAD_VALUE, carried.value)
    return Carried(carried.key, np.where(bad_time, 0, carried.event_ms), value)
