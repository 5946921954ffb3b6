"""What the user streams of the venues say: that an order moved, and that listening has begun."""

import pytest

from marketsentry.adapters.venues.order_feed import read_news
from marketsentry.ports.order_feed import FeedBegun, OrderMoved


def test_coinbase_names_orders_by_their_client_id():
    rows = [{"order_id": "v1", "client_order_id": "ms-1-l", "status": "OPEN"}, {"order_id": "v2"}]
    message = {"channel": "user", "sequence_num": 3, "events": [{"type": "update", "orders": rows}]}
    assert list(read_news(message)) == [OrderMoved("ms-1-l"), OrderMoved("")]
    begun = {"channel": "subscriptions", "events": [{"subscriptions": {"user": ["x"], "heartbeats": []}}]}
    assert list(read_news(begun)) == [FeedBegun()]


def test_bitget_names_orders_by_their_client_id():
    arg = {"instType": "USDT-FUTURES", "channel": "orders", "instId": "default"}
    assert list(read_news({"event": "subscribe", "arg": arg})) == [FeedBegun()]
    rows = [{"orderId": "1", "clientOid": "ms-7-m2", "status": "filled"}]
    assert list(read_news({"action": "snapshot", "arg": arg, "data": rows})) == [OrderMoved("ms-7-m2")]


@pytest.mark.parametrize(
    "message",
    [
        "pong",
        None,
        {},
        {"channel": "heartbeats", "events": [{"heartbeat_counter": 1}]},
        {"channel": "subscriptions", "events": [{"subscriptions": {"heartbeats": ["x"]}}]},
        {"channel": "user", "events": None},
        {"channel": "user", "events": [None, {"orders": None}, {"orders": ["?"]}]},
        {"event": "subscribe", "arg": {"channel": "account"}},
        {"arg": {"channel": "orders"}, "data": "?"},
    ],
)
def test_whatever_else_is_said_is_no_news_and_no_error(message):
    assert list(read_news(message)) == []
