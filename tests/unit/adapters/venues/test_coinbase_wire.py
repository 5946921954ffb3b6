"""What Coinbase lists as fills: executions, and what it took back or corrected later."""

from decimal import Decimal

import pytest

from marketsentry.adapters.venues.coinbase_live import is_executed, read_fill

ROW = {
    "entry_id": "e1",
    "trade_id": "t1",
    "order_id": "o1",
    "trade_time": "2026-01-02T03:04:05.678901Z",
    "trade_type": "FILL",
    "price": "60000.01",
    "size": "0.002",
    "commission": "0.72",
    "product_id": "BTC-USD",
    "side": "BUY",
    "size_in_quote": False,
    "liquidity_indicator": "TAKER",
}


def test_an_execution_is_named_by_its_trade():
    told = read_fill(ROW, "BTC", "USD")
    assert is_executed(ROW)
    assert is_executed({name: value for name, value in ROW.items() if name != "trade_type"})
    assert (told.fill.trade_id, told.fill.qty, told.fill.fee) == ("t1", Decimal("0.002"), Decimal("0.72"))


@pytest.mark.parametrize("kind", ["REVERSAL", "CORRECTION", "SYNTHETIC"])
def test_what_changes_an_execution_is_none_and_has_a_name_of_its_own(kind):
    row = {**ROW, "trade_type": kind}
    assert not is_executed(row)
    assert read_fill(row, "BTC", "USD").fill.trade_id == f"t1:{kind}"


def test_a_fill_of_nothing_is_none():
    assert read_fill({**ROW, "size": "0"}, "BTC", "USD") is None
