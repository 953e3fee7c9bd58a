"""What agents prove and hold on the platform context:NAME, and what becomes of one that dies.

``tox -e kind-nightly`` runs these, after ``test_context``.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from harness.tests.contract.context_place import Drill, drill
from harness.tests.contract.test_context import CUT, admin, heard, place, require_proven, story, verdict
from harness.waiting import NotYet, wait_for

__all__ = ["admin", "place"]
pytestmark = [pytest.mark.contract, pytest.mark.nightly]

BY_AGENTS = '''
"""A story of what agents prove and hold."""

from harness.scenario import Run, bandwidth, broker, limit_cpu, loss, out_of_memory, scenario, starve


@scenario()
def test_by_agents(run: Run) -> None:
    """A loss, a rate, turns, a processor limit and filled memory, one after the other."""
    with run.load(rate=200):
        run.hold_steady(seconds=2)
        for fault in (
            loss(broker(2), share=0.2),
            bandwidth(broker(2), to_mbit=5),
            starve(broker(2), share=0.3),
            limit_cpu(broker(2), milli=200),
            out_of_memory(broker(2)),
        ):
            with run.inject(fault, seconds=3) as held:
                run.require(held.observed)
            run.hold_steady(seconds=3)
    run.verify()
'''
BY_PROXY = (
    CUT.replace("long_cut", "by_proxy")
    .replace('isolate(broker("edge-kafka-2"))', "latency(broker(2), ms=100)")
    .replace("isolate", "latency")
    .replace("seconds=120", "seconds=3")
)
# An agent sees every process of its node, so it must be told from the agents of others.
_KILL_AGENT = """
for p in /proc/[0-9]*; do
  [ ${p#/proc/} != $$ ] && cmp -s $p/cgroup /proc/self/cgroup || continue
  case "$(tr '\\0' ' ' <$p/cmdline)" in *'agents.agent keep '*) kill -9 ${p#/proc/} ;; esac
done
"""


def test_what_agents_hold_is_proven_and_heals(
    admin: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Loss and rate by datagrams of the agents, turns that they give, time they burn, memory they fill."""
    words = story(tmp_path / "own", "by_agents", BY_AGENTS)
    with drill("edge-agents", admin, tmp_path_factory.mktemp("user"), plan=words) as granted:
        done = granted.run(*words)
        told = verdict(granted)

    said = done.stdout[-3000:] + done.stderr[-1000:]
    require_proven(told, ["lose", "limit", "starve", "limit", "fill"], said)


def test_answers_that_an_agent_delays_are_proven_and_heal(
    admin: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By the node's netem, or by a Toxiproxy in the image: one of them is needed to run this."""
    words = story(tmp_path / "own", "by_proxy", BY_PROXY)
    with drill("edge-proxy", admin, tmp_path_factory.mktemp("user"), plan=words) as granted:
        done = granted.run(*words)
        told = verdict(granted)

    require_proven(told, ["delay"], done.stdout[-3000:] + done.stderr[-1000:])


def test_an_agent_that_dies_is_started_again(place: Drill, tmp_path: Path) -> None:
    """Its container is the kubelet's to restart; the fault it held stays proven, or the run says not."""
    words = story(
        tmp_path / "own",
        "short_cut",
        CUT.replace("long_cut", "short_cut").replace("seconds=120", "seconds=15"),
    )
    with place.running(*words) as user:
        assert user.stdout is not None
        heard(user.stdout, "proven:")
        agents = [pod for pod in sorted(place.names("pods")) if "/edge-agent-" in pod]
        for agent in agents:
            with contextlib.suppress(subprocess.CalledProcessError):  # it dies with the container
                place.kubectl("exec", agent, "--", "bash", "-c", _KILL_AGENT)
        wait_for(lambda: _restarted(place, agents), what="the agents to start again", seconds=60, every=0.5)
        assert user.wait(300) in (0, 2, 3)
    assert verdict(place)["verdict"] != "UNSAFE"


def _restarted(place: Drill, agents: list[str]) -> None:
    path = "{.items[*].status.containerStatuses[0].restartCount}"
    told = place.kubectl("get", *agents, "-o", f"jsonpath={path}")
    if "0" in told.split():
        raise NotYet(f"restarts: {told}")
