"""Every rule finds the defect it is about, on the line where it is, and is silent where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.audit.examine import RULES, audit
from harness.audit.findings import AuditFinding, Severity
from harness.bundle import fixtures
from harness.tests import rules_page
from harness.tests.audit.planted import ALL, SEED, SOUND, Planted


def findings(folder: Path, name: str, text: str, *others: Path) -> tuple[AuditFinding, ...]:
    """What the audit says of a file called *name* with this *text*."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return audit([path, *others]).findings


@pytest.mark.parametrize("planted", ALL, ids=lambda planted: planted.rule)
def test_a_rule_finds_its_defect_and_nothing_else(planted: Planted, tmp_path: Path) -> None:
    """The defect is found on its very line; without it the rule says nothing of that place."""
    bad, good = planted.texts()

    found = [one for one in findings(tmp_path, planted.base, bad) if one.rule == planted.rule]
    silent = [one for one in findings(tmp_path, planted.base, good) if one.rule == planted.rule]

    assert planted.line() in [one.line for one in found]
    assert len(silent) < len(found)
    assert planted.in_base or silent == []


def test_every_rule_is_tested() -> None:
    """A rule without a planted defect could say anything."""
    assert {rule.name for rule in RULES} == {planted.rule for planted in ALL}
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_says_all_that_a_reader_needs(rule: object) -> None:
    """What, why, fix and versions are there, without a final period, since a sentence is made of them."""
    texts = [getattr(rule, name) for name in ("what", "why", "fix", "versions")]

    assert all(texts)
    assert [text for text in texts if text.endswith(".") or "  " in text] == []


def test_the_page_of_rules_is_up_to_date() -> None:
    """``python -m harness.tests.rules_page`` was run after the last rule changed its words."""
    assert rules_page.written() == rules_page.generated()


def test_the_seed_as_it_stands_is_full_of_them() -> None:
    """The three manifests to the letter: at least twenty findings, and those that keep it from running."""
    found = audit(sorted(SEED.glob("*.yaml"))).findings
    errors = {one.rule for one in found if one.severity is Severity.ERROR}

    assert len(found) >= 20
    assert errors >= {
        *(
            "KAFKA-LISTENERS",
            "KAFKA-ZOOKEEPER",
            "FLINK-NO-CHECKPOINTS",
            "FLINK-NO-RESTART",
            "FLINK-STATELESS",
        ),
        *(
            "FLINK-NO-HA",
            "FLINK-JAR-NOT-IN-IMAGE",
            "VECTOR-VRL-NEVER",
            "VECTOR-METRIC-ROOT",
            "VECTOR-S3-REGION",
        ),
        *("VECTOR-LOCALHOST", "VECTOR-NOT-MOUNTED", "VECTOR-MEMORY-BUFFER"),
    }


@pytest.mark.parametrize("names", [("kafka",), ("flink",), ("vector",), ("kafka", "flink", "vector")])
def test_the_corrected_manifests_have_notes_only(names: tuple[str, ...]) -> None:
    """Together and each alone: nothing above a note is left of them."""
    found = audit([SOUND / f"{name}.yaml" for name in names])

    assert [one for one in found.findings if one.severity is not Severity.NOTE] == []


def test_the_agent_of_the_local_stack_is_sound() -> None:
    """The plain configuration that runs on the local platform has notes only, too."""
    found = audit([fixtures() / "stacks/edge/vector.toml"])

    assert [one.rule for one in found.findings if one.severity is not Severity.NOTE] == []


def test_the_seeds_program_fails_because_it_was_run(tmp_path: Path) -> None:
    """The reason is VRL's own, and the line is that of the call in the outer file."""
    found = audit([SEED / "vector.yaml"]).findings
    (never,) = [one for one in found if one.rule == "VECTOR-VRL-NEVER"]

    assert "expected string, got null" in never.why
    assert "parse_json!" in (SEED / "vector.yaml").read_text().splitlines()[never.line - 1]


def test_a_program_that_does_not_compile_is_told_in_vrls_words(tmp_path: Path) -> None:
    """The code of the error and its drawing are VRL's; the links below it are left out."""
    text = "sources: {k: {type: kafka}}\ntransforms:\n  t:\n    type: remap\n    inputs: [k]\n    source: |\n"
    text += "      .a = 1\n      .b = nonsense(1)\n"

    (found,) = [one for one in findings(tmp_path, "vector.yaml", text) if one.rule == "VECTOR-VRL-COMPILE"]

    assert found.line == 8
    assert "error[E105]" in found.why
    assert "http" not in found.why


def test_what_a_chain_of_transforms_hands_on_is_what_the_next_one_gets(tmp_path: Path) -> None:
    """A second program sees what the first one made, so a field that only it makes is there."""
    text = (
        '[sources.k]\ntype = "kafka"\n'
        '[transforms.one]\ntype = "remap"\ninputs = ["k"]\nsource = ".made = 1"\n'
        '[transforms.two]\ntype = "remap"\ninputs = ["one"]\nsource = ".x = int!(.made)"\n'
        '[transforms.three]\ntype = "remap"\ninputs = ["k"]\nsource = ".x = int!(.made)"\n'
    )

    found = findings(tmp_path, "vector.toml", text)

    assert [(one.rule, one.line) for one in found if one.rule == "VECTOR-VRL-NEVER"] == [
        ("VECTOR-VRL-NEVER", 14)
    ]


@pytest.mark.parametrize(("image", "severity"), [("0.29.1", Severity.ERROR), ("0.31.0", Severity.WARNING)])
def test_a_rule_knows_the_version(image: str, severity: Severity, tmp_path: Path) -> None:
    """Metrics to aws_s3 are refused by Vector up to 0.29 and accepted from 0.30 on."""
    text = (SOUND / "vector.yaml").read_text()
    text = text.replace("vector:0.56.0", f"vector:{image}").replace(
        '["edge_metrics_as_logs"', '["edge_metrics"'
    )

    found = findings(tmp_path, "vector.yaml", text)

    assert [one.severity for one in found if one.rule == "VECTOR-METRICS-TO-S3"] == [severity]


def test_files_are_judged_together(tmp_path: Path) -> None:
    """What a Kafka resource grants is held against what a Flink job asks for, when both are given."""
    text = (
        (SOUND / "kafka.yaml").read_text().replace("transaction.max.timeout.ms: 3600000", "num.io.threads: 8")
    )

    found = findings(tmp_path, "kafka.yaml", text, SOUND / "flink.yaml")

    assert [one.severity for one in found if one.rule == "FLINK-TRANSACTION-TIMEOUT"] == [Severity.ERROR]
