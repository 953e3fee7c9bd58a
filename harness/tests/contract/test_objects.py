"""The real S3 server behind its gate: it serves, it dies as one, and every fault shows, within bounds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest

from harness.tests.contract.inside import tell

pytestmark = pytest.mark.contract

Told = dict[str, list[float] | list[str] | dict[str, int]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What happened to a store that was used, killed, started again and wiped."""
    return tell("serving", tmp_path_factory.mktemp("serving"), seconds=180)


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """What clients saw under each fault of the gate, and what the gate says it did."""
    return cast(dict[str, Told], tell("gate_faults", tmp_path_factory.mktemp("faults"), seconds=180))


def test_it_serves_objects_and_uploads(served: dict[str, object]) -> None:
    """Objects come back whole; an upload is an object once it is completed, and not before."""
    assert served["whole"] is True
    assert [["records/one", 262_144], ["records/whole", 5_242_887]] == served["objects"]
    assert ["records/open"] == served["uploads"]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("no bucket", "there is no bucket 'nowhere' in the object store"),
        ("no right", "the object store refuses the credentials for bucket 'edge-archive'"),
        ("nothing", "edge-archive/records/none cannot be read: NoSuchKey"),
        ("in use", "s3-1 runs. Fix: kill it before its disk is wiped"),
        ("closed", "edge-archive/records/one cannot be read: Could not connect"),
    ],
)
def test_every_refusal_is_one_clear_error(served: dict[str, object], asked: str, answer: str) -> None:
    """What is not there, not allowed or not running is said in one sentence."""
    assert str(served[asked]).startswith(answer)


def test_the_server_dies_with_its_gate_and_keeps_its_objects(served: dict[str, object]) -> None:
    """Killing the node's process leaves no Java behind; objects survive that, and not a wipe."""
    assert ([], True, []) == (served["children"], served["kept"], served["wiped"])


def test_a_pause_stops_the_server_with_its_gate(tmp_path: Path) -> None:
    """No half of a paused node works on; both continue when it is healed, or when a watchdog finds them."""
    seen = tell("paused", tmp_path, seconds=120)

    assert (seen["landed"], seen["healed"]) == (True, True), seen["words"]
    assert (seen["stopped"], seen["held"], seen["noted"]) == ([True, True], True, True)
    assert re.fullmatch(r"kill -STOP \d+ \d+", cast(list[str], seen["commands"])[0])
    assert (seen["running"], seen["resumed"]) == ([False, False], True)
    assert seen["afterwards"] == [False, False]


def figures(told: Told) -> dict[str, int]:
    """What the gate counted, without what it did not."""
    return {name: count for name, count in cast(dict[str, int], told["figures"]).items() if count}


def test_refused_requests_are_counted_exactly(faults: dict[str, Told]) -> None:
    """Half of the requests are refused, every other one, with S3's own word; uploads too, body and all."""
    assert ["whole", "SlowDown"] * 3 == faults["refuse"]["ends"]
    assert {"requests": 6, "meant": 6, "refused": 3, "bytes_out": 3 * 262_144} == figures(faults["refuse"])
    assert ["SlowDown"] * 6 == faults["refuse put"]["ends"]
    assert {"requests": 6, "meant": 6, "refused": 6} == figures(faults["refuse put"])


def test_a_slow_store_is_as_slow_as_asked_for(faults: dict[str, Told]) -> None:
    """A delay of 0.2 s takes that long and not twice; 256 KB at 1 MB/s take a quarter of a second."""
    assert all(0.2 <= seconds < 0.6 for seconds in cast(list[float], faults["slow"]["seconds"]))
    assert 600 <= figures(faults["slow"])["delayed_ms"] < 1_800
    assert all(0.25 <= seconds < 0.75 for seconds in cast(list[float], faults["thin"]["seconds"]))
    assert ["whole"] * 3 == faults["slow"]["ends"]


def test_a_thin_line_is_one_line(faults: dict[str, Told]) -> None:
    """Eight readers at once get 2 MB/s together: 2 MB take one second, and every body is whole."""
    seconds = cast(float, faults["parallel"]["seconds"])

    assert faults["parallel"]["whole"]
    assert 1.0 <= seconds < 3.0


def test_a_body_cut_short_is_never_taken_for_whole(faults: dict[str, Told]) -> None:
    """Exactly so many bytes pass, and the client sees an error, not a shorter object."""
    assert ["no answer"] * 6 == faults["truncate"]["ends"]
    assert {"requests": 6, "meant": 6, "truncated": 6, "bytes_out": 600_000} == figures(faults["truncate"])


def test_a_hanging_store_takes_requests_and_never_answers(faults: dict[str, Told]) -> None:
    """A client waits for as long as it is patient, here one second."""
    assert all(1.0 <= seconds < 3.0 for seconds in cast(list[float], faults["hang"]["seconds"]))
    assert {"requests": 2, "meant": 2, "hung": 2} == figures(faults["hang"])


def test_other_methods_pass(faults: dict[str, Told]) -> None:
    """A fault that is meant for DELETE does nothing to GET."""
    assert ["whole"] * 6 == faults["other method"]["ends"]
    assert "meant" not in figures(faults["other method"])


def test_a_lease_that_nobody_renews_ends_by_itself(faults: dict[str, Told]) -> None:
    """A store left hanging serves again when its half second is over, though nobody healed it."""
    told = cast(dict[str, object], faults["expired"])

    assert ("no answer", "whole") == (told["first"], told["then"])
    assert cast(float, told["hung_s"]) < 2.5
    assert ["whole"] * 6 == faults["after"]["ends"]
