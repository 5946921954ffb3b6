"""Compare runs: the same metrics over the same bars, what differs in their making, and whether the difference is luck.

The first run is the reference; every other is held against it. Values per year, fractions of the equity with which the
window begins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.common_window import CommonWindow, RunAccount, WindowAccount, common_window
from marketsentry.core.backtest.config_difference import config_differences
from marketsentry.core.backtest.summary import account_metrics
from marketsentry.core.evidence.paired import Difference, PairedTest, paired_test
from marketsentry.core.evidence.resampling import Resampling
from marketsentry.core.stats.holm import holm
from marketsentry.exceptions import InputError

HIGHER_IS_BETTER = ("pnl_after_cost", "sharpe", "sortino", "ic", "rank_ic", "hit_rate")
LOWER_IS_BETTER = ("max_drawdown", "volatility", "fee", "slippage", "impact", "funding")
MAX_RUNS = 8
SKILL = ("ic", "rank_ic", "hit_rate")
ROWS = (
    "pnl_after_cost", "max_drawdown", "sharpe", "sharpe_low", "sharpe_high", "sortino", "volatility", "exposure",
    "turnover", "trades", "fee", "slippage", "impact", "funding", *SKILL,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run to compare: its account, its configuration as JSON values, and the skill it was stored with."""

    account: RunAccount
    config: Mapping[str, Any]
    skill: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A run against the first: p values of its tests before and after Holm's correction over all pairs."""

    name: str
    test: PairedTest
    excess_p_holm: float | None
    sharpe_p_holm: float | None
    shared: "SharedTrading"

    def document(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return {
            "run": self.name,
            "block_bars": self.test.block_bars,
            "excess_frac": {**self.test.excess.document(), "p_holm": self.excess_p_holm},
            "sharpe": {**self.test.sharpe.document(), "p_holm": self.sharpe_p_holm},
            **self.shared.document(),
        }


@dataclass(frozen=True, slots=True)
class SharedTrading:
    """How much two accounts traded alike.

    `same_entry_frac`: round trips begun in the same bar, symbol and direction, of all that either began.
    `same_holding_frac`: bars and symbols held in the same direction, of all that either held. None if there is none.
    """

    n_same_entries: int
    same_entry_frac: float | None
    same_holding_frac: float | None

    def document(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side over their common window.

    `metrics` has a value per run under every name of `ROWS`, and `best` the numbers of the runs that are best in it.
    `differences` are the leaves of the configurations that are not equal. `correlation` (R, R) is that of the returns,
    NaN where one does not vary. `pairs` hold every run but the first against the first.
    """

    window: CommonWindow
    metrics: Mapping[str, tuple[float | None, ...]]
    best: Mapping[str, tuple[int, ...]]
    differences: Mapping[str, Sequence[Any]]
    correlation: NDArray[np.float64]
    pairs: tuple[Pair, ...]
    how: Resampling

    @property
    def names(self) -> tuple[str, ...]:
        """Of the runs, in their order."""
        return tuple(account.name for account in self.window.accounts)

    def document(self) -> dict[str, Any]:
        """Give everything but the curves as JSON values."""
        return {
            "runs": list(self.names),
            "window": {
                "start_ns": int(self.window.moments_ns[0]),
                "end_ns": int(self.window.moments_ns[-1]),
                "interval": self.window.interval.name,
                "n_bars": self.window.n_bars,
                "left_out": [{"before": one.n_before, "after": one.n_after} for one in self.window.accounts],
            },
            "metrics": {name: list(values) for name, values in self.metrics.items()},
            "best": {name: list(runs) for name, runs in self.best.items()},
            "differences": {path: list(values) for path, values in self.differences.items()},
            "correlation": [[_known(value) for value in row] for row in self.correlation.tolist()],
            "pairs": [pair.document() for pair in self.pairs],
            "seed": self.how.seed,
            "level": self.how.level,
            "n_resamples": self.how.n_resamples,
        }


def compare_runs(
    runs: Sequence[ComparedRun], *, seed: int = 42, n_resamples: int = 2_000, level: float = 0.95
) -> Comparison:
    """Compare runs over the bars they have in common.

    Parameters
    ----------
    runs
        Two to eight; the first is the reference.
    seed
        Of the resamples.
    n_resamples
        At least 100.
    level
        Share that an interval holds.

    Returns
    -------
    Comparison
        The same arguments give the same comparison.

    Raises
    ------
    InputError
        If there are too few or too many runs, or a number is out of range.
    ConflictError
        If the runs share no bar, or an account has nothing left when the window begins.
    """
    if not 2 <= len(runs) <= MAX_RUNS:
        raise InputError(f"a comparison needs 2 to {MAX_RUNS} runs, had {len(runs)}")
    window = common_window([run.account for run in runs])
    spans = [-(-r.account.params.horizon_bars * r.account.interval.ns // window.interval.ns) for r in runs]
    how = Resampling(seed, at_least_bars=max(spans), n_resamples=n_resamples, level=level)
    columns = [_metrics(run, account) for run, account in zip(runs, window.accounts, strict=True)]
    metrics = {name: tuple(column[name] for column in columns) for name in ROWS}
    return Comparison(
        window=window,
        metrics=metrics,
        best={name: best_of(name, values) for name, values in metrics.items()},
        differences=config_differences([run.config for run in runs]),
        correlation=_correlation(window.accounts),
        pairs=_pairs(window, how),
        how=how,
    )


def best_of(name: str, values: Sequence[float | None]) -> tuple[int, ...]:
    """Number the runs that are best in a metric; none where all are equal, or it is no matter of better and worse."""
    known = [value for value in values if value is not None]
    if len(known) < 2 or min(known) == max(known) or name not in HIGHER_IS_BETTER + LOWER_IS_BETTER:
        return ()
    best = max(known) if name in HIGHER_IS_BETTER else min(known)
    return tuple(i for i, value in enumerate(values) if value == best)


def shared_trading(one: WindowAccount, other: WindowAccount) -> SharedTrading:
    """Measure how much two accounts traded alike, symbols by their names."""
    entries, others = _entries(one), _entries(other)
    n_same, n_either = len(entries & others), len(entries | others)
    symbols = sorted({*one.symbols, *other.symbols})
    side, against = _sides(one, symbols), _sides(other, symbols)
    n_held = int(np.count_nonzero((side != 0) | (against != 0)))
    n_alike = int(np.count_nonzero((side != 0) & (side == against)))
    return SharedTrading(
        n_same, n_same / n_either if n_either else None, n_alike / n_held if n_held else None
    )


def _metrics(run: ComparedRun, account: WindowAccount) -> dict[str, float | None]:
    """Metrics over the window; skill was measured over the own bars and stands only where those are the window."""
    costs: dict[str, float | None]
    costs = {name: float(account.fills[f"{name}_quote"].sum()) for name in ("fee", "slippage", "impact")}
    costs["funding"] = _known(account.holding_quote)
    is_whole = account.n_before == account.n_after == 0
    skill = {name: run.skill.get(name) if is_whole else None for name in SKILL}
    return {**account_metrics(account), **costs, **skill}


def _pairs(window: CommonWindow, how: Resampling) -> tuple[Pair, ...]:
    first, *rest = window.accounts
    year = window.interval.periods_per_year
    tests = [paired_test(one.returns, first.returns, periods_per_year=year, how=how) for one in rest]
    excess_p, sharpe_p = (holm([_p(getattr(test, name)) for test in tests]) for name in ("excess", "sharpe"))
    return tuple(
        Pair(one.name, test, excess_p[i], sharpe_p[i], shared_trading(one, first))
        for i, (one, test) in enumerate(zip(rest, tests, strict=True))
    )


def _p(difference: Difference) -> float | None:
    return difference.p_value


def _correlation(accounts: Sequence[WindowAccount]) -> NDArray[np.float64]:
    returns = np.stack([account.returns for account in accounts])
    out = np.full((len(accounts), len(accounts)), np.nan)
    varies = np.isfinite(returns).all(axis=1) & (np.ptp(returns, axis=1) > 0.0)
    if varies.any():
        found = np.atleast_2d(np.corrcoef(returns[varies]))
        out[np.ix_(varies, varies)] = np.clip(found, -1.0, 1.0)
    return out


def _entries(account: WindowAccount) -> set[tuple[str, int, int]]:
    trades = account.trades
    rows = zip(trades["symbol"].tolist(), trades["side"].tolist(), trades["entry_bar"].tolist(), strict=True)
    return {(account.symbols[symbol], side, bar) for symbol, side, bar in rows}


def _sides(account: WindowAccount, symbols: Sequence[str]) -> NDArray[np.float64]:
    """Direction held at each close (n, S): 1, -1, or 0 where nothing is held or there is no such symbol."""
    out = np.zeros((account.equity.size, len(symbols)))
    for n, symbol in enumerate(account.symbols):
        out[:, symbols.index(symbol)] = np.sign(np.nan_to_num(account.weights[:, n]))
    return out


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
