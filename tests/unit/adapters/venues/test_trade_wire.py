"""What the trade streams of the venues say, and how a message that is missing is noticed."""

import pytest

from marketsentry.adapters.venues.trade_wire import BitgetTrades, CoinbaseTrades
from marketsentry.ports.market_stream import Begun, Heard, Interrupted, Traded
from marketsentry.ports.venue import OutcomeUnknownError


def coinbase(number, channel="market_trades", *, events=None):
    trade = {
        "trade_id": str(number),
        "product_id": "BTC-USD",
        "price": "60000.1",
        "size": "0.01",
        "side": "BUY",
        "time": "2026-01-02T03:04:05.123456Z",
    }
    return {
        "channel": channel,
        "timestamp": "2026-01-02T03:04:05.5Z",
        "sequence_num": number,
        "events": events or [{"type": "update", "trades": [trade]}],
    }


def kinds(events):
    return [type(one) for one in events]


def test_trades_of_coinbase_are_read_exactly():
    traded, heard = CoinbaseTrades({"BTC-USD": "BTC"}).read(1, coinbase(4))
    (one,) = traded.prints
    assert (traded.symbol, str(one.price), str(one.qty), one.trade_id) == ("BTC", "60000.1", "0.01", "4")
    assert heard.at_ns - one.at_ns == 376_544_000


def test_a_number_that_is_left_out_interrupts_every_market_and_begins_anew():
    reader = CoinbaseTrades({"BTC-USD": "BTC", "ETH-USD": "ETH"})
    assert kinds(reader.read(1, coinbase(4))) == [Traded, Heard]
    told = reader.read(1, coinbase(6))
    assert kinds(told) == [Interrupted, Begun, Begun, Traded, Heard]
    assert told[0].reason == "message 6 came after 4"
    assert reader.read(1, coinbase(5)) == [], "what comes late was counted as missed"
    assert reader.read(1, coinbase(6)) == [], "and what comes twice is not read twice"


def test_a_new_connection_counts_from_its_own_first_message():
    reader = CoinbaseTrades({"BTC-USD": "BTC"})
    reader.read(1, coinbase(40))
    assert kinds(reader.read(2, coinbase(0))) == [Traded, Heard]


def test_a_subscription_in_force_begins_its_markets():
    reader = CoinbaseTrades({"BTC-USD": "BTC"})
    events = [{"subscriptions": {"market_trades": ["BTC-USD", "DOGE-USD"]}}]
    assert kinds(reader.read(1, coinbase(0, "subscriptions", events=events))) == [Begun, Heard]
    beat = coinbase(1, "heartbeats", events=[{"heartbeat_counter": 3}])
    assert kinds(reader.read(1, beat)) == [Heard]


def test_a_snapshot_of_bitget_says_from_when_on_nothing_is_missed():
    reader = BitgetTrades({"BTCUSDT": "BTC"})
    row = {"ts": "1767323045000", "price": "60000", "size": "0.5", "side": "buy", "tradeId": "9"}
    message = {"arg": {"instType": "SPOT", "channel": "trade", "instId": "BTCUSDT"}, "data": [row]}
    begun, traded, heard = reader.read(1, {**message, "action": "snapshot", "ts": 1767323045100})
    assert (begun, heard) == (Begun("BTC", 1767323045100 * 10**6), Heard(1767323045100 * 10**6))
    assert traded.prints[0].at_ns == 1767323045000 * 10**6
    assert kinds(reader.read(1, {**message, "action": "update", "ts": 1767323045200})) == [Traded, Heard]
    assert reader.read(1, "pong") == []


@pytest.mark.parametrize(("name", "value"), [("price", "NaN"), ("price", "0"), ("size", None), ("time", "?")])
def test_a_trade_that_cannot_be_read_is_not_passed_over(name, value):
    message = coinbase(1)
    message["events"][0]["trades"][0][name] = value
    with pytest.raises(OutcomeUnknownError):
        CoinbaseTrades({"BTC-USD": "BTC"}).read(1, message)
