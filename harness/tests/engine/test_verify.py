"""A whole folder judged: every planted defect is counted, nothing else is, and nothing depends on how."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import cli
from harness.benchmarks import records_made
from harness.benchmarks.records_made import DEFECTS, Asked, make, planted
from harness.engine import local, work
from harness.engine.folder import parts, read_context
from harness.engine.verify import lines, verify, write
from harness.engine.work import Pile
from harness.errors import EvidenceError, ExitCode
from harness.verdict import Verdict

SMALL = Asked(40_000, partitions=4, defects=56, row_group=3_000)
IN_TRANSACTIONS = Asked(40_000, partitions=4, defects=56, row_group=3_000, transactions=True)
SOUND = Asked(40_000, partitions=4, defects=0, row_group=3_000, transactions=True)

OFFSETS = ("end_offset", "committed_end_offset", "sentinel_offset")

Made = Callable[[Asked], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Folders of records, each made once."""
    known: dict[Asked, Path] = {}

    def folder(asked: Asked) -> Path:
        if asked not in known:
            known[asked] = tmp_path_factory.mktemp("records") / "folder"
            make(known[asked], asked)
        return known[asked]

    return folder


@pytest.mark.parametrize("asked", [SMALL, IN_TRANSACTIONS], ids=["plain", "transactions"])
def test_every_planted_defect_is_found_and_named(made: Made, asked: Asked) -> None:
    """Seven classes of defects, eight of each: every checker counts its own exactly, and has witnesses."""
    document = verify(made(asked), processes=1)

    assert planted(asked).violations() == {f.checker: f.violations for f in document.findings}
    assert {Verdict.FAIL} == {f.verdict for f in document.findings}
    assert [min(f.violations, 32) for f in document.findings] == [len(f.witnesses) for f in document.findings]


