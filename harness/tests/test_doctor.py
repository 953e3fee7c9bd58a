"""The doctor says what is wrong, what to type, and whether a run could start."""

from __future__ import annotations

import dataclasses
import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import doctor
from harness.errors import ExitCode, FaultLeftBehind, MissingAbility
from harness.machine import Check, Machine
from harness.stack.artifacts import Jar, write_lock
from harness.stack.delays import Delays
from harness.stack.namespaces import trial

GOOD = Check("ip", ok=True, detail="/usr/bin/ip")
WARNED = Check("jars", ok=False, detail="0 of 45", fix="nothing to do", needed=False)
BAD = Check("nft", ok=False, detail="not in PATH", fix="sudo apt-get install nftables")


@pytest.fixture
def found(tmp_path: Path) -> Machine:
    """A machine of empty folders."""
    for name in ("cache", "locks", "stacks", "proc"):
        (tmp_path / name).mkdir()
    return Machine(
        tmp_path / "out", tmp_path / "cache", tmp_path / "locks", tmp_path / "stacks", proc=tmp_path / "proc"
    )


def test_what_is_fine_takes_one_line_and_what_is_not_brings_its_fix() -> None:
    """Each failure is followed by the command that mends it; the last line sums up."""
    assert doctor.render([GOOD, WARNED, BAD]) == [
        "ok   ip: /usr/bin/ip",
        "warn jars: 0 of 45",
        "     fix: nothing to do",
        "FAIL nft: not in PATH",
        "     fix: sudo apt-get install nftables",
        "3 checks, 1 failed, 1 to note: fix what failed first",
    ]


def test_a_machine_with_nothing_failed_can_run_drills() -> None:
    """Notes alone keep no run from starting."""
    assert doctor.render([GOOD, WARNED])[-1] == "2 checks, 0 failed, 1 to note: this machine can run drills"
    doctor.require([GOOD, WARNED])


def test_a_run_is_refused_with_the_first_needed_thing_that_failed() -> None:
    """One sentence with the cause and the fix, and exit code 254: nothing was started."""
    with pytest.raises(MissingAbility) as raised:
        doctor.require([WARNED, BAD, dataclasses.replace(BAD, name="later")])

    assert str(raised.value) == (
        "this machine cannot run it: nft: not in PATH. Fix: sudo apt-get install nftables"
    )
    assert raised.value.exit_code is ExitCode.BAD_INPUT


def test_what_an_earlier_run_left_behind_has_its_own_exit_code() -> None:
    """A fault that may still be in force is not bad input: exit code 4, and the command that clears it."""
    left = Check(doctor.LEFT_BEHIND, ok=False, detail="3 processes of an-old-run", fix="harness heal")

    with pytest.raises(FaultLeftBehind, match="an-old-run") as refusal:
        doctor.require([WARNED, left])
    assert refusal.value.exit_code == ExitCode.FAULT_LEFT_BEHIND


def test_a_tool_is_found_where_debian_hides_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user's PATH on Debian lacks /usr/sbin, where nft lies: that is no failure."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert doctor.tool("nft", "nftables").ok

    missing = doctor.tool("no-such-tool", "a-package")
    assert missing == Check(
        "no-such-tool", ok=False, detail="not in PATH", fix="sudo apt-get install a-package"
    )


