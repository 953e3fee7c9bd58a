"""Each limit of the machine is read where the kernel keeps it, and judged on both sides of its line."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness import machine
from harness.machine import Check, Machine, limited

LIMITED = """\
MemTotal:       16000000 kB
MemFree:         1000000 kB
MemAvailable:    {available} kB
"""


@pytest.fixture
def found(tmp_path: Path) -> Machine:
    """A machine whose /proc and /sys are folders of the test's own, with 4 GB available and no cgroup."""
    for name in ("proc/self", "sys", "out", "cache"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(LIMITED.format(available=4_000_000))
    (tmp_path / "proc/self/cgroup").write_text("9:name=systemd:/\n0::/ours\n")
    return Machine(
        tmp_path / "out",
        tmp_path / "cache",
        tmp_path / "locks",
        tmp_path / "stacks",
        proc=tmp_path / "proc",
        sys=tmp_path / "sys",
    )


def cgroup(found: Machine, limit: str, used: int) -> None:
    """Put the process into a cgroup with this memory limit, of which *used* bytes are in use."""
    folder = found.sys / "fs/cgroup/ours"
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")


def only(checks: Iterable[Check]) -> Check:
    """The one check among *checks*."""
    (check,) = checks
    return check


@pytest.mark.parametrize(("available", "ok"), [(3_584 * 1_024, True), (3_584 * 1_024 - 1_024, False)])
def test_a_pipeline_needs_more_memory_than_brokers(found: Machine, *, available: int, ok: bool) -> None:
    """Less than 3.5 GB is a note, never a failure: scenarios of brokers alone still run."""
    (found.proc / "meminfo").write_text(LIMITED.format(available=available))
    _, note = machine.memory(found)

    assert (note.name, note.ok, note.needed) == ("memory for a pipeline", ok, False)


@pytest.mark.parametrize(("available", "ok"), [(2_048 * 1_024, True), (2_048 * 1_024 - 1_024, False)])
def test_two_gigabytes_of_memory_are_enough(found: Machine, *, available: int, ok: bool) -> None:
    """The line is at 2 GB of what the kernel says is available, not of what is free."""
    (found.proc / "meminfo").write_text(LIMITED.format(available=available))

    needed, _ = machine.memory(found)
    assert needed.ok is ok


def test_the_memory_limit_of_a_container_counts(found: Machine) -> None:
    """A cgroup that leaves less than the machine has decides."""
    cgroup(found, str(3 << 30), 2 << 30)

    check, note = machine.memory(found)
    assert (check.ok, check.detail) == (False, "1024 MB available, 2048 needed")
    assert (note.ok, note.needed) == (False, False)


def test_a_container_without_a_limit_has_the_machines_memory(found: Machine) -> None:
    """``max`` is no limit."""
    cgroup(found, "max", 2 << 30)

    needed, note = machine.memory(found)
    assert needed.detail == "3906 MB available, 2048 needed"
    assert note.ok


@pytest.mark.parametrize(
    ("limit", "ok", "detail"),
    [
        (4096, True, "at most 4096, 4096 needed"),
        (4095, False, "at most 4095, 4096 needed"),
        (resource.RLIM_INFINITY, True, "unlimited"),
    ],
)
def test_a_limit_is_judged_with_its_line(*, limit: int, ok: bool, detail: str) -> None:
    """A limit at the line is enough, no limit is enough, and the fix raises it to the line."""
    assert limited("open files", limit, 4096, "raise it") == Check("open files", ok, detail, "raise it")


def test_a_run_raises_the_soft_limit_itself() -> None:
    """Debian gives an ordinary user 1024 open files, and lets him have more: no reason to refuse."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        machine.raise_limits()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (4096, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_output_folder_that_does_not_exist_yet_is_judged_by_the_one_above(found: Machine) -> None:
    """Looking makes no folder; where it could be made, it is fine."""
    deep = Machine(found.out / "a" / "b", found.cache, found.locks, found.stacks)

    checks = {check.name: check.ok for check in machine.folders(deep)}
    assert checks["output folder"]
    assert list(found.out.iterdir()) == []


def test_a_linked_output_folder_is_refused(found: Machine) -> None:
    """A symbolic link in the place of the output folder may be planted: name the folder itself."""
    (found.out / "link").symlink_to(found.cache)
    linked = Machine(found.out / "link", found.cache, found.locks, found.stacks)

    check = next(iter(machine.folders(linked)))
    assert (check.name, check.ok, check.needed) == ("output folder", False, True)
    assert check.fix == f"name the folder itself: {found.cache.resolve()}"


def test_a_file_in_the_place_of_the_output_folder_is_refused(found: Machine) -> None:
    """Nothing can be written below a file, not even by root."""
    (found.out / "file").write_text("")
    filed = Machine(found.out / "file", found.cache, found.locks, found.stacks)

    check = next(iter(machine.folders(filed)))
    assert (check.ok, check.detail) == (False, f"{found.out / 'file'}: Not a directory")


@pytest.mark.parametrize(
    ("source", "ok"), [("tsc", True), ("kvm-clock", True), ("hpet", False), ("jiffies", False)]
)
def test_a_slow_clock_source_is_noted(found: Machine, *, source: str, ok: bool) -> None:
    """A clock that costs a microsecond to read blurs latencies, but keeps no run from starting."""
    folder = found.sys / "devices/system/clocksource/clocksource0"
    folder.mkdir(parents=True)
    (folder / "current_clocksource").write_text(source + "\n")

    check = list(machine.clock(found))[1]
    assert (check.ok, check.detail, check.needed) == (ok, source, False)


def test_a_check_is_a_json_object_with_the_same_keys() -> None:
    """``harness doctor --json`` prints these keys."""
    expected = {"name": "ip", "ok": False, "detail": "not in PATH", "fix": "install it", "needed": True}
    assert Check("ip", ok=False, detail="not in PATH", fix="install it").as_json() == expected
