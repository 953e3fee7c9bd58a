"""Flink's REST interface, as Flink documents it, spoken to over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import BadInput, StackError
from harness.stack.flink.rest import FlinkRest, JobSeen, innermost
from harness.tests.fakes import FakeClock
from harness.tests.webserver import Answers, WebServer

JOB = "a43706f1a80cd1f619ae9545ec33dc01"
SILENT = "http://127.0.0.1:1"
TRACE = """\
org.apache.flink.runtime.rest.handler.RestHandlerException: Could not execute application.
\tat org.apache.flink.runtime.webmonitor.handlers.JarRunHandler.lambda$handleRequest$1(JarRunHandler.java:113)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: java.util.concurrent.CompletionException: org.apache.flink.util.FlinkRuntimeException: Could not \
execute application.
\tat java.base/java.util.concurrent.CompletableFuture.encodeThrowable(CompletableFuture.java:315)
\t... 2 more
Caused by: org.apache.flink.client.program.ProgramInvocationException: The main method caused an error
\tat org.apache.flink.client.program.PackagedProgram.callMainMethod(PackagedProgram.java:372)
\t... 7 more
Caused by: java.lang.IllegalArgumentException: --window-ms "x" is not a whole number from 1 on.
\tat edge.Settings.number(Settings.java:106)
\t... 18 more
"""
CAUSE = 'java.lang.IllegalArgumentException: --window-ms "x" is not a whole number from 1 on.'


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A JobManager that answers as a test tells it to."""
    with WebServer() as running:
        yield running


def says(server: WebServer, path: str, told: object, status: int = 200) -> None:
    """Answer *path* with *told* as JSON."""
    server.says(path, Answers(json.dumps(told), status))


def rest(server: WebServer, *before: str) -> FlinkRest:
    """A client of *server*, which asks the addresses *before* first; its waits take no time."""
    return FlinkRest([*before, server.url("")], clock=FakeClock())


def details(state: str = "RUNNING", running: int = 2) -> dict[str, object]:
    """``/jobs/ID`` of a job with a source of one task and windows of two."""
    source = {"id": "v1", "name": "Source: orders", "parallelism": 1, "tasks": {"RUNNING": 1, "FAILED": 0}}
    windows = {"id": "v2", "name": "windows", "parallelism": 2, "tasks": {"RUNNING": running, "CREATED": 1}}
    return {"jid": JOB, "state": state, "vertices": [source, windows], "plan": {"nodes": []}}


def test_task_managers_are_counted(server: WebServer) -> None:
    """All of them are waited for; in vain, the error says how many there were."""
    says(server, "/overview", {"taskmanagers": 2, "slots-total": 4, "flink-version": "1.17.2"})

    assert rest(server).wait_task_managers(2, 1.0) == "2 TaskManagers registered"
    with pytest.raises(StackError, match="last seen: 2 of 3 TaskManagers registered"):
        rest(server).wait_task_managers(3, 1.0)


def test_one_task_manager_is_known_by_its_name(server: WebServer) -> None:
    """Another one that is registered does not count."""
    says(server, "/taskmanagers", {"taskmanagers": [{"id": "taskmanager-2", "path": "akka.tcp://…"}]})

    assert rest(server).wait_registered("taskmanager-2", 1.0) == "taskmanager-2 is registered"
    with pytest.raises(StackError, match="last seen: registered: taskmanager-2"):
        rest(server).wait_registered("taskmanager-1", 1.0)


def test_a_job_is_uploaded_and_run(server: WebServer, tmp_path: Path) -> None:
    """The jar goes over whole; program, arguments, parallelism and savepoint are told."""
    jar = tmp_path / "job.jar"
    jar.write_bytes(b"all of the jar")
    says(server, "/jars/upload", {"filename": "/disk/flink-web-upload/4f_job.jar", "status": "success"})
    says(server, "/jars/4f_job.jar/run", {"jobid": JOB})
    cluster = rest(server)

    assert cluster.upload(jar) == "4f_job.jar"
    assert cluster.run("4f_job.jar", "edge.Main", ["--a", "1"], parallelism=2, restore="s3://b/s-1") == JOB

    (_, _, sent), (method, _, body) = server.seen
    assert "all of the jar" in sent
    assert 'name="jarfile"; filename="job.jar"' in sent
    assert (method, json.loads(body)) == (
        "POST",
        {"entryClass": "edge.Main", "programArgsList": ["--a", "1"], "parallelism": 2}
        | {"savepointPath": "s3://b/s-1"},
    )


