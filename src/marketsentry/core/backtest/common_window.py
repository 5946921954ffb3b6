"""Put the accounts of several runs on the bars they have in common.

The window begins where the last of them began to trade and ends where the first of them ended. Runs on bars of
different length meet at the moments at which all of them closed a bar. Every account starts the window as 1, whatever
its capital.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.funding import holding_cost
from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.market.interval import Interval, interval_of_seconds
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.exceptions import ConflictError, InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RunAccount:
    """The account of one run, as it is stored: T bars, N symbols.

    `ts_ns` (T,) bar open times on the interval's grid without gaps; `traded_from_ns` the first that was traded;
    `equity` (T,) at each close, `weights` (T, N); `fills` and `trades` as `core.backtest.tape` has them;
    `funding` (T, N) the rates of perpetuals, None on spot.
    """

    name: str
    symbols: tuple[str, ...]
    interval: Interval
    params: ReplayParams
    traded_from_ns: int
    ts_ns: NDArray[np.int64]
    equity: Floats
    weights: Floats
    fills: NDArray[np.void]
    trades: NDArray[np.void]
    funding: Floats | None = None

    def __post_init__(self) -> None:
        shape = (self.ts_ns.size, len(self.symbols))
        if self.ts_ns.size == 0 or self.equity.shape != shape[:1] or self.weights.shape != shape:
            raise InputError(
                f"{self.name} must have equity (T,) and weights (T, {shape[1]}) with T >= 1, "
                f"had {self.equity.shape} and {self.weights.shape}"
            )
        if (np.diff(self.ts_ns) != self.interval.ns).any() or self.ts_ns[0] % self.interval.ns:
            raise InputError(f"bars of {self.name} must follow one another on the {self.interval} grid")

    @property
    def begins_ns(self) -> int:
        """The last moment before trading could move the account."""
        return max(int(self.ts_ns[0]), self.traded_from_ns)

    @property
    def ends_ns(self) -> int:
        """The close of the last bar."""
        return int(self.ts_ns[-1]) + self.interval.ns


@dataclass(frozen=True, slots=True)
class WindowAccount:
    """An account within the window, as `account_metrics` takes it; its equity is 1 when the window begins.

    `fills` and `trades` are those that began in the window, their bars counted in it; an `exit_bar` at or beyond the
    end is -1. `holding_quote` is what holding cost in its bars, negative if it was received, NaN if equity ran out.
    `n_before` and `n_after` count bars of the run's own that lie outside.
    """

    name: str
    symbols: tuple[str, ...]
    params: ReplayParams
    equity: Floats
    weights: Floats
    fills: NDArray[np.void]
    trades: NDArray[np.void]
    holding_quote: float
    n_before: int
    n_after: int

    @property
    def equity_before(self) -> Floats:
        """Equity at the close before each bar (n,); 1 before the first."""
        return np.concatenate(([1.0], self.equity[:-1]))

    @property
    def returns(self) -> Floats:
        """Equity returns per bar (n,); NaN after equity is not positive."""
        before = self.equity_before
        ratio = np.full(before.size, np.nan)
        np.divide(self.equity, before, out=ratio, where=before > 0)
        return ratio - 1.0


@dataclass(frozen=True, slots=True)
class CommonWindow:
    """`moments_ns` (n + 1,): the beginning, and the close of each of the n bars."""

    moments_ns: NDArray[np.int64]
    interval: Interval
    accounts: tuple[WindowAccount, ...]

    @property
    def n_bars(self) -> int:
        """Bars in the window."""
        return int(self.moments_ns.size) - 1


def common_window(runs: Sequence[RunAccount]) -> CommonWindow:
    """Cut the accounts to the bars they share.

    Parameters
    ----------
    runs
        At least one.

    Returns
    -------
    CommonWindow
        One account per run, in their order.

    Raises
    ------
    InputError
        If there is no run.
    ConflictError
        If the runs share no bar, or an account has nothing left when the window begins.
    """
    if not runs:
        raise InputError("a common window needs at least one run, had none")
    step_ns = math.lcm(*(run.interval.ns for run in runs))
    start_ns = -(-max(run.begins_ns for run in runs) // step_ns) * step_ns
    stop_ns = min(run.ends_ns for run in runs) // step_ns * step_ns
    if stop_ns <= start_ns:
        spans = "; ".join(f"{r.name} trades {_at(r.begins_ns)} to {_at(r.ends_ns)}" for r in runs)
        raise ConflictError(f"the runs have no bar in common: {spans}")
    moments = np.arange(start_ns, stop_ns + 1, step_ns, dtype=np.int64)
    interval = interval_of_seconds(step_ns // 1_000_000_000)
    return CommonWindow(moments, interval, tuple(_cut(run, moments, interval) for run in runs))


def _cut(run: RunAccount, moments_ns: NDArray[np.int64], interval: Interval) -> WindowAccount:
    closes = (moments_ns[1:] - run.ts_ns[0]) // run.interval.ns - 1  # rows whose close is a moment
    first = int((moments_ns[0] - run.ts_ns[0]) // run.interval.ns) - 1
    start = run.params.capital_quote if first < 0 else float(run.equity[first])
    if not start > 0.0:
        raise ConflictError(f"{run.name} has no equity left at {_at(int(moments_ns[0]))}, it had {start:g}")
    n_bars = closes.size
    fills = _in_window(run.fills, "bar", run, moments_ns)
    trades = _in_window(run.trades, "entry_bar", run, moments_ns)
    exits = _window_bar(trades["exit_bar"], run, moments_ns)
    trades["exit_bar"] = np.where((trades["exit_bar"] < 0) | (exits >= n_bars), -1, exits)
    for rows in (fills, trades):
        for name in rows.dtype.names or ():
            if name == "qty" or name.endswith("_quote"):
                rows[name] /= start
    held = holding_cost(run.equity, run.weights, run.params, run.funding)[first + 1 : int(closes[-1]) + 1]
    traded_from = max(0, (run.begins_ns - int(run.ts_ns[0])) // run.interval.ns)
    return WindowAccount(
        name=run.name,
        symbols=run.symbols,
        params=replace(run.params, capital_quote=1.0, periods_per_year=interval.periods_per_year),
        equity=run.equity[closes] / start,
        weights=run.weights[closes],
        fills=fills,
        trades=trades,
        holding_quote=float(held.sum()) / start,
        n_before=max(0, first + 1 - traded_from),
        n_after=run.ts_ns.size - 1 - int(closes[-1]),
    )


def _in_window(
    rows: NDArray[np.void], field: str, run: RunAccount, moments_ns: NDArray[np.int64]
) -> NDArray[np.void]:
    """Copy the rows whose bar lies in the window, counted from its beginning."""
    bars = _window_bar(rows[field], run, moments_ns)
    inside = (bars >= 0) & (bars < moments_ns.size - 1)
    kept = rows[inside].copy()
    kept[field] = bars[inside]
    return kept


def _window_bar(rows: NDArray[np.int64], run: RunAccount, moments_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bar of the window in which each row of the run closes; negative before it."""
    step_ns = int(moments_ns[1] - moments_ns[0])
    closes = run.ts_ns[0] + (rows + 1) * run.interval.ns
    bars: NDArray[np.int64] = -((moments_ns[0] - closes) // step_ns) - 1
    return bars


def _at(ns: int) -> str:
    return f"{ns_to_datetime(ns):%Y-%m-%d %H:%M}"
