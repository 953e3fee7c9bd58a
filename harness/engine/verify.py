"""A folder of records judged: from its files to findings, a document and a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from harness.engine import local, on_ray
from harness.engine.folder import Context, Part, parts, read_context
from harness.engine.instants import dated
from harness.engine.judge import Counted, conclude
from harness.findings import NOT_ASKED, Finding, digest
from harness.model import Frozen
from harness.report.plaintext import log_line
from harness.report.terminal import witness_words
from harness.rundir import unwritable
from harness.verdict import Verdict, exit_code, worst

SCHEMA = "edge-harness/records-verdict/1"
DOCUMENT = "verdict.json"


class RecordsDocument(Frozen):
    """``verdict.json``: what is to be said of a folder of records."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    verdict: Verdict
    exit_code: int
    findings: tuple[Finding, ...]
    partitions: int
    attempted: int
    """Rows of the produce history."""
    came_back: int
    """Rows of the consume history."""
    runs: int
    """What the rows of both became: what the checkers judged."""
    spilled: tuple[int, ...]
    """The partitions so interleaved that their runs went through the disk."""

    model_config = Frozen.model_config | {"populate_by_name": True}


def verify(
    folder: Path, *, on: Literal["processes", "ray"] = "processes", processes: int = local.PROCESSES
) -> RecordsDocument:
    """Judge the records of *folder*; the findings are the same wherever and in however many processes.

    Raises:
        BadInput: it is no folder of records, a file of another schema, or a value out of range.
        EvidenceError: a file is damaged.
        MissingAbility: Ray is not installed, or memory or the disk ran out.
    """
    context = read_context(folder)
    found = _with_announced(context, parts(folder))
    engine = on_ray.counted if on == "ray" else local.counted
    counted = engine(context, found, processes=processes)
    settings = digest(*(each.model_dump_json() for each in context.guarantees))
    said = dated(conclude(context, counted), context, found)
    return _document([each.model_copy(update={"config_digest": settings}) for each in said], counted)


def write(document: RecordsDocument, folder: Path) -> Path:
    """Keep *document* in *folder*.

    Raises:
        MissingAbility: the folder cannot be written.
    """
    path = folder / DOCUMENT
    try:
        path.write_text(document.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def lines(document: RecordsDocument) -> Iterator[str]:
    """The findings for a terminal, each with its first witness."""
    yield (
        f"{document.verdict}: {document.attempted:,} attempted and {document.came_back:,} returned records "
        f"in {document.partitions} partitions, judged as {document.runs:,} runs"
    )
    for each in document.findings:
        word = "NOT JUDGED" if NOT_ASKED in each.excused else each.verdict
        yield log_line(f"{word} {each.checker}: {each.summary}")
        if each.violations and each.witnesses:
            yield "  " + log_line(f"first witness: {witness_words(each.witnesses[0])}")
    if document.verdict is Verdict.PASS:
        yield "records tell of no fault: what held says nothing about faults"
    yield f"exit code {document.exit_code}"


def _with_announced(context: Context, found: list[Part]) -> list[Part]:
    """The partitions with files, and those that were only announced."""
    known = {part.partition for part in found}
    missing = {each.partition for each in context.announced} - known
    return sorted([*found, *(Part(p, (), ()) for p in missing)], key=lambda part: part.partition)


def _document(findings: Sequence[Finding], counted: Sequence[Counted]) -> RecordsDocument:
    return RecordsDocument(
        verdict=worst(each.verdict for each in findings),
        exit_code=int(exit_code([(each.kind, each.verdict) for each in findings])),
        findings=tuple(findings),
        partitions=len(counted),
        attempted=sum(each.records[0] for each in counted),
        came_back=sum(each.records[1] for each in counted),
        runs=sum(sum(each.runs) for each in counted),
        spilled=tuple(each.partition for each in counted if each.spilled),
    )
