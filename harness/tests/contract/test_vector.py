"""The metrics agent as a real process, where there is one; where there is none, that this is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.stack.vector.component import find_vector, missing_reason
from harness.tests.contract import inside

pytestmark = pytest.mark.contract

HERE = find_vector("vector") is not None
BUFFER = 'buffer = {type = "disk", max_size = 268435488, when_full = "block"}'


def is_executed() -> bool:
    """Whether the rest of a test can be executed; if not, the reason is a sentence that says what to do."""
    if not HERE:
        assert missing_reason("vector") == (
            "there is no 'vector' in PATH; give it with --set vector.binary=PATH"
        )
    return HERE


def test_what_a_disk_buffer_holds_survives_a_kill(tmp_path: Path) -> None:
    """Killed while the store refuses, an agent with a disk buffer sends all of it in its next life."""
    if not is_executed():
        return
    seen = inside.tell("agent_killed", tmp_path)
    read = seen["read"]

    assert isinstance(read, dict)
    assert seen["graceful"] is True
    assert int(str(seen["buffered"])) > 0
    assert read["events"] >= int(str(seen["scraped"]))
    assert (read["shaped"], read["refused"], read["damaged"]) == (read["events"], 0, 0)


def test_what_a_memory_buffer_holds_is_lost_by_a_kill(tmp_path: Path) -> None:
    """The same kill loses what only memory held: fewer events are in the bucket than were scraped."""
    if not is_executed():
        return
    seen = inside.tell("agent_killed", tmp_path, [BUFFER, ""])
    read = seen["read"]

    assert isinstance(read, dict)
    assert read["events"] < int(str(seen["scraped"]))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('type = "metric_to_log"', 'type = "metric_to_logs"', "unknown variant `metric_to_logs`"),
        ("edge-metrics", "no-such-bucket", 'Unknown bucket: "no-such-bucket"'),
        ("max_size = 268435488", "max_size = 1000", "must be greater than or equal to 268435488 bytes"),
        ("string!(.name)", "string(.name)", "unhandled fallible assignment"),
    ],
)
def test_what_vector_refuses_is_told_in_its_words(tmp_path: Path, old: str, new: str, words: str) -> None:
    """A configuration that Vector does not take is one sentence, before anything is started."""
    if not is_executed():
        return
    said = str(inside.tell("agent_refuses", tmp_path, [old, new])["said"])

    assert said.startswith("vector refuses vector.toml: ")
    assert words in said
    assert "\n" not in said
