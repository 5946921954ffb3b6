"""What the sanity review looks at: figures of one account that say whether its result can be believed at all.

Nothing here is a judgement; `core.gates.sanity` holds each figure against its limit and says why.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.contributions import bar_pnl
from marketsentry.core.backtest.plateau import Plateau
from marketsentry.core.backtest.replay import ReplayResult
from marketsentry.core.gates.leak import LeakEvidence, MeasuredIc
from marketsentry.core.market.bars import HIGH, LOW, BarPanel, BarState
from marketsentry.core.stats.daily_returns import day_starts
from marketsentry.core.stats.sharpe import sharpe

STALE_BARS = 3
WICK_RANGES = 10.0
BEST_DAYS_FRAC = 0.01
SURE_ERRORS = 3.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SanityFacts:
    """Figures of an account; None where they have no meaning, e.g. shares of a gain that is none.

    sure_sharpe: annual Sharpe ratio, three standard errors nearer to zero.
    sure_annual_return_frac: growth of a year at the mean return per bar, less three standard errors.
    best_bar_return_frac: largest gain of the account within one bar.
    ics: out-of-sample correlations with the number of independent samples behind them.
    cost_bps: fee, slippage and impact over traded notional.
    n_trades, n_days: round trips that were closed; UTC days with a bar.
    best_trade_share, best_day_share, best_symbol_share: part of the net gain; above 1 the rest lost.
    pnl_without_best_days_frac: what the account gained without its best `BEST_DAYS_FRAC` days, at least one.
    stale_notional_frac: share of what was traded at prices that stood still for `STALE_BARS` bars, or without a trade.
    wick_notional_frac: share of what was traded in bars whose range is `WICK_RANGES` times the symbol's median.
    gap_pnl_share: part of the net gain that came in bars right after lost ones.
    n_symbols, n_listed_first, n_listed_last: in the panel; with a bar on its first day; with a bar on its last.
    """

    sure_sharpe: float | None
    sure_annual_return_frac: float | None
    best_bar_return_frac: float | None
    ics: tuple[MeasuredIc, ...]
    cost_bps: float | None
    n_trades: int
    n_days: int
    best_trade_share: float | None
    best_day_share: float | None
    best_symbol_share: float | None
    pnl_without_best_days_frac: float | None
    stale_notional_frac: float | None
    wick_notional_frac: float | None
    gap_pnl_share: float | None
    n_symbols: int
    n_listed_first: int
    n_listed_last: int
    plateau: Plateau | None
    leak: LeakEvidence | None


def measure_sanity(
    account: ReplayResult,
    panel: BarPanel,
    ics: tuple[MeasuredIc, ...],
    *,
    traded_from: int = 0,
    universe: BarPanel | None = None,
    plateau: Plateau | None = None,
    leak: LeakEvidence | None = None,
) -> SanityFacts:
    """Measure an account.

    Parameters
    ----------
    account
        What `replay` did.
    panel
        The bars it traded.
    ics
        Of its predictions.
    traded_from
        First row that counts; the rows before only warmed the volatility up.
    universe
        All bars from which symbols were chosen; `panel` if None.
    plateau
        The setting among its neighbours, if a sweep around it was made.
    leak
        What the leak test saw, if one was made.

    Returns
    -------
    SanityFacts
    """
    rows = slice(traded_from, account.equity.size)
    pnl = bar_pnl(account)[rows]
    total = pnl.sum(axis=1)
    net = float(total.sum())
    firsts = day_starts(account.ts_ns[rows])
    days = np.add.reduceat(total, firsts) if total.size else np.empty(0)
    closed = account.trades[account.trades["exit_bar"] >= 0]
    ratio, growth, best = _returns(account, rows)
    listed = universe if universe is not None else panel
    first, last = _listed(listed)
    return SanityFacts(
        sure_sharpe=ratio,
        sure_annual_return_frac=growth,
        best_bar_return_frac=best,
        ics=ics,
        cost_bps=_cost_bps(account),
        n_trades=closed.size,
        n_days=firsts.size,
        best_trade_share=_share(closed["pnl_quote"], net),
        best_day_share=_share(days, net),
        best_symbol_share=_share(pnl.sum(axis=0), net),
        pnl_without_best_days_frac=_without_best(days, float(account.equity_before[traded_from])),
        stale_notional_frac=_notional_frac(account, _is_stale(panel)),
        wick_notional_frac=_notional_frac(account, _is_wick(panel)),
        gap_pnl_share=_gap_share(pnl, panel.state[rows], net),
        n_symbols=len(listed.symbols),
        n_listed_first=first,
        n_listed_last=last,
        plateau=plateau,
        leak=leak,
    )


def _returns(account: ReplayResult, rows: slice) -> tuple[float | None, float | None, float | None]:
    """Sharpe ratio and yearly growth, each three standard errors towards nothing, and the best bar."""
    returns, year = account.returns[rows], account.params.periods_per_year
    if not np.isfinite(returns).all():
        return None, None, None
    best = float(returns.max())
    ratio = sharpe(returns, periods_per_year=year)
    if ratio is None:
        return None, None, best
    error = (ratio.high - ratio.value) / 1.959963984540054
    sure = math.copysign(max(abs(ratio.value) - SURE_ERRORS * error, 0.0), ratio.value)
    logs = np.log1p(np.maximum(returns, -1.0 + 1e-12))
    mean = float(logs.mean()) - SURE_ERRORS * float(logs.std(ddof=1)) / math.sqrt(logs.size)
    return sure, math.expm1(min(mean * year, 700.0)), best


def _cost_bps(account: ReplayResult) -> float | None:
    notional = float((account.fills["qty"] * account.fills["reference_price"]).sum())
    paid = sum(float(one.sum()) for one in (account.fee_quote, account.slippage_quote, account.impact_quote))
    return 1e4 * paid / notional if notional > 0.0 else None


def _share(parts: Floats, net: float) -> float | None:
    """The largest part over the net gain; None without a gain."""
    return float(parts.max()) / net if parts.size and net > 0.0 else None


def _without_best(days: Floats, equity: float) -> float | None:
    if days.size < 2 or not equity > 0.0 or not np.isfinite(days).all():
        return None
    n_best = max(math.ceil(BEST_DAYS_FRAC * days.size), 1)
    return float(np.sort(days)[:-n_best].sum()) / equity


def _notional_frac(account: ReplayResult, marked: NDArray[np.bool_]) -> float | None:
    """Share of what was traded in marked cells (T, N); None without a fill."""
    fills = account.fills
    notional = fills["qty"] * fills["reference_price"]
    total = float(notional.sum())
    return float(notional[marked[fills["bar"], fills["symbol"]]].sum()) / total if total > 0.0 else None


def _is_stale(panel: BarPanel) -> NDArray[np.bool_]:
    """Cells (T, N) without a trade, or before which the close had stood still for `STALE_BARS` bars."""
    close = panel.close
    still = np.zeros(close.shape, dtype=np.bool_)
    still[1:] = close[1:] == close[:-1]
    run = np.zeros(close.shape, dtype=np.bool_)
    n_rows = close.shape[0] - STALE_BARS
    if n_rows > 0:
        run[STALE_BARS:] = np.logical_and.reduce([still[k : k + n_rows] for k in range(STALE_BARS)])
    stale: NDArray[np.bool_] = run | (panel.state == BarState.NO_TRADE)
    return stale


def _is_wick(panel: BarPanel) -> NDArray[np.bool_]:
    """Cells (T, N) whose range is far beyond the symbol's usual one."""
    low = panel.values[:, :, LOW]
    spread = np.zeros(low.shape)
    traded = (panel.state == BarState.TRADED) & (low > 0.0)
    np.divide(panel.values[:, :, HIGH] - low, low, out=spread, where=traded)
    marked = np.zeros(low.shape, dtype=np.bool_)
    for n in range(low.shape[1]):
        own = spread[traded[:, n], n]
        if own.size:
            marked[:, n] = traded[:, n] & (spread[:, n] > WICK_RANGES * float(np.median(own)))
    return marked


def _gap_share(pnl: Floats, state: NDArray[np.uint8], net: float) -> float | None:
    """Part of the net gain that came in the first bar after a lost one."""
    again = np.zeros(state.shape, dtype=np.bool_)
    again[1:] = (state[1:] != BarState.LOST) & (state[:-1] == BarState.LOST)
    return float(pnl[again].sum()) / net if net > 0.0 else None


def _listed(panel: BarPanel) -> tuple[int, int]:
    """How many symbols have a bar on the first day of a panel, and on its last."""
    day = min(max(round(panel.interval.bars_per_day), 1), panel.n_bars)
    there = panel.state <= BarState.NO_TRADE
    return int(there[:day].any(axis=0).sum()), int(there[-day:].any(axis=0).sum())
