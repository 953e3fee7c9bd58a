"""The run directory keeps what was written, keeps it private, and never follows a planted link."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from harness.errors import BadInput, EvidenceError, MissingAbility
from harness.findings import RunDocument
from harness.journal_entry import JournalEntry
from harness.model import Noted, RunEnded
from harness.rundir import EventLog, RunDirectory, unwritable
from harness.verdict import Verdict

EVENTS = (
    Noted(t=1, wall="w", text="a"),
    Noted(t=2, wall="w", text="…→", node="broker-1"),
    RunEnded(t=3, wall="w"),
)


def entry(fault: int) -> JournalEntry:
    """A journal entry of fault number *fault*."""
    return JournalEntry(
        t=fault, wall="w", fault=fault, step="planned", name="kill broker-1", kind="kill", target="broker-1",
        why_this_target="asked for",
    )  # fmt: skip


def document() -> RunDocument:
    """A run that found nothing."""
    return RunDocument(
        run_id="r", scenario="s", platform="local", seed=1, verdict=Verdict.UNKNOWN, exit_code=2,
        sentence="…", title="t", expect="held", started_at="w", duration_s=1.0, findings=(), faults=(),
        recovery=(), unavailability=(), latency={}, load=None, environment={}, command=("harness",),
        harness_version="0",
    )  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run directory with three events."""
    made = RunDirectory.create(tmp_path / "reports", "run-1")
    log = EventLog(made)
    for event in EVENTS:
        log.append(event)
    log.close()
    return made


def test_events_come_back_as_they_were_written(directory: RunDirectory) -> None:
    """Every event is read back equal and in order."""
    assert directory.read_events() == list(EVENTS)


def test_cutting_the_file_anywhere_loses_only_the_cut_line(directory: RunDirectory) -> None:
    """At every byte at which a crash may cut the file, the whole lines before it are read."""
    whole = directory.events.read_bytes()

    for size in range(len(whole)):
        directory.events.write_bytes(whole[:size])
        # A line is whole with its last brace: the line break after it carries nothing.
        complete = sum(line.endswith(b"}") for line in whole[:size].split(b"\n"))
        assert directory.read_events() == list(EVENTS[:complete]), size


def test_nothing_after_a_damaged_event_counts(directory: RunDirectory) -> None:
    """Events are a story: what follows an unreadable line has no place in it."""
    first, second, third = directory.events.read_bytes().splitlines(keepends=True)
    directory.events.write_bytes(first + b"\xff" + second + third)

    assert directory.read_events() == [EVENTS[0]]


def test_a_damaged_journal_line_hides_no_other_fault(directory: RunDirectory) -> None:
    """Each journal line stands for itself: heal must see every fault that can be read."""
    lines = [entry(n).model_dump_json().encode() for n in (1, 2, 3)]
    directory.journal.write_bytes(lines[0] + b"\n" + lines[1][:40] + b"\n" + lines[2])

    assert directory.read_journal() == [entry(1), entry(3)]


def test_a_run_without_faults_has_an_empty_journal(directory: RunDirectory) -> None:
    """A missing journal means that no fault was ever planned."""
    assert directory.read_journal() == []


def test_only_the_owner_can_look_inside(directory: RunDirectory) -> None:
    """Folders are 0700 and files 0600: logs may hold what users type."""
    directory.write_document(document())
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (directory.root, *directory.root.rglob("*"))}

    assert set(modes) > {directory.ledger, directory.samples, directory.logs, directory.document}
    assert modes == {path: 0o700 if path.is_dir() else 0o600 for path in modes}


def test_a_planted_symlink_is_not_followed(tmp_path: Path) -> None:
    """A link in the place of a file is refused, and what it points to stays untouched."""
    made = RunDirectory.create(tmp_path, "run-1")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    made.events.symlink_to(victim)
    made.document.with_name("run.json.part").symlink_to(victim)

    with pytest.raises(MissingAbility):
        EventLog(made)
    with pytest.raises(MissingAbility):
        made.write_document(document())
    assert victim.read_text() == "mine"


def test_a_file_is_replaced_whole_or_not_at_all(directory: RunDirectory) -> None:
    """When writing fails half-way the file of before is still there, to the byte."""
    directory.write_document(document())
    before = directory.document.read_bytes()

    with pytest.raises(UnicodeEncodeError):
        directory.write(directory.document, "x" * 100_000 + "\udc80")
    assert directory.document.read_bytes() == before


def test_a_full_disk_is_told_in_words(tmp_path: Path) -> None:
    """ENOSPC on an event becomes one sentence with a fix; /dev/full gives it on every machine."""
    made = RunDirectory.create(tmp_path, "run-1")
    log = EventLog(made)
    log._file.close()
    log._file = open("/dev/full", "ab")  # noqa: SIM115 - closed below, as far as it can be

    with pytest.raises(MissingAbility, match="No space left on device"):
        log.append(EVENTS[0])
    with pytest.raises(OSError, match="No space left"):
        log.close()


def test_an_unwritable_place_names_itself_and_the_way_out(tmp_path: Path) -> None:
    """The sentence has the path, the kernel's reason and the fix."""
    error = unwritable(tmp_path, OSError(errno.EROFS, "Read-only file system"))

    assert str(error) == (
        f"cannot write {tmp_path}: Read-only file system. "
        "Fix: free space there, or choose another folder with --out"
    )


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "-x", ".hidden", "a\n", "ä", "x" * 200])
def test_a_run_id_is_a_plain_file_name(tmp_path: Path, name: str) -> None:
    """No run id leads out of the output folder or needs quoting in a shell."""
    with pytest.raises(BadInput):
        RunDirectory.create(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_two_runs_do_not_share_a_directory(directory: RunDirectory) -> None:
    """A run id that exists is refused."""
    with pytest.raises(BadInput, match="exists"):
        RunDirectory.create(directory.root.parent, directory.run_id)


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """Where no folder can be made, the user hears it before anything starts."""
    (tmp_path / "out").write_text("a file")

    with pytest.raises(MissingAbility, match="Not a directory"):
        RunDirectory.create(tmp_path / "out", "run-1")


def test_a_run_is_found_by_its_folder_or_any_of_its_files(directory: RunDirectory) -> None:
    """``harness verify`` takes the folder as well as a file in it, as a shell completes it."""
    assert RunDirectory.open(directory.root).root == directory.root.resolve()
    assert RunDirectory.open(directory.events).root == directory.root.resolve()


def test_a_folder_that_is_no_run_is_told_as_such(tmp_path: Path) -> None:
    """The error names what is missing and what a run looks like."""
    with pytest.raises(EvidenceError, match=r"it has no events\.jsonl"):
        RunDirectory.open(tmp_path)


def test_the_document_comes_back_as_it_was_written(directory: RunDirectory) -> None:
    """``run.json`` is read back equal, and opens with the keys that the design fixes."""
    directory.write_document(document())

    assert directory.read_document() == document()
    first = [line.split('"')[1] for line in directory.document.read_text().splitlines()[1:8]]
    assert first == ["schema", "run_id", "scenario", "platform", "seed", "verdict", "exit_code"]


@pytest.mark.parametrize("text", [None, "", "{}", '{"schema": "other/1"}'])
def test_an_unreadable_document_can_be_made_anew(directory: RunDirectory, text: str | None) -> None:
    """A missing, empty or foreign ``run.json`` is an error that names ``harness verify``."""
    if text is not None:
        directory.document.write_text(text)

    with pytest.raises(EvidenceError, match=f"Fix: harness verify {directory.root}"):
        directory.read_document()
