"""``harness heal`` in somebody's cluster: whom it takes away, whom it leaves alone, and what it says."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NoReturn

import pytest

from harness import platforms
from harness.errors import BadInput, ExitCode, MissingAbility
from harness.guards.allow import Place
from harness.guards.rights import HEAL, SEND
from harness.platforms import Wish, context, errand, mending
from harness.platforms.mending import Mending
from harness.platforms.remains import State, kinds_of_stacks, survey
from harness.stack.kubernetes.guest import CLAIMS, PODS
from harness.stack.kubernetes.owned import OURS, RUN, Right
from harness.stack.kubernetes.resizing import MARK
from harness.tests.platforms.drill import KINDS, SETS, TOPICS, Drill

FAILED: dict[str, object] = {"failed": 1}
RUNS: dict[str, object] = {"active": 1}
DEAD = "20261126-1200-quickstart-4f2a"
PLACE = Place("staging", "https://10.1.2.3:6443", "edge-drill")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for what does not come."""
    for name in ("_ABORT_S", "_GONE_S", "_LET_GO_S"):
        monkeypatch.setattr(mending, name, 0.2)
    monkeypatch.setattr("harness.stack.kubernetes.guest._DELETED_S", 0.2)


@pytest.fixture
def drill() -> Drill:
    """A namespace with what others have there."""
    return Drill(objects={(SETS, "theirs"): {"app": "kafka"}, (CLAIMS, "data-theirs"): {}})


def healed(drill: Drill, folder: Path, *, abort: bool = False) -> tuple[int, list[str]]:
    """The exit code, and what was said."""
    said: list[str] = []
    made = Mending(drill, PLACE, KINDS, folder, abort, said.append)  # type: ignore[arg-type] # as far as used
    return made.heal(), said


def test_what_a_dead_run_left_is_taken_away_and_nothing_else(drill: Drill, tmp_path: Path) -> None:
    """Its Job, its agents, its stack with the claims; what others have stays, and repeating it is fine."""
    theirs = dict(drill.objects)
    drill.add(DEAD, FAILED, pod=False)

    code, said = healed(drill, tmp_path)
    again, words = healed(drill, tmp_path)

    assert (ExitCode.PASS, ExitCode.PASS) == (code, again)
    assert drill.objects == theirs
    assert said[0] == "found in edge-drill of staging: 1 run"
    counted = f"Job job-{DEAD}, 1 PersistentVolumeClaim, 1 Pod, 1 StatefulSet"
    assert said[1] == f"  run {DEAD} (dead: its Job has ended): {counted}"
    assert f"  undo what agent-{DEAD} holds: 1 stopped processes, packet filters of 2 pods" in said
    assert said[-1] == "now in edge-drill of staging: nothing"
    assert words == ["found in edge-drill of staging: nothing"]


def test_faults_end_before_what_holds_them_is_deleted(drill: Drill, tmp_path: Path) -> None:
    """An agent undoes what stands while it still can; then goes the Job."""
    drill.add(DEAD, FAILED, pod=False)
    healed(drill, tmp_path)

    assert drill.done[:2] == [f"undo in agent-{DEAD}", f"delete Job job-{DEAD}"]


def limit(drill: Drill, run: str) -> str:
    """A pod of *run* whose limits its harness changed; its name."""
    name = f"kafka-{run}-0"
    drill.objects[PODS, name] = {**OURS, RUN: run, MARK: "true"}
    drill.had[name] = {"kafka": {"limits": "8"}}
    return name


def test_a_limited_pod_gets_its_limits_back_before_it_goes(drill: Drill, tmp_path: Path) -> None:
    """No agent gives them back; the pod may stand for a while, for its deletion may be held up."""
    drill.add(DEAD, FAILED, pod=False)
    name = limit(drill, DEAD)
    code, said = healed(drill, tmp_path)

    assert ExitCode.PASS == code
    assert f"  give {name} its limits back: done" in said
    assert drill.done[1:4] == [f"resize {name} to 8", f"unmark {name}", f"delete Job job-{DEAD}"]


def test_limits_that_are_not_given_back_go_with_their_pod(drill: Drill, tmp_path: Path) -> None:
    """What failed is said, and the rest is done."""
    drill.add(DEAD, FAILED, pod=False)
    drill.resize_fails = True
    name = limit(drill, DEAD)
    code, said = healed(drill, tmp_path)

    assert any(f"give {name} its limits back: failed, " in line for line in said)
    assert (ExitCode.PASS, False) == (code, (PODS, name) in drill.objects)


