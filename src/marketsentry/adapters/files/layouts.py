"""Which column of a file is what: recorded layouts, the plain files of exchanges' archives, generic headers.

A layout is recognised from column names, or without a header from the number and look of the columns.
Nothing is read from a file whose columns do not say plainly what they are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from marketsentry.core.market.records import DataKind

_TIME = (
    *(
        "ts",
        "timestamp",
        "time",
        "opentime",
        "datetime",
        "date",
        "unix",
        "starttime",
        "start",
        "candlebegintime",
    ),
    *("createdtime", "t"),
)
_TRADE_TIME = (
    "tradets",
    "transacttime",
    "tradetime",
    "exchts",
    "time",
    "timestamp",
    "createdtime",
    "ts",
    "recvts",
)
_FUNDING_TIME = (
    "ts",
    "calctime",
    "fundingtime",
    "fundingtimestamp",
    "fundingratetimestamp",
    "timestamp",
    "time",
)
_NEWS_TIME = ("ts", "occurredat", "publishedat", "published", "timestamp", "datetime", "date", "time")
_VOLUME = ("volume", "vol", "basevolume", "volumebase", "v")
_COUNT = ("count", "tradecount", "tradescount", "numberoftrades", "ntrades", "trades")
_RATE = ("fundingrate", "lastfundingrate", "rate", "realizedrate")
_PRICE = ("price", "px", "p")
_SIZE = ("qty", "quantity", "size", "amount", "sz", "q")
_TRADE_ID = ("tradeid", "aggtradeid", "trdmatchid", "execid", "id", "a")
_IS_BUYER_MAKER = ("buyerismaker", "isbuyermaker", "m")
_BOOK = frozenset(
    {"bid", "bidqty", "ask", "askqty", "bidpx", "askpx", "level", "remainingqty", "lastid", "previd"}
)
_BOOK_TIME = ("exchts", "ts", "timestamp", "time", "eventtime", "recvts")


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file.

    `columns` maps our field to the position of the file's column, from 0. `n_columns` is how many columns
    every row has. Fields: `time`, `open`, `high`, `low`, `close`, `volume`, `trades_count`, `rate`,
    `price`, `size`, `trade_id`, `side`, `buyer_is_maker`, `received`, `title`, `text`, `url`,
    `source_name`, `date_only`, `bid`, `bid_size`, `ask`, `ask_size`, `book_side`, `is_snapshot`, `first_id`,
    `last_id`, `prev_id`.
    """

    name: str
    kind: DataKind
    columns: dict[str, int]
    n_columns: int


def layout_of_names(names: Sequence[str]) -> Layout | None:
    """Recognise a file by its column names; None when they are not those of a kind we import."""
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    if _BOOK & set(plain):
        return _quotes(plain, len(names)) or _book(plain, len(names))
    for build in (_bars, _funding, _trades, _news):
        layout = build(plain, len(names))
        if layout is not None:
            return layout
    return None


def layout_of_cells(cells: Sequence[str]) -> Layout | None:
    """Recognise a file without a header by one of its rows; None when it is none of the known ones."""
    looks = "".join(_look(cell) for cell in cells)
    for name, kind, pattern, columns in _HEADERLESS:
        if re.fullmatch(pattern, looks):
            return Layout(name, kind, dict(columns), len(cells))
    return None


def _look(cell: str) -> str:
    """One letter per cell: t time, i integer, f number, b true or false, x anything else."""
    text = cell.strip().strip('"').lower()
    if text in ("true", "false"):
        return "b"
    if re.fullmatch(r"\d{10}|\d{13}|\d{16}|\d{19}", text) or re.match(r"\d{4}-\d\d-\d\d", text):
        return "t"
    if re.fullmatch(r"\d+", text):
        return "i"
    return "f" if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?nan|[+-]?inf", text) else "x"


_OHLCV = {"time": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5}
_N = "[itf]"
_HEADERLESS = (
    ("binance_klines", DataKind.BARS, rf"t{_N}{{5}}t{_N}[it]{_N}{_N}{_N}", {**_OHLCV, "trades_count": 8}),
    (
        "binance_agg_trades",
        DataKind.TRADES,
        rf"[it]{_N}{_N}[it][it]tbb?",
        {"trade_id": 0, "price": 1, "size": 2, "time": 5, "buyer_is_maker": 6},
    ),
    (
        "binance_trades",
        DataKind.TRADES,
        rf"[it]{_N}{_N}{_N}tbb?",
        {"trade_id": 0, "price": 1, "size": 2, "time": 4, "buyer_is_maker": 5},
    ),
    ("plain_ohlcv", DataKind.BARS, rf"t{_N}{{5}}", _OHLCV),
    ("binance_funding", DataKind.FUNDING, r"ti[if]", {"time": 0, "rate": 2}),
)


