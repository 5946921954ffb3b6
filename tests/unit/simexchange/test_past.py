"""The past of a market that starts now."""

from decimal import Decimal

import pytest

from marketsentry.simexchange.orders import Side, Trade
from marketsentry.simexchange.past import past_of
from marketsentry.simexchange.products import coinbase_product
from marketsentry.simexchange.trade_candles import LENGTHS_S, TradeCandles

NOW_S = 1_764_115_333.5  # 13 s past a minute, 3 min past five


def test_it_ends_at_the_price_with_whole_candles_that_join() -> None:
    past = past_of(coinbase_product("BTC"), 60_000.0, hours=5, now_s=NOW_S, seed=3)
    minutes = past.candles[60]
    assert (len(minutes), minutes[-1].close) == (300, 60_000.0)
    assert minutes[-1].start_ms == (int(NOW_S) // 60 - 1) * 60_000
    for length in LENGTHS_S:
        for one in past.candles[length]:
            assert one.start_ms % (length * 1_000) == 0
            assert one.start_ms / 1_000 + length <= NOW_S
            inside = [row for row in minutes if one.start_ms <= row.start_ms < one.start_ms + length * 1_000]
            assert len(inside) == length // 60
            assert (one.open, one.close) == (inside[0].open, inside[-1].close)
            assert one.high == max(row.high for row in inside) >= max(one.open, one.close)
            assert one.low == min(row.low for row in inside) <= min(one.open, one.close)
            assert one.volume == pytest.approx(sum(row.volume for row in inside))
    assert [len(past.candles[length]) for length in LENGTHS_S] == [300, 59, 19, 9, 4, 2, 1, 0, 0]


def test_the_same_seed_is_the_same_past() -> None:
    first, again, other = (
        past_of(coinbase_product("ETH"), 3_000.0, hours=1, now_s=NOW_S, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_candles_of_trades_go_on_where_the_past_ends() -> None:
    past = past_of(coinbase_product("BTC"), 60_000.0, hours=5, now_s=NOW_S, seed=3)
    candles = TradeCandles(now_s=lambda: NOW_S, fills_gaps=False, past=past.candles)
    ended_s = int(NOW_S) // 60 * 60
    candles.add(Trade("1", "BTC-USD", Decimal(70_000), Decimal(2), Side.BUY, NOW_S))
    for length in LENGTHS_S:
        made = candles[length]
        assert list(made[: len(past.candles[length])]) == past.candles[length]
        (last,) = made[len(past.candles[length]) :]
        inside = [row for row in past.candles[60] if row.start_ms >= last.start_ms]
        assert last.start_ms == ended_s // length * length * 1_000
        assert (last.high, last.close) == (70_000, 70_000)
        assert last.open == (inside[0].open if inside else 70_000)
        assert last.volume == pytest.approx(2 + sum(row.volume for row in inside))