def test_a_start_without_state_names_no_savepoint(server: WebServer) -> None:
    """An empty path would be looked for."""
    says(server, "/jars/j/run", {"jobid": JOB})
    rest(server).run("j", "edge.Main", [], parallelism=1)

    assert "savepointPath" not in json.loads(server.seen[0][2])


def test_a_refused_job_is_bad_input_in_the_jobs_own_words(server: WebServer) -> None:
    """Of a page of Java, the innermost cause is what the user can mend."""
    errors = [
        "Internal server error.",
        f"<Exception on server side:\n{TRACE}\nEnd of exception on server side>",
    ]
    says(server, "/jars/j/run", {"errors": errors}, 400)

    with pytest.raises(BadInput) as refused:
        rest(server).run("j", "edge.Main", [], parallelism=1)
    assert (refused.value.what, refused.value.why) == ("Flink refuses the job", CAUSE)


def test_a_refusal_that_is_no_json_is_told_as_it_came(server: WebServer) -> None:
    """Its first line, at least."""
    server.says("/jars/j/run", Answers("no such handler\nat all", 404))

    with pytest.raises(BadInput, match="Flink refuses the job: no such handler"):
        rest(server).run("j", "edge.Main", [], parallelism=1)


def test_a_cluster_without_a_leader_is_no_bad_input(server: WebServer) -> None:
    """Nobody typed anything wrong: it is between two JobManagers."""
    says(server, "/jars/j/run", {"errors": ["Service temporarily unavailable due to leader election"]}, 503)

    with pytest.raises(StackError, match="answered 503"):
        rest(server).run("j", "edge.Main", [], parallelism=1)


def test_a_job_is_seen_by_its_tasks_and_checkpoints(server: WebServer) -> None:
    """RUNNING with a task that does not run is not whole."""
    done = {"id": 7, "trigger_timestamp": 1, "external_path": "s3://edge-state/chk-7"}
    says(server, f"/jobs/{JOB}", details(running=1))
    counts = {"completed": 7, "failed": 1, "in_progress": 0}
    says(server, f"/jobs/{JOB}/checkpoints", {"counts": counts, "latest": {"completed": done}})

    seen = rest(server).job(JOB)

    assert seen == JobSeen(JOB, "RUNNING", 2, 3, completed=7, last_path="s3://edge-state/chk-7")
    assert not seen.whole


def test_a_job_without_checkpoints_is_seen_too(server: WebServer) -> None:
    """Nothing completed, nowhere to begin from."""
    says(server, f"/jobs/{JOB}", details())
    says(server, f"/jobs/{JOB}/checkpoints", {"counts": {"completed": 0}, "latest": {"completed": None}})

    seen = rest(server).job(JOB)

    assert (seen.whole, seen.completed, seen.last_path) == (True, 0, "")


def test_a_job_that_has_no_tasks_yet_is_not_whole() -> None:
    """None of none is not all."""
    assert not JobSeen(JOB, "INITIALIZING", 0, 0, 0, "").whole


def test_jobs_are_listed_with_their_state(server: WebServer) -> None:
    """A cluster that came back without its jobs lists none."""
    says(server, "/jobs", {"jobs": [{"id": JOB, "status": "RUNNING"}]})
    assert rest(server).jobs() == ((JOB, "RUNNING"),)

    says(server, "/jobs", {"jobs": []})
    assert rest(server).jobs() == ()


def test_a_jobs_root_cause_is_the_innermost(server: WebServer) -> None:
    """A job that has not failed has none."""
    says(server, f"/jobs/{JOB}/exceptions", {"root-exception": TRACE, "timestamp": 1})
    assert rest(server).root_cause(JOB) == CAUSE

    says(server, f"/jobs/{JOB}/exceptions", {"root-exception": None})
    assert rest(server).root_cause(JOB) == ""


@pytest.mark.parametrize(
    ("trace", "cause"),
    [
        (TRACE, CAUSE),
        ("java.io.IOException: no room\n\tat a.B.c(B.java:1)\n", "java.io.IOException: no room"),
        ("", ""),
        ("\n  \n", ""),
    ],
)
def test_the_innermost_cause_of_a_stack_trace(trace: str, cause: str) -> None:
    """The last "Caused by", else the exception itself."""
    assert innermost(trace) == cause


