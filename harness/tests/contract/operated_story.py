"""A harness that pauses a reconciliation and then lives until somebody kills it: ``python -m … FOLDER``.

The kubeconfig comes by standard input.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from harness.clock import MONOTONIC
from harness.faults.journal import Fault, Journal
from harness.faults.unattended import Unattended
from harness.faults.watchdog import Watch
from harness.stack.kubernetes.api import Api
from harness.tests.contract.operated_place import NAMESPACE, POD, orchestrator
from harness.tests.faults.fakes import FakeProcess, FakeService


def main() -> None:
    """Journal, pause, prove; the file ``paused`` says that it is in force."""
    folder, api = Path(sys.argv[1]), Api(sys.stdin.read(), NAMESPACE)
    fault = Unattended({POD: FakeService(FakeProcess(1))}, orchestrator(api))
    with Watch(folder, folder.name), contextlib.closing(Journal(folder / "journal.jsonl")) as journal:
        facts = Fault(
            fault=1,
            name="pause",
            kind="reconciliation_paused",
            target=POD,
            nodes=(POD,),
            why_this_target="named",
            partitions=(),
            undo=fault.undo,
            traits={},
        )
        journal.write("planned", facts, commands=fault.commands)
        fault.inject()
        (folder / "paused").write_text(fault.landed().words)
        MONOTONIC.sleep(300)


if __name__ == "__main__":
    main()
