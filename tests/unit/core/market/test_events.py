"""Identity and quality of events."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from marketsentry.core.market.events import (
    Event,
    Mention,
    event_fingerprint,
    judge_event,
    known_when_received,
    merge_mentions,
)
from marketsentry.core.market.timestamps import parse_time_ns
from marketsentry.exceptions import InputError

AT = parse_time_ns("2024-03-01T12:00:00Z")


def event(**changes: object) -> Event:
    given = {"event_type": "market", "title": "Bitcoin rises", "occurred_at_ns": AT, "known_at_ns": AT}
    return Event(**{**given, **changes})  # type: ignore[arg-type]  # values vary by field


def test_identity_ignores_case_blanks_and_the_offset_of_the_clock() -> None:
    same = event(title="  bitcoin RISES ", occurred_at_ns=parse_time_ns("2024-03-01T13:00:00+01:00"))
    assert event_fingerprint(same) == event_fingerprint(event())


@pytest.mark.parametrize(
    "changes",
    [
        {"event_type": "product"},
        {"title": "Bitcoin falls"},
        {"source_url": "https://example.org/a"},
        {"occurred_at_ns": AT - 1_000_000_000},
    ],
)
def test_type_title_address_and_instant_make_another_event(changes: dict[str, object]) -> None:
    assert event_fingerprint(event(**changes)) != event_fingerprint(event())


def test_source_scores_and_mentions_do_not_change_who_it_is() -> None:
    other = event(source_name="x", source_tier=1, mentions=(Mention("asset", "Bitcoin", "BTC"),))
    assert event_fingerprint(other) == event_fingerprint(event())


def test_quality_is_the_weighted_sum_of_the_contract() -> None:
    names = tuple(Mention("company", f"c{i}") for i in range(2))
    scores = {"confidence_score": 0.9, "event_importance": 0.4, "novelty_score": 0.2}
    quality = judge_event(event(mentions=names, **scores), now_ns=AT + 90_500_000_000)
    assert quality.entity_coverage == 0.5
    assert quality.quality_score == pytest.approx(0.30 * 0.9 + 0.25 * 0.4 + 0.25 * 0.2 + 0.20 * 0.5)
    assert quality.freshness_sec == 90


def test_five_entities_cover_no_more_than_four_and_a_future_event_is_fresh() -> None:
    names = tuple(Mention("company", f"c{i}") for i in range(5))
    quality = judge_event(event(mentions=names), now_ns=AT - 10**9)
    assert (quality.entity_coverage, quality.freshness_sec) == (1.0, 0)


@pytest.mark.parametrize("changes", [{"event_type": "gossip"}, {"title": "  "}, {"known_at_ns": AT - 1}])
def test_an_impossible_event_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        event(**changes)


def test_an_unknown_kind_of_entity_is_refused() -> None:
    with pytest.raises(InputError, match="entity_type"):
        Mention("coin", "Bitcoin")


MAYBE = st.one_of(st.none(), st.sampled_from(["A", "B"]))
MENTION = st.builds(
    Mention,
    st.sampled_from(["asset", "company"]),
    st.sampled_from(["x", "y"]),
    symbol=MAYBE,
    country=MAYBE,
    sector=MAYBE,
    metadata=st.dictionaries(st.sampled_from("kl"), st.integers(0, 3)),
)


@given(st.lists(MENTION, max_size=8))
def test_the_last_that_told_something_of_an_entity_wins(mentions: list[Mention]) -> None:
    merged = merge_mentions(mentions)
    assert merged.keys() == {(one.entity_type, one.name) for one in mentions}
    for key, entity in merged.items():
        mine = [one for one in mentions if (one.entity_type, one.name) == key]
        for name in ("symbol", "country", "sector"):
            told = [getattr(one, name) for one in mine if getattr(one, name) is not None]
            assert getattr(entity, name) == (told[-1] if told else None)
        assert dict(entity.metadata) == {k: v for one in mine for k, v in one.metadata.items()}


def test_an_event_is_known_on_arrival_and_never_before_it_happens() -> None:
    assert known_when_received(AT - 5, now_ns=AT) == AT
    assert known_when_received(AT + 5, now_ns=AT) == AT + 5
