"""What the predictions earned, row by row: the account as a whole, each fold, the last block, each symbol's part.

A symbol has no account of its own: its row is its part of the one account, over the equity of all of it, so that the
returns of the symbols add up to the account's.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.contributions import bar_pnl
from marketsentry.core.backtest.replay import ReplayResult
from marketsentry.core.backtest.tape import fills_between
from marketsentry.core.evidence.baselines import sharpe_of_sums
from marketsentry.core.evidence.parts import PerformanceRow, PerformanceTable
from marketsentry.core.evidence.resampling import Floats, Resampling
from marketsentry.core.splits.walk_forward import WalkForward
from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.core.stats.daily_returns import daily_returns
from marketsentry.core.stats.drawdown import max_drawdown
from marketsentry.core.stats.exposure import exposure
from marketsentry.core.stats.hit_rate import hit_rate
from marketsentry.core.stats.ic import known_pairs
from marketsentry.core.stats.kurtosis import kurtosis
from marketsentry.core.stats.sharpe import sharpe
from marketsentry.core.stats.skewness import skewness
from marketsentry.core.stats.sortino import sortino
from marketsentry.core.stats.tail_ratio import tail_ratio
from marketsentry.core.stats.turnover import turnover

WHOLE = "walk_forward"


@dataclass(frozen=True, slots=True)
class Traded:
    """An account, and the predictions (T, N) and outcomes (T, N) of the bars it traded."""

    account: ReplayResult
    predicted: Floats
    outcome: Floats


def measure_performance(
    tested: Traded, final: Traded, plan: WalkForward, how: Resampling
) -> PerformanceTable:
    """Measure every row.

    Parameters
    ----------
    tested
        The account of the folds.
    final
        That of the last block.
    plan
        The folds.
    how
        Draws the intervals.

    Returns
    -------
    PerformanceTable
    """
    first, whole = plan.folds[0].test.start, _whole(tested.account)
    total, parts = _account_pnl(tested.account), bar_pnl(tested.account)
    return PerformanceTable(
        walk_forward=_row(WHOLE, tested, total, whole, how),
        final=_row("final", final, _account_pnl(final.account), _whole(final.account), how),
        folds=tuple(
            _row(str(fold.index), tested, total, slice(fold.test.start - first, fold.test.stop - first), how)
            for fold in plan.folds
        ),
        symbols=tuple(
            _row(symbol, tested, parts[:, n], whole, how, symbol=n)
            for n, symbol in enumerate(tested.account.symbols)
        ),
    )


def _whole(account: ReplayResult) -> slice:
    return slice(0, account.equity.size)


def _account_pnl(account: ReplayResult) -> Floats:
    return account.equity - account.equity_before


def _row(
    name: str, traded: Traded, pnl: Floats, rows: slice, how: Resampling, *, symbol: int | None = None
) -> PerformanceRow:
    """Measure some bars of an account with the profit of every bar `pnl` (T,), of one symbol in it or of all."""
    account, year = traded.account, traded.account.params.periods_per_year
    columns = slice(None) if symbol is None else slice(symbol, symbol + 1)
    before, pnl = account.equity_before[rows], pnl[rows]
    returns = account.returns[rows] if symbol is None else _over(pnl, before)
    daily = daily_returns(pnl, before, account.ts_ns[rows])
    is_known, days_known = bool(np.isfinite(returns).all()), bool(np.isfinite(daily).all())
    ratio = sharpe(returns, periods_per_year=year) if is_known else None
    days = daily if days_known else np.empty(0)
    predicted, outcome = traded.predicted[rows, columns], traded.outcome[rows, columns]
    curve = before[0] + np.concatenate(([0.0], np.cumsum(pnl)))
    funded = bool(before[0] > 0.0 and np.isfinite(curve).all())
    fills, trades = _within(account, rows, symbol)
    return PerformanceRow(
        name=name,
        n_bars=before.size,
        n_samples=known_pairs(predicted, outcome)[0].size,
        hit_rate=hit_rate(predicted, outcome),
        pnl_after_cost_frac=float(curve[-1] / curve[0] - 1.0) if funded else None,
        turnover=turnover(fills["qty"] * fills["reference_price"], account.equity_before[fills["bar"]]),
        exposure=exposure(account.weights[rows, columns]),
        max_drawdown_frac=max_drawdown(curve).fraction if funded else None,
        sharpe=ratio.value if ratio is not None else None,
        sharpe_bounds=sharpe_bounds(name, returns, year, how) if ratio is not None else None,
        sortino=sortino(returns, periods_per_year=year) if is_known else None,
        tail_ratio=tail_ratio(days),
        worst_daily_return=float(days.min()) if days.size else None,
        skewness=skewness(days),
        kurtosis=kurtosis(days),
        n_trades=trades.size,
    )


def sharpe_bounds(name: str, returns: Floats, periods_per_year: float, how: Resampling) -> Bounds | None:
    """Interval of the annual Sharpe ratio of finite returns; a name draws one interval, None if too few blocks fit."""
    terms = np.stack((np.ones(returns.size), returns, returns**2), axis=1)
    draws = how.draws(f"sharpe {name}", terms, how.block_bars(returns), sharpe_of_sums)
    return how.bounds(None if draws is None else draws * math.sqrt(periods_per_year))


def _over(pnl: Floats, before: Floats) -> Floats:
    returns = np.full(before.size, np.nan)
    np.divide(pnl, before, out=returns, where=before > 0.0)
    return returns


def _within(
    account: ReplayResult, rows: slice, symbol: int | None
) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """The fills in some bars, and the trades that were entered in them."""
    fills, trades = fills_between(account.fills, rows.start, rows.stop), account.trades
    entered = (trades["entry_bar"] >= rows.start) & (trades["entry_bar"] < rows.stop)
    if symbol is not None:
        fills = fills[fills["symbol"] == symbol]
        entered &= trades["symbol"] == symbol
    return fills, trades[entered]
