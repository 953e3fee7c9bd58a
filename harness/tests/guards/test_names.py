"""Names that look like production need the context's name, typed exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.guards.allow import Place
from harness.guards.names import WORDS, confirmed, looks_like_production, suspects

CALM = Place("staging", "https://k8s.example.com", "drill")
LIVE = Place("eu-prod", "https://api.live.example.com:6443", "kafka-prd")


@pytest.mark.parametrize(
    "name",
    ["prod", "eu-PROD", "prod1", "kafka_production", "myProd", "live.example", "admin@prd", "non-prod"],
)
def test_words_for_production_are_found(name: str) -> None:
    """Whatever stands around the word."""
    assert looks_like_production(name)


@pytest.mark.parametrize("name", ["", "staging", "products", "delivery", "liveness", "reproduce", "10.1.2.3"])
def test_parts_of_other_words_are_not(name: str) -> None:
    """A word that only contains one of them is another word."""
    assert not looks_like_production(name)


@given(st.sampled_from(sorted(WORDS)), st.text("0123456789-_./:@", min_size=1), st.text("0123456789-_./:@"))
def test_no_separator_hides_a_word(word: str, before: str, after: str) -> None:
    """Digits and punctuation around a word never make it another."""
    assert looks_like_production(f"eu{before}{word}{after}")
    assert looks_like_production(f"{before}{word.upper()}{after}")


def test_every_name_of_the_place_is_looked_at() -> None:
    """The context, the namespace and the server's host."""
    assert suspects(LIVE) == (
        "context eu-prod",
        "namespace kafka-prd",
        "API server api.live.example.com",
    )
    assert suspects(CALM) == ()


def test_a_calm_name_asks_nothing() -> None:
    """Nobody is asked, nothing is recorded."""
    assert confirmed(CALM, "", None) == ""


def test_the_typed_name_is_recorded() -> None:
    """The question names what it is about, and how it was answered stands in the report."""
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return "eu-prod"

    told = confirmed(LIVE, "", ask)

    assert "look like production; confirmed by hand" in told
    assert questions[0].endswith("Type the context's name to go on: ")
    assert confirmed(LIVE, "eu-prod", None).endswith("confirmed by --confirm")


@pytest.mark.parametrize("typed", ["", "y", "yes", "EU-PROD", "eu-prod ", "kafka-prd"])
def test_nothing_but_the_exact_name_goes_on(typed: str) -> None:
    """Neither a yes nor another spelling, typed or given."""
    with pytest.raises(BadInput, match="was not confirmed"):
        confirmed(LIVE, "", lambda _: typed)
    with pytest.raises(BadInput, match=r"was not confirmed|--confirm eu-prod"):
        confirmed(LIVE, typed, None)


def test_without_a_terminal_the_option_is_named() -> None:
    """Who runs it in CI learns what to add."""
    with pytest.raises(BadInput, match="--confirm eu-prod"):
        confirmed(LIVE, "", None)
