"""What a report tells of the account of a stored run: bands, activity, trades, universe bought and held. Pure."""

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
from marketsentry.reports.account import Activity, EquityBand, TradeFacts, TradeLists
from marketsentry.reports.charts import thinned_rows
from marketsentry.reports.facts import EquityCurve

BAND_LEVEL = 0.9
BAND_RESAMPLES = 1_000
BAND_SEED = 0
N_LISTED = 10

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


def all_trades(files: RunFiles) -> list[TradeFacts]:
    """Read the round trips of a run, in the order of their ends; those still open last."""
    fills = files.fills
    price_at = dict(
        zip(zip(fills["bar"].tolist(), fills["symbol"].tolist(), strict=True), fills["price"], strict=True)
    )
    return [_trade(row, files, price_at) for row in files.trades]


def trade_lists(trades: list[TradeFacts]) -> TradeLists | None:
    """Choose the trades worth a look; None without any. Only closed ones are ranked by what they earned."""
    if not trades:
        return None
    closed = [one for one in trades if one.exit_ns is not None]
    by_pnl = sorted(closed, key=lambda one: -one.pnl_quote)
    return TradeLists(
        best=tuple(one for one in by_pnl[:N_LISTED] if one.pnl_quote > 0),
        worst=tuple(one for one in by_pnl[::-1][:N_LISTED] if one.pnl_quote < 0),
        longest=tuple(sorted(trades, key=lambda one: -one.n_bars)[:N_LISTED]),
        n_trades=len(trades),
        n_open=len(trades) - len(closed),
    )


def _trade(row: np.void, files: RunFiles, price_at: Mapping[tuple[int, int], float]) -> TradeFacts:
    entry, end, column = int(row["entry_bar"]), int(row["exit_bar"]), int(row["symbol"])
    is_open = end < 0
    return TradeFacts(
        symbol=files.document["symbols"][column],
        side=int(row["side"]),
        entry_ns=int(files.ts_ns[entry]),
        exit_ns=None if is_open else int(files.ts_ns[end]),
        n_bars=(files.ts_ns.size if is_open else end) - entry,
        qty=float(row["qty"]),
        entry_price=float(row["entry_price"]),
        exit_price=None if is_open else float(row["exit_price"]),
        cost_quote=float(row["fee_quote"] + row["slippage_quote"] + row["impact_quote"]),
        pnl_quote=float(row["pnl_quote"]),
        first_price=float(price_at[entry, column]),
        last_price=None if is_open else float(price_at[end, column]),
    )