def _pick(plain: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((plain.index(name) for name in wanted if name in plain), None)


def _pick_volume(plain: Sequence[str]) -> int | None:
    """The base-asset volume; where volumes are named by asset (`Volume BTC`, `Volume USDT`), the first."""
    exact = _pick(plain, _VOLUME)
    if exact is not None:
        return exact
    return next((i for i, name in enumerate(plain) if re.fullmatch(r"volume[a-z]{2,5}", name)), None)


def _bars(plain: Sequence[str], n_columns: int) -> Layout | None:
    found = {
        "time": _pick(plain, _TIME),
        "open": _pick(plain, ("open", "o", "openprice")),
        "high": _pick(plain, ("high", "h", "highprice")),
        "low": _pick(plain, ("low", "l", "lowprice")),
        "close": _pick(plain, ("close", "c", "closeprice")),
        "volume": _pick_volume(plain),
    }
    if None in found.values():
        return None
    found["trades_count"] = _pick(plain, _COUNT)
    name = "binance_klines" if "closetime" in plain else "ohlcv"
    return Layout(name, DataKind.BARS, _present(found), n_columns)


def _funding(plain: Sequence[str], n_columns: int) -> Layout | None:
    found = {"time": _pick(plain, _FUNDING_TIME), "rate": _pick(plain, _RATE)}
    if None in found.values():
        return None
    name = "binance_funding" if "calctime" in plain else "funding"
    return Layout(name, DataKind.FUNDING, _present(found), n_columns)


def _trades(plain: Sequence[str], n_columns: int) -> Layout | None:
    found = {
        "time": _pick(plain, _TRADE_TIME),
        "price": _pick(plain, _PRICE),
        "size": _pick(plain, _SIZE) if _pick(plain, _SIZE) is not None else _pick(plain, _VOLUME),
        "trade_id": _pick(plain, _TRADE_ID),
    }
    if None in found.values():
        return None
    found["buyer_is_maker"] = _pick(plain, _IS_BUYER_MAKER)
    found["side"] = _pick(plain, ("side",))
    found["received"] = _pick(plain, ("recvts",))
    return Layout("trades", DataKind.TRADES, _present(found), n_columns)


def _quotes(plain: Sequence[str], n_columns: int) -> Layout | None:
    found = {
        "time": _pick(plain, _BOOK_TIME),
        "bid": _pick(plain, ("bid", "bidpx", "bidprice", "bestbidprice")),
        "bid_size": _pick(plain, ("bidqty", "bidsz", "bidsize", "bestbidqty")),
        "ask": _pick(plain, ("ask", "askpx", "askprice", "bestaskprice")),
        "ask_size": _pick(plain, ("askqty", "asksz", "asksize", "bestaskqty")),
    }
    if None in found.values():
        return None
    found["received"] = _pick(plain, ("recvts",))
    return Layout("quotes", DataKind.QUOTES, _present(found), n_columns)


def _book(plain: Sequence[str], n_columns: int) -> Layout | None:
    """Changed levels with the venue's update ids, or whole books of one row per level."""
    found = {
        "time": _pick(plain, _BOOK_TIME),
        "book_side": _pick(plain, ("side",)),
        "price": _pick(plain, _PRICE),
        "size": _pick(plain, _SIZE),
    }
    if None in found.values():
        return None
    found["received"] = _pick(plain, ("recvts",))
    updates = {
        "is_snapshot": _pick(plain, ("kind",)),
        "first_id": _pick(plain, ("firstid",)),
        "last_id": _pick(plain, ("lastid",)),
    }
    if None not in updates.values():
        updates["prev_id"] = _pick(plain, ("previd",))
        return Layout("book_updates", DataKind.BOOK, _present(found | updates), n_columns)
    return Layout("book_snapshots", DataKind.BOOK, _present(found), n_columns) if "level" in plain else None


def _news(plain: Sequence[str], n_columns: int) -> Layout | None:
    found = {"time": _pick(plain, _NEWS_TIME), "title": _pick(plain, ("title", "headline", "text"))}
    if None in found.values():
        return None
    found["text"] = _pick(plain, ("text", "body", "description"))
    found["url"] = _pick(plain, ("url", "sourceurl", "link"))
    found["source_name"] = _pick(plain, ("sourcename", "source"))
    found["date_only"] = _pick(plain, ("dateonly",))
    return Layout("news", DataKind.NEWS, _present(found), n_columns)


def _present(found: dict[str, int | None]) -> dict[str, int]:
    return {field: column for field, column in found.items() if column is not None}