@pytest.mark.parametrize(("subtasks", "expected"), [(2, 5_000), (1, None)])
def test_watermarks_are_those_of_every_task_behind_the_sources(
    server: WebServer, subtasks: int, expected: int | None
) -> None:
    """The source's own task has none and is not waited for; a silent one of the others is."""
    says(server, f"/jobs/{JOB}", details())
    labels = 'job_id="%s",task_id="v2",subtask_index="%d",task_attempt_num="0",'
    lines = [
        f"flink_taskmanager_job_task_currentInputWatermark{{{labels % (JOB, n)}}} {5_000 + n}.0"
        for n in range(subtasks)
    ]
    server.says("/metrics", Answers("\n".join(lines) + "\n"))

    cluster = FlinkRest([server.url("")], {"taskmanager-1": server.url("/metrics")})
    assert cluster.lowest_watermark(JOB) == expected


def savepoint(server: WebServer, told: object) -> None:
    """A savepoint that is asked for, and what is told of it afterwards."""
    says(server, f"/jobs/{JOB}/stop", {"request-id": "t1"}, 202)
    says(server, f"/jobs/{JOB}/savepoints/t1", told)


def test_a_job_is_stopped_behind_a_savepoint(server: WebServer) -> None:
    """Its address is told, and the job was not drained: it goes on from there."""
    savepoint(server, {"status": {"id": "COMPLETED"}, "operation": {"location": "s3://b/savepoint-1"}})

    assert rest(server).stop_with_savepoint(JOB, "s3://b", 1.0) == "s3://b/savepoint-1"
    assert json.loads(server.seen[0][2]) == {"targetDirectory": "s3://b", "drain": False}


def test_a_savepoint_in_progress_is_waited_for(server: WebServer) -> None:
    """When time is up, that is what was seen last."""
    savepoint(server, {"status": {"id": "IN_PROGRESS"}, "operation": None})

    with pytest.raises(StackError, match="a savepoint took longer than 1 s: last seen: the savepoint is in"):
        rest(server).stop_with_savepoint(JOB, "s3://b", 1.0)


def test_a_failed_savepoint_is_not_waited_for(server: WebServer) -> None:
    """Asking again would not help; the cause is told."""
    failed = {"class": "java.util.concurrent.CompletionException", "stack-trace": TRACE}
    savepoint(server, {"status": {"id": "COMPLETED"}, "operation": {"failure-cause": failed}})

    with pytest.raises(StackError, match=r"the savepoint failed: java\.lang\.IllegalArgumentException"):
        rest(server).stop_with_savepoint(JOB, "s3://b", 1.0)
    assert len(server.seen) == 2


def test_a_job_is_cancelled_and_waited_for(server: WebServer) -> None:
    """It has ended when its state says so, not when the cancellation was taken."""
    says(server, f"/jobs/{JOB}?mode=cancel", {}, 202)
    says(server, f"/jobs/{JOB}", details("CANCELED", running=0))
    rest(server).cancel(JOB, 1.0)

    assert [(method, path) for method, path, _ in server.seen] == [
        ("PATCH", f"/jobs/{JOB}?mode=cancel"),
        ("GET", f"/jobs/{JOB}"),
    ]
    says(server, f"/jobs/{JOB}", details("CANCELLING"))
    with pytest.raises(StackError, match="last seen: it is CANCELLING"):
        rest(server).cancel(JOB, 1.0)


def test_the_second_job_manager_is_asked_when_the_first_is_silent(server: WebServer) -> None:
    """A dead leader's successor answers for the cluster."""
    says(server, "/jobs", {"jobs": []})

    assert rest(server, SILENT).jobs() == ()


def test_a_refusal_of_the_first_is_not_asked_again(server: WebServer) -> None:
    """An answer is an answer: a job handed over twice would run twice."""
    with WebServer() as second:
        cluster = FlinkRest([server.url(""), second.url("")], clock=FakeClock())
        with pytest.raises(StackError, match="answered 404"):
            cluster.jobs()

        assert (len(server.seen), second.seen) == (1, [])


def test_a_silent_cluster_is_told_with_every_reason() -> None:
    """Each JobManager's own."""
    with pytest.raises(StackError, match=r"no JobManager answers: .*refused.*; .*refused"):
        FlinkRest([SILENT, SILENT]).jobs()


def test_a_silent_cluster_is_waited_for() -> None:
    """While it restarts, it says nothing for a while."""
    clock = FakeClock()

    with pytest.raises(StackError, match="to register took longer than 1 s: last seen: no JobManager"):
        FlinkRest([SILENT], clock=clock).wait_task_managers(1, 1.0)
    assert sum(clock.slept) == pytest.approx(1.0, abs=0.11)


def test_an_answer_of_another_shape_is_no_defect_of_the_harness(server: WebServer) -> None:
    """It is told as what it is, and waited out like silence."""
    says(server, "/overview", {"taskmanagers": "many"})

    with pytest.raises(StackError, match="answers something else than it documents"):
        rest(server).wait_task_managers(1, 1.0)
