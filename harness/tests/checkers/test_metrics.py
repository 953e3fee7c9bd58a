"""``metrics_complete``: hand-written runs of an agent, planted defects to be found, and legal noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checkers import metrics
from harness.findings import Finding
from harness.model import Outcome, PipelinePlanned
from harness.tests.checkers.agents import PAGE, PROCESSES, Agent, good, ms, planned, without
from harness.tests.checkers.build import Story
from harness.verdict import Verdict


def judged(agent: Agent) -> Finding:
    """What the checker says."""
    found = metrics.check(agent.evidence())
    assert found is not None
    return found


def test_a_bucket_that_holds_everything_passes() -> None:
    """All that was scraped is there, shaped, from both processes all the time."""
    found = judged(good())

    assert (found.verdict, found.violations, found.excused) == (Verdict.PASS, 0, {})
    assert found.summary == "All 600 scraped events are in the bucket, shaped."
    assert found.compared == {"scraped": 600, "stored": 600, "pages": 60}


def lost_events(agent: Agent) -> None:
    """One event less in one page."""
    agent.scrapes[7] = (*agent.scrapes[7][:2], PAGE - 1, PAGE - 1, *agent.scrapes[7][4:])


def lost_in_the_first_life(agent: Agent) -> None:
    """Killed at 20 s with three scrapes in memory: the fault excuses the gap, not the loss."""
    without(agent, 14, 24)
    agent.story.fault(1, "kill", 20.0, 23.0)
    agent.lives = {0.0: (200, 0), 23.5: (360, 0)}


def unshaped_event(agent: Agent) -> None:
    """One event went on as it came."""
    agent.scrapes[3] = (*agent.scrapes[3][:3], PAGE - 1, *agent.scrapes[3][4:])


def never_shaped(agent: Agent) -> None:
    """Every event went on as it came."""
    agent.scrapes = [(*row[:3], 0, *row[4:]) for row in agent.scrapes]


def always_refused(agent: Agent) -> None:
    """Every event was refused and kept."""
    agent.scrapes = [(*row[:3], 0, row[2], *row[5:]) for row in agent.scrapes]


def all_discarded(agent: Agent) -> None:
    """The program failed on everything and nothing was kept."""
    agent.scrapes = []
    agent.lives = {0.0: (600, 600)}


def torn_object(agent: Agent) -> None:
    """One object is cut short."""
    agent.objects[4] = (*agent.objects[4][:5], "cannot be unpacked: cut")


def gap(agent: Agent) -> None:
    """One process was not scraped three times in a row."""
    without(agent, 20, 26, PROCESSES[0])
    agent.lives = {0.0: (570, 0)}


def silent_at_the_end(agent: Agent) -> None:
    """Nothing was scraped any more after 50 s."""
    without(agent, 50, 60)
    agent.lives = {0.0: (500, 0)}


def silent_at_first(agent: Agent) -> None:
    """One process was scraped from 12 s on only, though all was ready."""
    without(agent, 0, 12, PROCESSES[1])
    agent.lives = {0.0: (540, 0)}


def silent_process(agent: Agent) -> None:
    """A third page was to be scraped, and never was."""
    agent.pages = 3


DEFECTS: dict[str, tuple[Callable[[Agent], None], int, str]] = {
    each.__name__: (each, count, words)
    for each, count, words in (
        (lost_events, 1, "1 scraped event not in the bucket."),
        (lost_in_the_first_life, 60, "60 scraped events not in the bucket."),
        (unshaped_event, 1, "1 event not shaped."),
        (never_shaped, 600, "The transform never succeeded: 600 events failed in it."),
        (always_refused, 600, "The transform never succeeded: 600 events failed in it."),
        (all_discarded, 600, "The transform never succeeded: 600 events failed in it."),
        (torn_object, 1, "1 object not whole."),
        (gap, 1, "1 gap without scrapes."),
        (silent_at_the_end, 2, "2 gaps without scrapes."),
        (silent_at_first, 1, "1 gap without scrapes."),
        (silent_process, 1, "1 page never scraped."),
    )
}


@pytest.mark.parametrize("name", DEFECTS)
def test_every_planted_defect_is_found(name: str) -> None:
    """Each defect by itself breaks the guarantee, with its exact count and words."""
    plant, count, words = DEFECTS[name]
    agent = good()
    plant(agent)
    found = judged(agent)

    assert (found.verdict, found.violations, found.summary) == (Verdict.FAIL, count, words)


@pytest.mark.parametrize("name", sorted(set(DEFECTS) - {"always_refused", "all_discarded", "silent_process"}))
def test_a_defect_has_a_witness(name: str) -> None:
    """There is a place to look at."""
    agent = good()
    DEFECTS[name][0](agent)

    assert judged(agent).witnesses


def test_a_gap_names_the_process_and_its_instants() -> None:
    """The witness tells whose pages are missing, since when and until when."""
    agent = good()
    gap(agent)
    (witness,) = judged(agent).witnesses

    assert witness.detail == "a:9249 was not scraped from 19.0 s to 27.0 s"
    assert witness.at_s == 19.0


def test_a_loss_names_the_life_that_had_it() -> None:
    """Of two lives of the agent it is the killed one that scraped more than is there."""
    agent = good()
    lost_in_the_first_life(agent)
    (witness,) = judged(agent).witnesses

    assert witness.detail == "agent's life 1: 200 scraped, 140 in the bucket"


def late_page(agent: Agent) -> None:
    """One page did not come: its process was busy."""
    without(agent, 20, 22, PROCESSES[0])
    agent.lives = {0.0: (590, 0)}


def gap_in_a_fault(agent: Agent) -> None:
    """A process was dead, and its pages with it."""
    without(agent, 20, 30, PROCESSES[0])
    agent.story.fault(1, "kill", 20.0, 28.0)
    agent.lives = {0.0: (550, 0)}


def gap_until_caught_up(agent: Agent) -> None:
    """A process was slow to answer until its job had caught up."""
    without(agent, 32, 40, PROCESSES[0])
    agent.story.fault(1, "kill", 16.0, 20.0)
    agent.caught_up = 41.0
    agent.lives = {0.0: (560, 0)}


def refused_some(agent: Agent) -> None:
    """A few events were refused and kept with the reason."""
    agent.scrapes[3] = (*agent.scrapes[3][:3], PAGE - 2, 2, *agent.scrapes[3][5:])


def retried(agent: Agent) -> None:
    """An upload was retried."""
    agent.scrapes.append((ms(3), PROCESSES[0], 0, 0, 0, PAGE, 9))


def discarded_some(agent: Agent) -> None:
    """The program dropped what it was told to drop."""
    agent.lives = {0.0: (620, 20)}


def more_than_was_said(agent: Agent) -> None:
    """Scrapes went on after the counters were read last."""
    agent.lives = {0.0: (560, 0)}


def slow_start(agent: Agent) -> None:
    """The agent was up long before the stack was steady."""
    without(agent, 0, 10)
    agent.lives = {0.0: (500, 0)}
    agent.story.phases = [(agent.story.phases[0][0], 10.0)]


def killed_with_a_disk_buffer(agent: Agent) -> None:
    """The first life's events all arrived, delivered by the second."""
    without(agent, 20, 24)
    agent.story.fault(1, "kill", 20.0, 23.0)
    agent.lives = {0.0: (200, 0), 23.5: (360, 0)}


