"""What the loop over bars is given, and what one bar hands to the next."""

from typing import NamedTuple

import numpy as np

from marketsentry.kernels.policy import Policy


class Market(NamedTuple):
    """What can be seen: open times (T,), bars (T, N, 5), predictions, confidence and rates of funding (T, N)."""

    ts_ns: np.ndarray
    values: np.ndarray
    predictions: np.ndarray
    confidence: np.ndarray  # (0, 0) when every prediction counts fully
    funding: np.ndarray = np.zeros((0, 0))  # (0, 0) on spot; see `kernels.margin`


class Rules(NamedTuple):
    """The parameters of a run as plain numbers; `core.backtest.params` says what each means."""

    fee_bps: float
    half_spread_bps: float
    impact_coefficient: float
    participation_frac: float
    entry_frac: float
    exit_frac: float
    full_sigmas: float
    horizon_root: float  # square root of the horizon in bars
    min_confidence: float
    max_age_bars: float
    allow_short: bool
    volatility_target: float  # per bar; 0 switches it off
    volatility_alpha: float
    volatility_warmup: float
    needs_volatility: bool
    opens_unmeasured: bool  # a target may open while its volatility is unknown
    taper_start: float
    taper_stop: float
    taper_floor: float
    risk_budget: float
    max_single: float
    max_gross: float
    max_turnover: float
    band: float
    is_static: bool  # decided weights depend on the predictions alone
    min_notional: float
    is_perpetual: bool
    has_holding_cost: bool  # perpetual, or short positions that pay for what they borrow
    borrow_frac: float  # of the notional, per bar
    missing_funding_frac: float
    maintenance_frac: float
    liquidation_fee_frac: float
    policy: Policy | None = None  # decides in the place of `score_to_weight`


class Groups(NamedTuple):
    """Per target (N,) the index of its bucket, sector and style, -1 for none, and the cap of each group."""

    bucket: np.ndarray
    bucket_caps: np.ndarray
    sector: np.ndarray
    sector_caps: np.ndarray
    style: np.ndarray
    style_caps: np.ndarray


class State(NamedTuple):
    """All that a bar hands to the next, and scratch rows that carry nothing."""

    book: np.ndarray  # (N, BOOK_FIELDS)
    account: np.ndarray  # (ACCOUNT_FIELDS,)
    orders: np.ndarray  # (latency_bars, N) target quantities on their way
    proposed: np.ndarray  # (N,) scratch
    current: np.ndarray  # (N,) scratch
    totals: np.ndarray  # (max groups,) scratch
