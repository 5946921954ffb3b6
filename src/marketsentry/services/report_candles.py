"""Choose the stretches of a market in which the trades of a run are shown, and make candles of them. Pure."""

from itertools import groupby

import numpy as np

from marketsentry.core.market.bars import BarPanel, BarSeries, BarState
from marketsentry.core.market.interval import Interval, interval_of_seconds
from marketsentry.core.market.resample import resample_bars
from marketsentry.reports.account import CandleWindow, TradeFacts

MAX_CANDLES = 96
MIN_MARGIN_BARS = 24
MAX_TRADES = 40
CANDLE_S = (60, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000)


def candle_windows(panel: BarPanel, trades: list[TradeFacts]) -> tuple[CandleWindow, ...]:
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
        its own length, at least 24 bars; bars are put together until at most 96 candles are left.
    """
    by_symbol = {
        symbol: list(some)
        for symbol, some in groupby(sorted(trades, key=lambda one: one.symbol), key=lambda one: one.symbol)
    }
    return tuple(
        _window(panel, column, why, chosen, by_symbol[symbol])
        for column, symbol in enumerate(panel.symbols)
        for why, chosen in _telling(by_symbol.get(symbol, []))
    )


def _telling(trades: list[TradeFacts]) -> list[tuple[str, TradeFacts]]:
    closed = [one for one in trades if one.exit_ns is not None]
    if not trades:
        return []
    latest = max(trades, key=lambda one: one.entry_ns)
    picks = [("last", latest)]
    if closed:
        best = max(closed, key=lambda one: one.pnl_quote)
        worst = min(closed, key=lambda one: one.pnl_quote)
        picks = [("best", best), ("worst", worst), ("last", latest)]
    chosen: list[tuple[str, TradeFacts]] = []
    for why, trade in picks:
        if all(trade is not one for _, one in chosen):
            chosen.append((why, trade))
    return chosen


def _window(
    panel: BarPanel, column: int, why: str, chosen: TradeFacts, trades: list[TradeFacts]
) -> CandleWindow:
    bar = panel.interval
    first_ns, last_ns = int(panel.ts_ns[0]), int(panel.ts_ns[-1]) + bar.ns
    margin_ns = max(chosen.n_bars, MIN_MARGIN_BARS) * bar.ns
    start_ns = max(chosen.entry_ns - margin_ns, first_ns)
    stop_ns = min(_end_ns(chosen, last_ns) + bar.ns + margin_ns, last_ns)
    candle = _candle_interval(bar, stop_ns - start_ns)
    start_ns, stop_ns = start_ns // candle.ns * candle.ns, -(-stop_ns // candle.ns) * candle.ns
    rows = np.flatnonzero((panel.ts_ns >= start_ns) & (panel.ts_ns < stop_ns))
    rows = rows[panel.state[rows, column] <= BarState.NO_TRADE]
    bars = BarSeries(
        panel.symbols[column], bar, panel.sources[column], panel.ts_ns[rows], panel.values[rows, column]
    )
    candles = resample_bars(bars, candle)
    inside = [
        one
        for one in trades
        if one is not chosen and one.entry_ns < stop_ns and _end_ns(one, last_ns) >= start_ns
    ]
    inside.sort(key=lambda one: abs(one.entry_ns - chosen.entry_ns))
    return CandleWindow(
        symbol=panel.symbols[column],
        why=why,
        chosen=chosen,
        others=tuple(sorted(inside[: MAX_TRADES - 1], key=lambda one: one.entry_ns)),
        n_left_out=max(len(inside) - (MAX_TRADES - 1), 0),
        interval=candle.name,
        interval_ns=candle.ns,
        open_ns=candles.ts_ns,
        values=candles.values[:, :4],
    )


def _candle_interval(bar: Interval, span_ns: int) -> Interval:
    """The shortest usual multiple of the bar of which the span holds at most `MAX_CANDLES`; else the longest one."""
    multiples = [
        interval_of_seconds(s) for s in (bar.seconds, *CANDLE_S) if s >= bar.seconds and s % bar.seconds == 0
    ]
    return next((one for one in multiples if span_ns <= MAX_CANDLES * one.ns), multiples[-1])


def _end_ns(trade: TradeFacts, last_ns: int) -> int:
    return last_ns if trade.exit_ns is None else trade.exit_ns
