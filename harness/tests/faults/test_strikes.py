"""What guard rails are told of a fault, and that they are asked in time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import FaultError
from harness.faults.cluster import drain, split_machines, stop_machine
from harness.faults.prepare import strike_of
from harness.faults.selectors import all_brokers, broker, leader_of
from harness.faults.spec import FaultSpec, isolate, kill, partition, pause
from harness.stack.seams import Strike
from harness.tests.faults.fakes import FakeStack
from harness.tests.faults.test_injection import FakeClock, Script, ScriptedInjector, TellingJournal


def test_what_guard_rails_refuse_is_neither_journalled_nor_made(tmp_path: Path) -> None:
    """The check is asked once the target is chosen and told what is in force; its refusal leaves nothing."""
    told: list[str] = []
    asked: list[tuple[str, list[str]]] = []

    def check(strike: Strike, held: Sequence[Strike]) -> None:
        asked.append((strike.name, [each.name for each in held]))
        if held:
            raise FaultError("one is enough")

    journal = TellingJournal(tmp_path / "journal.jsonl", told, (), FakeClock())
    injector = ScriptedInjector(FakeStack(), journal, check=check, clock=FakeClock())
    injector.mechanism = Script(told)
    with injector.inject(kill(broker(1))):
        before = list(told)
        with pytest.raises(FaultError, match="one is enough"), injector.inject(pause(broker(1))):
            told.append("made")  # pragma: no cover

        assert told == before
    assert asked == [("kill broker(1)", []), ("pause broker(1)", ["kill broker(1)"])]


@pytest.mark.parametrize(
    ("spec", "nodes", "peers", "flags"),
    [
        (kill(broker(1)), ("broker-1",), (), (False, False)),
        (kill(broker(1), wipe=True), ("broker-1",), (), (False, True)),
        (pause(all_brokers()), ("broker-1", "broker-2", "broker-3"), (), (False, False)),
        (isolate(broker(2)), ("broker-2",), ("broker-1", "broker-3", "load-1", "observer"), (False, False)),
        (partition(leader_of("orders", 0), "clients"), ("broker-1",), ("load-1",), (False, False)),
        (drain(broker(1)), ("broker-1",), (), (True, False)),
        (stop_machine(broker(3)), ("broker-3",), (), (True, False)),
        (split_machines(broker(1), broker(2)), ("broker-1",), ("broker-2",), (False, False)),
    ],
    ids=lambda value: value.name if isinstance(value, FaultSpec) else "",
)
def test_a_strike_says_what_would_be_hit(
    spec: FaultSpec, nodes: tuple[str, ...], peers: tuple[str, ...], flags: tuple[bool, bool]
) -> None:
    """Also where the fault itself could not be made: on machines nobody knows anything of yet."""
    strike = strike_of(spec, FakeStack())

    assert (strike.nodes, strike.peers) == (nodes, peers)
    assert (strike.machine, strike.wipes) == flags
    assert (strike.kind, strike.name) == (spec.kind, spec.name)
