"""Parts of a pipeline as real processes: a service's life, and a store that refuses."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from harness.tests.contract.inside import tell

pytestmark = pytest.mark.contract


def test_a_service_lives_dies_is_wiped_and_lives_again(tmp_path: Path) -> None:
    """It runs once at a time, keeps its data when it is killed, and gives them up only while it is down."""
    seen = tell("service_life", tmp_path)

    assert (seen["ready"], seen["second life"]) == ("it echoes", "it echoes")
    assert (seen["again"], seen["in use"]) == ("jobmanager-1 still runs", "jobmanager-1 runs")
    assert seen["dead"] == "jobmanager-1 died"
    assert (seen["kept"], seen["wiped"]) == (["folder", "kept"], [])
    assert {"HARNESS_NODE", "HARNESS_RUN", "PATH"} <= set(cast(list[str], seen["carries"]))


def test_flink_starts_from_an_archive_of_its_classes(tmp_path: Path) -> None:
    """What the processes of a lone cluster and the tasks of its job loaded is in it; nothing else is left."""
    seen = tell("flink_archive", tmp_path, seconds=240)

    assert "shared objects file" in cast(list[str], seen["shared"])[0]
    assert seen["of the job"] is True
    assert [Path(name).suffix for name in cast(list[str], seen["left over"])] == [".jsa"]


def test_a_store_that_refuses_is_one_error_before_the_job_starts(tmp_path: Path) -> None:
    """No bucket, or not for these credentials: exit code 254, and Flink was not asked for anything."""
    seen = cast(dict[str, dict[str, object]], tell("store_refuses", tmp_path, seconds=120))

    assert str(seen["no bucket"]["said"]).startswith("there is no bucket 'no-such' in the object store. Fix:")
    said = str(seen["no right"]["said"])
    assert said.startswith("the object store refuses the credentials for bucket 'edge-archive'")
    assert said.endswith("Fix: check objects.access_key and objects.secret_key")
    for refused in (seen["no bucket"], seen["no right"]):
        assert (refused["code"], refused["flink"]) == (254, [])
    assert (seen["good"]["said"], len(cast(list[str], seen["good"]["flink"]))) == ("", 2)