@pytest.mark.parametrize("kind", DEFECTS)
def test_each_class_is_caught_by_its_own_checkers(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One class of defects alone fails those checkers alone that are there for it."""
    monkeypatch.setattr(records_made, "DEFECTS", (kind,))
    asked = Asked(8_000, partitions=2, defects=4)
    make(tmp_path / "folder", asked)
    document = verify(tmp_path / "folder", processes=1)

    assert planted(asked).violations() == {f.checker: f.violations for f in document.findings}
    assert any(f.violations for f in document.findings)


def test_a_sound_history_passes(made: Made) -> None:
    """Interleaved, in transactions, in many row groups: no alarm."""
    document = verify(made(SOUND), processes=1)

    assert (document.verdict, document.exit_code) == (Verdict.PASS, ExitCode.PASS)
    assert (document.attempted, document.came_back, len(document.findings)) == (40_000, 40_000, 6)


def test_nothing_depends_on_the_number_of_processes(made: Made) -> None:
    """One and two processes write the same bytes."""
    one, two = (verify(made(IN_TRANSACTIONS), processes=processes) for processes in (1, 2))

    assert one.model_dump_json() == two.model_dump_json()


def test_nothing_depends_on_the_row_groups(made: Made, tmp_path: Path) -> None:
    """The same records in one row group are the same runs and the same findings."""
    make(tmp_path / "whole", Asked(40_000, partitions=4, defects=56))

    assert verify(made(SMALL), processes=1) == verify(tmp_path / "whole", processes=1)


def test_runs_that_are_many_go_through_the_disk(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interleaved history makes is put aside and comes back: the findings are the same."""
    folder = made(IN_TRANSACTIONS)
    in_memory = verify(folder, processes=1)
    monkeypatch.setattr(work, "_FEW", 10_000)
    monkeypatch.setattr(Pile.__init__, "__kwdefaults__", {"spill_from": 10})
    on_disk = verify(folder, processes=1)

    assert [(), (0, 1, 2, 3)] == [in_memory.spilled, on_disk.spilled]
    assert in_memory.findings == on_disk.findings


def test_without_fences_nothing_is_proven(made: Made, tmp_path: Path) -> None:
    """A sound history that was not read through a fence is UNKNOWN, never PASS."""
    folder = _changed(made(SOUND), tmp_path, fenced_us=None)
    document = verify(folder, processes=1)

    assert (document.verdict, document.exit_code) == (Verdict.UNKNOWN, ExitCode.UNKNOWN)


def test_a_fence_of_another_reading_proves_nothing(made: Made, tmp_path: Path) -> None:
    """A sentinel among the records that came back cannot have been where this reading ended."""
    fences = read_context(made(SOUND)).model_dump(mode="json")["fences"]
    early = [fence | dict.fromkeys(OFFSETS, 2) | {"position": 3} for fence in fences[:1]] + fences[1:]
    document = verify(_changed(made(SOUND), tmp_path, fences=early), processes=1)

    assert (document.verdict, document.exit_code) == (Verdict.UNKNOWN, ExitCode.UNKNOWN)
    assert "partition 0 has a record at offset" in document.findings[1].summary


def test_a_partition_that_lacks_its_files_is_missed(made: Made, tmp_path: Path) -> None:
    """A consume history that was not copied along is a loss, and a partition without any file is no PASS."""
    folder = _changed(made(SOUND), tmp_path)
    shutil.rmtree(folder / "consume" / "partition=2")
    lost = verify(folder, processes=1)
    less = _changed(
        folder, tmp_path / "less", fences=read_context(folder).model_dump(mode="json")["fences"][:3]
    )
    shutil.rmtree(less / "produce" / "partition=2")
    shutil.rmtree(less / "produce" / "partition=3")
    shutil.rmtree(less / "consume" / "partition=3")

    assert lost.findings[0].violations == 10_000
    assert verify(less, processes=1).verdict is Verdict.UNKNOWN


def test_what_nobody_asked_for_is_all_asked_for(made: Made, tmp_path: Path) -> None:
    """A context without guarantees asks for all of them: a loss does not pass for want of a question."""
    folder = _changed(made(SOUND), tmp_path, guarantees=None)
    assert verify(folder, processes=1).verdict is Verdict.PASS
    shutil.rmtree(folder / "consume" / "partition=2")
    document = verify(folder, processes=1)

    assert (document.verdict, document.exit_code) == (Verdict.FAIL, ExitCode.GUARANTEE_BROKEN)
    assert {"none allowed"} == {f.limit for f in document.findings}


def test_no_line_says_pass_of_what_was_lost(made: Made, tmp_path: Path) -> None:
    """A loss that was allowed says so, and one that nobody asked about is not judged instead of passed."""
    said = {}
    for name, asked in (
        ("allowed", {"name": "no_loss", "allowed": 16}),
        ("unasked", {"name": "no_duplicates"}),
    ):
        folder = _changed(made(SMALL), tmp_path / name, guarantees=[asked])
        said[name] = next(line for line in lines(verify(folder, processes=1)) if "no_loss" in line)

    assert said["allowed"].startswith("PASS no_loss: Within the 16 allowed: 16 of")
    assert said["unasked"].startswith("NOT JUDGED no_loss: Nobody asked for it: 16 of")


def test_what_was_only_announced_is_no_stranger(made: Made, tmp_path: Path) -> None:
    """Attempts whose rows were lost lie below the announcement: undecided, and they may come back."""
    reserved = [{"producer": 0, "partition": p, "until_seq": 10_000} for p in range(5)]
    folder = _changed(made(SOUND), tmp_path, announced=reserved, partitions=0)
    shutil.rmtree(folder / "produce" / "partition=1")
    phantoms = next(f for f in verify(folder, processes=1).findings if f.checker == "no_phantoms")
    from_zero = {w.record.split("/")[0] for w in phantoms.witnesses}

    assert phantoms.violations
    assert "0" not in from_zero


def test_witnesses_tell_when_they_were_meant_to_be_sent(made: Made) -> None:
    """The instant is the record's own, looked up in its row group."""
    folder = made(SMALL)
    lost = verify(folder, processes=1).findings[0].witnesses
    told = [witness.at_s for witness in lost if witness.at_s is not None]
    sequences = [int(witness.record.split("/")[2]) for witness in lost]

    assert len(told) == len(lost)
    assert all(
        0 <= at * 1e6 - s * records_made.STEP_US < records_made.STEP_US
        for at, s in zip(told, sequences, strict=True)
    )


def test_a_damaged_file_is_named_whoever_read_it(made: Made, tmp_path: Path) -> None:
    """In this process and in another one the error is the same sentence."""
    folder = _changed(made(SOUND), tmp_path)
    broken = next((folder / "consume" / "partition=3").glob("*.parquet"))
    broken.write_bytes(b"PAR1")
    said = []
    for processes in (1, 2):
        with pytest.raises(EvidenceError) as caught:
            local.counted(read_context(folder), parts(folder), processes=processes)
        said.append(caught.value.sentence())

    assert said[0] == said[1]
    assert str(broken) in said[0]


def test_the_command_prints_and_keeps_the_findings(made: Made, tmp_path: Path) -> None:
    """The exit code is that of the verdict; verdict.json is what --json prints."""
    folder = _changed(made(SMALL), tmp_path)
    plain = CliRunner().invoke(
        cli.commands, ["verify", "--records", str(folder), "--processes", "1"], standalone_mode=False
    )
    machine = CliRunner().invoke(
        cli.commands,
        ["verify", "--records", str(folder), "--processes", "1", "--json"],
        standalone_mode=False,
    )

    assert (plain.return_value, machine.return_value) == (1, 1)
    assert "FAIL no_loss: 16 of" in plain.output
    assert json.loads(machine.output) == json.loads((folder / "verdict.json").read_text())


def test_the_document_is_written_where_the_records_are(made: Made, tmp_path: Path) -> None:
    """And the lines for a terminal end with the exit code."""
    document = verify(made(SOUND), processes=1)

    assert write(document, tmp_path).read_text() == document.model_dump_json(by_alias=True, indent=2) + "\n"
    assert list(lines(document))[-1] == "exit code 0"


def _changed(folder: Path, place: Path, **context: object) -> Path:
    """A copy of the folder with another context, without the keys that are None."""
    copy = shutil.copytree(folder, place / "copy")
    told = json.loads((folder / "records.json").read_text()) | context
    (copy / "records.json").write_text(
        json.dumps({key: value for key, value in told.items() if value is not None})
    )
    return copy
