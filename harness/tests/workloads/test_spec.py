"""What a story may ask of a workload, and under which settings its history is judged."""

from __future__ import annotations

from typing import get_args

import pytest

from harness.anomalies.stored import ANOMALIES
from harness.errors import BadInput
from harness.names import AnomalyName
from harness.scenario import compacted, copies, group, transactions, transfers
from harness.workloads.spec import PROVES, Form


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"writers": 0}, "writers of transfers"),
        ({"rate": -1}, "rate of transfers"),
        ({"keys": 1}, "keys of transfers"),
        ({"speed": 3}, "speed of transfers"),
        ({"fresh_s": 0}, "fresh_s of transfers"),
        ({"wrong": "commits_ahead"}, "has nobody for wrong='commits_ahead'"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(options: dict[str, object], words: str) -> None:
    """The error names the option and the workload."""
    with pytest.raises(BadInput, match=words):
        transfers(**options)  # type: ignore[arg-type]


def test_whatever_can_be_done_wrong_can_be_asked_for_somewhere() -> None:
    """A control that no workload takes would prove nothing."""
    for made in (
        *(transfers(wrong=wrong) for wrong in ("halves", "identities", "skips", "jumps", "sees_open")),
        group(wrong="commits_ahead"),
        copies(wrong="commits_apart"),
        compacted(wrong="forgets"),
    ):
        assert made.wrong


def test_the_history_is_judged_by_what_its_clients_do() -> None:
    """Acknowledgements, idempotence, elections and compaction come from the settings that were asked for."""
    client = {"acks": "1", "enable.idempotence": "false"}
    weak = group(client=client, topic_config={"unclean.leader.election.enable": "true"})
    settings = weak.history(transaction_version=2)

    assert (settings.acks, settings.idempotent, settings.unclean_election) == ("1", False, True)
    assert transfers().history(transaction_version=1).conserved
    assert not transactions().history(transaction_version=1).conserved
    assert compacted().history(transaction_version=1).cleanup == "compact"
    assert compacted().topic_settings["cleanup.policy"] == "compact"


def test_how_long_records_may_wait_is_judged_where_it_is_asked() -> None:
    """A bound in seconds is one in the history, and then there has to be something to compare for it."""
    bound, free = group(fresh_s=1.5), group()

    assert bound.history(transaction_version=2).fresh_ns == 1_500_000_000
    assert "lag" in bound.proves
    assert free.history(transaction_version=2).fresh_ns is None
    assert "lag" not in free.proves


def test_every_anomaly_has_a_name_that_scenarios_can_ask_by() -> None:
    """The names are those of the checks, and each workload proves some of them."""
    assert set(get_args(AnomalyName)) == ANOMALIES
    assert set(PROVES) == set(get_args(Form))
    assert {name for names in PROVES.values() for name in names} <= ANOMALIES
