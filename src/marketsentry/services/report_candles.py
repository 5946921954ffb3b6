"""Choose the stretches of a market in which the trades of a run are shown, and make candles of them. Pure."""

import numpy as np

from marketsentry.core.market.bars import BarPanel, BarSeries, BarState
from marketsentry.core.market.interval import Interval, interval_of_seconds
from marketsentry.core.market.resample import resample_bars
from marketsentry.reports.account import CandleWindow
from marketsentry.services.report_trades import RunTrades

MAX_CANDLES = 96
MIN_MARGIN_BARS = 24
MAX_TRADES = 40
CANDLE_S = (60, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000)


def candle_windows(panel: BarPanel, trades: RunTrades) -> tuple[CandleWindow, ...]:
    """Show for every symbol its best, its worst and its last trade with the market around them.

    Parameters
    ----------
    panel
        The bars that the run saw.
    trades
        Its round trips.

    Returns
    -------
    tuple of CandleWindow
        Symbols in the order of the panel; a trade that is chosen twice is shown once. Windows reach over the trade by
        its own length, at least 24 bars; bars are put together until at most 96 candles are left, and one more where
        the window does not begin on a candle.
    """
    return tuple(
        _window(panel, column, why, chosen, trades)
        for column in range(len(panel.symbols))
        for why, chosen in _telling(trades, column)
    )


def _telling(trades: RunTrades, column: int) -> list[tuple[str, int]]:
    """Rows of the best and the worst closed trade and of the one that began last."""
    rows = np.flatnonzero(trades.symbol == column)
    if rows.size == 0:
        return []
    picks = [("last", rows[np.argmax(trades.entry_bar[rows])])]
    closed = rows[~trades.is_open[rows]]
    if closed.size:
        best, worst = closed[np.argmax(trades.pnl_quote[closed])], closed[np.argmin(trades.pnl_quote[closed])]
        picks = [("best", best), ("worst", worst), *picks]
    chosen: dict[int, str] = {}
    for why, row in picks:
        chosen.setdefault(int(row), why)
    return [(why, row) for row, why in chosen.items()]


def _window(panel: BarPanel, column: int, why: str, chosen: int, trades: RunTrades) -> CandleWindow:
    margin = max(int(trades.n_bars[chosen]), MIN_MARGIN_BARS)
    start = max(int(trades.entry_bar[chosen]) - margin, 0)
    stop = min(int(trades.end_bar[chosen]) + 1 + margin, panel.n_bars)
    candle = _candle_interval(panel.interval, (stop - start) * panel.interval.ns)
    start_ns = int(panel.ts_ns[start]) // candle.ns * candle.ns
    stop_ns = -(-int(panel.ts_ns[stop - 1] + panel.interval.ns) // candle.ns) * candle.ns
    start, stop = (int(at) for at in np.searchsorted(panel.ts_ns, (start_ns, stop_ns)))
    candles = resample_bars(_bars(panel, column, start, stop), candle)
    others = _others(trades, chosen, start, stop)
    return CandleWindow(
        symbol=panel.symbols[column],
        why=why,
        chosen=trades.tell(chosen),
        others=tuple(trades.tell(row) for row in sorted(others[: MAX_TRADES - 1])),
        n_left_out=max(len(others) - (MAX_TRADES - 1), 0),
        interval=candle.name,
        interval_ns=candle.ns,
        open_ns=candles.ts_ns,
        values=candles.values[:, :4],
    )


def _bars(panel: BarPanel, column: int, start: int, stop: int) -> BarSeries:
    """The bars of one symbol that are not lost."""
    rows = start + np.flatnonzero(panel.state[start:stop, column] <= BarState.NO_TRADE)
    values = panel.values[rows, column]
    return BarSeries(panel.symbols[column], panel.interval, panel.sources[column], panel.ts_ns[rows], values)


def _others(trades: RunTrades, chosen: int, start: int, stop: int) -> list[int]:
    """Rows of the other trades of the symbol that overlap the bars, those nearest to the chosen one first."""
    inside = (trades.symbol == trades.symbol[chosen]) & (trades.entry_bar < stop) & (trades.end_bar >= start)
    inside[chosen] = False
    rows = np.flatnonzero(inside)
    distance = np.abs(trades.entry_bar[rows] - trades.entry_bar[chosen])
    return [int(row) for row in rows[np.argsort(distance, kind="stable")]]


def _candle_interval(bar: Interval, span_ns: int) -> Interval:
    """The shortest usual multiple of the bar of which the span holds at most `MAX_CANDLES`; else the longest one."""
    multiples = [
        interval_of_seconds(s) for s in (bar.seconds, *CANDLE_S) if s >= bar.seconds and s % bar.seconds == 0
    ]
    return next((one for one in multiples if span_ns <= MAX_CANDLES * one.ns), multiples[-1])
