"""The page: harmless, self-contained, small, readable and the same every time."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from harness.findings import RunDocument
from harness.report.headline import headline
from harness.report.html import write_report
from harness.report.plaintext import visible
from harness.tests.report.build import Shape, broken, build, document
from harness.tests.report.generated import HOSTILE, documents, texts

TEMPLATES = Path(__file__).parents[2] / "report" / "templates"
VOID = {"meta", "br", "wbr", "col", "img", "circle", "path", "rect", "line"}


class Page(HTMLParser):
    """Every tag with its attributes, the text of the page, and whether tags are nested as they close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag that closes itself."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check the nesting."""
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        """Remember the text."""
        self.text.append(data)


def rendered(tmp_path: Path, document: RunDocument, shape: Shape | None = None) -> str:
    """The page of a run."""
    shutil.rmtree(tmp_path / document.run_id, ignore_errors=True)
    return write_report(build(tmp_path, document, shape)).read_text()


def everywhere(hostile: str) -> RunDocument:
    """A document with *hostile* in every field that takes text."""
    return RunDocument.model_validate(_poisoned(broken().model_dump(by_alias=True), hostile))


def _poisoned(value: object, hostile: str, key: str = "") -> object:
    fixed = {"schema", "run_id", "verdict", "kind", "expect"}
    if isinstance(value, dict):
        open_keys = key in ("environment", "compared", "excused", "latency", "phases", "versions")
        return {
            (f"{name} {hostile}" if open_keys else name): _poisoned(item, hostile, name)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_poisoned(item, hostile, key) for item in value]
    return f"{value} {hostile}" if isinstance(value, str) and key not in fixed else value


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_in_every_field_is_shown_and_not_obeyed(tmp_path: Path, hostile: str) -> None:
    """The tags of the page are those of the harmless page, whatever the fields hold."""
    plain, poisoned = (Page(rendered(tmp_path, everywhere(words))) for words in ("harmless", hostile))

    assert [tag for tag, _ in plain.tags] == [tag for tag, _ in poisoned.tags]
    assert [sorted(attrs) for _, attrs in plain.tags] == [sorted(attrs) for _, attrs in poisoned.tags]
    assert visible(hostile).split()[0] in " ".join(poisoned.text)
    assert visible("".join(poisoned.text)) == "".join(poisoned.text)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents())
def test_any_document_becomes_a_page_with_its_verdict(tmp_path: Path, generated: RunDocument) -> None:
    """The page of a generated document is well nested and opens with the document's word."""
    page = Page(rendered(tmp_path, generated))

    assert page.open == []
    heading = "".join(page.text).split("run report", 1)[1]
    assert headline(generated).word in heading[:400].strip()


def test_ten_minutes_of_twelve_partitions_fit(tmp_path: Path) -> None:
    """A page stays below 2 MB however long the run was."""
    shape = Shape(seconds=600.0, partitions=12, batches=20)
    page = rendered(tmp_path, document(duration_s=600.0), shape)

    assert len(page.encode()) < 2_000_000


def test_nothing_is_fetched_and_nothing_runs(tmp_path: Path) -> None:
    """No script, no address of another host, no handler, and a policy that would forbid them."""
    html = rendered(tmp_path, broken())
    page = Page(html)
    policy = next(attrs["content"] for tag, attrs in page.tags if "http-equiv" in attrs)

    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert {"script", "link", "img", "iframe", "object", "use"}.isdisjoint(tag for tag, _ in page.tags)
    assert [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "src"] == []
    assert re.findall(r"https?:|url\((?!#)|@import", html) == []
    assert all((attrs["href"] or "").startswith("./") for tag, attrs in page.tags if tag == "a")


def test_ids_are_unique(tmp_path: Path) -> None:
    """The two drawings of the timeline share no id, and every reference has its target."""
    html = rendered(tmp_path, document())
    ids = [attrs["id"] for _, attrs in Page(html).tags if "id" in attrs]
    used = re.findall(r"url\(#([^)]+)\)", html)

    assert len(set(ids)) == len(ids)
    assert set() == set(used) - set(ids)


def test_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    """Writing the report again, or the same run elsewhere, gives the same file."""
    first = build(tmp_path / "a", document())
    second = build(tmp_path / "b", document())
    once = write_report(first).read_bytes()

    assert [once, once] == [write_report(first).read_bytes(), write_report(second).read_bytes()]


def test_a_run_without_attempts_has_a_page(tmp_path: Path) -> None:
    """A run that died before its load still says what it can."""
    whole = document(
        verdict="UNKNOWN", exit_code=2, findings=[], faults=[], recovery=[], load=None, latency={}
    )
    directory = build(tmp_path, whole)
    (directory.ledger / "attempts.parquet").unlink()

    assert "nothing to draw" in write_report(directory).read_text()


def test_a_scenario_meant_to_break_says_so_and_stays_fail(tmp_path: Path) -> None:
    """The page of an expected break shows FAIL, says that it was meant, and asks for no repair."""
    html = rendered(tmp_path, broken(expect="broken"))

    assert "meant to break a guarantee, and it did: no_loss" in html
    assert "What to do next" not in html
    assert "<title>FAIL:" in html


def test_links_never_leave_the_run(tmp_path: Path) -> None:
    """A symbolic link in the run directory is neither listed nor read."""
    directory = build(tmp_path, document())
    (directory.logs / "passwd").symlink_to("/etc/passwd")

    assert "passwd" not in write_report(directory).read_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "soft", "pass", "fail", "unknown", "budget", "unsafe"])
@pytest.mark.parametrize("ground", ["paper", "sheet"])
def test_every_text_colour_can_be_read(theme: str, name: str, ground: str) -> None:
    """Words have the contrast WCAG 2.2 asks for at level AA, 4.5 to 1, in both themes."""
    colours = palette(theme)

    assert contrast(colours[name], colours[ground]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["ack", "ask", "bad", "own", "p50", "p99", "max", "lane-5"])
def test_every_line_can_be_seen(theme: str, name: str) -> None:
    """Lines have the contrast WCAG asks for graphics, 3 to 1."""
    colours = palette(theme)

    assert contrast(colours[name], colours["paper"]) >= 3.0


def palette(theme: str) -> dict[str, str]:
    """The colours of a theme as the style sheet defines them."""
    light, dark, *_ = (TEMPLATES / "report.css").read_text().split(":root {")[1:]
    block = light if theme == "light" else dark
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block.split("}")[0]))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_strategy_draws_hostile_text() -> None:
    """The generated documents do hold what they are meant to hold."""
    assert "<script>alert(1)</script>" in HOSTILE
    assert not texts.is_empty
