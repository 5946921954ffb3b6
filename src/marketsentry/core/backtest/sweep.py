"""Replay many parameter sets over shared predictions for their metrics alone.

Every set goes through the rows of `kernels.replay.run`, block by block, and leaves one row of metrics: nothing of
size (P, T, N) or (P, T) is ever made. Sets are independent, so threads take them one after another; the kernel
holds no lock while it works (ADR 0110).
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.policy import UserPolicy, bind_policy
from marketsentry.core.backtest.replay import check_replay, make_groups, make_market, make_state
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.risk.profiles import BucketCaps, Profile
from marketsentry.core.stats import pbo
from marketsentry.exceptions import InputError
from marketsentry.kernels import account as acc
from marketsentry.kernels import sweep as sums_of
from marketsentry.kernels.policy import Policy
from marketsentry.kernels.records import Groups, Market, State
from marketsentry.kernels.tape import FILL_FIELDS

METRICS = (
    "pnl_after_cost", "max_drawdown", "sharpe", "sortino", "volatility", "turnover", "exposure", "trades",
    "fee", "slippage", "impact", "funding", "worst_day", "liquidations",
)  # fmt: skip
N_BLOCKS = pbo.N_BLOCKS
_COUNTS = ("trades", "liquidations")
METRICS_DTYPE = np.dtype(
    [
        *((name, np.int64 if name in _COUNTS else np.float64) for name in METRICS),
        ("blocks", np.float64, (N_BLOCKS, sums_of.PART_FIELDS)),
    ]
)
_TAPE_ROWS = 1_024
_Scratch = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


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
        of its `cost_breakdown` beside them; NaN where that gives None. `blocks` (N_BLOCKS, 2) holds the sums of the
        returns and of their squares over the blocks that `core.stats.pbo.block_edges` cuts the traded bars into; NaN
        for a set that was ruined.

    Raises
    ------
    InputError
        As `replay`, for any of the sets; if there is no set, no thread, or `traded_from` lies outside the rows.

    Notes
    -----
    O(P T N). Memory beyond the inputs: some hundred kilobytes per thread and one row of 352 bytes per set.
    Sums run over blocks of bars, so a metric may differ from that of `summarise` in the last digits; the order is
    fixed, and the number of threads changes no bit.
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
    if len({one.market for one in sets}) > 1:
        raise InputError("the sets of a sweep must have one market, had spot and perp")
    market = make_market(predictions, panel, confidence)

    edges = traded_from + pbo.block_edges(panel.n_bars - traded_from)
    bound = [bind_policy(policy, one) for one in sets]
    groups = _groups_of(sets, profiles, bucket_caps, predictions.shape[1])
    rows = np.empty(len(sets), dtype=METRICS_DTYPE)
    waiting = iter(range(len(sets)))  # shared: whoever is free takes the next

    def work() -> None:
        scratch = _scratch(max(one.latency_bars for one in sets), predictions.shape[1])
        for i in waiting:
            rows[i] = _sweep_one(market, sets[i], groups[i], traded_from, edges, bound[i], scratch)

    with ThreadPoolExecutor(n_threads, thread_name_prefix="sweep") as pool:
        try:
            for done in as_completed([pool.submit(work) for _ in range(min(n_threads, len(sets)))]):
                done.result()
        finally:
            for _ in waiting:  # after an error or an interrupt nobody takes another
                pass
    return rows


def block_sums(rows: NDArray[np.void], n_traded: int) -> pbo.BlockSums:
    """Give the block sums of a sweep's rows, whose sets traded `n_traded` bars, for `core.stats.pbo`."""
    n_returns = np.diff(pbo.block_edges(n_traded)).astype(np.float64)
    blocks = rows["blocks"]
    return pbo.BlockSums(n_returns, blocks[:, :, sums_of.PART_RETURNS], blocks[:, :, sums_of.PART_SQUARES])


def _groups_of(
    sets: Sequence[ReplayParams],
    profiles: Sequence[Profile] | None,
    bucket_caps: BucketCaps | None,
    n_targets: int,
) -> list[Groups]:
    """Give each set its groups; sets with the same caps share them, for the kernel only reads them."""
    made: dict[tuple[float, ...], Groups] = {}
    for one in sets:
        caps = (one.risk_budget, one.max_sector_exposure, one.max_style_exposure)
        if caps not in made:
            made[caps] = make_groups(profiles, bucket_caps, one, n_targets)
    return [made[one.risk_budget, one.max_sector_exposure, one.max_style_exposure] for one in sets]


def _scratch(latency_bars: int, n_targets: int) -> _Scratch:
    """Make the tape of fills, the equity and the weights of one block, which each set writes anew."""
    n_rows = sums_of.BLOCK_BARS + latency_bars
    tape = np.empty((max(_TAPE_ROWS, 2 * n_targets), FILL_FIELDS))
    return tape, np.empty(n_rows), np.empty((n_rows, n_targets))


def _sweep_one(
    market: Market,
    params: ReplayParams,
    groups: Groups,
    traded_from: int,
    edges: NDArray[np.int64],
    policy: Policy | None,
    scratch: _Scratch,
) -> tuple[Any, ...]:  # Any: numbers, and the block sums in the last place
    n_targets = market.predictions.shape[1]
    state = make_state(params, n_targets, n_groups=max(caps.size for caps in groups[1::2]))
    positions = np.zeros((n_targets, sums_of.OPEN_FIELDS))
    sums, parts = np.zeros(sums_of.SUM_FIELDS), np.zeros((N_BLOCKS, sums_of.PART_FIELDS))
    rules = params.rules(with_confidence=market.confidence.size > 0, policy=policy)
    sums_of.sweep_one(traded_from, market, rules, groups, state, *scratch, positions, sums, edges, parts)
    if sums[sums_of.IS_RUINED]:
        parts[:] = math.nan
    return (*_metrics(sums, state, params), parts)


def _metrics(sums: NDArray[np.float64], state: State, params: ReplayParams) -> tuple[float, ...]:
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
        int(state.account[acc.LIQUIDATIONS]),
    )


_COSTS = (acc.FEE, acc.SLIPPAGE, acc.IMPACT, acc.FUNDING)


def metrics_document(row: Any) -> dict[str, Any]:  # Any: one record of a structured array
    """Give one row of a sweep as JSON values; None where a metric has no value."""
    values = {name: row[name].item() for name in METRICS}
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def blocks_document(row: Any) -> list[list[float]] | None:  # Any: one record of a structured array
    """Give the block sums of one row as JSON values; None for a set that was ruined."""
    blocks: list[list[float]] = row["blocks"].tolist()
    return None if math.isnan(blocks[0][0]) else blocks