def test_the_limits_of_a_run_that_is_alive_are_its_own(drill: Drill, tmp_path: Path) -> None:
    """It gives them back itself."""
    drill.add(DEAD, RUNS)
    name = limit(drill, DEAD)
    healed(drill, tmp_path)

    assert drill.done == []
    assert name in drill.had


@pytest.mark.parametrize(
    ("status", "says", "state"),
    [
        (RUNS, "1it runs", State.ALIVE),
        (RUNS, "2proven: cut", State.ALIVE),
        (RUNS, "0137", State.DEAD),
        (FAILED, "1it runs", State.DEAD),
        ({"succeeded": 1}, "00", State.DEAD),
        (None, "1it runs", State.DEAD),
    ],
)
def test_what_became_of_a_run_is_seen(
    drill: Drill, status: dict[str, object] | None, says: str, state: State
) -> None:
    """It lives while its Job runs and it has not said how it ended; if it has and left something, not."""
    drill.add(DEAD, status, says=says)
    (run,) = survey(drill, KINDS).runs  # type: ignore[arg-type] # as far as used

    assert state is run.state


def test_a_run_that_is_alive_is_left_alone_and_named(drill: Drill, tmp_path: Path) -> None:
    """With the command that ends it, too."""
    drill.add(DEAD, RUNS)
    before = dict(drill.objects)
    code, said = healed(drill, tmp_path)

    assert (ExitCode.PASS, before, []) == (code, drill.objects, drill.done)
    assert said[-1] == (
        f"run {DEAD} is alive and was left alone; to end it: harness heal --platform context:staging --abort"
    )


def test_a_run_that_is_ended_heals_by_itself_first_and_comes_home(drill: Drill, tmp_path: Path) -> None:
    """It is told to end as by Ctrl-C; its directory comes home before its pod goes."""
    drill.add(DEAD, RUNS)
    code, _ = healed(drill, tmp_path, abort=True)

    assert ExitCode.PASS == code
    assert drill.done[:2] == [f"tell run-{DEAD} tell 15", f"{DEAD} in run-{DEAD}"]
    assert (tmp_path / DEAD / "run.json").read_text() == "{}"
    assert not [name for _, name in drill.objects if DEAD in name]


def test_a_run_that_waits_to_be_fetched_is_left_to_who_comes(drill: Drill, tmp_path: Path) -> None:
    """It left nothing but its directory, and its user may be on the way."""
    drill.add(DEAD, RUNS, says="00")
    for kind, name in ((SETS, "kafka"), (PODS, "agent"), (CLAIMS, "data")):
        del drill.objects[kind, f"{name}-{DEAD}"]
    code, said = healed(drill, tmp_path)

    assert (ExitCode.PASS, []) == (code, drill.done)
    assert said[-1].startswith(f"run {DEAD} waits to be fetched; to fetch it and take it away: harness heal")


def test_a_pod_that_cannot_start_is_no_run(drill: Drill, tmp_path: Path) -> None:
    """Its user is gone, and no image will come."""
    drill.add(DEAD, RUNS)
    drill.hopeless.add(f"run-{DEAD}")
    code, said = healed(drill, tmp_path)

    assert ExitCode.PASS == code
    assert "its pod cannot start: ErrImagePull" in said[1]


def test_what_an_operator_does_not_let_go_is_freed(drill: Drill, tmp_path: Path) -> None:
    """Nobody is left who would take its finalizers away."""
    drill.add(DEAD, FAILED, pod=False)
    drill.objects[TOPICS, "orders"] = {"edge-harness/run": DEAD}
    drill.stuck.add(TOPICS)
    code, _ = healed(drill, tmp_path)

    assert ExitCode.PASS == code
    assert "free KafkaTopic orders" in drill.done


def test_an_agent_that_is_dead_keeps_nobody_else_from_going(drill: Drill, tmp_path: Path) -> None:
    """What failed is said, and the rest is done."""
    drill.add(DEAD, FAILED, pod=False)
    drill.undo_fails = True
    code, said = healed(drill, tmp_path)

    assert ExitCode.PASS == code
    assert any(f"undo what agent-{DEAD} holds: failed, " in line for line in said)


