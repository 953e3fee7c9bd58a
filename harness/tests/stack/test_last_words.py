"""What a program said last is its complaint."""

from __future__ import annotations

import pytest

from harness.stack.last_words import last_words

CRASH = """\
[2026-11-26 10:00:00,001] INFO starting (kafka.Kafka$)
[2026-11-26 10:00:00,002] ERROR Exiting Kafka due to fatal exception (kafka.Kafka$)
org.apache.kafka.common.config.ConfigException: Invalid value none for configuration num.io.threads
\tat org.apache.kafka.common.config.ConfigDef.parseType(ConfigDef.java:728)
\tat kafka.Kafka$.main(Kafka.scala:78)
Caused by: java.lang.NumberFormatException: For input string: "none"
\tat java.base/java.lang.Integer.parseInt(Integer.java:652)
\t... 12 more
"""


def test_a_complaint_is_told_without_the_calls_that_led_to_it() -> None:
    """The lines that complain, the cause last, and no frame of a stack."""
    complaint, cause = last_words(CRASH, 2).split(" | ")

    assert complaint.endswith("Invalid value none for configuration num.io.threads")
    assert cause == 'Caused by: java.lang.NumberFormatException: For input string: "none"'


@pytest.mark.parametrize(("log", "told"), [("a\n\nb\nc\n", "b | c"), ("\n \n", ""), ("", "")])
def test_where_nothing_complains_the_last_lines_are_told(log: str, told: str) -> None:
    """And of a program that said nothing, nothing."""
    assert last_words(log, 2) == told
