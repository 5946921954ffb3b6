"""The metrics of a backtest, each with one definition and one unit (contract 1.7).

| key | definition |
|---|---|
| samples | predictions inside the traded span whose outcome over the horizon is known |
| ic, rank_ic, hit_rate | of those predictions against the gross forward return over the horizon |
| turnover | traded notional over equity, summed: 2.0 is one round trip of the whole account |
| pnl_after_cost | last equity over the capital, minus 1 |
| max_drawdown | deepest fall below the running peak of the equity, as a positive fraction |
| cost_breakdown | fee, slippage, impact and funding (or borrowing of spot shorts) paid, as fractions of the capital |
| sharpe, sortino, volatility | of equity returns per bar, annualised with `periods_per_year` (365 days) |
| exposure | mean gross weight over bars |
| trades | round trips begun |
| liquidations, funding_gaps | times the venue closed all positions, charges of funding without a known rate |
| shortfall | what the account owes beyond its equity at the end, as a fraction of the capital |
| gate_passed | ic > 0 and pnl_after_cost > 0 and max_drawdown < 0.2 |

An undefined value is None. Rounding is presentation: `rounded` is for the wire, the stored values are whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.replay import ReplayResult
from marketsentry.core.backtest.tape import fills_between
from marketsentry.core.labels.forward_return import forward_return
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.stats.drawdown import max_drawdown
from marketsentry.core.stats.exposure import exposure
from marketsentry.core.stats.hit_rate import hit_rate
from marketsentry.core.stats.ic import known_pairs, pearson
from marketsentry.core.stats.rank_ic import average_ranks
from marketsentry.core.stats.sharpe import sharpe
from marketsentry.core.stats.sortino import sortino
from marketsentry.core.stats.turnover import turnover
from marketsentry.core.stats.volatility import volatility
from marketsentry.exceptions import InputError

GATE_MAX_DRAWDOWN = 0.2
METRIC_KEYS = (
    "samples", "ic", "rank_ic", "hit_rate", "turnover", "pnl_after_cost", "max_drawdown", "cost_breakdown",
    "sharpe", "sharpe_low", "sharpe_high", "sortino", "volatility", "periods_per_year", "exposure", "trades",
    "worst_day", "liquidations", "funding_gaps", "shortfall", "folds", "per_target", "lineage_coverage", "gate_passed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """Rows `start` to `stop` (exclusive) of a replay, reported on their own."""

    index: int
    start: int
    stop: int


class Account(Protocol):
    """What the metrics of an account are made from, as `ReplayResult` has it."""

    @property
    def params(self) -> ReplayParams: ...
    @property
    def equity(self) -> NDArray[np.float64]: ...
    @property
    def equity_before(self) -> NDArray[np.float64]: ...
    @property
    def returns(self) -> NDArray[np.float64]: ...
    @property
    def weights(self) -> NDArray[np.float64]: ...
    @property
    def fills(self) -> NDArray[np.void]: ...
    @property
    def trades(self) -> NDArray[np.void]: ...


def summarise(
    result: ReplayResult,
    predictions: NDArray[np.float64],
    panel: BarPanel,
    *,
    windows: Sequence[Window] = (),
    traded_from: int = 0,
    lineage_coverage: float | None = None,
) -> dict[str, Any]:
    """Compute the metrics of a replay.

    Parameters
    ----------
    result
        What `replay` made of the predictions and the panel.
    predictions
        Shape (T, N). The predictions that were replayed.
    panel
        The bars that were replayed.
    windows
        Test windows to report one by one, under `folds`.
    traded_from
        First row that counts; the rows before it only warmed the volatility up.
    lineage_coverage
        Share of samples whose snapshot has a lineage of the requested data version.

    Returns
    -------
    dict
        Every key of `METRIC_KEYS`, unrounded; the values are plain JSON values.

    Raises
    ------
    InputError
        If shapes differ, or the traded rows or a window lie outside the rows.
    """
    if not 0 <= traded_from < result.equity.size:
        raise InputError(f"traded_from must lie in 0..{result.equity.size - 1}, was {traded_from}")
    if predictions.shape != result.weights.shape:
        raise InputError(f"predictions must have shape {result.weights.shape}, was {predictions.shape}")
    outcome = forward_return(panel.close, result.params.horizon_bars)
    traded = slice(traded_from, result.equity.size)
    whole = _span_metrics(result, predictions, outcome, traded)
    capital = result.params.capital_quote
    metrics = {
        **whole,
        "cost_breakdown": {
            "fee": float(result.fee_quote.sum()) / capital,
            "slippage": float(result.slippage_quote.sum()) / capital,
            "impact": float(result.impact_quote.sum()) / capital,
            "funding": float(result.funding_quote.sum()) / capital,
        },
        "periods_per_year": result.params.periods_per_year,
        "worst_day": result.worst_day_frac,
        "liquidations": result.n_liquidations,
        "funding_gaps": result.funding_gaps,
        "shortfall": result.shortfall_quote / capital,
        "folds": [_fold(result, predictions, outcome, window) for window in windows],
        "per_target": {
            symbol: _target_metrics(result, predictions, outcome, n, traded)
            for n, symbol in enumerate(result.symbols)
        },
        "lineage_coverage": lineage_coverage,
    }
    metrics["gate_passed"] = gate_passed(metrics)
    return {key: metrics[key] for key in METRIC_KEYS}


def empty_metrics() -> dict[str, Any]:
    """Every metric of a run in which nothing was replayed: nothing was measured, so nothing has a value."""
    nothing: dict[str, Any] = dict.fromkeys(METRIC_KEYS)
    costs = {"fee": None, "slippage": None, "impact": None, "funding": None}
    return nothing | {
        "samples": 0,
        "trades": 0,
        "folds": [],
        "per_target": {},
        "cost_breakdown": costs,
        "gate_passed": False,
    }


def gate_passed(metrics: Mapping[str, Any]) -> bool:
    """Judge the contract's first gate; a missing value does not pass."""
    found, pnl, fall = metrics["ic"], metrics["pnl_after_cost"], metrics["max_drawdown"]
    if found is None or pnl is None or fall is None:
        return False
    return bool(found > 0 and pnl > 0 and fall < GATE_MAX_DRAWDOWN)


