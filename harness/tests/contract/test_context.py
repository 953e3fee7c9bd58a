"""The platform context:NAME on a real cluster: scenarios run unchanged without root, and nothing is left.

``tox -e kind`` runs these. They take the cluster that is there, or make one and delete it after.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import yaml

from harness.clock import MONOTONIC, seconds_between
from harness.faults.leases import LEASE_SECONDS
from harness.tests.contract.context_place import Drill, drill, lacking, standing
from harness.waiting import NotYet, wait_for

PROVEN_S, GONE_S = 300, 300
SLACK_S = 2.0
pytestmark = [pytest.mark.contract, pytest.mark.nightly]

CUT = '''
"""A story of one long cut."""

from harness.scenario import Run, broker, isolate, scenario


@scenario()
def test_long_cut(run: Run) -> None:
    """Nobody heals it but whoever is left."""
    with run.load(rate=200):
        run.hold_steady(seconds=2)
        with run.inject(isolate(broker("edge-kafka-2")), seconds=120):
            pass
    run.verify()
'''
_KILL_HARNESS = """
for p in /proc/[0-9]*; do
  [ ${p#/proc/} = $$ ] && continue
  case "$(tr '\\0' ' ' <$p/cmdline)" in *'-m harness run '*) kill -9 ${p#/proc/} ;; esac
done
"""
PAUSE = CUT.replace("isolate(", "pause(").replace("isolate,", "pause,").replace("cut", "pause")


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's kubeconfig."""
    assert lacking() == ""
    with standing(tmp_path_factory.mktemp("admin")) as config:
        yield config


@pytest.fixture(scope="module")
def place(admin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A namespace that may be broken."""
    with drill("edge-drill", admin, tmp_path_factory.mktemp("user")) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_left(place: Drill) -> Iterator[None]:
    """After each test the namespace is as empty as before."""
    yield
    wait_for(lambda: _empty(place), what="the namespace to be empty", seconds=GONE_S, every=1.0)


def _empty(place: Drill) -> None:
    if left := place.names():
        raise NotYet(f"still there: {', '.join(sorted(left))}")


def verdict(place: Drill) -> dict[str, object]:
    """``run.json`` of the newest run."""
    newest = max(place.reports.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    told: dict[str, object] = json.loads(newest.read_text())
    return told


def require_proven(told: dict[str, object], verbs: list[str], said: str) -> None:
    """What is asked of a run whose faults begin with *verbs*: each was proven, and proven gone."""
    faults = told["faults"]
    assert isinstance(faults, list)
    assert [each["name"].split()[0] for each in faults] == verbs, said
    assert all(each["effect_proven_at"] and each["healing_proven_at"] for each in faults), said
    assert told["verdict"] not in {"UNSAFE", "FAIL"}, said


def story(folder: Path, name: str, text: str) -> list[str]:
    """A user's own scenario, as arguments."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return [name, "--scenarios", str(folder)]


def heard(stream: IO[str], words: str) -> str:
    """The next line with *words*; what comes later is read and dropped, so that the pipe never fills."""
    said = []
    for line in stream:
        said.append(line)
        if words in line:
            threading.Thread(target=stream.read, daemon=True).start()
            return line
    raise AssertionError("".join(said[-20:]))


def runner(place: Drill) -> str:
    """The pod of the run."""
    (name,) = (each for each in place.names("pods") if "/edge-run-" in each)
    return name.removeprefix("pod/")


class Reaching:
    """Whether the third broker's port opens from the first one's pod, tried all the time, in there."""

    _TRY = (
        "while :; do if timeout 0.3 bash -c '</dev/tcp/edge-kafka-2.edge-kafka/9092' 2>/dev/null;"
        " then echo open $(date +%s.%N); else echo shut $(date +%s.%N); fi; sleep 0.05; done"
    )

    def __init__(self, place: Drill) -> None:
        argv = ["kubectl", "--kubeconfig", str(place.admin), "--namespace", place.namespace]
        argv += ["exec", "edge-kafka-0", "--", "bash", "-c", self._TRY]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def wait(self, state: str, seconds: float) -> float:
        """When a try found it *state*, by the clock that the cluster's nodes share."""
        started = MONOTONIC.now()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found, instant = line.split()
            if found == state:
                return float(instant)
            assert seconds_between(started, MONOTONIC.now()) < seconds, f"not {state} within {seconds:g} s"
        raise AssertionError("the pod is gone")

    def close(self) -> None:
        """Stop trying."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def test_the_quickstart_passes_for_a_user_with_a_role_and_nothing_else(place: Drill) -> None:
    """A pod is killed, another cut off from all, every record is proven, and the run comes home whole."""
    done = place.run("quickstart")

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    told = verdict(place)
    assert told["platform"] == "context:drill"
    (home,) = place.reports.iterdir()
    assert (home / "report.html").is_file()
    assert str(home) in done.stdout
    commands = "".join((home / "journal.jsonl").read_text())
    assert "kubectl --namespace edge-drill exec -i edge-agent-" in commands


@pytest.mark.parametrize("how", ["its pod is deleted at once", "its process is killed"])
def test_a_harness_that_is_killed_in_a_cut_leaves_no_cut(place: Drill, tmp_path: Path, how: str) -> None:
    """All links carry data again within a lease and two seconds, and the Job takes the rest away."""
    words = story(tmp_path / "own", "long_cut", CUT)
    with place.running(*words) as user:
        assert user.stdout is not None
        heard(user.stdout, "proven:")
        reaching = Reaching(place)
        reaching.wait("shut", 5)
        user.kill()  # nobody on the user's side is left to tidy up
        if how == "its process is killed":
            place.kubectl("exec", runner(place), "--", "sh", "-c", _KILL_HARNESS)
        else:
            place.kubectl("delete", "pod", runner(place), "--grace-period=0", "--force")
        killed = time.time()  # the cluster's nodes are on this machine, and have its clock
        took = reaching.wait("open", LEASE_SECONDS + SLACK_S + 60) - killed
        reaching.close()
    if how == "its process is killed":
        place.kubectl("delete", "jobs", "-l", "edge-harness/errand")  # else it waits to be fetched
    assert took <= LEASE_SECONDS + SLACK_S, f"links carry data again after {took:.1f} s"


def test_a_harness_that_is_killed_in_a_pause_leaves_nothing_stopped(place: Drill, tmp_path: Path) -> None:
    """No kernel lets a stop expire; the agent on the node does."""
    words = story(tmp_path / "own", "long_pause", PAUSE)
    with place.running(*words) as user:
        assert user.stdout is not None
        heard(user.stdout, "proven:")
        assert stopped(place) == "T"
        user.kill()
        place.kubectl("exec", runner(place), "--", "sh", "-c", _KILL_HARNESS)
        assert stopped(place) == "T"
        seconds = LEASE_SECONDS + SLACK_S
        wait_for(lambda: _runs(place), what="the broker to run", seconds=seconds, every=0.2)
    place.kubectl("delete", "jobs", "-l", "edge-harness/errand")


def test_heal_takes_away_what_a_dead_run_left(place: Drill, tmp_path: Path) -> None:
    """The client and the pod of a run are killed in a pause: heal ends it at once, and nothing is left."""
    longer = PAUSE.replace("seconds=120", "seconds=900")  # heal takes its time on a busy machine
    words = story(tmp_path / "own", "long_pause", longer)
    with place.running(*words) as user:
        assert user.stdout is not None
        heard(user.stdout, "proven:")
        alive = place.heal()
        assert alive.returncode == 0, alive.stderr
        assert "is alive and was left alone" in alive.stdout
        assert stopped(place) == "T"
        user.kill()
        place.kubectl("delete", "pod", runner(place), "--grace-period=0", "--force")
    wait_for(lambda: _job_failed(place), what="the Job to have failed", seconds=30, every=0.2)
    healed = place.heal()

    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert "(dead: its Job has ended)" in healed.stdout
    assert re.search(r"undo what edge-agent-\S+ holds: \d+ stopped", healed.stdout), healed.stdout
    assert "now in edge-drill of drill: nothing" in healed.stdout
    assert place.names() == set()


def _job_failed(place: Drill) -> None:
    if "1" not in place.kubectl("get", "jobs", "-o", "jsonpath={.items[*].status.failed}"):
        raise NotYet("it has not")


def test_heal_says_in_one_sentence_what_it_may_not(
    admin: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A namespace without our Role, and a context that leads nowhere; no traceback."""
    with drill("edge-unbound", admin, tmp_path_factory.mktemp("user")) as unbound:
        unbound.kubectl("delete", "rolebinding", "edge-harness")
        refused = unbound.heal()
        config = yaml.safe_load((unbound.home / "config").read_text())
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
        (unbound.home / "nowhere").write_text(yaml.safe_dump(config))
        gone = unbound.heal(KUBECONFIG=str(unbound.home / "nowhere"))

    assert refused.returncode == gone.returncode == 254
    assert "context drill is not allowed to" in refused.stderr
    assert "harness rbac" in refused.stderr
    assert "context drill cannot be reached" in gone.stderr
    assert len(refused.stderr.splitlines()) == len(gone.stderr.splitlines()) == 1


def _runs(place: Drill) -> None:
    if stopped(place) == "T":
        raise NotYet("it is stopped")


def stopped(place: Drill) -> str:
    """The state of the third broker's process."""
    stat = place.kubectl("exec", "edge-kafka-2", "--", "cat", "/proc/1/stat")
    return stat.rpartition(")")[2].split()[0]


def test_ctrl_c_is_passed_on(place: Drill, tmp_path: Path) -> None:
    """The run in the cluster heals, stops and judges what it has; the partial report comes home."""
    words = story(tmp_path / "own", "long_cut", CUT)
    with place.running(*words) as user:
        assert user.stdout is not None
        heard(user.stdout, "proven:")
        user.send_signal(signal.SIGINT)
        assert user.wait(240) == 130
    assert verdict(place)["exit_code"] == 130


def test_where_no_privileged_pod_may_be_the_fault_is_not_expressible(
    admin: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Pod Security's own words are quoted, and the run is not executed, never passed."""
    baseline = "pod-security.kubernetes.io/enforce=baseline"
    with drill("edge-baseline", admin, tmp_path_factory.mktemp("user"), labels=baseline) as strict:
        done = strict.run("quickstart")

        assert done.returncode == 2, done.stdout[-2000:] + done.stderr[-2000:]
        assert re.search(r'no signal reaches .* violates PodSecurity "baseline', done.stdout + done.stderr)
        assert strict.names() == set()


def test_a_quota_that_is_used_up_is_quoted(place: Drill) -> None:
    """The cluster's words say which quota, and the run ends at once."""
    place.kubectl("create", "quota", "full", "--hard=pods=0")
    try:
        done = place.run("quickstart")
    finally:
        place.kubectl("delete", "quota", "full")

    assert done.returncode == 2
    assert "exceeded quota: full" in done.stderr


def test_an_image_that_is_nowhere_is_named(place: Drill) -> None:
    """With the setting that names another."""
    done = place.run("quickstart", settings=("images.harness=edge-harness/harness:none",))

    assert done.returncode == 2
    assert "edge-harness/harness:none" in done.stderr
    assert "--set images.harness=" in done.stderr


def test_a_role_that_lacks_something_is_told_before_anything_is_applied(place: Drill) -> None:
    """Which verb on which resource, and what prints the Role."""
    before = place.names()
    place.kubectl("patch", "role", "edge-harness", "--type=json", "-p", '[{"op":"remove","path":"/rules/0"}]')
    try:
        done = place.run("quickstart")
    finally:
        place.kubectl("delete", "role", "edge-harness")
    assert done.returncode == 254
    assert "configmaps" in done.stderr
    assert "harness rbac" in done.stderr
    assert place.names() == before
