"""Replay many parameter sets over shared predictions for their metrics alone.

Every set goes through the rows of `kernels.replay.run`, block by block, and leaves one row of metrics: nothing of
size (P, T, N) or (P, T) is ever made. Sets are independent, so threads take them one after another; the kernel
holds no lock while it works (ADR 0110).
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.policy import UserPolicy, bind_policy
from marketsentry.core.backtest.replay import check_replay, make_groups, make_market, make_state
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.risk.profiles import BucketCaps, Profile
from marketsentry.exceptions import InputError
from marketsentry.kernels import account as acc
from marketsentry.kernels import replay as kernel
from marketsentry.kernels import sweep as sums_of
from marketsentry.kernels.policy import Policy

METRICS = (
    "pnl_after_cost", "max_drawdown", "sharpe", "sortino", "volatility", "turnover", "exposure", "trades",
    "fee", "slippage", "impact", "worst_day",
)  # fmt: skip
METRICS_DTYPE = np.dtype([(name, np.int64 if name == "trades" else np.float64) for name in METRICS])
_TAPE_ROWS = 1_024


def sweep(
    predictions: NDArray[np.float64],
    panel: BarPanel,
    sets: Sequence[ReplayParams],
    *,
    n_threads: int,
    traded_from: int = 0,
    confidence: NDArray[np.float64] | None = None,
    profiles: Sequence[Profile] | None = None,
    bucket_caps: BucketCaps | None = None,
    policy: UserPolicy | None = None,
) -> NDArray[np.void]:
    """Replay every parameter set and summarise each.

    Parameters
    ----------
    predictions
        Shape (T, N). As for `replay`.
    panel
        Bars the predictions belong to.
    sets
        P parameter sets.
    n_threads
        At least 1; how many work at once.
    traded_from
        First row that counts, as in `summarise`.
    confidence
        Shape (T, N), as for `replay`.
    profiles
        Per target, as for `replay`.
    bucket_caps
        As for `replay`.
    policy
        As for `replay`; each set has its own values in `policy`.

    Returns
    -------
    structured ndarray of shape (P,)
        `METRICS_DTYPE`, in the order of `sets`: the metrics that `summarise` gives under the same names, the parts
        of its `cost_breakdown` beside them; NaN where that gives None.

    Raises
    ------
    InputError
        As `replay`, for any of the sets; if there is no set, no thread, or `traded_from` lies outside the rows.

    Notes
    -----
    O(P T N). Memory beyond the inputs: some hundred kilobytes per thread and one row per set. Sums run over
    blocks of bars, so a metric may differ from that of `summarise` in the last digits; the order is fixed, and
    the number of threads changes no bit.
    """
    if not sets:
        raise InputError("a sweep needs at least one parameter set, had none")
    if n_threads < 1:
        raise InputError(f"n_threads must be >= 1, was {n_threads}")
    if not 0 <= traded_from < max(panel.n_bars, 1):
        raise InputError(f"traded_from must lie in 0..{panel.n_bars - 1}, was {traded_from}")
    check_replay(predictions, panel, sets[0], confidence, profiles)
    years = {one.periods_per_year for one in sets}
    if len(years) > 1:
        raise InputError(f"the sets of a sweep must have one periods_per_year, had {sorted(years)}")
    market = make_market(predictions, panel, confidence)

    bound = [bind_policy(policy, one) for one in sets]

    def work(params: ReplayParams, decides: Policy | None) -> tuple[float, ...]:
        groups = make_groups(profiles, bucket_caps, params, predictions.shape[1])
        return _sweep_one(market, params, groups, traded_from, decides)

    with ThreadPoolExecutor(n_threads, thread_name_prefix="sweep") as pool:
        return np.array(list(pool.map(work, sets, bound)), dtype=METRICS_DTYPE)


def _sweep_one(
    market: kernel.Market,
    params: ReplayParams,
    groups: kernel.Groups,
    traded_from: int,
    policy: Policy | None,
) -> tuple[float, ...]:
    n_targets = market.predictions.shape[1]
    state = make_state(params, n_targets, n_groups=max(caps.size for caps in groups[1::2]))
    n_rows = sums_of.BLOCK_BARS + params.latency_bars
    sums = np.zeros(sums_of.SUM_FIELDS)
    sums_of.sweep_one(
        traded_from,
        market,
        params.rules(with_confidence=market.confidence.size > 0, policy=policy),
        groups,
        state,
        np.empty((max(_TAPE_ROWS, n_targets), kernel.FILL_FIELDS)),
        np.empty(n_rows),
        np.empty((n_rows, n_targets)),
        np.zeros((n_targets, sums_of.OPEN_FIELDS)),
        sums,
    )
    return _metrics(sums, state, params)


def _metrics(sums: NDArray[np.float64], state: kernel.State, params: ReplayParams) -> tuple[float, ...]:
    """Turn the sums of one set into its metrics, in the order of `METRICS`, by the definitions of `core.stats`."""
    start, n = sums[sums_of.START_EQUITY], sums[sums_of.N_RETURNS]
    mean, year = sums[sums_of.MEAN_RETURN], math.sqrt(params.periods_per_year)
    costs = [float(state.book[:, field].sum()) / params.capital_quote for field in _COSTS]
    deviation = downside = math.nan
    if n >= 2 and not sums[sums_of.IS_RUINED]:
        deviation = math.sqrt(max(sums[sums_of.SQUARES], 0.0) / (n - 1))
        downside = math.sqrt(sums[sums_of.DOWN_SQUARES] / n)
    n_weighed = sums[sums_of.N_WEIGHED]
    return (
        sums[sums_of.LAST_EQUITY] / start - 1.0 if start > 0 else math.nan,
        sums[sums_of.DRAWDOWN] if start > 0 else math.nan,
        mean / deviation * year if deviation > 1e-14 * abs(mean) else math.nan,
        mean / downside * year if downside > 0 else math.nan,
        deviation * year,
        sums[sums_of.TURNOVER],
        sums[sums_of.GROSS] / n_weighed if n_weighed else math.nan,
        int(sums[sums_of.N_TRADES]),
        *costs,
        float(state.account[acc.WORST_DAY]),
    )


_COSTS = (acc.FEE, acc.SLIPPAGE, acc.IMPACT)


def metrics_document(row: Any) -> dict[str, Any]:  # Any: one record of a structured array
    """Give one row of a sweep as JSON values; None where a metric has no value."""
    values = {name: row[name].item() for name in METRICS}
    return {name: None if math.isnan(value) else value for name, value in values.items()}