def rounded(value: Any, digits: int = 6) -> Any:  # Any: nested JSON in, the same shape out
    """Round metrics for the wire: 6 decimals, costs 8."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, Mapping):
        return {key: rounded(item, 8 if key == "cost_breakdown" else digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return value


def _span_metrics(
    result: ReplayResult, predictions: NDArray[np.float64], outcome: NDArray[np.float64], rows: slice
) -> dict[str, Any]:
    """Metrics of some rows of the one account."""
    return {**_skill(predictions[rows], outcome[rows]), **account_metrics(result, rows)}


def account_metrics(result: Account, rows: slice | None = None) -> dict[str, Any]:
    """Compute the metrics of the account alone, from `turnover` to `trades`.

    Parameters
    ----------
    result
        What `replay` did, or a part of it.
    rows
        The bars that count, all if None; drawdown and return start at the equity before them.

    Returns
    -------
    dict
    """
    rows = rows or slice(0, result.equity.size)
    before = result.equity_before
    equity = np.concatenate((before[rows.start : rows.start + 1], result.equity[rows]))
    returns = result.returns[rows]
    year = result.params.periods_per_year
    usable = bool(np.isfinite(returns).all())
    ratio = sharpe(returns, periods_per_year=year) if usable else None
    fills = fills_between(result.fills, rows.start, rows.stop)
    entries = result.trades["entry_bar"]
    return {
        "turnover": turnover(fills["qty"] * fills["reference_price"], before[fills["bar"]]),
        "pnl_after_cost": float(equity[-1] / equity[0] - 1.0) if equity[0] > 0 else None,
        "max_drawdown": max_drawdown(equity).fraction if equity[0] > 0 else None,
        "sharpe": ratio.value if ratio else None,
        "sharpe_low": ratio.low if ratio else None,
        "sharpe_high": ratio.high if ratio else None,
        "sortino": sortino(returns, periods_per_year=year) if usable else None,
        "volatility": volatility(returns, periods_per_year=year) if usable else None,
        "exposure": exposure(result.weights[rows]),
        "trades": int(np.count_nonzero((entries >= rows.start) & (entries < rows.stop))),
    }


def _skill(predictions: NDArray[np.float64], outcome: NDArray[np.float64]) -> dict[str, Any]:
    x, y = known_pairs(predictions, outcome)
    return {
        "samples": x.size,
        "ic": pearson(x, y),
        "rank_ic": pearson(average_ranks(x), average_ranks(y)),
        "hit_rate": hit_rate(x, y),
    }


def _fold(
    result: ReplayResult, predictions: NDArray[np.float64], outcome: NDArray[np.float64], window: Window
) -> dict[str, Any]:
    if not 0 <= window.start < window.stop <= result.equity.size:
        raise InputError(
            f"window {window.index} must lie in 0..{result.equity.size}, was {window.start}..{window.stop}"
        )
    span = slice(window.start, window.stop)
    return {
        "index": window.index,
        "start_ns": int(result.ts_ns[window.start]),
        "end_ns": int(result.ts_ns[window.stop - 1]),
        **_span_metrics(result, predictions, outcome, span),
    }


def _target_metrics(
    result: ReplayResult,
    predictions: NDArray[np.float64],
    outcome: NDArray[np.float64],
    n: int,
    rows: slice,
) -> dict[str, Any]:
    """One target's part in the account: money, not a curve of its own, for the capital is shared."""
    own = np.flatnonzero(result.fills["symbol"] == n)
    notional = result.fills["qty"][own] * result.fills["reference_price"][own]
    return {
        **_skill(predictions[rows, n], outcome[rows, n]),
        "pnl_quote": float(result.pnl_quote[n]),
        "pnl_after_cost": float(result.pnl_quote[n]) / result.params.capital_quote,
        "fee_quote": float(result.fee_quote[n]),
        "slippage_quote": float(result.slippage_quote[n]),
        "impact_quote": float(result.impact_quote[n]),
        "funding_quote": float(result.funding_quote[n]),
        "turnover": turnover(notional, result.equity_before[result.fills["bar"][own]]),
        "exposure": exposure(result.weights[rows, n]),
        "trades": int(np.count_nonzero(result.trades["symbol"] == n)),
    }
