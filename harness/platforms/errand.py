"""A run sent into a cluster: a Job whose one pod runs ``harness``; its words and its directory come home.

What a user sees is what the command says in there, as it says it. Ctrl-C is passed on. However it ends, the
Job is deleted, and with it everything that belongs to it. A user's machine that vanishes leaves a Job that
finishes its run, waits a while for somebody to come for it, and then goes by itself.
"""

from __future__ import annotations

import base64
import signal
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import FrameType

import harness
from harness.errors import BadInput, ExitCode, StackError
from harness.interrupts import SIGNALS, Interrupted
from harness.platforms import Entry
from harness.rundir import unwritable
from harness.stack.components import KubernetesDefinition
from harness.stack.kind.images import PREFIX
from harness.stack.kubernetes.api import Api
from harness.stack.kubernetes.connection import followed
from harness.stack.kubernetes.guest import PODS
from harness.stack.kubernetes.owned import OURS, RUN, Manifest, run_label
from harness.stack.namespaces.enclosure import INSIDE
from harness.stack.parts import JOB
from harness.waiting import NotYet, wait_for

HOME = PurePosixPath("/var/lib/edge-harness/reports")
"""Where a run's directory lies in the pod."""

ACCOUNT = "edge-harness"
"""The service account that the pod acts as; ``harness rbac`` prints it with its Role."""

ERRAND = "edge-harness/errand"
"""The label of the Job of a run and of its pod, with the run's id."""

JOB_KIND = ("batch/v1", "Job")

POD = "HARNESS_POD"
"""The environment variable that tells the harness in the pod which pod that is."""

DEADLINE_S = 4 * 3600
"""How long a run may take at the most: then its Job is ended by the cluster."""

_KEPT_S = 120
"""How long an ended Job stays: then the cluster deletes it, and all that belongs to it."""

_GIVEN = PurePosixPath("/given")
_GIVEN_BYTES = 900_000
_STARTED_S, _BACK_S, _GONE_S, _HOME_S, _TOLD_S = 120.0, 60.0, 90.0, 300.0, 10.0
_RUNNER = ("python3", "-P", "-m", "harness.stack.agents.runner")


@dataclass(frozen=True, slots=True)
class Given:
    """What the pod gets from the user's machine: files, the command line that names them, and their marks."""

    argv: tuple[str, ...]
    files: Mapping[str, bytes]
    marks: Mapping[str, str]


@dataclass
class Errand:
    """One run in a pod of *api*'s namespace.

    Args:
        marks: what the run's processes carry in their environment; says where its directory lies in there.
    """

    api: Api
    entry: Entry
    marks: Mapping[str, str]
    _pod: str = field(default="", init=False)

    @property
    def name(self) -> str:
        """The Job's: short, for the names of what it owns are longer."""
        day, time, *_, last = self.entry.directory.name.lower().split("-")
        return f"edge-run-{day}-{time}-{last}"

    @property
    def _labels(self) -> dict[str, str]:
        # Not the run's own label: what the run applied is waited for until it is gone, from inside of this.
        return {**OURS, ERRAND: run_label(self.entry.directory.name)}

    def run(self) -> int:
        """Start it, show what it says, bring home what it left, take it away; its exit code.

        Raises:
            StackError: it could not be started, or did not end by itself.
        """
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        given = _given(self.entry)
        made = self.api.create(self._job(given))
        try:
            if given.files:
                self.api.create(self._files(given, made["metadata"]["uid"]))
            self._pod = wait_for(self._started, what="the pod of the run", seconds=_STARTED_S, every=0.5)
            code = self._follow()
            self._bring_home()
            return code
        except Interrupted:
            return ExitCode.ABORTED
        finally:
            self._take_away()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Pass it on; what there is no pod for yet is not begun."""
        if not self._pod:
            raise Interrupted(number)
        self._tell("tell", str(number))

    def _started(self) -> str:
        names = self.api.labelled(PODS, f"{ERRAND}={run_label(self.entry.directory.name)}")
        pods = [pod for name, pod in self.api.pods().items() if name in names]
        if not pods:
            why = self.api.complaint(self.name)
            if why:
                raise StackError("the pod of the run may not be made", why=why, fix=_fix_of(why))
            raise NotYet("no pod")
        (pod,) = pods
        if pod.hopeless:
            raise StackError(f"pod {pod.name} cannot start", why=pod.said, fix="--set images.harness=…")
        if not pod.ready:
            raise NotYet(pod.said)
        return pod.name

    def _follow(self) -> int:
        """Show what it says until it has ended; a connection that broke is taken up where it was."""
        seen = 0
        while True:
            try:
                for number, line in enumerate(
                    _lines(followed(self.api.access, self.api.namespace, self._pod))
                ):
                    if number < seen:
                        continue
                    seen = number + 1
                    if line.startswith("0"):
                        return int(line[1:])
                    self._show(line)
            except StackError as error:
                self._lives(error)
            else:
                self._lives(None)

    def _lives(self, error: StackError | None) -> None:
        """Return when the pod is there, and its log may go on; a busy machine calls it unready at times.

        Raises:
            StackError: it is gone, or stays unready.
        """
        fix = "its faults heal by themselves within seconds; start it again"

        def ready() -> None:
            found = self.api.pods().get(self._pod)
            if found is None:
                what = f"the pod of the run, {self._pod}, is gone"
                raise StackError(what, why="it was deleted", fix=fix) from error
            if not found.ready:
                raise NotYet(found.said)

        wait_for(ready, what=f"the pod of the run, {self._pod}", seconds=_BACK_S, every=0.5, fix=fix)

    def _show(self, line: str) -> None:
        out = sys.stdout if line.startswith("1") else sys.stderr
        out.write(line[1:].replace(self.marks["HARNESS_DIR"], str(self.entry.directory)) + "\n")
        out.flush()

    def _tell(self, *words: str) -> None:
        tell(self.api, self._pod, *words)

    def _bring_home(self) -> None:
        """The run's directory, whole or as far as it got."""
        bring_home(self.api, self._pod, PurePosixPath(self.marks["HARNESS_DIR"]), self.entry.directory.parent)
        self._tell("done")

    def _take_away(self) -> None:
        self.api.delete(*JOB_KIND, self.name)
        labels = [f"{key}={run_label(self.entry.directory.name)}" for key in (ERRAND, RUN)]

        def gone() -> None:
            left = [name for label in labels for name in self.api.labelled(PODS, label)]
            if left:
                raise NotYet(f"still there: {', '.join(left)}")

        fix = f"kubectl --namespace {self.api.namespace} get pods -l {labels[0]}"
        wait_for(gone, what="the pods of the run to go", seconds=_GONE_S, every=0.5, fix=fix)

    def _files(self, given: Given, owner: str) -> Manifest:
        """What the pod is given besides its image; it waits until that is there."""
        data = {name: base64.b64encode(body).decode() for name, body in given.files.items()}
        references = [{"apiVersion": JOB_KIND[0], "kind": JOB_KIND[1], "name": self.name, "uid": owner}]
        metadata = {"name": self.name, "labels": self._labels, "ownerReferences": references}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data}

    def _job(self, given: Given) -> Manifest:
        definition = self.entry.prepared.definition.kubernetes
        assert definition is not None
        optional = {"name": "given", "configMap": {"name": self.name, "optional": not given.files}}
        container = {
            "name": "harness",
            "image": image_of(definition),
            "imagePullPolicy": "IfNotPresent",
            "command": [*_RUNNER, "harness", *given.argv],
            "env": [*_environment({**self.marks, **given.marks})],
            "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [
                {"name": "work", "mountPath": str(HOME.parent)},
                {"name": "given", "mountPath": str(_GIVEN), "readOnly": True},
            ],
        }
        user = {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}
        pod = {
            "serviceAccountName": ACCOUNT,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 60,
            "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "work", "emptyDir": {}}, optional],
        }
        spec = {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_S,
            "ttlSecondsAfterFinished": _KEPT_S,
            "template": {"metadata": {"labels": self._labels}, "spec": pod},
        }
        metadata = {"name": self.name, "labels": self._labels}
        return {"apiVersion": JOB_KIND[0], "kind": JOB_KIND[1], "metadata": metadata, "spec": spec}


