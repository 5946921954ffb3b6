"""How much money the predictions can carry: the same replay with more and more capital.

Impact grows with the square root of the share of a bar's volume that an order takes, and an order takes at most a share
of it: with capital the result per unit of it falls, first by impact, then because orders are cut. The replay that keeps
the fills is used, for only these tell which orders were cut.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.replay import ReplayResult, replay
from marketsentry.core.backtest.summary import account_metrics
from marketsentry.core.evidence.parts import Capacity, CapacityPoint
from marketsentry.core.evidence.resampling import Floats
from marketsentry.core.market.bars import VOLUME, BarPanel

CAPITALS_QUOTE = tuple(float(f"{10.0 ** (4.0 + 5.0 * k / 12.0):.3g}") for k in range(13))
CUT_AT = 1.0 - 1e-9


def measure_capacity(
    predictions: Floats,
    part: BarPanel,
    params: ReplayParams,
    capitals_quote: Sequence[float] = CAPITALS_QUOTE,
) -> Capacity:
    """Replay predictions with every capital.

    Parameters
    ----------
    predictions
        (T, N) out-of-sample predictions of the folds.
    part
        Their bars.
    params
        What is assumed; its capital is replaced.
    capitals_quote
        Increasing.

    Returns
    -------
    Capacity
    """
    points = tuple(
        _point(replay(predictions, part, replace(params, capital_quote=capital)), part)
        for capital in capitals_quote
    )
    first = points[0].sharpe
    return Capacity(
        points=points,
        half_sharpe_capital_quote=falls_to(
            capitals_quote, [one.sharpe for one in points], first and first / 2.0
        ),
        zero_pnl_capital_quote=falls_to(capitals_quote, [one.pnl_after_cost_frac for one in points], 0.0),
    )


def falls_to(
    capitals_quote: Sequence[float], values: Sequence[float | None], level: float | None
) -> float | None:
    """Find the capital at which a curve first falls to a level.

    Parameters
    ----------
    capitals_quote
        Increasing.
    values
        One per capital; one that is missing ends the curve.
    level
        None: there is none.

    Returns
    -------
    float or None
        Interpolated over the logarithm of capital; None where the curve does not start above the level and above zero,
        or does not get down to the level.
    """
    first = values[0]
    if level is None or first is None or not first > max(level, 0.0):
        return None
    before = first
    for k, now in enumerate(values[1:], start=1):
        if now is None:
            return None
        if now <= level:
            low, high = math.log(capitals_quote[k - 1]), math.log(capitals_quote[k])
            return math.exp(low + (high - low) * (before - level) / (before - now))
        before = now
    return None


def _point(account: ReplayResult, part: BarPanel) -> CapacityPoint:
    metrics, capital = account_metrics(account), account.params.capital_quote
    pnl = metrics["pnl_after_cost"]
    return CapacityPoint(
        capital_quote=capital,
        pnl_after_cost_frac=pnl,
        pnl_quote=pnl * capital if pnl is not None else None,
        sharpe=metrics["sharpe"],
        turnover=metrics["turnover"],
        impact_frac=float(account.impact_quote.sum()) / capital,
        n_trades=metrics["trades"],
        cut_frac=_cut_frac(account, part),
    )


def _cut_frac(account: ReplayResult, part: BarPanel) -> float | None:
    """Share of the fills that took all that participation lets them; None without a fill."""
    fills = account.fills
    if not fills.size:
        return None
    most = account.params.participation_frac * part.values[fills["bar"], fills["symbol"], VOLUME]
    return float((fills["qty"] >= CUT_AT * most).mean())
