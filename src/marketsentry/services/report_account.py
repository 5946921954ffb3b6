"""What a report tells of the account of a stored run: its band, its activity, its universe bought and held. Pure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import params_from
from marketsentry.core.backtest.stored import RunFiles
from marketsentry.core.evidence.baselines import hold_account
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.stats.bootstrap import MIN_BLOCKS, block_length
from marketsentry.core.stats.path_band import path_band
from marketsentry.reports.account import Activity, EquityBand
from marketsentry.reports.charts import thinned_rows
from marketsentry.reports.facts import EquityCurve

BAND_LEVEL = 0.9
BAND_RESAMPLES = 1_000
BAND_SEED = 0

Floats = NDArray[np.float64]


def equity_band(curve: EquityCurve, *, horizon_bars: int) -> EquityBand | None:
    """Resample the returns of an account in blocks at least as long as the horizon.

    Parameters
    ----------
    curve
        Equity, the capital first.
    horizon_bars
        Label horizon, below which no block goes.

    Returns
    -------
    EquityBand or None
        None where equity is unknown or not above zero throughout, never moves, or holds fewer than five blocks.
    """
    equity = curve.equity_quote
    if equity.size < 2 or not np.isfinite(equity).all() or equity.min() <= 0 or np.ptp(equity) == 0:
        return None
    returns = equity[1:] / equity[:-1] - 1.0
    block_bars = block_length(returns, at_least=horizon_bars)
    if returns.size < MIN_BLOCKS * block_bars:
        return None
    rows = thinned_rows(curve)
    later = rows[rows > 0]
    band = path_band(
        returns,
        rows=later - 1,
        block_bars=block_bars,
        n_resamples=BAND_RESAMPLES,
        level=BAND_LEVEL,
        rng=np.random.default_rng(BAND_SEED),
    )
    before = np.ones(rows.size - later.size)
    low, high = (equity[0] * np.concatenate((before, one)) for one in (band.low, band.high))
    return EquityBand(rows, low, high, BAND_LEVEL, BAND_RESAMPLES, block_bars)


def account_activity(files: RunFiles, rows: slice, capital_quote: float) -> Activity:
    """Tell what was held and what was traded at each bar of `rows`; NaN where there was no equity to hold it."""
    before = np.concatenate(([capital_quote], files.equity[:-1]))
    traded = np.zeros(files.equity.size)
    np.add.at(traded, files.fills["bar"], files.fills["qty"] * files.fills["reference_price"])
    turned = np.full(traded.size, np.nan)
    np.divide(traded, before, out=turned, where=before > 0)
    gross = np.abs(files.weights).sum(axis=1)
    return Activity(gross[rows], turned[rows])


def held_equity(config: Mapping[str, Any], panel: BarPanel, rows: slice, *, first: int) -> Floats:
    """Equity at the closes of `rows` of the capital spread over the symbols at `first` and held, after costs."""
    return hold_account(panel, params_from(config["replay"]), first=first).equity[rows]
