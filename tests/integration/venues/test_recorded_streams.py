"""The readers of streams against messages that came from the real venues."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketsentry.adapters.venues.order_feed import read_news
from marketsentry.adapters.venues.trade_wire import BitgetTrades, CoinbaseTrades
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.trade_bars import BarMaker
from marketsentry.ports.market_stream import Begun, Heard, MarketEvent, Traded
from marketsentry.ports.order_feed import FeedBegun, OrderMoved

FIXTURES = Path(__file__).resolve().parents[4] / "shared" / "fixtures"
pytestmark = pytest.mark.realdata


def recorded(name: str) -> list[Any]:
    """Messages of the venue, in order."""
    path = FIXTURES / name
    if not path.exists():
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"CI needs the recorded protocols, and {path} is not there")
        pytest.skip(f"no recorded protocols at {path}")
    told = json.loads(path.read_text())
    if "messages" in told:
        return list(told["messages"])
    return [step["message"] for step in told["steps"] if step["dir"] != "client"]


def test_live_trades_of_coinbase_are_read_without_a_gap() -> None:
    reader = CoinbaseTrades({"BTC-USD": "BTC"})
    told: list[MarketEvent] = []
    for message in recorded("coinbase/ws_live/market_trades.json"):
        told += reader.read(1, message)
    assert [type(one) for one in told] == [Traded, Heard, Begun, Heard, Traded, Heard]
    prints = [one for event in told if isinstance(event, Traded) for one in event.prints]
    assert sorted(int(one.trade_id) for one in prints) == [
        *range(1069726287, 1069726292),
        1069726292,
        1069726293,
    ]
    maker = BarMaker(parse_interval("1s"))
    maker.begin(prints[-1].at_ns // 10**9 * 10**9)
    for one in prints:
        maker.add(one)
    (bar,) = maker.close(prints[-1].at_ns + 2 * 10**9)
    assert bar.values == (63310.25, 63310.25, 63310.25, 63310.25, float(Decimal("0.00000024")))


@pytest.mark.parametrize(
    ("name", "price", "size"), [("Spot/Trades", "26293.4", "0.0013"), ("Futures/Trade", None, None)]
)
def test_trades_of_bitget_are_read(name: str, price: str | None, size: str | None) -> None:
    reader = BitgetTrades({"BTCUSDT": "BTC", "ETHUSDT": "ETH"})
    told = [event for message in recorded(f"bitget/ws/{name}.json") for event in reader.read(1, message)]
    assert [type(one) for one in told] == [Begun, Traded, Heard]
    one, *_ = told[1].prints if isinstance(told[1], Traded) else ()
    assert price is None or (str(one.price), str(one.qty)) == (price, size)


@pytest.mark.parametrize(
    ("name", "client_id"),
    [
        ("coinbase/ws/AdvancedTrade/User", "XXX"),
        ("bitget/ws/Spot/Order", "1"),
        ("bitget/ws/Futures/Order", "1"),
    ],
)
def test_news_of_orders_are_read(name: str, client_id: str) -> None:
    told = [one for message in recorded(f"{name}.json") for one in read_news(message)]
    assert told == [FeedBegun(), OrderMoved(client_id)]


@pytest.mark.parametrize(
    "name", ["bitget/ws/Spot/TriggerOrder", "bitget/ws/Spot/Balance", "bitget/ws/Spot/Ticker"]
)
def test_what_is_not_about_orders_is_no_news(name: str) -> None:
    assert [one for message in recorded(f"{name}.json") for one in read_news(message)] == []
