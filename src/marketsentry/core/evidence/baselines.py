"""What a candidate must be held against: four rules on the same bars, the same costs, the same replay core.

| rule | what it does |
|---|---|
| buy_and_hold | splits the capital evenly over the symbols at the first bar and never trades again |
| equal_weight | holds every listed symbol at an equal weight, rebalanced when one is off by the rebalance band |
| momentum | long what rose over 14 days and short what fell, looked at once a day, sized like the candidate |
| ridge | a linear model on the candidate's features, fitted inside each fold, traded like the candidate |

The first two own the market: full capital, no volatility target, no taper, no single-weight cap. A candidate is
compared with them by Sharpe ratio, which does not depend on how much capital is used, in resamples that draw the same
blocks of bars from both accounts.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.replay import ReplayResult, replay
from marketsentry.core.backtest.summary import account_metrics
from marketsentry.core.evidence.pack import Baseline
from marketsentry.core.evidence.resampling import Floats, Resampling
from marketsentry.core.labels.forward_return import forward_return
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.stats.ic import ic
from marketsentry.core.stats.sharpe import sharpe, sharpe_from_sums

NAIVE = ("buy_and_hold", "equal_weight", "momentum")
RIDGE = "ridge"
MOMENTUM_DAYS = 14
MOMENTUM_VOLATILITY_FRAC = 0.15
DAY_NS = 86_400_000_000_000


def measure_baselines(
    account: ReplayResult, ridge: Floats, panel: BarPanel, tested: slice, how: Resampling
) -> tuple[Baseline, ...]:
    """Replay the baselines over the folds and compare the candidate's account with each.

    Parameters
    ----------
    account
        The candidate's account over the folds.
    ridge
        (T, N) predictions of the ridge.
    panel
        All bars; momentum looks back before the folds.
    tested
        The bars of the folds.
    how
        Draws the intervals.

    Returns
    -------
    tuple of Baseline
        In the order of the table above.
    """
    part, params = panel.window(tested.start, tested.stop), account.params
    rules: Mapping[str, tuple[Floats, ReplayParams]] = {
        "buy_and_hold": (_hold_once(part, params), _owning(params, part)),
        "equal_weight": (_hold_always(part), _owning(params, part)),
        "momentum": (_momentum(panel)[tested], _free_to_turn(params)),
        RIDGE: (np.ascontiguousarray(ridge[tested]), params),
    }
    return tuple(
        _compare(name, account, replay(predictions, part, rule), predictions, part, how)
        for name, (predictions, rule) in rules.items()
    )


def hold_account(panel: BarPanel, params: ReplayParams, *, first: int) -> ReplayResult:
    """Replay `buy_and_hold` from a row of a panel on, under the costs of some parameters.

    Parameters
    ----------
    panel
        Bars; those before `first` only tell the volatility that prices impact.
    params
        Of the account that it is compared with.
    first
        Row of the first bar whose close may be acted upon.

    Returns
    -------
    ReplayResult
    """
    wish = _hold_once(panel, params, first=first)
    return replay(wish, panel, _owning(params, panel))


def _compare(
    name: str,
    account: ReplayResult,
    rival: ReplayResult,
    predictions: Floats,
    part: BarPanel,
    how: Resampling,
) -> Baseline:
    metrics = account_metrics(rival)
    own, other, year = account.returns, rival.returns, account.params.periods_per_year
    usable = bool(np.isfinite(own).all() and np.isfinite(other).all())
    mine = sharpe(own, periods_per_year=year) if usable else None
    leads = excesses = None
    if usable and mine is not None:
        terms = np.stack((np.ones(own.size), own, own * own, other, other * other), axis=1)
        block = how.block_bars(own - other)
        leads = how.draws(f"lead {name}", terms, block, lambda sums: _lead(sums, year))
        excesses = how.draws(
            f"excess {name}", terms, block, lambda sums: (sums[:, 1] - sums[:, 3]) / sums[:, 0]
        )
    lead = mine.value - (metrics["sharpe"] or 0.0) if mine is not None else None
    known = leads[np.isfinite(leads)] if leads is not None else np.empty(0)
    return Baseline(
        name=name,
        pnl_after_cost_frac=metrics["pnl_after_cost"],
        max_drawdown_frac=metrics["max_drawdown"],
        turnover=metrics["turnover"],
        ic=ic(predictions, forward_return(part.close, rival.params.horizon_bars)) if name == RIDGE else None,
        sharpe=metrics["sharpe"],
        sharpe_lead=lead,
        sharpe_lead_bounds=how.bounds(leads),
        lead_probability=float((known > 0.0).mean()) if known.size else None,
        excess_frac=float((own - other).mean()) * year if usable else None,
        excess_bounds=how.bounds(None if excesses is None else excesses * year),
    )


def _lead(sums: Floats, periods_per_year: float) -> Floats:
    """Difference of two Sharpe ratios from sums (n, 5) of 1, r, r^2, s, s^2; a rival that never moved counts as 0."""
    n = sums[:, 0]
    mine = sharpe_from_sums(n, sums[:, 1], sums[:, 2])
    other = sharpe_from_sums(n, sums[:, 3], sums[:, 4])
    lead: Floats = (mine - np.nan_to_num(other, nan=0.0)) * np.sqrt(periods_per_year)
    return lead


def sharpe_of_sums(sums: Floats) -> Floats:
    """Sharpe ratio per period from sums (n, 3) of 1, r, r^2; NaN where returns do not vary."""
    return sharpe_from_sums(*sums.T)


def _owning(params: ReplayParams, part: BarPanel) -> ReplayParams:
    """Parameters of an account that is always fully invested: costs as they are, no sizing, no limits."""
    return replace(
        params,
        position_volatility_frac=None,
        full_conviction_sigmas=0.0,
        min_confidence=0.0,
        allow_short=False,
        taper_floor_frac=1.0,
        risk_budget=1.0,
        max_single_weight=1.0,
        max_gross_exposure=1.0,
        max_turnover=2.0,
        max_sector_exposure=1.0,
        max_style_exposure=1.0,
        prediction_ttl_bars=part.n_bars,
    )


def _free_to_turn(params: ReplayParams) -> ReplayParams:
    """The candidate's parameters without thresholds: a sign is no forecast that could be held against a cost."""
    return replace(
        params,
        cost_multiple=0.0,
        entry_edge_bps=0.0,
        exit_edge_bps=0.0,
        full_conviction_sigmas=0.0,
        min_confidence=0.0,
        allow_short=True,
        position_volatility_frac=params.position_volatility_frac or MOMENTUM_VOLATILITY_FRAC,
    )


def _hold_always(part: BarPanel) -> Floats:
    """A wish for every symbol that has a bar."""
    return np.where(part.close > 0.0, 1.0, np.nan)


def _hold_once(part: BarPanel, params: ReplayParams, *, first: int = 0) -> Floats:
    """A wish from `first` to the first bar at which the replay knows the volatility it needs to price impact."""
    wish = _hold_always(part)
    wish[:first] = np.nan
    wish[max(params.volatility_warmup_bars, first) + 1 :] = np.nan
    return wish


def _momentum(panel: BarPanel) -> Floats:
    """Sign of the return over `MOMENTUM_DAYS` at the last bar of each UTC day, kept for the next day: (T, N)."""
    back = round(MOMENTUM_DAYS * panel.interval.bars_per_day)
    signal = np.full(panel.close.shape, np.nan)
    if panel.n_bars > back:
        signal[back:] = np.sign(panel.close[back:] / panel.close[:-back] - 1.0)
    ends_day = panel.known_at_ns % DAY_NS == 0
    latest = np.maximum.accumulate(np.where(ends_day, np.arange(panel.n_bars), -1))
    return np.where(latest[:, None] >= 0, signal[latest], np.nan)
