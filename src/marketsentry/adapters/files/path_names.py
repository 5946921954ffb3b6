"""What the name and the folders of a file say: venue, market, symbol, interval.

Read are the folders `<venue>_<market>[_<interval>]`, the tree of Binance's public archive
(`spot/...`, `futures/um/...`, `klines/BTCUSDT/1m/`), and file names whose parts are venue, market, symbol,
interval, date and kind in any sensible order (`BTCUSDT-1m-2024-01`, `Coinbase_BTC-USD_1h`, `2024.parquet`
in a folder named after the symbol). Nothing is guessed: what is not said stays None.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from marketsentry.core.market.interval import Interval, parse_interval
from marketsentry.core.market.symbols import Market, source_name

VENUES = frozenset(
    {"binance", "bitfinex", "bitget", "bitstamp", "bybit", "coinbase", "deribit", "gate", "gemini"}
    | {"hyperliquid", "kraken", "kucoin", "mexc", "okx"}
)
_SPOT_ONLY = frozenset({"bitstamp", "coinbase", "gemini"})
_MARKETS = {
    "spot": "spot",
    "perp": "perp",
    "perpetual": "perp",
    "swap": "perp",
    "linear": "perp",
    "um": "perp",
    "usdm": "perp",
    "cm": "coinm",
    "coinm": "coinm",
    "inverse": "coinm",
}
_NOISE = frozenset(
    {"trades", "aggtrades", "trade", "fundingrate", "funding", "klines", "kline", "candles", "candlesticks"}
    | {"bars", "ohlcv", "l2", "bbo", "l3", "events", "snapshots", "rate", "history", "data"}
)
_INTERVAL = re.compile(r"^[1-9][0-9]{0,2}[smhd]$")
_DATE = re.compile(r"^(?:\d{4}|\d{2}|\d{6}|\d{8})$")
_SYMBOL = re.compile(r"^(?=.*[A-Za-z])[A-Za-z0-9]{2,20}$")
_DATA_SUFFIXES = (".gz", ".zip", ".parquet", ".pq", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json")


@dataclass(frozen=True, slots=True)
class PathName:
    """What a path says; None where it says nothing. `market` is `spot`, `perp` or `coinm`."""

    venue: str | None = None
    market: str | None = None
    raw_symbol: str | None = None
    interval: Interval | None = None

    @property
    def source(self) -> str | None:
        """Venue and market as one name, None unless both are said or the venue has spot only."""
        if self.venue is None:
            return None
        market = self.market or ("spot" if self.venue in _SPOT_ONLY else None)
        if market is None:
            return None
        return f"{self.venue}_coinm" if market == "coinm" else source_name(self.venue, Market(market))


def read_path_name(path: Path) -> PathName:
    """Take a path apart.

    Parameters
    ----------
    path : Path
        File, with its folders.

    Returns
    -------
    PathName
        The file's own name wins over its folders, nearer folders over farther ones.

    Examples
    --------
    >>> read_path_name(Path("bars/binance_spot_1m/BTCUSDT/2020.parquet")).raw_symbol
    'BTCUSDT'
    """
    name = _read_stem(data_stem(path))
    folders = [part for part in path.parent.parts[-7:] if part not in ("/", ".", "..")]
    for index in range(len(folders) - 1, -1, -1):
        name = _fill(name, _read_folder(folders, index))
    if name.raw_symbol is None and folders:
        name = replace(name, raw_symbol=_symbol_folder(folders))
    if name.venue is None and name.market is not None and _is_binance_tree(folders):
        name = replace(name, venue="binance")
    return name


def data_stem(path: Path) -> str:
    """File name without its data suffixes: `BTCUSDT-1m-2024-01.csv.gz` -> `BTCUSDT-1m-2024-01`."""
    stem = path.name
    while True:
        suffix = next((s for s in _DATA_SUFFIXES if stem.lower().endswith(s)), None)
        if suffix is None:
            return stem
        stem = stem[: -len(suffix)]


def _read_stem(stem: str) -> PathName:
    venue = market = interval = None
    symbol: list[str] = []
    closed = False
    for token in filter(None, re.split(r"[_\-\s]+", stem)):
        word = token.lower()
        if _INTERVAL.match(word):
            interval, closed = parse_interval(word), bool(symbol)
        elif word in VENUES and not symbol:
            venue = word
        elif word in _MARKETS and not symbol:
            market = _MARKETS[word]
        elif word in _NOISE or _DATE.match(word):
            closed = bool(symbol)
        elif _SYMBOL.match(token) and not closed:
            symbol.append(token)
    return PathName(venue, market, "-".join(symbol) or None, interval)


def _read_folder(folders: list[str], index: int) -> PathName:
    folder = folders[index].lower()
    if _INTERVAL.match(folder):
        return PathName(interval=parse_interval(folder))
    tokens = folder.split("_")
    if tokens[0] in VENUES:
        market = next((_MARKETS[t] for t in tokens[1:] if t in _MARKETS), None)
        interval = next((parse_interval(t) for t in tokens[1:] if _INTERVAL.match(t)), None)
        return PathName(tokens[0], market, None, interval)
    above = folders[index - 1].lower() if index else ""
    if folder in ("um", "cm") and above == "futures":
        return PathName(market=_MARKETS[folder])
    if folder == "spot" and any(f in ("monthly", "daily") for f in folders[index + 1 :]):
        return PathName(market="spot")
    return PathName()


def _fill(one: PathName, other: PathName) -> PathName:
    return PathName(
        one.venue or other.venue,
        one.market or other.market,
        one.raw_symbol or other.raw_symbol,
        one.interval or other.interval,
    )


def _symbol_folder(folders: list[str]) -> str | None:
    """The nearest folder that is a symbol in capitals, such as `BTCUSDT` or `BTC-USD`."""
    return next(
        (f for f in reversed(folders[-3:]) if f == f.upper() and _SYMBOL.match(re.sub(r"[-_]", "", f))), None
    )


def _is_binance_tree(folders: list[str]) -> bool:
    return any(f in ("monthly", "daily") for f in folders) and any(
        f in ("klines", "aggTrades", "trades", "fundingRate") for f in folders
    )
