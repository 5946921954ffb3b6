"""Coarser bars from finer ones, never inventing a price.

A coarser bar exists only if every finer bar it is made of is there or is known to have had no trade, and at
least one of them is there. Otherwise it is lost, however many of its parts are known: half an hour is not
an hour.
"""

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarSeries
from marketsentry.core.market.interval import Interval


def resample_bars(
    series: BarSeries, to: Interval, *, no_trade_ts_ns: NDArray[np.int64] | None = None
) -> BarSeries:
    """Build bars of interval `to` from finer ones.

    Parameters
    ----------
    series : BarSeries
        Finer bars, oldest first.
    to : Interval
        A multiple of the series' interval.
    no_trade_ts_ns : ndarray of shape (n,), int64, optional
        Open times of finer cells without a bar in which the venue is known to have had no trade.

    Returns
    -------
    BarSeries
        Same symbol and source. Open of the first part, highest high, lowest low, close of the last part,
        sum of volumes. Cells at the edges that are not whole are left out. The bar is known at its own
        close.

    Raises
    ------
    InputError
        If `to` is not a multiple of the series' interval.
    """
    n_parts = series.interval.bars_in(to)
    quiet = np.empty(0, dtype=np.int64) if no_trade_ts_ns is None else no_trade_ts_ns
    quiet = np.setdiff1d(quiet, series.ts_ns)
    cells = series.ts_ns // to.ns
    starts = np.flatnonzero(np.concatenate(([True], np.diff(cells) != 0))) if cells.size else cells
    if starts.size == 0:
        return BarSeries(series.symbol, to, series.source, series.ts_ns[:0], series.values[:0])
    ends = np.concatenate((starts[1:], [cells.size]))
    n_known = ends - starts + _count_per_cell(quiet // to.ns, cells[starts])
    whole = n_known == n_parts
    values = np.empty((starts.size, 5))
    values[:, OPEN] = series.values[starts, OPEN]
    values[:, HIGH] = np.maximum.reduceat(series.values[:, HIGH], starts)
    values[:, LOW] = np.minimum.reduceat(series.values[:, LOW], starts)
    values[:, CLOSE] = series.values[ends - 1, CLOSE]
    values[:, VOLUME] = np.add.reduceat(series.values[:, VOLUME], starts)
    return BarSeries(series.symbol, to, series.source, (cells[starts] * to.ns)[whole], values[whole])


def resample_no_trade(ts_ns: NDArray[np.int64], interval: Interval, to: Interval) -> NDArray[np.int64]:
    """Find the coarser cells all of whose finer cells had no trade; open times ascending, each once."""
    cells, n_parts = np.unique(np.unique(ts_ns) // to.ns, return_counts=True)
    whole: NDArray[np.int64] = cells[n_parts == interval.bars_in(to)]
    return whole * to.ns


def _count_per_cell(found: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted(found, cells, side="right") - np.searchsorted(found, cells, side="left")
