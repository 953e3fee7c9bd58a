"""The engine on this machine: partitions in processes of their own, by default two."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.engine.folder import Context, Part
from harness.engine.judge import Counted
from harness.engine.work import count_part
from harness.errors import MissingAbility

PROCESSES = 2


def counted(context: Context, parts: Sequence[Part], *, processes: int = PROCESSES) -> list[Counted]:
    """What each partition holds, in the order of *parts*.

    Raises:
        EvidenceError: a file is damaged.
        BadInput: it is of another schema, or a value out of range.
        MissingAbility: a process died, or the disk for interleaved runs is full.
    """
    with TemporaryDirectory(prefix="harness-records-") as spool:
        work = partial(count_part, context, spool=Path(spool))
        if processes == 1:
            return [work(part) for part in parts]
        # Forked from a process without threads that has imported everything once: what is read is shared.
        forked = multiprocessing.get_context("forkserver")
        forked.set_forkserver_preload([count_part.__module__])
        try:
            with ProcessPoolExecutor(min(processes, len(parts)), mp_context=forked) as pool:
                return list(pool.map(work, parts))
        except BrokenProcessPool as error:
            raise MissingAbility(
                "a process that judged a partition died",
                why="most likely memory ran out",
                fix="use fewer processes: --processes 1",
            ) from error
