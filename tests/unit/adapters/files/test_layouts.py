"""Columns are recognised for what they are, or not at all."""

import pytest

from marketsentry.adapters.files.layouts import layout_of_cells, layout_of_names
from marketsentry.core.market.records import DataKind

HEADERS = [
    ("ts,open,high,low,close,volume", DataKind.BARS),
    ("timestamp,open,high,low,close,volume", DataKind.BARS),
    ("Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount", DataKind.BARS),
    (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore",
        DataKind.BARS,
    ),
    ("instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm", DataKind.BARS),
    ("calc_time,funding_interval_hours,last_funding_rate", DataKind.FUNDING),
    ("ts,funding_rate", DataKind.FUNDING),
    ("instrument_name,funding_rate,funding_time", DataKind.FUNDING),
    (
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
        DataKind.TRADES,
    ),
    ("id,price,qty,quote_qty,time,is_buyer_maker", DataKind.TRADES),
    (
        "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional",
        DataKind.TRADES,
    ),
    ("instrument_name,trade_id,side,price,size,created_time", DataKind.TRADES),
    ("recv_ts,exch_ts,trade_ts,trade_id,price,qty,buyer_is_maker,order_kind", DataKind.TRADES),
    ("recv_ts,trade_id,price,qty", DataKind.TRADES),
    ("recv_ts,exch_ts,kind,first_id,last_id,prev_id,side,price,qty", DataKind.BOOK),
    ("recv_ts,side,level,price,qty", DataKind.BOOK),
    ("recv_ts,exch_ts,update_id,bid,bid_qty,ask,ask_qty", DataKind.QUOTES),
    ("ts,text,sentiment,date_only", DataKind.NEWS),
    ("published_at,title,url", DataKind.NEWS),
]


@pytest.mark.parametrize(("header", "kind"), HEADERS)
def test_headers_of_archives_are_known(header: str, kind: DataKind) -> None:
    names = header.split(",")
    layout = layout_of_names(names)
    assert layout is not None
    assert (layout.kind, layout.n_columns) == (kind, len(names))


def test_fields_point_to_their_columns() -> None:
    names = ["recv_ts", "exch_ts", "trade_ts", "trade_id", "price", "qty", "buyer_is_maker", "order_kind"]
    layout = layout_of_names(names)
    assert layout is not None
    assert {field: names[at] for field, at in layout.columns.items()} == {
        "time": "trade_ts",
        "price": "price",
        "size": "qty",
        "trade_id": "trade_id",
        "buyer_is_maker": "buyer_is_maker",
        "received": "recv_ts",
    }


def test_the_base_volume_is_taken_and_not_the_quote_volume() -> None:
    names = ["unix", "date", "symbol", "open", "high", "low", "close", "Volume USDT", "Volume BTC"]
    plain = ["date", "open", "high", "low", "close", "vol", "vol_ccy", "quote_volume"]
    named, simple = layout_of_names(names), layout_of_names(plain)
    assert named is not None
    assert simple is not None
    assert plain[simple.columns["volume"]] == "vol"


@pytest.mark.parametrize(
    "header",
    [
        "ts,open,high,low,close",
        "recv_ts,exch_ts,order_id,action,side,price,remaining_qty",
        "name,age",
        "",
    ],
)
def test_other_columns_are_not_taken_for_something(header: str) -> None:
    assert layout_of_names(header.split(",")) is None


@pytest.mark.parametrize(
    ("row", "name", "time_at"),
    [
        (
            "1704067200000,42283.58,42298.62,42261.02,42298.61,35.92,1704067259999,1.5,1327,2.1,9.0,0",
            "binance_klines",
            0,
        ),
        ("1735689600000000,1,2,1,2,3,1735689659999999,1.5,1327,2.1,9.0,0", "binance_klines", 0),
        ("2786547,42283.58,0.01,3333,3334,1704067200000,True,True", "binance_agg_trades", 5),
        ("2786547,42283.58,0.01,3333,3334,1704067200000,true", "binance_agg_trades", 5),
        ("3328450,42283.58,0.01,422.8,1704067200000,True,True", "binance_trades", 4),
        ("3328450,42283.58,0.01,422.8,1704067200000,true", "binance_trades", 4),
        ("1704067200,1.5,2.5,1.0,2.0,10", "plain_ohlcv", 0),
        ("2024-01-01T00:00:00Z,1.5,2.5,1.0,2.0,10", "plain_ohlcv", 0),
        ("1704067200000,8,0.0001", "binance_funding", 0),
    ],
)
def test_rows_without_a_header_are_known_by_their_look(row: str, name: str, time_at: int) -> None:
    layout = layout_of_cells(row.split(","))
    assert layout is not None
    assert (layout.name, layout.columns["time"]) == (name, time_at)


@pytest.mark.parametrize("row", ["1,2,3", "a,b,c,d,e,f", "2024,1,2,3,4,5", "1704067200,1,2,3,4"])
def test_other_rows_are_not(row: str) -> None:
    assert layout_of_cells(row.split(",")) is None
