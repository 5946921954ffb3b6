"""As-of joins (K-47): what is read at a close was known by then; one bar gives the bits of many (K-55); what is
stale or was not collected is missing, not zero (K-64).
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.core.features.context import (
    CONTEXT_FIELDS,
    NS_PER_HOUR,
    ContextInputs,
    KnownSeries,
    build_context,
    known_funding,
)
from marketsentry.core.market.events import EVENT_TYPES, EventSeries
from marketsentry.core.market.records import FundingSeries
from marketsentry.exceptions import DataQualityError, InputError

HOUR = NS_PER_HOUR


def series(*pairs: tuple[float, float]) -> KnownSeries:
    """Values by the hour at which they became known."""
    times = np.array([int(hour * HOUR) for hour, _ in pairs], dtype=np.int64)
    return KnownSeries(times, np.array([value for _, value in pairs], dtype=np.float64))


def events(*rows: tuple[float, float, str, int]) -> EventSeries:
    """Events by hour of occurrence, hour of knowledge, type, tier; in order of knowledge."""
    n = len(rows)
    return EventSeries(
        "BTC",
        np.array([int(row[0] * HOUR) for row in rows], dtype=np.int64),
        np.array([int(row[1] * HOUR) for row in rows], dtype=np.int64),
        np.array([EVENT_TYPES.index(row[2]) for row in rows], dtype=np.int8),
        np.array([row[3] for row in rows], dtype=np.int8),
        *(np.full(n, 0.5) for _ in range(3)),
    )


def at(hours: list[float], inputs: ContextInputs) -> dict[str, np.ndarray]:
    known_at_ns = np.array([int(hour * HOUR) for hour in hours], dtype=np.int64)
    rows = build_context(("BTC",), known_at_ns, inputs)[:, 0]
    return dict(zip(CONTEXT_FIELDS, rows.T, strict=True))


def test_a_value_counts_from_the_instant_it_is_known():
    found = at([0.999, 1.0, 2.0], ContextInputs(funding={"BTC": series((1.0, 0.01), (2.0, 0.03))}))
    assert found["funding_rate"] == pytest.approx([math.nan, 0.01, 0.03], nan_ok=True)
    assert found["funding_change"] == pytest.approx([math.nan, math.nan, 0.02], nan_ok=True)
    assert found["funding_age_h"] == pytest.approx([math.nan, 0.0, 0.0], nan_ok=True)


def test_the_later_of_two_values_known_at_once_counts():
    found = at([1.0], ContextInputs(imbalance={"BTC": series((1.0, 0.1), (1.0, 0.2))}))
    assert found["orderbook_imbalance"][0] == 0.2


@pytest.mark.parametrize(
    ("field", "kind", "hours"),
    [
        ("funding_rate", "funding", 24),
        ("orderbook_imbalance", "imbalance", 1),
        ("onchain_norm", "onchain", 168),
    ],
)
def test_a_stale_value_is_missing(field: str, kind: str, hours: int):
    inputs = ContextInputs(**{kind: {"BTC": series((0.0, 1.0))}})
    found = at([hours, hours + 0.001], inputs)[field]
    assert np.isfinite(found[0])
    assert np.isnan(found[1])


def test_the_mean_of_funding_takes_three_days():
    rates = series((0.0, 1.0), (8.0, 0.2), (72.0, 0.4))
    found = at([72.0, 72.5, 80.5], ContextInputs(funding={"BTC": rates}))
    assert found["funding_mean_3d"] == pytest.approx([0.3, 0.3, 0.4])


def test_a_symbol_that_was_not_collected_is_missing_everywhere():
    assert all(np.isnan(column).all() for column in at([1.0, 2.0], ContextInputs()).values())


def test_events_count_by_time_type_and_tier():
    known = events((0.0, 1.0, "market", 1), (9.0, 10.0, "funding", 3), (9.5, 10.5, "market", 2))
    found = at([0.9, 1.0, 10.5, 11.5, 34.4, 34.5, 180.0], ContextInputs(events={"BTC": known}))
    ln2, ln3, ln4 = math.log(2), math.log(3), math.log(4)
    nan = math.nan
    assert found["event_count_1h"] == pytest.approx([nan, ln2, ln3, 0.0, 0.0, 0.0, 0.0], nan_ok=True)
    assert found["event_count_24h"] == pytest.approx([nan, ln2, ln4, ln4, ln2, 0.0, 0.0], nan_ok=True)
    assert found["event_count_7d"] == pytest.approx([nan, ln2, ln4, ln4, ln4, ln4, 0.0], nan_ok=True)
    assert found["event_market_24h"][1:4] == pytest.approx([ln2, ln3, ln3])
    assert found["event_funding_24h"][1:4] == pytest.approx([0.0, ln2, ln2])
    assert found["event_tier1_7d"][1:4] == pytest.approx([ln2, ln2, ln2])
    assert found["event_tier3_7d"][1:4] == pytest.approx([0.0, ln2, ln2])


def test_the_decay_is_that_of_the_newest_event_known():
    known = events((0.0, 1.0, "market", 1), (9.0, 10.0, "market", 1), (5.0, 11.0, "market", 1))
    found = at([1.0, 9.9, 10.0, 21.0], ContextInputs(events={"BTC": known}))["event_decay"]
    assert found == pytest.approx([math.exp(-h / 12) for h in (1.0, 9.9, 1.0, 12.0)])


def test_a_later_event_cannot_turn_missing_into_zero():
    inputs = ContextInputs(events={"BTC": events((5.0, 5.0, "market", 1)), "ETH": events()})
    known_at_ns = np.array([4 * HOUR, 5 * HOUR], dtype=np.int64)
    rows = build_context(("BTC", "ETH"), known_at_ns, inputs)[:, :, CONTEXT_FIELDS.index("event_decay")]
    assert np.isnan(rows[0]).all()
    assert rows[1].tolist() == [1.0, 0.0]


@settings(deadline=None, max_examples=40)
@given(
    times=arrays(np.int64, st.integers(0, 30), elements=st.integers(0, 400 * HOUR)),
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.integers(1, 40),
)
def test_one_bar_gives_the_bits_of_many_and_needs_no_future(times: np.ndarray, seed: int, n_bars: int):
    rng = np.random.default_rng(seed)
    times = np.sort(times)
    known = KnownSeries(times, rng.normal(0.0, 1e6, times.size))
    happened = EventSeries(
        "BTC",
        times - rng.integers(0, 9 * HOUR, times.size),
        times,
        rng.integers(0, 5, times.size).astype(np.int8),
        rng.integers(1, 4, times.size).astype(np.int8),
        *(rng.random(times.size) for _ in range(3)),
    )
    inputs = ContextInputs({"BTC": known}, {"BTC": known}, {"BTC": known}, {"BTC": happened})
    known_at_ns = np.sort(rng.integers(0, 400 * HOUR, n_bars))
    whole = build_context(("BTC",), known_at_ns, inputs)
    for t in range(n_bars):
        past = times <= known_at_ns[t]
        short = KnownSeries(times[past], known.values[past])
        heard = EventSeries(
            "BTC",
            *(
                getattr(happened, name)[past]
                for name in ("occurred_at_ns", "known_at_ns", "event_type", "source_tier")
            ),
            *(getattr(happened, name)[past] for name in ("importance", "confidence", "novelty")),
        )
        one = ContextInputs({"BTC": short}, {"BTC": short}, {"BTC": short}, {"BTC": heard})
        row = build_context(("BTC",), known_at_ns[t : t + 1], one)
        assert np.array_equal(row[0], whole[t], equal_nan=True)


def test_funding_is_known_when_it_is_charged():
    rates = FundingSeries("BTC-PERP", "binance_perp", np.array([8 * HOUR]), np.array([1e-4]))
    assert known_funding(rates).known_at_ns.tolist() == [8 * HOUR]


def test_malformed_series_are_refused():
    with pytest.raises(DataQualityError, match="ordered by known_at"):
        series((2.0, 1.0), (1.0, 1.0))
    with pytest.raises(DataQualityError, match="finite"):
        series((1.0, math.nan))
    with pytest.raises(InputError, match="shape"):
        KnownSeries(np.zeros(2, dtype=np.int64), np.zeros(3))
    late = events((2.0, 2.0, "market", 1), (1.0, 1.0, "market", 1))
    with pytest.raises(DataQualityError, match="BTC"):
        at([3.0], ContextInputs(events={"BTC": late}))
