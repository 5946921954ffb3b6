"""Bars for research: from files, from arrays, or of a synthetic market; no database is needed."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import ArrayLike, NDArray

from marketsentry.adapters.clock import SystemClock
from marketsentry.adapters.files.local_files import LocalFiles
from marketsentry.core.features.context import ContextInputs, known_funding
from marketsentry.core.market.bars import FIELDS, BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import check_symbol
from marketsentry.core.market.synthetic import make_market
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.market.validation import Reason, check_bars
from marketsentry.exceptions import DataQualityError, InputError
from marketsentry.services.bar_files import BarsWanted, read_bar_files
from marketsentry.services.datasets import MarketHistory

Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Mapping[str, ArrayLike]


def load_bars(
    source: Source,
    *,
    symbols: Sequence[str] = (),
    interval: str | None = None,
    skip_bad_rows: bool = False,
) -> MarketHistory:
    """Load bars from Parquet, CSV or JSON files, or from arrays.

    Parameters
    ----------
    source
        A file, a folder, several of them, or a mapping from symbol to an array (n, 6): UTC epoch ns of the open time,
        open, high, low, close, volume. Files are recognised as `ms data import` recognises them.
    symbols
        Which to take, in this order; all if empty.
    interval
        Length of the bars, such as `1h`; arrays need it, files that hold several lengths too.
    skip_bad_rows
        Leave out rows that an import would refuse, instead of raising.

    Returns
    -------
    MarketHistory
        `panel` has the bars on one grid. There is no funding and there are no events beside them.

    Raises
    ------
    NotFoundError
        If a path or a symbol is not there.
    InputError
        If the length of the bars is open, or an array has another shape.
    DataQualityError
        If a row is bad: a price that is not positive, a high below its low, a time off the grid.

    Examples
    --------
    >>> hour = 3_600_000_000_000
    >>> bars = load_bars(
    ...     {"BTC": [[1_700_000_000 // 3600 * hour + i * hour, 100, 102, 99, 101, 5] for i in range(3)]},
    ...     interval="1h",
    ... )
    >>> bars.panel.close[:, 0]
    array([101., 101., 101.])
    """
    if isinstance(source, Mapping):
        return _history(_series_of(source, symbols, interval, skip_bad_rows))
    paths = [source] if isinstance(source, str | os.PathLike) else list(source)
    wanted = BarsWanted(tuple(symbols), None if interval is None else parse_interval(interval), skip_bad_rows)
    with TemporaryDirectory(prefix="bars-") as folder:
        files = LocalFiles(work_dir=Path(folder) / "work", rejects_dir=Path(folder) / "rejects")
        return _history(
            read_bar_files(
                [Path(one).expanduser() for one in paths], files=files, wanted=wanted, now_ns=_now_ns()
            )
        )


def synthetic_bars(
    *,
    seed: int = 7,
    symbols: Sequence[str] = ("BTC", "ETH", "SOL"),
    interval: str = "1h",
    days: float = 180.0,
    signal_strength: float = 1.0,
) -> MarketHistory:
    """Make a synthetic market with a known edge; equal arguments give equal bytes.

    Parameters
    ----------
    seed
        Of all draws.
    symbols
        Canonical symbols.
    interval
        Length of a bar.
    days
        Length of the market.
    signal_strength
        0: nothing to find; 1: a small edge; at most 10.

    Returns
    -------
    MarketHistory
        Bars, and the funding of each symbol's perpetual.

    Raises
    ------
    InputError
        If an argument is out of bounds.

    Examples
    --------
    >>> synthetic_bars(symbols=("BTC",), days=2).panel.n_bars
    48
    """
    bar = parse_interval(interval)
    market = make_market(
        seed=seed,
        symbols=tuple(symbols),
        interval=bar,
        n_bars=int(days * bar.bars_per_day),
        signal_strength=signal_strength,
    )
    funding = {
        series.symbol: known_funding(rates)
        for series, rates in zip(market.series, market.funding, strict=True)
        if rates.ts_ns.size
    }
    return _history(market.series, ContextInputs(funding=funding))


def _history(series: tuple[BarSeries, ...], inputs: ContextInputs | None = None) -> MarketHistory:
    return MarketHistory(
        series=series,
        no_trade_ts_ns=tuple(np.zeros(0, dtype=np.int64) for _ in series),
        first_ns=tuple(int(one.ts_ns[0]) for one in series),
        inputs=inputs or ContextInputs(),
    )


def _series_of(
    arrays: Mapping[str, ArrayLike], symbols: Sequence[str], interval: str | None, skip_bad_rows: bool
) -> tuple[BarSeries, ...]:
    if interval is None:
        raise InputError("arrays need the length of their bars: interval='1h'")
    bar = parse_interval(interval)
    absent = [symbol for symbol in symbols if symbol not in arrays]
    if absent or not arrays:
        raise InputError(f"symbols must be among {list(arrays)}, was {absent}")
    out = []
    for symbol in symbols or arrays:
        check_symbol(symbol)
        ts_ns, values = _columns(symbol, arrays[symbol])
        reason = check_bars(ts_ns, values, interval=bar, now_ns=_now_ns())
        bad = np.flatnonzero(reason)
        if bad.size and not skip_bad_rows:
            code = Reason(int(reason[bad[0]])).code
            raise DataQualityError(f"{bad.size} rows of {symbol} are bad, the first is row {bad[0]}: {code}")
        if bad.size == ts_ns.size:
            raise DataQualityError(f"none of the rows of {symbol} is good")
        good = reason == 0
        out.append(BarSeries(symbol, bar, "file", ts_ns[good], values[good]))
    return tuple(out)


def _columns(symbol: str, table: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Split times from prices; a float holds the nanoseconds of every whole second exactly."""
    rows = np.asarray(table, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 1 + len(FIELDS) or not rows.shape[0]:
        raise InputError(f"bars of {symbol} must have shape (n, 6) with n >= 1, was {rows.shape}")
    return rows[:, 0].astype(np.int64), np.ascontiguousarray(rows[:, 1:])


def _now_ns() -> int:
    return datetime_to_ns(SystemClock().now())
