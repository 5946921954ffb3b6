"""Statistics of an account over a trailing window, at chosen bars."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.sharpe import Z_95, sharpe
from marketsentry.exceptions import InputError

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RollingSharpe:
    """Annualised ratio and its standard error at each chosen bar, (n_rows,); NaN where it is undefined."""

    ratio: Floats
    standard_error: Floats


def rolling_sharpe(
    returns: Floats, *, rows: Rows, window_bars: int, periods_per_year: float
) -> RollingSharpe:
    """Measure `sharpe` over the bars that end with each chosen one.

    Parameters
    ----------
    returns
        Shape (n_bars,). Simple returns per bar; NaN where equity is unknown.
    rows
        Shape (n_rows,). Bars in ``0..n_bars - 1``.
    window_bars
        Bars in a window, at least 2.
    periods_per_year
        Bars in 365 days.

    Returns
    -------
    RollingSharpe
        NaN where fewer bars than the window came before, one of them is NaN, or they do not vary.

    Raises
    ------
    InputError
        If `window_bars` is below 2 or a row is out of range.
    """
    if window_bars < 2:
        raise InputError(f"window_bars must be >= 2, was {window_bars}")
    ratio, error = np.full(rows.size, np.nan), np.full(rows.size, np.nan)
    for i, start, stop in _windows(returns.size, rows, window_bars):
        part = returns[start:stop]
        found = sharpe(part, periods_per_year=periods_per_year) if np.isfinite(part).all() else None
        if found is not None:
            ratio[i], error[i] = found.value, (found.high - found.low) / (2.0 * Z_95)
    return RollingSharpe(ratio, error)


def rolling_mean(values: Floats, *, rows: Rows, window_bars: int) -> Floats:
    """Average the values of the bars that end with each chosen one.

    Parameters
    ----------
    values
        Shape (n_bars,); NaN where unknown.
    rows
        Shape (n_rows,). Bars in ``0..n_bars - 1``.
    window_bars
        Bars in a window, at least 1.

    Returns
    -------
    ndarray of shape (n_rows,)
        NaN where fewer bars than the window came before, or one of them is NaN.

    Raises
    ------
    InputError
        If `window_bars` is below 1 or a row is out of range.
    """
    if window_bars < 1:
        raise InputError(f"window_bars must be >= 1, was {window_bars}")
    means = np.full(rows.size, np.nan)
    for i, start, stop in _windows(values.size, rows, window_bars):
        means[i] = values[start:stop].mean()
    return means


def _windows(n_bars: int, rows: Rows, window_bars: int) -> list[tuple[int, int, int]]:
    """Index of each row with a whole window behind it, and the window's bars."""
    if rows.size and not 0 <= rows.min() <= rows.max() < n_bars:
        raise InputError(f"rows must be in 0..{n_bars - 1}, was {rows.min()}..{rows.max()}")
    stops = rows + 1
    return [(i, int(stop) - window_bars, int(stop)) for i, stop in enumerate(stops) if stop >= window_bars]
