"""A sampler samples, says when it could not, and never lets a probe stop a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from harness.errors import StackError
from harness.ledger.evidence import Samples, columns
from harness.ledger.schema import SAMPLES
from harness.ledger.tables import read
from harness.probes.sampler import Sample, Sampler, sampled


class Scripted:
    """A probe that does what its script says, one step a sample, and tells when it ran out."""

    def __init__(self, name: str, *script: Sample | Exception) -> None:
        self.name = name
        self.ended = threading.Event()
        self._script = list(script)

    def sample(self) -> Sequence[Sample]:
        """The next step."""
        if not self._script:
            self.ended.set()
            raise StackError("the script is over")
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return [step]


def _stored(folder: Path) -> Samples:
    table, _ = read(folder, "samples", SAMPLES)
    return columns(Samples, table)


def _values(samples: Samples, name: str) -> list[float]:
    return [float(value) for value in samples.value[samples.name == name]]


def test_a_failed_sample_is_a_sample_too(tmp_path: Path) -> None:
    """Each turn leaves a 1 or a 0, so that a gap in a line cannot be taken for a zero."""
    probe = Scripted("flink", ("flink", "restarts", 2.0), StackError("silent"), ("flink", "restarts", 3.0))

    with sampled([Sampler(tmp_path, probe, every_s=0.005)]):
        assert probe.ended.wait(5)

    seen = _stored(tmp_path)
    assert _values(seen, "restarts") == [2.0, 3.0]
    assert _values(seen, "flink_ok")[:4] == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "error", [KeyError("jobs"), ValueError("nan"), ZeroDivisionError(), OSError("gone"), RuntimeError()]
)
def test_whatever_a_probe_meets_the_sampling_goes_on(tmp_path: Path, error: Exception) -> None:
    """An answer that makes no sense costs its own sample and no later one."""
    probe = Scripted("vector", error, ("vector-1", "errors_total", 7.0))

    with sampled([Sampler(tmp_path, probe, every_s=0.005)]):
        assert probe.ended.wait(5)

    assert _values(_stored(tmp_path), "errors_total") == [7.0]


class Hanging:
    """A probe that does not come back until it is let go."""

    name = "hanging"

    def __init__(self) -> None:
        self.asked, self.let_go = threading.Event(), threading.Event()

    def sample(self) -> Sequence[Sample]:
        """Nothing, late."""
        self.asked.set()
        self.let_go.wait(10)
        return []


def test_a_hanging_probe_delays_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a probe that hangs the others keep their pace, and the end does not wait for it."""
    monkeypatch.setattr("harness.probes.sampler._LEAVE_S", 0.05)
    hanging = Hanging()
    quick = Scripted("quick", *[("quick", "ticks", float(n)) for n in range(5)])

    started = time.monotonic()
    with sampled([Sampler(tmp_path, hanging, every_s=0.005), Sampler(tmp_path, quick, every_s=0.005)]):
        assert hanging.asked.wait(5)
        assert quick.ended.wait(5)
    took = time.monotonic() - started
    hanging.let_go.set()

    assert took < 5
    assert _values(_stored(tmp_path), "ticks") == [0.0, 1.0, 2.0, 3.0, 4.0]


class Slow:
    """A probe whose samples take three turns each; keeps the instants at which it was asked."""

    name = "slow"

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.ended = threading.Event()

    def sample(self) -> Sequence[Sample]:
        """Nothing, after a while."""
        self.asked.append(time.monotonic())
        threading.Event().wait(0.06)
        if len(self.asked) == 4:
            self.ended.set()
        return []


def test_after_a_late_turn_the_next_is_not_at_once(tmp_path: Path) -> None:
    """A probe that took too long is left in peace for half an interval: rates over no time are no rates."""
    probe = Slow()

    with sampled([Sampler(tmp_path, probe, every_s=0.02)]):
        assert probe.ended.wait(5)

    assert min(late - early for early, late in pairwise(probe.asked)) >= 0.06 + 0.01 - 0.002


def test_the_harness_tells_how_late_it_is(tmp_path: Path) -> None:
    """The sampler that is asked to records its own lateness, once a sample."""
    probe = Scripted("host")

    with sampled([Sampler(tmp_path, probe, every_s=0.005, tells_lag=True)]):
        assert probe.ended.wait(5)

    seen = _stored(tmp_path)
    assert len(_values(seen, "lag_ms")) == len(_values(seen, "host_ok"))
    assert min(_values(seen, "lag_ms")) >= 0
