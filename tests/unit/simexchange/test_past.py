"""The past of a market that starts now."""

import pytest

from marketsentry.simexchange.past import LENGTHS_S, past_of
from marketsentry.simexchange.products import coinbase_product

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
    assert [len(past.candles[length]) for length in LENGTHS_S] == [300, 59, 19, 4]


def test_the_same_seed_is_the_same_past() -> None:
    first, again, other = (
        past_of(coinbase_product("ETH"), 3_000.0, hours=1, now_s=NOW_S, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other
