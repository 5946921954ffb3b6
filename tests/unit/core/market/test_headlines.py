"""What headlines are taken to be about, and what they are not."""

import pytest

from marketsentry.core.market.headlines import event_of_headline, event_type_of, mentions_in


def symbols(text: str) -> list[str | None]:
    return [mention.symbol for mention in mentions_in(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Bitcoin and ethereum rise", ["BTC", "ETH"]),
        ("BTC hits a record", ["BTC"]),
        ("$LINK rallies", ["LINK"]),
        ("Bitcoin Cash forks", ["BCH"]),
        ("Solana's network halts", ["SOL"]),
        ("LINK in bio, THE UNI and the ATOM", []),
        ("US SEC sues CEO of ABC", []),
        ("a solution for all", []),
        ("Etherscan is down", []),
        ("stellar results at a bank", ["XLM"]),
    ],
)
def test_assets_are_found_by_name_or_unmistakable_ticker(text: str, found: list[str]) -> None:
    assert symbols(text) == found


@pytest.mark.parametrize(
    ("title", "event_type"),
    [
        ("SEC sues an exchange", "regulatory"),
        ("Wallet maker acquired by bank", "mna"),
        ("Studio raises $10m in Series A", "funding"),
        ("Mainnet upgrade goes live", "product"),
        ("Bitcoin trades sideways", "market"),
        ("Urban sector second", "market"),
    ],
)
def test_the_type_follows_plain_words(title: str, event_type: str) -> None:
    assert event_type_of(title) == event_type


def test_text_is_searched_too_and_a_nul_never_reaches_the_record() -> None:
    made = event_of_headline(
        " Prices\x00 today ",
        occurred_at_ns=10**18,
        known_at_ns=10**18,
        source_name=None,
        source_url="",
        payload={"text": "Dogecoin leads"},
    )
    assert (made.title, made.source_url, [m.symbol for m in made.mentions]) == (
        "Prices today",
        None,
        ["DOGE"],
    )
