"""Contract 1.5: the volatility breaker, closed by missing prices, over windows in time (K-39)."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.risk.breaker import judge_market, judge_volatility
from marketsentry.core.risk.limits import BreakerLimits, HourRule
from marketsentry.exceptions import InputError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = BreakerLimits()
BAR = timedelta(minutes=5)


def prices_of(returns, *, first=100.0):
    return first * np.cumprod(np.concatenate([[1.0], 1.0 + np.asarray(returns, dtype=float)]))


def judged(prices, *, every=BAR, ends=NOW, target="BTC", limits=LIMITS, now=NOW):
    step = every // timedelta(microseconds=1) * 1_000
    ts_ns = datetime_to_ns(ends) - step * np.arange(len(prices) - 1, -1, -1, dtype=np.int64)
    return judge_volatility(target, ts_ns, np.asarray(prices, dtype=float), now=now, limits=limits)


def calm(n):
    return np.full(n, 0.001)


def test_a_large_return_trips():
    returns = calm(60)
    returns[30] = -0.07
    found = judged(prices_of(returns))
    assert found.code == "abnormal_volatility_circuit_breaker:BTC"
    assert found.worst_abs_return == pytest.approx(0.07)
    assert found.tripped


def test_the_comparison_is_strict():
    prices = np.full(40, 64.0)
    prices[20:] = 64.0 * 1.0625
    assert judged(prices, limits=BreakerLimits(max_abs_return=0.0625)).code is None
    assert judged(prices, limits=BreakerLimits(max_abs_return=0.0624)).code is not None


def test_a_return_older_than_the_newest_96_does_not_count():
    returns = calm(200)
    returns[-97] = 0.5
    assert judged(prices_of(returns)).code is None
    returns[-96] = 0.5
    assert judged(prices_of(returns)).tripped


def test_a_flood_of_ticks_does_not_hide_a_fall():
    """Every second a price: the newest 96 returns are a minute and a half, a fall over an hour is in the slots."""
    returns = np.full(3600 * 4, 0.0)
    returns[3600:3900] = -0.0005
    found = judged(prices_of(returns), every=timedelta(seconds=1))
    assert found.tripped
    assert found.worst_abs_return > 0.1


@pytest.mark.parametrize("prices", [[], np.full(31, 100.0), [*np.full(31, 100.0), 0.0, np.nan, -5.0, np.inf]])
def test_too_few_prices_block_and_trip_nothing(prices):
    found = judged(prices)
    assert found.code == "insufficient_market_data:BTC"
    assert not found.tripped
    assert not judge_market([found]).is_market_wide


def test_stale_prices_block():
    assert judged(np.full(60, 100.0), ends=NOW - timedelta(hours=2)).code is None
    assert judged(np.full(60, 100.0), ends=NOW - timedelta(hours=2, seconds=1)).code == (
        "insufficient_market_data:BTC"
    )


def test_prices_of_the_future_and_of_last_week_do_not_count():
    assert judged(np.full(60, 100.0), ends=NOW + timedelta(hours=8)).n_prices == 0
    assert judged(np.full(60, 100.0), every=timedelta(hours=2)).n_prices == 24


def test_a_symbol_may_have_its_own_threshold_or_none():
    limits = BreakerLimits(by_symbol=(("BTC", 0.1), ("USDC", 0.0)))
    returns = calm(60)
    returns[30] = 0.07
    assert judged(prices_of(returns), limits=limits).code is None
    assert judged(prices_of(returns), limits=limits, target="ETH").tripped
    off = judged([], limits=limits, target="USDC")
    assert (off.code, off.threshold) == (None, 0.0)


@pytest.mark.parametrize(
    ("hour", "threshold"), [(22, 0.12), (23, 0.12), (0, 0.12), (3, 0.12), (4, 0.06), (10, 0.03), (21, 0.06)]
)
def test_the_hour_multiplies_the_threshold_across_midnight(hour, threshold):
    limits = BreakerLimits(by_hour=(HourRule(22, 3, 2.0), HourRule(8, 16, 0.5), HourRule(10, 10, 9.0)))
    assert limits.threshold("BTC", hour) == pytest.approx(threshold)


def test_the_hour_is_that_of_utc():
    limits = BreakerLimits(by_hour=(HourRule(12, 12, 0.5),))
    east = NOW.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00:00+09:00").tzinfo)
    assert judged(np.full(60, 100.0), limits=limits, now=east).threshold == pytest.approx(0.03)


def test_only_a_move_of_the_market_stops_the_track():
    returns = calm(60)
    returns[30] = 0.07
    wild, quiet = prices_of(returns), np.full(60, 100.0)
    one = judged(wild, target="ETH")
    others = [judged(quiet, target=name) for name in ("BTC", "SOL")]
    market = judge_market([one, *others])
    assert market.codes == ("abnormal_volatility_circuit_breaker:ETH",)
    assert not market.is_market_wide
    assert judge_market([one]).is_market_wide
    assert judge_market([one, others[0]]).is_market_wide
    assert judge_market([one, judged([], target="XRP")]).is_market_wide


def test_wrong_shapes_and_orders_are_refused():
    with pytest.raises(InputError, match="must be"):
        judge_volatility("BTC", np.zeros(2, dtype=np.int64), np.ones(3), now=NOW, limits=LIMITS)
    with pytest.raises(InputError, match="must ascend"):
        judge_volatility("BTC", np.array([2, 1]), np.ones(2), now=NOW, limits=LIMITS)
    with pytest.raises(InputError, match="hours of a rule"):
        HourRule(3, 24, 1.0)
    with pytest.raises(InputError, match="multiplier"):
        HourRule(3, 4, 0.0)
    with pytest.raises(InputError, match="threshold BTC must be finite"):
        BreakerLimits(by_symbol=(("BTC", float("nan")),))


def naive_worst(prices):
    newest = list(prices)[-97:]
    return max((abs(b / a - 1.0) for a, b in pairwise(newest)), default=0.0)


@settings(deadline=None)
@given(st.lists(st.floats(50.0, 150.0), min_size=32, max_size=150))
def test_it_agrees_with_the_plain_reading(prices):
    found = judged(prices)
    worst = naive_worst(prices)
    assert found.worst_abs_return == pytest.approx(worst)
    assert found.tripped == (found.worst_abs_return > 0.06)