def tell(api: Api, pod: str, *words: str) -> None:
    """Have the first process of a run's *pod* be told *words*; see ``harness.stack.agents.runner``.

    Raises:
        StackError: the cluster refuses.
    """
    channel = api.exec(pod, [*_RUNNER, *words])
    try:
        while channel.is_open():
            channel.update(timeout=_TOLD_S)
    finally:
        channel.close()


def bring_home(api: Api, pod: str, inside: PurePosixPath, home: Path) -> None:
    """Have the directory *inside* of *pod* lie in the folder *home*, too.

    Raises:
        StackError: it could not be packed, or did not come.
        MissingAbility: there is no room for it.
    """
    argv = ["tar", "-C", str(inside.parent), "-cf", "-", inside.name]
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as packed:
            for piece in api.output(pod, argv, seconds=_HOME_S):
                packed.write(piece)
            packed.seek(0)
            with tarfile.open(fileobj=packed) as archive:
                archive.extractall(home, filter="data")
    except OSError as error:
        raise unwritable(home, error) from error


def image_of(definition: KubernetesDefinition) -> str:
    """The image of the harness."""
    return definition.overrides.get("harness", f"{PREFIX}harness:{harness.__version__}")


def _given(entry: Entry) -> Given:
    """The job's jar, which is compiled here, and the user's own scenarios.

    Raises:
        BadInput: they are too large to be handed over.
    """
    argv, folder = _scenarios(entry.argv)
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.py"))} if folder else {}
    marks = {}
    job = entry.prepared.job() if entry.prepared.definition.job else None
    if job is not None:
        files[job.name] = job.read_bytes()
        marks[JOB] = str(_GIVEN / job.name)
    size = sum(map(len, files.values()))
    if size > _GIVEN_BYTES:
        what = f"{', '.join(files)} are too large to be handed to the cluster: {size:,} bytes"
        raise BadInput(what, fix=f"at most {_GIVEN_BYTES:,}; put them into an image: --set images.harness=…")
    return Given(argv, files, marks)


def _scenarios(argv: Sequence[str]) -> tuple[tuple[str, ...], Path | None]:
    """The command line for the pod, and the user's folder of scenarios if it names one."""
    told, folder = list(argv), None
    for place, word in enumerate(told):
        name, sign, value = word.partition("=")
        if name == "--scenarios":
            at = place if sign else place + 1
            folder = Path(value if sign else told[at])
            told[at] = f"--scenarios={_GIVEN}" if sign else str(_GIVEN)
    return tuple(told), folder


def _environment(marks: Mapping[str, str]) -> Iterator[Manifest]:
    work = str(HOME.parent)
    own = {INSIDE: "1", "HOME": work, "XDG_CACHE_HOME": f"{work}/cache", "PYTHONUNBUFFERED": "1"}
    yield from ({"name": name, "value": value} for name, value in {**marks, **own}.items())
    yield {"name": POD, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}


def _fix_of(why: str) -> str:
    if "serviceaccount" in why:
        return "harness rbac SCENARIO --platform context:NAME | kubectl apply -f -"
    return ""


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
