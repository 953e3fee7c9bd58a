"""A node that only its agent reaches is delayed there: proven, undone, and never left behind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest

from harness.stack.delays import has_netem
from harness.tests.contract import inside
from harness.tests.contract.doubles import BOTH, double, server
from harness.tests.contract.test_seal import ALL

pytestmark = pytest.mark.contract

DELAY_MS = 100


@pytest.mark.parametrize("kind", BOTH)
def test_a_proxy_that_an_agent_runs_delays_answers(kind: str, tmp_path: Path) -> None:
    """As late as asked, by a process that is marked as a fault; then nothing of it is left."""
    seen = inside.tell("delayed_by_agent", tmp_path, str(server(kind, tmp_path)))

    proof, healing = cast("str", seen["proof"]), cast("str", seen["healing"])
    late, before = map(float, re.findall(r"after ([\d.]+) ms", proof)[:2])
    assert seen["observed"], proof
    assert DELAY_MS * 0.9 <= late - before <= DELAY_MS * 1.5 + 50
    assert float(re.findall(r"after ([\d.]+) ms again", healing)[0]) < DELAY_MS / 2
    assert ([1, 0], True, [1, 0], 0) == (seen["proxies"], seen["marked"], seen["rules"], seen["left"])
    assert sorted(ALL) == seen["open"]


def test_an_agent_that_nobody_asks_ends_the_proxy(tmp_path: Path) -> None:
    """A lease after the harness fell silent; its effect is then not proven, its healing is."""
    seen = inside.tell("abandoned_by_agent", tmp_path, str(double(tmp_path)))

    assert ([1, 0], 0, False) == (seen["proxies"], seen["rules"], seen["observed"])
    assert not any(cast("dict[str, list[str]]", seen["noted"]).values())
    assert "no proxy and no rule of it is left" in cast("str", seen["healing"])
    assert sorted(ALL) == seen["open"]


@pytest.mark.parametrize("discipline", ["pfifo limit 100", "tbf rate 5mbit burst 10000b limit 100000b"])
def test_an_agent_puts_a_discipline_and_takes_it_away(discipline: str, tmp_path: Path) -> None:
    """Asked to, or a lease after nobody asks any more; one of somebody else's stays, and is told."""
    seen = inside.tell("shaped_by_agent", tmp_path, discipline.split())

    assert ("eth0", ["u-1"]) == (seen["device"], seen["noted"])
    assert [discipline.split(maxsplit=1)[0], "", ""] == seen["found"]
    assert "eth0 has a queueing discipline of somebody else's, which is not replaced" in str(seen["refused"])
    assert "not expressible here, because this kernel has no no-such-kind" in str(seen["unknown"])
    assert (True, has_netem()) == (seen["foreign"], seen["netem"])
