"""What is left of the result when an assumption is worse than was thought: the same predictions, replayed again.

`costs_x2` doubles fee, spread and impact while decisions still count on the assumed costs; `delay_plus_1` fills one
bar later; `without:<symbol>` leaves one symbol out; `capital_x10` and `capital_x100` trade more money, whose impact and
share of volume grow with it.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import account_metrics
from marketsentry.core.evidence.pack import Scenario
from marketsentry.core.evidence.resampling import Floats
from marketsentry.core.market.bars import BarPanel

DOUBLED_COSTS = "costs_x2"
CAPITAL_FACTORS = (10, 100)


def measure_sensitivity(predictions: Floats, part: BarPanel, params: ReplayParams) -> tuple[Scenario, ...]:
    """Replay predictions under other assumptions.

    Parameters
    ----------
    predictions
        (T, N) out-of-sample predictions of the folds.
    part
        Their bars.
    params
        What was assumed.

    Returns
    -------
    tuple of Scenario
        `as_assumed` first. A panel of one symbol is not left without it.
    """
    return tuple(
        _scenario(name, changed, part, rule) for name, changed, rule in _scenarios(predictions, part, params)
    )


def _scenarios(
    predictions: Floats, part: BarPanel, params: ReplayParams
) -> Iterator[tuple[str, Floats, ReplayParams]]:
    yield "as_assumed", predictions, params
    yield DOUBLED_COSTS, predictions, doubled_costs(params)
    yield "delay_plus_1", predictions, replace(params, latency_bars=params.latency_bars + 1)
    for factor in CAPITAL_FACTORS:
        yield f"capital_x{factor}", predictions, replace(params, capital_quote=factor * params.capital_quote)
    if len(part.symbols) > 1:
        for n, symbol in enumerate(part.symbols):
            left = predictions.copy()
            left[:, n] = np.nan
            yield f"without:{symbol}", left, params


def doubled_costs(params: ReplayParams) -> ReplayParams:
    """Charge twice what was assumed; the thresholds stay where the assumed costs put them."""
    return replace(
        params,
        fee_bps=2.0 * params.fee_bps,
        half_spread_bps=2.0 * params.half_spread_bps,
        impact_coefficient=2.0 * params.impact_coefficient,
        cost_multiple=0.5 * params.cost_multiple,
    )


def _scenario(name: str, predictions: Floats, part: BarPanel, params: ReplayParams) -> Scenario:
    metrics = account_metrics(replay(predictions, part, params))
    return Scenario(
        name=name,
        pnl_after_cost_frac=metrics["pnl_after_cost"],
        sharpe=metrics["sharpe"],
        max_drawdown_frac=metrics["max_drawdown"],
        turnover=metrics["turnover"],
        n_trades=metrics["trades"],
    )
