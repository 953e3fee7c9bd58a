"""Rules for the programs in Vector's remaps: each is compiled, and run on what really flows into it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.audit.documents import Kind
from harness.audit.findings import Severity
from harness.audit.programs import Ran, Refusal, try_program
from harness.audit.rules import Case, Hit, Table
from harness.audit.samples import SAMPLES, Sample
from harness.audit.topology import MOST_PROGRAMS, Component

TABLE = Table(Kind.VECTOR)
_rule = TABLE.rule
_ROOT_SET = re.compile(r"^[ \t]*\.[ \t]*=(?!=)", re.MULTILINE)
_ZONELESS = re.compile(
    r"""parse_timestamp!?\([^\n]*?["'](?![^"'\n]*%(?:z|:z|Z|s|\+|#z))[^"'\n]*%[HTRr][^"'\n]*["']"""
)
_FALLIBLE = re.compile(r"\w!\(|\babort\b|\bassert")
_TAIL = re.compile(r"^\s*= ")


def _remaps(case: Case) -> Iterator[Component]:
    return (one for one in case.topology.each("transforms") if one.program)


def _place(case: Case, remap: Component, line: int, what: str = "", why: str = "") -> Hit:
    """The place of *line* of the program of *remap*, in the file."""
    node = remap.node.near("source")
    where = f"{case.document.base}transforms.{remap.name}.source"
    return Hit((node.text_line or node.line) + line - 1, where, what, why)


def _failures(case: Case, remap: Component) -> tuple[list[tuple[Sample, Refusal]], int]:
    """What the program fails on, and how many samples there were; none when it does not compile."""
    if case.topology.refusal(remap) is not None:
        return [], 0
    runs = case.topology.runs(remap)
    return [(sample, run.refusal) for sample, run in runs if run.refusal], len(runs)


def short(message: str) -> str:
    """VRL's message without the links that are the same below each."""
    lines = [line.rstrip() for line in message.splitlines() if line.strip() and not _TAIL.match(line)]
    return "\n".join(lines).removesuffix("\n  │")


@_rule(
    "VECTOR-VRL-COMPILE", Severity.ERROR,
    what="the program does not compile",
    why="Vector refuses the whole configuration and does not start",
    fix="correct the program where VRL points to",
)  # fmt: skip
def _compile(case: Case) -> Iterator[Hit]:
    for remap in _remaps(case):
        refusal = case.topology.refusal(remap)
        if refusal is not None:
            told = f"the program of {remap.name} does not compile"
            yield _place(case, remap, refusal.line, told, short(refusal.shown))


@_rule(
    "VECTOR-VRL-UNTRIED", Severity.NOTE,
    what="the program was not tried",
    why=f"it calls what only a running Vector has, or it is one of more than {MOST_PROGRAMS} programs",
    fix="run vector validate, and vector test with an event of each kind",
)  # fmt: skip
def _untried(case: Case) -> Iterator[Hit]:
    for remap in _remaps(case):
        if case.topology.is_untried(remap):
            yield _place(case, remap, 1, f"the program of {remap.name} was not tried")


@_rule(
    "VECTOR-VRL-NEVER", Severity.ERROR,
    what="the program fails on every event",
    why="it was run on samples of what its inputs really emit",
    fix="metrics have no .message: read a source of logs, or convert with metric_to_log and use its fields",
    scenario="seed_vrl_never_matches",
)  # fmt: skip
def _never(case: Case) -> Iterator[Hit]:
    for remap in _remaps(case):
        failed, count = _failures(case, remap)
        if failed and len(failed) == count:
            sample, refusal = failed[0]
            told = f"the program of {remap.name} fails on every event its input emits"
            why = f"run on {count} samples of its input ({sample.type}s): {refusal.shown}"
            yield _place(case, remap, refusal.line, told, why)


@_rule(
    "VECTOR-VRL-BRITTLE", Severity.WARNING,
    what="the program fails on some events, and they are not kept apart",
    why="it was run on samples of what its inputs may emit",
    fix="handle them with ?? and if, or set drop_on_error and reroute_dropped and read NAME.dropped",
    scenario="seed_vrl_never_matches",
)  # fmt: skip
def _brittle(case: Case) -> Iterator[Hit]:
    for remap in _remaps(case):
        failed, count = _failures(case, remap)
        kept_apart = remap.node.flag("drop_on_error") and remap.node.flag("reroute_dropped")
        if 0 < len(failed) < count and not kept_apart:
            names = "; ".join(f"{sample.name}: {_cause(refusal)}" for sample, refusal in failed)
            why = f"it fails on {len(failed)} of {count} samples. {names}"
            told = f"the program of {remap.name} fails on some events"
            yield _place(case, remap, failed[0][1].line, told, why)


@_rule(
    "VECTOR-VRL-ON-LOGS", Severity.WARNING,
    what="the program would be brittle on logs as well",
    why="it was run on samples of logs, too",
    fix="handle each case with ?? and if before it is moved behind a source of logs",
)  # fmt: skip
def _brittle_on_logs(case: Case) -> Iterator[Hit]:
    for remap in _remaps(case):
        failed, count = _failures(case, remap)
        if not failed or len(failed) < count or any(sample.type == "log" for sample, _ in failed):
            continue
        logs = SAMPLES["kafka"]
        runs = try_program(remap.program, [sample.event for sample in logs]).runs
        bad = [(sample, run.refusal) for sample, run in zip(logs, runs, strict=True) if run.refusal]
        if bad:
            names = "; ".join(f"{sample.name}: {_cause(refusal)}" for sample, refusal in bad)
            told = (
                f"on logs the program of {remap.name} would still fail on {len(bad)} of {len(logs)} samples"
            )
            yield _place(case, remap, bad[0][1].line, told, names)


def _cause(refusal: Refusal) -> str:
    """The cause without the function that met it."""
    return refusal.shown.partition('": ')[2] or refusal.shown


@_rule(
    "VECTOR-METRIC-ROOT", Severity.ERROR,
    what="a metric's root is assigned",
    why="remap keeps the type of its event; on a metric only name, namespace, timestamp, kind and tags can"
    " be set, and . = … is an error",
    fix="convert with metric_to_log first",
    scenario="seed_vrl_never_matches",
)  # fmt: skip
def _metric_root(case: Case) -> Iterator[Hit]:
    for remap in _remaps(case):
        samples = case.topology.arriving(remap) or ()
        match = _ROOT_SET.search(remap.program)
        if match and any(sample.type == "metric" for sample in samples):
            line = remap.program[: match.start()].count("\n") + 1
            yield _place(case, remap, line, f"{remap.name} assigns the root of a metric")


@_rule(
    "VECTOR-DROP-ON-ERROR", Severity.WARNING,
    what="events on which the program fails go on unchanged",
    why="drop_on_error is false unless set: the failed event is forwarded as it came and one line is "
    "logged, so the pipeline looks alive while the transform never works",
    fix="set drop_on_error: true and reroute_dropped: true, and read NAME.dropped",
    scenario="seed_vrl_never_matches",
)  # fmt: skip
def _drop_on_error(case: Case) -> Iterator[Hit]:
    for remap in _remaps(case):
        if _FALLIBLE.search(remap.program) and not remap.node.flag("drop_on_error"):
            yield case.hit("transforms", remap.name, "drop_on_error")


@_rule(
    "VECTOR-DROPPED-UNREAD", Severity.WARNING,
    what="events on which the program fails disappear",
    why="with drop_on_error they leave the main output, and nobody reads them from NAME.dropped",
    fix="set reroute_dropped: true and give NAME.dropped to a sink",
    scenario="seed_vrl_never_matches",
)  # fmt: skip
def _dropped_unread(case: Case) -> Iterator[Hit]:
    graph = case.topology
    read = {name for one in graph.components.values() for name in one.inputs}
    is_pattern = any("*" in name for name in read)
    for remap in _remaps(case):
        dropped = f"{remap.name}.dropped"
        rerouted = remap.node.flag("reroute_dropped") and (dropped in read or is_pattern)
        if remap.node.flag("drop_on_error") and not rerouted:
            yield case.hit("transforms", remap.name, "reroute_dropped", what=f"nobody reads {dropped}")


@_rule(
    "VECTOR-EVENT-WIPED", Severity.NOTE,
    what="the program forgets where the event came from",
    why="after it ran, nothing of the original event was left: no topic, partition and offset to find it "
    "again",
    fix="keep what is needed: source = . at the beginning, .source = … at the end; or use merge",
)  # fmt: skip
def _wiped(case: Case) -> Iterator[Hit]:
    for remap in _remaps(case):
        match = _ROOT_SET.search(remap.program)
        line = remap.program[: match.start()].count("\n") + 1 if match else 1
        runs = case.topology.runs(remap)
        unproven = match is not None and "merge(" not in remap.program and all(run.refusal for _, run in runs)
        if unproven or any(_is_wiped(sample, run) for sample, run in runs):
            yield _place(case, remap, line)


def _is_wiped(sample: Sample, run: Ran) -> bool:
    left = set(run.event) if isinstance(run.event, dict) else set()
    return not run.refusal and not (set(sample.event) - {"timestamp"}) & left


@_rule(
    "VECTOR-TIME-ZONE", Severity.NOTE,
    what="a time without a zone is read in Vector's own",
    why="the format has no zone, so the global timezone applies, which is the machine's unless set",
    fix='set timezone = "UTC" at the top, or give parse_timestamp a timezone',
)  # fmt: skip
def _time_zone(case: Case) -> Iterator[Hit]:
    if case.root.text("timezone"):
        return
    for remap in _remaps(case):
        match = _ZONELESS.search(remap.program)
        if match and not remap.node.text("timezone") and "timezone:" not in match[0]:
            yield _place(case, remap, remap.program[: match.start()].count("\n") + 1)
