"""The second count of a whole run: of its ledger, and of the history of each of its workloads."""

from __future__ import annotations

from harness.history.parts import stored
from harness.ledger.evidence import Evidence
from harness.model import WorkloadPlanned
from harness.oracle.histories import recount_history
from harness.oracle.recount import recount, size_of
from harness.oracle.tally import Recount, SecondCount, Tally
from harness.rundir import RunDirectory


def of_run(directory: RunDirectory) -> SecondCount:
    """A count of everything that *directory* holds; the tallies of a history bear its workload's name."""

    def second(evidence: Evidence) -> Recount:
        size, tallies = size_of(evidence), dict[str, Tally]()
        if size:
            tallies |= recount(evidence).tallies
        plans = [event for event in evidence.events if isinstance(event, WorkloadPlanned)]
        histories = stored(directory.history) if plans else {}
        for plan in plans:
            again = recount_history(list(histories.get(plan.workload, {}).values()))
            size += again.records
            tallies |= {f"{plan.workload}.{name}": tally for name, tally in again.tallies.items()}
        return Recount(size, tallies, {})

    return second
