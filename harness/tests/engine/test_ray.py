"""The same map and reduce on Ray: the same findings, to the byte."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.benchmarks.records_made import Asked, make
from harness.engine.folder import parts, read_context
from harness.engine.on_ray import counted
from harness.engine.verify import verify
from harness.errors import EvidenceError, MissingAbility


@pytest.mark.nightly
@pytest.mark.parametrize("transactions", [False, True])
def test_ray_finds_the_same(tmp_path: Path, *, transactions: bool) -> None:
    """Two workers of Ray on this machine and this process alone write the same document."""
    make(
        tmp_path / "records",
        Asked(60_000, partitions=6, defects=84, row_group=3_000, transactions=transactions),
    )

    here, there = verify(tmp_path / "records", processes=1), verify(tmp_path / "records", on="ray")

    assert here.model_dump_json() == there.model_dump_json()
    assert len(here.findings) == 5 + transactions


@pytest.mark.nightly
def test_what_a_worker_raises_arrives_as_itself(tmp_path: Path) -> None:
    """A damaged file is named in the sentence that the engine on this machine has for it."""
    make(tmp_path / "records", Asked(8_000, partitions=2, defects=0))
    broken = next((tmp_path / "records/consume/partition=1").glob("*.parquet"))
    broken.write_bytes(b"PAR1")

    with pytest.raises(EvidenceError, match=f"{broken.name} cannot be read"):
        counted(read_context(tmp_path / "records"), parts(tmp_path / "records"))


def test_without_ray_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is optional; who asks for it and lacks it is told what to install."""
    monkeypatch.setitem(sys.modules, "ray", None)
    make(tmp_path / "records", Asked(8_000, partitions=1, defects=0))

    with pytest.raises(MissingAbility, match=r"pip install 'edge-harness\[ray\]'"):
        verify(tmp_path / "records", on="ray")
