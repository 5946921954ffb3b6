"""The round trips of a stored run, and which of them a report tells. Pure.

A run may hold hundreds of thousands; they stay columns, and only those that are told become objects.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.stored import RunFiles
from marketsentry.reports.account import TradeFacts, TradeLists

N_LISTED = 10


@dataclass(frozen=True, slots=True)
class RunTrades:
    """Columns of the round trips (n,) in the order in which they are stored: by their ends, open ones last.

    `symbol` is the column of the panel; `entry_bar` and `end_bar` are rows, the one after the last bar for a trade
    that is open; `first_fill` and `last_fill` are the fills that opened and closed it.
    """

    files: RunFiles
    symbol: NDArray[np.int64]
    entry_bar: NDArray[np.int64]
    end_bar: NDArray[np.int64]
    is_open: NDArray[np.bool_]
    pnl_quote: NDArray[np.float64]
    first_fill: NDArray[np.int64]
    last_fill: NDArray[np.int64]

    @property
    def n_bars(self) -> NDArray[np.int64]:
        """Bars from entry to exit, or to the end."""
        return self.end_bar - self.entry_bar

    def tell(self, row: int) -> TradeFacts:
        """One of them as the report shows it."""
        one, files, is_open = self.files.trades[row], self.files, bool(self.is_open[row])
        return TradeFacts(
            symbol=files.document["symbols"][int(one["symbol"])],
            side=int(one["side"]),
            entry_ns=int(files.ts_ns[one["entry_bar"]]),
            exit_ns=None if is_open else int(files.ts_ns[one["exit_bar"]]),
            n_bars=int(self.n_bars[row]),
            qty=float(one["qty"]),
            entry_price=float(one["entry_price"]),
            exit_price=None if is_open else float(one["exit_price"]),
            cost_quote=float(one["fee_quote"] + one["slippage_quote"] + one["impact_quote"]),
            pnl_quote=float(one["pnl_quote"]),
            first_price=float(files.fills["price"][self.first_fill[row]]),
            last_price=None if is_open else float(files.fills["price"][self.last_fill[row]]),
        )


def run_trades(files: RunFiles) -> RunTrades:
    """Lay the trades of a run out as columns."""
    trades, n_bars, n_symbols = files.trades, files.ts_ns.size, files.weights.shape[1]
    is_open = trades["exit_bar"] < 0
    symbol, entry_bar = trades["symbol"].astype(np.int64), trades["entry_bar"].astype(np.int64)
    end_bar = np.where(is_open, n_bars, trades["exit_bar"])
    fill_key = files.fills["bar"] * n_symbols + files.fills["symbol"]
    order = np.argsort(fill_key, kind="stable")
    found = [
        order[np.minimum(np.searchsorted(fill_key[order], bar * n_symbols + symbol), order.size - 1)]
        if order.size
        else np.zeros(0, dtype=np.int64)
        for bar in (entry_bar, end_bar)
    ]
    pnl = trades["pnl_quote"].astype(np.float64)
    return RunTrades(files, symbol, entry_bar, end_bar, is_open, pnl, *found)


def trade_lists(trades: RunTrades) -> TradeLists | None:
    """Choose the trades worth a look; None without any. Only closed ones are ranked by what they earned."""
    n_trades = trades.symbol.size
    if n_trades == 0:
        return None
    closed = np.flatnonzero(~trades.is_open)
    by_pnl = closed[np.argsort(-trades.pnl_quote[closed], kind="stable")]
    longest = np.argsort(-trades.n_bars, kind="stable")[:N_LISTED]
    best = [row for row in by_pnl[:N_LISTED] if trades.pnl_quote[row] > 0]
    worst = [row for row in by_pnl[::-1][:N_LISTED] if trades.pnl_quote[row] < 0]
    best_facts, worst_facts, longest_facts = (
        tuple(trades.tell(int(row)) for row in rows) for rows in (best, worst, longest)
    )
    return TradeLists(best_facts, worst_facts, longest_facts, n_trades, n_trades - closed.size)