NOISE: dict[str, tuple[Callable[[Agent], None], dict[str, int]]] = {
    each.__name__: (each, excused)
    for each, excused in (
        (late_page, {}),
        (gap_in_a_fault, {"gaps while a fault was in force": 1}),
        (gap_until_caught_up, {"gaps while a fault was in force": 1}),
        (refused_some, {"refused by the program and kept with the reason": 2}),
        (retried, {"stored twice after a retry": PAGE}),
        (discarded_some, {}),
        (more_than_was_said, {}),
        (slow_start, {}),
        (killed_with_a_disk_buffer, {"gaps while a fault was in force": 2}),
    )
}


@pytest.mark.parametrize("name", NOISE)
def test_legal_noise_alarms_nobody(name: str) -> None:
    """What an honest agent may do passes, and is shown where a rule excuses it."""
    make, excused = NOISE[name]
    agent = good()
    make(agent)
    found = judged(agent)

    assert (found.verdict, found.violations, found.excused) == (Verdict.PASS, 0, excused)


def test_a_gap_on_a_starved_machine_proves_nothing() -> None:
    """Where the harness itself was late, a page that did not come may be the machine's doing."""
    agent = good()
    gap(agent)
    for number in range(1_000):
        agent.story.attempt(Outcome.OK, number, offset=number, late=0.5)
    found = judged(agent)

    assert (found.verdict, found.violations) == (Verdict.UNKNOWN, 0)
    assert found.summary.startswith("Not proven: 1 gap without scrapes, but the harness itself was starved: ")


def test_what_a_buffer_may_still_hold_is_not_lost() -> None:
    """As long as the agent did not send all it held, what is missing is not proven lost."""
    agent = good()
    lost_events(agent)
    agent.complete = False
    found = judged(agent)

    assert (found.verdict, found.violations) == (Verdict.UNKNOWN, 0)
    assert found.summary == (
        "Not proven: 1 scraped event not in the bucket yet, the agent may still hold events."
    )


def test_nothing_scraped_proves_nothing() -> None:
    """An agent that never scraped is no evidence that its hop holds."""
    found = judged(Agent())

    assert (found.verdict, found.summary) == (
        Verdict.UNKNOWN,
        "Not proven: the agent did not say that it scraped anything.",
    )


def test_a_bucket_that_was_not_read_proves_nothing() -> None:
    """The run died before the bucket was read."""
    agent = good()
    agent.read = False

    assert judged(agent).summary == "Not proven: the metrics bucket was not read."


def test_a_hop_that_was_not_executed_is_not_judged() -> None:
    """Without a binary there is no finding: the run is not failed by a part that it did not have."""
    agent = good()
    agent.executed = False

    assert metrics.check(agent.evidence()) is None


def test_a_run_without_the_hop_is_not_judged() -> None:
    """A stack without a pipeline, or without an agent, has nothing to say here."""
    evidence = good().evidence()
    events = tuple(
        planned(metrics_hop=False) if isinstance(e, PipelinePlanned) else e for e in evidence.events
    )

    assert metrics.check(Story().evidence()) is None
    assert metrics.check(replace(evidence, events=events)) is None


def test_without_names_several_processes_make_no_timeline() -> None:
    """Where events do not name their process, gaps cannot be told apart: counts alone are judged."""
    agent = good()
    agent.scrapes = [(row[0], "", *row[2:]) for row in without(agent, 20, 26, PROCESSES[0]).scrapes]
    agent.lives = {0.0: (570, 0)}

    assert judged(agent).verdict is Verdict.PASS


@settings(deadline=None)
@given(st.data())
def test_whatever_is_taken_away_is_counted(data: st.DataObject) -> None:
    """Take any events out of any pages of an agent that was never disturbed: exactly so many are missed."""
    agent = good()
    taken = data.draw(st.dictionaries(st.integers(0, 59), st.integers(1, PAGE - 1), max_size=8))
    for index, number in taken.items():
        row = agent.scrapes[index]
        agent.scrapes[index] = (*row[:2], PAGE - number, PAGE - number, *row[4:])

    assert judged(agent).violations == sum(taken.values())
