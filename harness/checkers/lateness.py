"""``none_late``: no sound record came after its window had closed.

Being late is no loss: late records are counted and kept. Who asks for this guarantee says that the
job's bound of disorder covers all that its producers do, so whatever is late was made late
by the job: a bound too small, or a watermark that ran ahead of records not read yet (FLINK-32828).
"""

from __future__ import annotations

import numpy as np

from harness.checkers.accounts import complete
from harness.checkers.compared import Compared
from harness.checkers.guarantees import Count, judged, records
from harness.findings import MAX_WITNESSES, Finding, Witness

NAME = "none_late"


def check_lateness(compared: Compared) -> Finding | None:
    """Count the sound records that were late; None unless the scenario asks for it."""
    accounts = compared.accounts
    if NAME not in {each.name for each in accounts.evidence.started.guarantees}:
        return None
    late = np.flatnonzero(accounts.valid & (accounts.late > 0))
    sound = int(accounts.valid.sum())
    count = Count(
        compared={"sound records": sound},
        violations=len(late),
        held=f"None of {records(sound)} came after its window had closed.",
        broken=f"Of {records(sound)}, {len(late):,} came after their window had closed.",
        doubt=complete(accounts.evidence, "source", "late"),
        witnesses=tuple(_witness(compared, row) for row in late[:MAX_WITNESSES].tolist()),
    )
    return judged(NAME, accounts.evidence, count)


def _witness(compared: Compared, row: int) -> Witness:
    accounts = compared.accounts
    window = int(accounts.window_of(np.asarray([row]))[0])
    return Witness(
        record=accounts.record(row),
        partition=int(accounts.inputs.partition[row]),
        offsets=(int(accounts.inputs.offset[row]),),
        detail=f"set aside as late, key {accounts.inputs.key[row]}, window {window}",
    )