def test_what_is_still_there_is_named_with_the_command_that_deletes_it(drill: Drill, tmp_path: Path) -> None:
    """And the exit code is that of a fault left behind."""
    drill.add(DEAD, FAILED, pod=False)
    drill.stuck |= {SETS, PODS}
    code, said = healed(drill, tmp_path)

    assert ExitCode.FAULT_LEFT_BEHIND == code
    delete = "kubectl --context staging --namespace edge-drill delete Pod,StatefulSet"
    assert said[-2] == "UNSAFE: something is left behind. By hand:"
    assert said[-1] == f"  {delete} -l edge-harness/run={DEAD}"


def test_what_may_not_be_looked_for_is_said(drill: Drill, tmp_path: Path) -> None:
    """A Role for one stack lists no kinds of another; whoever has that Role made none of them."""
    drill.forbidden.add(TOPICS)
    drill.add(DEAD, FAILED, pod=False)
    code, said = healed(drill, tmp_path)

    assert ExitCode.PASS == code
    assert "  may not be looked for: KafkaTopic" in said


def test_every_kind_of_every_stack_is_looked_for() -> None:
    """What makes pods and claims comes before them, or it would make them again."""
    kinds = kinds_of_stacks()

    assert {kind for _, kind in kinds} >= {"StatefulSet", "ConfigMap", "Service", "Kafka", "FlinkDeployment"}
    assert kinds[-2:] == (PODS, CLAIMS)


def test_no_room_at_home_is_one_sentence(
    drill: Drill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full ends in what to do, not in a traceback."""

    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(drill, "output", full)
    with pytest.raises(MissingAbility, match=r"cannot write .*: No space left on device\. Fix: free space"):
        errand.bring_home(drill, "p", errand.HOME / DEAD, tmp_path)  # type: ignore[arg-type] # as far as used


@pytest.fixture
def asked(drill: Drill, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Wish:
    """A context that leads to the namespace, and an allow-list with it."""
    allow = tmp_path / "clusters.yaml"
    allow.write_text("clusters: [{context: staging, namespaces: [edge-drill, edge-other]}]")
    allow.chmod(0o600)
    monkeypatch.setattr(context, "server_of", lambda _: PLACE.server)
    monkeypatch.setattr(context, "reached", lambda _: PLACE.server)
    monkeypatch.setattr(context, "kinds_of_stacks", lambda: KINDS)

    def api(_access: object, namespace: str) -> Drill:
        return drill if namespace == drill.namespace else Drill(namespace=namespace)

    monkeypatch.setattr(context, "Api", api)
    monkeypatch.setattr(Drill, "missing", lambda *_: [], raising=False)
    return Wish(tmp_path, allow=allow)


def place() -> platforms.Guarded:
    """The platform, by its name."""
    found = platforms.platform("context:staging")
    assert isinstance(found, platforms.Guarded)
    return found


def test_each_namespace_of_the_allow_list_is_healed(drill: Drill, asked: Wish) -> None:
    """Without a name all of them."""
    drill.add(DEAD, FAILED, pod=False)
    said: list[str] = []

    assert ExitCode.PASS == place().heal(asked, said.append)
    assert said[-2:] == ["now in edge-drill of staging: nothing", "found in edge-other of staging: nothing"]


def test_a_namespace_that_is_not_on_the_list_is_not_looked_at(asked: Wish) -> None:
    """Nothing of anybody's is touched, whatever its labels say."""
    with pytest.raises(BadInput, match="namespace prod is not on the allow-list"):
        place().heal(Wish(asked.home, "prod", asked.allow), lambda _: None)


def test_a_right_that_is_missing_is_told_before_anything_is_deleted(
    drill: Drill, asked: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence, with what prints the Role."""
    drill.add(DEAD, FAILED, pod=False)
    lacking = Right("batch", "jobs", "list")
    monkeypatch.setattr(Drill, "missing", lambda *_: [lacking], raising=False)

    words = r"context staging is not allowed to list jobs\.batch in namespace edge-drill.*harness rbac"
    with pytest.raises(BadInput, match=words):
        place().heal(asked, lambda _: None)
    assert drill.done == []


def test_whoever_may_send_a_run_may_heal_what_it_left() -> None:
    """The printed Role holds both."""
    assert HEAL <= SEND
