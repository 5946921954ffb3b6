"""From rows of a file to checked values: bad rows out, order restored, the last of equal times kept."""

import numpy as np

from marketsentry.core.market.intake import take_bars, take_funding, take_news, take_trades
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.validation import Reason

MINUTE = parse_interval("1m")
NOW = 1_700_000_040 * 10**9
T0 = NOW // MINUTE.ns * MINUTE.ns - 100 * MINUTE.ns


def bars(minutes: list[int], close: list[float]) -> dict[str, np.ndarray]:
    price = np.array(close)
    return {
        "ts_ns": T0 + np.array(minutes) * MINUTE.ns,
        "open": price,
        "high": price,
        "low": price,
        "close": price,
        "volume": np.ones(price.size),
        "trades_count": np.arange(price.size, dtype=np.int32),
    }


def test_unordered_rows_are_sorted_and_the_last_of_equal_times_counts() -> None:
    columns = bars([3, 1, 2, 1], [30.0, 10.0, 20.0, 11.0])
    taken = take_bars(columns, np.zeros(4, np.uint8), symbol="BTC", source="s", interval=MINUTE, now_ns=NOW)
    assert taken.records.series.ts_ns.tolist() == (T0 + np.array([1, 2, 3]) * MINUTE.ns).tolist()
    assert taken.records.series.values[:, 3].tolist() == [11.0, 20.0, 30.0]
    assert taken.records.trades_count.tolist() == [3, 2, 0]
    assert taken.n_duplicates == 1


def test_a_bad_row_stays_out_and_does_not_replace_a_good_one() -> None:
    columns = bars([1, 1, 2], [10.0, -1.0, 20.0])
    reader = np.array([0, 0, Reason.WRONG_COLUMN_COUNT], np.uint8)
    taken = take_bars(columns, reader, symbol="BTC", source="s", interval=MINUTE, now_ns=NOW)
    assert taken.records.series.values[:, 3].tolist() == [10.0]
    assert taken.reason.tolist() == [0, Reason.PRICE_NOT_POSITIVE, Reason.WRONG_COLUMN_COUNT]
    assert taken.n_duplicates == 0


def test_nothing_good_gives_an_empty_series() -> None:
    taken = take_bars(
        bars([1], [-1.0]), np.zeros(1, np.uint8), symbol="BTC", source="s", interval=MINUTE, now_ns=NOW
    )
    assert taken.records.series.ts_ns.size == 0


def test_funding_is_put_in_order() -> None:
    columns = {"ts_ns": np.array([T0 + 2, T0 + 1, T0 + 2]), "rate": np.array([0.2, 0.1, 0.3])}
    taken = take_funding(columns, np.zeros(3, np.uint8), symbol="BTC-PERP", source="s", now_ns=NOW)
    assert taken.records.rate.tolist() == [0.1, 0.3]


def test_trades_are_known_by_their_id() -> None:
    columns = {
        "ts_ns": np.full(3, T0),
        "known_at_ns": np.full(3, T0),
        "price": np.array([1.0, 2.0, 3.0]),
        "size": np.ones(3),
        "side": np.array([1, -1, 0], np.int8),
        "trade_id": np.array(["a", "a", None], dtype=object),
    }
    taken = take_trades(columns, np.zeros(3, np.uint8), symbol="BTC", source="s", now_ns=NOW)
    assert (taken.records.trade_id.tolist(), taken.records.price.tolist()) == (["a"], [2.0])
    assert (taken.reason.tolist(), taken.n_duplicates) == ([0, 0, Reason.MISSING_ID], 1)


def test_news_keeps_the_time_at_which_it_could_be_read() -> None:
    columns = {
        "ts_ns": np.array([T0, T0]),
        "known_at_ns": np.array([T0 + 5, T0]),
        "title": np.array(["Bitcoin up", " "], dtype=object),
        "url": np.array([None, None], dtype=object),
        "source_name": np.array([None, None], dtype=object),
        "payload": np.array([{"sentiment": 1}, None], dtype=object),
    }
    taken = take_news(columns, np.zeros(2, np.uint8), source="archive", now_ns=NOW)
    (event,) = taken.records
    assert (event.known_at_ns, event.source_name, dict(event.payload)) == (
        T0 + 5,
        "archive",
        {"sentiment": 1},
    )
    assert taken.reason.tolist() == [0, Reason.EMPTY_TITLE]
