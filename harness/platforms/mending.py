"""``harness heal`` in somebody's cluster: takes away what dead runs left in a namespace that may be broken.

Works from labels alone (``harness.platforms.remains``) and may be repeated. A run that is alive is left alone
and named. Of every other one it brings home what its pod still holds, has its agents undo at once what
stands, gives its pods their processor limits back, deletes its Job with all that this owns, and then
whatever else carries its label: what else the API server was asked to change goes with that. There are no
cordons to lift: what needs a right on machines is not done in such a cluster. Then it looks again: what is
still there is named with the command that deletes it, and the exit code is 4.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from harness.errors import ExitCode, HarnessError
from harness.guards.allow import Place
from harness.platforms.errand import ERRAND, JOB_KIND, bring_home, tell
from harness.platforms.remains import Kind, Remains, State, Survey, Thing, survey
from harness.stack.agents.agents import AGENT
from harness.stack.kubernetes import operators
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.guest import PODS, sweep
from harness.stack.kubernetes.orchestra import KubernetesOrchestrator
from harness.stack.kubernetes.owned import RUN
from harness.waiting import NotYet, wait_for

Say: TypeAlias = Callable[[str], None]

_TERMINATE = "15"
_ABORT_S, _GONE_S, _LET_GO_S, _UNDO_S = 150.0, 90.0, 30.0, 20.0


@dataclass(frozen=True)
class Mending:
    """One namespace to be healed.

    Args:
        kinds: what is looked for.
        home: the folder that gets the directories of runs.
        abort: whether runs that are alive are ended, too.
    """

    api: Api
    place: Place
    kinds: Sequence[Kind]
    home: Path
    abort: bool
    say: Say

    def heal(self) -> ExitCode:
        """Heal it; says what was found, done and left.

        Raises:
            StackError: the API server does not tell what there is.
        """
        before = self._told("found")
        for run in before.runs:
            if run.is_over or self.abort:
                self._heal(run)
        after = self._told("now") if before.runs else before
        return self._concluded(after)

    def _told(self, heading: str) -> Survey:
        found = survey(self.api, self.kinds)
        runs = f"{len(found.runs)} run{'' if len(found.runs) == 1 else 's'}" if found.runs else "nothing"
        self.say(f"{heading} in {self.place.namespace} of {self.place.context}: {runs}")
        for run in found.runs:
            self.say(f"  run {run.run} ({run.state.value}: {run.why}): {_counted(run)}")
        if found.unseen:
            self.say(f"  may not be looked for: {', '.join(kind for _, kind in found.unseen)}")
        return found

    def _heal(self, run: Remains) -> None:
        """Each step by itself: one that fails must not keep the next from its turn."""
        for words, undo in self._undoings(run):
            try:
                told = undo()
            except (HarnessError, OSError, ValueError) as error:
                why = error.sentence() if isinstance(error, HarnessError) else str(error)
                self.say(f"  {words}: failed, {why}")
            else:
                self.say(f"  {words}: {told or 'done'}")

    def _undoings(self, run: Remains) -> Iterator[tuple[str, Callable[[], str | None]]]:
        if run.pod and run.state is State.ALIVE:
            yield f"end run {run.run} in pod {run.pod}", partial(self._end, run)
        if run.pod and run.home:
            yield f"bring {run.run} home to {self.home}", partial(self._bring_home, run)
        for agent in run.agents:
            yield f"undo what {agent} holds", partial(self._undone, agent)
        for pod in run.limited:
            yield f"give {pod} its limits back", partial(KubernetesOrchestrator(self.api).unlimit, pod)
        if custom := [_resource(thing) for thing in run.things if _is_custom(thing)]:
            yield (
                f"delete {_counted(run, custom=True)}",
                partial(operators.let_go, self.api, custom, _LET_GO_S),
            )
        if run.job:
            yield f"delete Job {run.job}", partial(self.api.delete, *JOB_KIND, run.job)
        yield f"delete all that is labelled {run.run}", partial(self._sweep, run)

    def _end(self, run: Remains) -> None:
        """As Ctrl-C does: it heals, and judges what it has."""
        tell(self.api, run.pod, "tell", _TERMINATE)
        wait_for(partial(self._ended, run), what=f"run {run.run} to end", seconds=_ABORT_S, every=0.5)

    def _ended(self, run: Remains) -> None:
        if not self.api.log(run.pod, lines=1).startswith("0"):
            raise NotYet("it goes on")

    def _bring_home(self, run: Remains) -> None:
        bring_home(self.api, run.pod, PurePosixPath(run.home), self.home)

    def _undone(self, agent: str) -> str:
        """Have an agent undo now what it would undo after its lease, or when its pod ends."""
        told = b"".join(self.api.output(agent, [*AGENT, "undo"], seconds=_UNDO_S))
        stood: dict[str, int] = json.loads(told)
        return f"{stood['held']} stopped processes, packet filters of {stood['pods']} pods"

    def _sweep(self, run: Remains) -> None:
        own = {thing.of for thing in run.things} | {PODS}
        sweep(self.api, [kind for kind in self.kinds if kind in own], run.run)
        wait_for(partial(self._gone, run), what="the pod of the run to go", seconds=_GONE_S, every=0.5)

    def _gone(self, run: Remains) -> None:
        if left := self.api.labelled(PODS, f"{ERRAND}={run.run}"):
            raise NotYet(f"still there: {', '.join(left)}")

    def _concluded(self, found: Survey) -> ExitCode:
        again = f"harness heal --platform context:{self.place.context} --abort"
        left = []
        for run in found.runs:
            if run.is_over or self.abort:
                left += [*self._by_hand(run)]
            elif run.state is State.WAITS:
                self.say(f"run {run.run} waits to be fetched; to fetch it and take it away: {again}")
            else:
                self.say(f"run {run.run} is alive and was left alone; to end it: {again}")
        if left:
            self.say("UNSAFE: something is left behind. By hand:")
            for command in left:
                self.say(f"  {command}")
        return ExitCode.FAULT_LEFT_BEHIND if left else ExitCode.PASS

    def _by_hand(self, run: Remains) -> Iterator[str]:
        delete = f"kubectl --context {self.place.context} --namespace {self.place.namespace} delete"
        if run.job:
            yield f"{delete} job {run.job}"
        if run.things:
            yield f"{delete} {','.join(sorted({thing.kind for thing in run.things}))} -l {RUN}={run.run}"


def _counted(run: Remains, *, custom: bool = False) -> str:
    """What there is of a run, by kind."""
    kinds = [thing.kind for thing in run.things if _is_custom(thing) or not custom]
    jobs = [f"Job {run.job}"] if run.job and not custom else []
    counted = [f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))]
    return ", ".join([*jobs, *counted])


def _is_custom(thing: Thing) -> bool:
    """Whether an operator has to let it go: its API group is somebody's own."""
    group = thing.version.rpartition("/")[0]
    return "." in group and not group.endswith("k8s.io")


def _resource(thing: Thing) -> dict[str, object]:
    return {"apiVersion": thing.version, "kind": thing.kind, "metadata": {"name": thing.name}}
