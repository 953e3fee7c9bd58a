"""One sample a second of one probe, in a thread of its own: a probe that hangs delays no other.

A sample that could not be taken is a sample too: ``NAME_ok`` is 1 or 0 each
second, so that a gap in a line is never mistaken for a zero. Whatever a probe
meets, the run goes on.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from harness.errors import HarnessError
from harness.ledger.schema import SAMPLES
from harness.ledger.tables import TableWriter

_LOG = logging.getLogger(__name__)

EVERY_S = 1.0
CALL_S = 0.8
"""What a probe may wait for one answer: less than the time to its next turn."""
_LEAVE_S = 3.0
_FAILURES = (HarnessError, OSError, ValueError, LookupError, ArithmeticError, RuntimeError)
"""What a component that is being broken may make of a question: no answer, or one that makes no sense."""

Sample = tuple[str, str, float]
"""Source, name, value; the name ends in the value's unit."""


class Probe(Protocol):
    """Looks at one component and tells what it sees."""

    @property
    def name(self) -> str:
        """Unique among the probes of a run; names its file and its ``_ok`` sample."""
        ...

    def sample(self) -> Sequence[Sample]:
        """What is seen now, within about a second.

        Raises:
            StackError: there was no answer, or one that makes no sense.
        """
        ...


class Sampler:
    """Samples between ``start`` and ``stop``.

    Args:
        folder: where the samples go, into a file of the probe's name.
        probe: what is sampled.
        every_s: seconds between two samples.
        tells_lag: whether to record how much later than asked this thread itself woke up: when the
            machine starves the harness, its measured times are not the stack's.
    """

    def __init__(
        self, folder: Path, probe: Probe, *, every_s: float = EVERY_S, tells_lag: bool = False
    ) -> None:
        self._table = TableWriter(folder, "samples", SAMPLES, writer=probe.name)
        self._probe, self._every_s, self._tells_lag = probe, every_s, tells_lag
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{probe.name}-sampler", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let the sample that is being taken be the last one."""
        self._ended.set()

    def stop(self) -> None:
        """End, and write what is still pending. A probe that hangs is left behind with its file."""
        self.ask_to_stop()
        self._thread.join(_LEAVE_S)

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                self._take(time.monotonic() - due)
                # After a late turn the next one is not at once: a rate needs some time to be one.
                due = max(due + self._every_s, time.monotonic() + self._every_s / 2)
            self._table.close()
        except HarnessError as error:
            _LOG.warning("sampling ended probe=%s reason=%s", self._probe.name, error)

    def _take(self, late_s: float) -> None:
        now = time.monotonic_ns()
        seen, ok = self._seen()
        if self._tells_lag:
            self._table.add(now, "harness", "lag_ms", late_s * 1000)
        self._table.add(now, self._probe.name, f"{self._probe.name}_ok", float(ok))
        for source, name, value in seen:
            self._table.add(now, source, name, value)
        self._table.flush()

    def _seen(self) -> tuple[Iterable[Sample], bool]:
        try:
            return self._probe.sample(), True
        except _FAILURES as error:
            _LOG.debug("no sample probe=%s reason=%s", self._probe.name, error)
            return (), False


@contextlib.contextmanager
def sampled(samplers: Sequence[Sampler]) -> Iterator[None]:
    """Run *samplers* for as long as the block takes."""
    for sampler in samplers:
        sampler.start()
    try:
        yield
    finally:
        for sampler in samplers:
            sampler.ask_to_stop()
        for sampler in samplers:
            sampler.stop()
