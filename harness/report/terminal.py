"""The report in a few lines, for a terminal and for the log of a CI job.

The first line is the verdict, the next ones the first causes, then where the
rest is. No line can move a cursor, colour anything or be taken for a command of
the CI runner, whatever a broker or a user wrote into it.
"""

from __future__ import annotations

from harness.findings import NOT_ASKED, Finding, RunDocument, Witness
from harness.model import NotExecuted
from harness.report import bounds, phrases
from harness.report.headline import Trouble, expectation, fault_verdict, headline, troubles
from harness.report.plaintext import log_line
from harness.rundir import RunDirectory
from harness.verdict import Kind, Verdict

_MOST_CAUSES = 5


def summary_lines(document: RunDocument, directory: RunDirectory | None = None) -> list[str]:
    """The verdict, its first causes, the run, the report's path in *directory*, and the exit code.

    What was not executed is known to *directory* alone.

    Raises:
        EvidenceError: the document contradicts itself, or the directory cannot be read.
    """
    top = headline(document)
    found = troubles(document)
    lines = [f"{top.word}: {_without_word(top.sentence, top.word)}", expectation(document)]
    for trouble in found[:_MOST_CAUSES]:
        lines += _cause(trouble)
    if len(found) > _MOST_CAUSES:
        lines.append(f"  and {len(found) - _MOST_CAUSES} more in the report")
    lines += [*_not_executed(directory), _proven(document), bounds.sentence(document)]
    lines += [f"run {document.run_id}, seed {document.seed}"]
    if directory is not None:
        lines.append(f"report {directory.report}")
    lines.append(f"exit code {top.exit_code}: {top.meaning}")
    return [_indented(line) for line in lines if line]


def _not_executed(directory: RunDirectory | None) -> list[str]:
    if directory is None or not directory.events.exists():
        return []
    missing = [event for event in directory.read_events() if isinstance(event, NotExecuted)]
    return [f"  not executed {event.part}: {event.reason}" for event in missing]


def _cause(trouble: Trouble) -> list[str]:
    lines = [f"  {trouble.verdict} {trouble.name}: {trouble.summary}"]
    if trouble.witness:
        lines.append(f"    first witness: {witness_words(trouble.witness)}")
    return lines


def witness_words(witness: Witness) -> str:
    """What is known of one witness, on one line."""
    parts = [witness.record and f"record {witness.record}"]
    if witness.partition is not None:
        parts.append(f"partition {witness.partition}")
    if witness.offsets:
        parts.append(f"offsets {', '.join(map(str, witness.offsets))}")
    if witness.at_s is not None:
        parts.append(f"at {witness.at_s:.3f} s")
    return ", ".join(part for part in [*parts, witness.detail] if part)


def _proven(document: RunDocument) -> str:
    # What nobody asked for and did not hold is shown with its count; it is none that held.
    judged = [found for found in document.findings if found.kind is Kind.GUARANTEE and not _unasked(found)]
    held = sum(found.verdict is Verdict.PASS for found in judged)
    clean = sum(fault_verdict(fault)[0] is Verdict.PASS for fault in document.faults)
    return (
        f"{held} of {phrases.plural(len(judged), 'guarantee')} held, "
        f"{clean} of {phrases.plural(len(document.faults), 'fault')} proven and healed, "
        f"{phrases.duration(document.duration_s)}"
    )


def _unasked(found: Finding) -> bool:
    return NOT_ASKED in found.excused


def _without_word(sentence: str, word: str) -> str:
    rest = sentence.removeprefix(word)
    return rest.lstrip(" :–—-.") or word if rest != sentence else sentence


def _indented(line: str) -> str:
    blanks = len(line) - len(line.lstrip(" "))
    return " " * min(blanks, 4) + log_line(line)
