"""Volumes that the agent's program fills, on real file systems: to the last block, alone, and given back."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import cast

import pytest

from harness.tests.contract import inside

pytestmark = pytest.mark.contract

MEGABYTE = 1 << 20


def test_a_volume_is_filled_to_the_last_block_and_given_back(tmp_path: Path) -> None:
    """No byte more is taken, what is in it is read and looks as before, and the disk beside it has room."""
    seen = inside.tell("volume_filled", tmp_path)

    during, after = cast(dict[str, object], seen["during"]), cast(dict[str, object], seen["after"])
    assert seen["tried"] == {"id": 7, "refused": 0, "readable": True}
    assert seen["filled"] == {"id": 7}
    assert during == {
        "free": 0,
        "tried": {"id": 7, "refused": errno.ENOSPC, "readable": True},
        "write": errno.ENOSPC,
        "beside": 0,
        "unchanged": True,
        "whole": False,
    }
    assert after == {"free": seen["before"], "write": 0, "whole": True}


def test_what_the_node_would_lose_is_never_filled(tmp_path: Path) -> None:
    """A folder of the node, and a folder of a larger file system that is mounted as the volume."""
    seen = inside.tell("volume_shared", tmp_path)

    folder, larger = "it is a folder of its node", "it is a folder of a larger file system"
    assert all(str(words).startswith(folder) for words in cast(list[str], seen["folder"]))
    assert all(str(words).startswith(larger) for words in cast(list[str], seen["part"]))
    assert cast(int, seen["free"]) > 20 * MEGABYTE
    assert seen["notes"] == []


@pytest.mark.parametrize("how", ["kill", "silence"])
def test_a_harness_that_is_gone_leaves_no_volume_full(tmp_path: Path, how: str) -> None:
    """The kernel frees it when the agent's process is killed, the agent when nobody asks for a lease."""
    seen = inside.tell("volume_left", tmp_path, how)

    assert seen["said"] == {"id": 7}
    assert seen["during"] == 0
    assert seen["serves"] is (how == "silence")
    assert len(cast(list[str], seen["noted"])) == (1 if how == "kill" else 0)