def test_a_machine_without_vector_is_told_what_that_means(
    found: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note, never a failure: only the metrics hop is not executed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (note,) = doctor.vector(found)
    assert (note.ok, note.needed) == (False, False)
    assert note.detail == "not in PATH: without it the metrics hop is not executed"

    (tmp_path / "vector").write_text("#!/bin/sh\n")
    (tmp_path / "vector").chmod(0o755)
    (there,) = doctor.vector(found)
    assert (there.ok, there.detail) == (True, str(tmp_path / "vector"))


def test_a_java_that_is_too_old_for_one_part_is_told(
    found: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no failure: that part runs on the Java that came as a package."""
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    (tmp_path / "jdk" / "release").write_text('JAVA_VERSION="11.0.2"')
    (tmp_path / "jdk" / "bin" / "java").write_text("#!/bin/sh\n")
    (tmp_path / "jdk" / "bin" / "java").chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))

    (told,) = doctor.java(found)
    assert told.ok
    assert told.detail.startswith("11.0.2 from JAVA_HOME; the object store runs on 17.")


@pytest.mark.parametrize(
    ("delays", "detail"),
    [
        (Delays(netem=True, toxiproxy=Path("/bin/toxiproxy-server")), "the kernel's netem"),
        (Delays(netem=False, toxiproxy=Path("/bin/toxiproxy-server")), "/bin/toxiproxy-server"),
        (
            Delays(netem=False, missing="there is no 'x' in PATH"),
            "this kernel has no netem, and there is no 'x' in PATH: latency is not executed",
        ),
    ],
)
def test_what_delays_is_told_and_its_lack_is_no_failure(delays: Delays, detail: str) -> None:
    """Netem first, else a Toxiproxy; without either one fault is not executed, and nothing else."""
    note = doctor.delaying(delays)

    assert (note.ok, note.needed, note.detail) == ("not executed" not in detail, False, detail)


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=65536"),
    ],
)
def test_a_refused_enclosure_is_explained_by_the_switch_that_forbids_it(
    found: Machine, name: str, value: str, fix: str
) -> None:
    """Debian's, Ubuntu's and the kernel's own switch are each named with the command that turns it."""
    path = found.proc / "sys" / name
    path.parent.mkdir(parents=True)
    path.write_text(value + "\n")
    refused = dict.fromkeys(trial.ALL, "unshare: Operation not permitted")

    checks = list(doctor.explained(found, refused))
    assert [check.fix for check in checks if not check.ok and not check.needed] == [fix]
    assert {check.fix for check in checks if check.needed} == {fix}


def test_a_closed_switch_that_does_not_matter_is_no_failure(found: Machine) -> None:
    """Where the trial worked, by a profile or as root, the switch is only shown."""
    path = found.proc / "sys/kernel/unprivileged_userns_clone"
    path.parent.mkdir(parents=True)
    path.write_text("0\n")

    checks = list(doctor.explained(found, dict.fromkeys(trial.ALL, "")))
    assert all(check.ok for check in checks)
    assert checks[0].detail == "= 0"


def test_one_thing_that_does_not_work_is_named_alone(found: Machine) -> None:
    """A kernel without bridges fails that check, with the kernel's words, and no other."""
    answers = dict.fromkeys(trial.ALL, "") | {trial.BRIDGE: "Error: Unknown device type."}

    failed = [check for check in doctor.explained(found, answers) if not check.ok]
    assert [(check.detail, check.fix) for check in failed] == [
        ("Error: Unknown device type.", "sudo modprobe bridge veth")
    ]


def test_a_cache_with_every_jar_needs_no_network(found: Machine) -> None:
    """Whole jars are counted, a damaged one is noted with what the first run will fetch."""
    jar = _cached_jar(found)
    assert [check.detail for check in doctor.jars(found)] == ["1 of 1 are in the cache and whole"]

    (found.cache / "jars" / jar.path).write_bytes(b"damaged")
    (check,) = doctor.jars(found)
    assert (check.ok, check.needed, check.detail) == (False, False, "0 of 1 are in the cache and whole")


def _cached_jar(found: Machine) -> Jar:
    digest = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
    jar = Jar("org.example:part:1", digest, 11)
    path = found.cache / "jars" / jar.path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"hello world")
    write_lock(found.locks / "kafka-1.0.lock", [jar], "one jar")
    (found.stacks / "one").mkdir()
    (found.stacks / "one" / "stack.yaml").write_text(
        "{name: one, title: one, network: {prefix: 24, observer: 198.18.0.1}, "
        "nodes: [{name: b, role: broker, address: 198.18.0.2}], kafka: {version: '1.0', properties: p, "
        "heap_mb: 256, data_mb: 256, client_port: 9092, controller_port: 9093}}"
    )
    return jar


def test_missing_locks_are_a_failure(found: Machine) -> None:
    """Without any lock there is nothing to run."""
    (check,) = doctor.locks(found)

    assert (check.ok, check.needed) == (False, True)


@pytest.fixture
def other_run(found: Machine) -> Iterator[None]:
    """Another run that holds the machine's lock."""
    with open(found.cache / "run.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("20261123-1200-quickstart-aaaa, pid 7\n")
        file.flush()
        yield


@pytest.mark.usefixtures("other_run")
def test_a_run_under_way_is_named(found: Machine) -> None:
    """Two runs at once would spoil each other's times, so the owner of the lock is shown."""
    (check,) = doctor.lock(found)

    assert (check.ok, check.detail) == (False, "20261123-1200-quickstart-aaaa, pid 7")
    assert not check.needed, "the lock refuses a second run in better words"


@pytest.mark.usefixtures("other_run")
def test_processes_of_a_run_under_way_are_not_left_behind(found: Machine) -> None:
    """While a run holds the lock, its processes are its own."""
    with marked_process("a-run"):
        (check,) = doctor.leftovers(found)

    assert check.ok


def test_processes_without_their_run_are_left_behind(found: Machine) -> None:
    """A process with a run's mark while nobody holds the lock is named, with the command that ends it."""
    (found.cache / "run.lock").write_text("a-run, pid 7\n")
    with marked_process("a-run-that-died"):
        (check,) = doctor.leftovers(found)

    assert (check.ok, check.needed, check.fix) == (False, True, "harness heal")
    assert "a-run-that-died" in check.detail


def marked_process(run: str) -> subprocess.Popen[bytes]:
    """A process that carries the mark of *run* and ends with the block."""
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "import sys; print(flush=True); sys.stdin.read()"],
        env={"HARNESS_RUN": run},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_answers_that_never_came_are_failures() -> None:
    """What the trial did not come to say failed, for the reason of its end."""
    answers = trial.read_answers('{"name": "namespaces", "why": ""}\n', "exit code 1")

    expected = dict.fromkeys(trial.ALL, "exit code 1") | {trial.NAMESPACES: ""}
    assert answers == expected


@pytest.mark.contract
def test_the_whole_examination_takes_less_than_three_seconds(tmp_path: Path) -> None:
    """On a machine that passes, at least 15 checks say so within 3 s and leave nothing behind."""
    started = time.monotonic()
    checks = doctor.examine(tmp_path)
    took = time.monotonic() - started

    # Another run's processes may be on this machine while this test runs on it.
    failed = [check for check in checks if check.needed and not check.ok]
    assert [check for check in failed if check.name != doctor.LEFT_BEHIND] == []
    assert len(checks) >= 15
    assert len({check.name for check in checks}) == len(checks)
    assert took <= 3.0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.contract
def test_the_trial_tells_in_words_what_the_kernel_refuses() -> None:
    """A user whom the namespace above does not know may make none: every part fails, with the reason."""
    done = subprocess.run(
        ["unshare", "--user", "--", sys.executable, "-m", "harness.stack.namespaces.trial"],
        capture_output=True,
        text=True,
        check=False,
    )
    answers = trial.read_answers(done.stdout, done.stderr.strip())

    assert answers == dict.fromkeys(trial.ALL, "[Errno 1] unshare: Operation not permitted")
