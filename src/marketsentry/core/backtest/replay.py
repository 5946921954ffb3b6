"""Replay stored predictions through the decision core: the checked door to `kernels.replay`.

What is assumed of the market and of fills stands in `core.backtest.params`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.policy import UserPolicy, bind_policy
from marketsentry.core.backtest.tape import fills_of, trades_of
from marketsentry.core.market.bars import FIELDS, BarPanel
from marketsentry.core.risk.profiles import BucketCaps, Profile
from marketsentry.exceptions import InputError
from marketsentry.kernels import account as acc
from marketsentry.kernels import replay as kernel
from marketsentry.kernels.records import Groups, Market, State
from marketsentry.kernels.tape import FILL_FIELDS

_TAPE_ROWS = 4_096  # least length of the tape at first, else one fill in so many cells
_CELLS_PER_FILL = 16


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay did. Money in quote currency; T bars, N targets.

    `equity` (T,): cash and positions at each close. `weights` (T, N): held notional over equity there, NaN
    where equity is not positive. `fills` and `trades` are structured arrays (`core.backtest.tape`); a trade
    is a round trip, and those still open have ``exit_bar == -1``. `pnl_quote` (N,) is net of all costs;
    `fee_quote`, `slippage_quote`, `impact_quote` (N,) are positive; `funding_quote` (N,) is what holding cost: funding
    or the borrowing of short spot positions, negative where it was received. `funding_gaps` counts charges whose rate
    is unknown, `n_liquidations` how often the venue closed the positions; `funding` (T, N) are the rates that were
    charged, None on spot. `worst_day_frac` is the largest loss
    within a UTC day as a positive fraction of the equity at its start.
    """

    symbols: tuple[str, ...]
    params: ReplayParams
    ts_ns: NDArray[np.int64]
    equity: NDArray[np.float64]
    weights: NDArray[np.float64]
    fills: NDArray[np.void]
    trades: NDArray[np.void]
    pnl_quote: NDArray[np.float64]
    fee_quote: NDArray[np.float64]
    slippage_quote: NDArray[np.float64]
    impact_quote: NDArray[np.float64]
    funding_quote: NDArray[np.float64]
    funding_gaps: int
    n_liquidations: int
    worst_day_frac: float
    funding: NDArray[np.float64] | None = None

    @property
    def returns(self) -> NDArray[np.float64]:
        """Equity returns per bar (T,), the first against the capital; NaN after equity is not positive."""
        before = self.equity_before
        ratio = np.full(before.size, np.nan)
        np.divide(self.equity, before, out=ratio, where=before > 0)
        return ratio - 1.0

    @property
    def equity_before(self) -> NDArray[np.float64]:
        """Equity at the close before each bar (T,); the capital before the first."""
        return np.concatenate(([self.params.capital_quote], self.equity[:-1]))

    @property
    def shortfall_quote(self) -> float:
        """What the account owes beyond its equity at the end; a venue's insurance may or may not bear it."""
        return max(0.0, -float(self.equity[-1]))


def replay(
    predictions: NDArray[np.float64],
    panel: BarPanel,
    params: ReplayParams,
    *,
    confidence: NDArray[np.float64] | None = None,
    profiles: Sequence[Profile] | None = None,
    bucket_caps: BucketCaps | None = None,
    policy: UserPolicy | None = None,
) -> ReplayResult:
    """Trade predictions over a panel of bars.

    Parameters
    ----------
    predictions
        Shape (T, N). Expected gross return over the horizon as a fraction, made at the close of each bar.
        NaN: none; nothing opens on it.
    panel
        Bars the predictions belong to, on the same rows and columns; of perpetuals with their rates of funding.
    params
        Costs, thresholds, sizing and limits.
    confidence
        Shape (T, N). 0..1 beside each prediction; NaN makes it unusable. None: all count fully.
    profiles
        Per target, the sector, style and bucket whose exposure is capped. None: there are no groups.
    bucket_caps
        Caps of the buckets as a share of the risk budget.
    policy
        Decides in the place of the built-in rule, with the values in `params.policy`.

    Returns
    -------
    ReplayResult
        Equity, weights, fills, round trips and costs.

    Raises
    ------
    InputError
        If the panel is empty, shapes differ, a prediction is infinite, the bars' interval does not fit
        `params.periods_per_year`, funding is missing for perpetuals or given for spot, or `params.policy` does not fit
        `policy`.

    Notes
    -----
    O(T N). Memory beyond the inputs: equity, weights and the fills. The same inputs give the same bits.
    """
    check_replay(predictions, panel, params, confidence, profiles)
    n_bars, n_targets = predictions.shape
    market = make_market(predictions, panel, confidence)
    groups = make_groups(profiles, bucket_caps, params, n_targets)
    state = make_state(params, n_targets, n_groups=max(caps.size for caps in groups[1::2]))
    rules = params.rules(with_confidence=confidence is not None, policy=bind_policy(policy, params))
    equity, weights = np.empty(n_bars), np.empty((n_bars, n_targets))
    n_rows = max(_TAPE_ROWS, 2 * n_targets, predictions.size // _CELLS_PER_FILL)
    tape = np.empty((n_rows, FILL_FIELDS))
    bar, n_fills = 0, 0
    while bar < n_bars:
        bar, n_fills = kernel.run(bar, market, rules, groups, state, tape, n_fills, equity, weights)
        if bar < n_bars:
            tape = _longer(tape, n_fills, expected=n_fills * n_bars // max(bar, 1))
    return _result(panel, params, equity, weights, tape[:n_fills], state)


def _longer(tape: NDArray[np.float64], n_fills: int, *, expected: int) -> NDArray[np.float64]:
    """Give a tape with room for as many fills as the rate so far lets expect, two to eight times as long."""
    n_rows = min(max(2 * len(tape), expected + expected // 8), 8 * len(tape))
    longer = np.empty((n_rows, tape.shape[1]))
    longer[:n_fills] = tape[:n_fills]
    return longer


def make_market(
    predictions: NDArray[np.float64],
    panel: BarPanel,
    confidence: NDArray[np.float64] | None,
) -> Market:
    """Lay out what can be seen as the kernels take it."""
    return Market(
        panel.ts_ns,
        np.ascontiguousarray(panel.values),
        np.ascontiguousarray(predictions, dtype=np.float64),
        np.zeros((0, 0)) if confidence is None else np.ascontiguousarray(confidence, dtype=np.float64),
        np.zeros((0, 0)) if panel.funding is None else np.ascontiguousarray(panel.funding),
    )


def make_state(params: ReplayParams, n_targets: int, *, n_groups: int) -> State:
    """Make the state of an account that holds nothing but its capital."""
    book = np.zeros((n_targets, acc.BOOK_FIELDS))
    book[:, acc.MARK_PRICE] = np.nan
    book[:, acc.PREDICTION] = np.nan
    account = np.zeros(acc.ACCOUNT_FIELDS)
    account[[acc.CASH, acc.EQUITY, acc.PEAK, acc.DAY_START]] = params.capital_quote
    account[acc.DAY_END] = -math.inf
    row = np.zeros(n_targets)
    orders = np.zeros((params.latency_bars, n_targets))
    return State(book, account, orders, row, row.copy(), np.zeros(n_groups))


def make_groups(
    profiles: Sequence[Profile] | None, caps: BucketCaps | None, params: ReplayParams, n_targets: int
) -> Groups:
    """Number the buckets, sectors and styles of the targets and give each its cap."""
    chosen = profiles or [Profile(None, None)] * n_targets
    cap_of = {name: cap * params.risk_budget for name, cap in (caps or BucketCaps()).cap_of.items()}
    unknown = [one.bucket for one in chosen if one.bucket is not None and one.bucket not in cap_of]
    if unknown:
        raise InputError(f"bucket must be one of {sorted(cap_of)}, was {unknown[0]!r}")
    buckets, bucket_names = _numbered([one.bucket for one in chosen])
    sectors, sector_names = _numbered([one.sector for one in chosen])
    styles, style_names = _numbered([one.style for one in chosen])
    return Groups(
        buckets,
        np.array([cap_of[name] for name in bucket_names], dtype=np.float64),
        sectors,
        np.full(len(sector_names), float(params.max_sector_exposure)),
        styles,
        np.full(len(style_names), float(params.max_style_exposure)),
    )


def _numbered(names: Sequence[str | None]) -> tuple[NDArray[np.int64], list[str]]:
    """Index each name into the sorted list of distinct ones; case does not matter, None is -1."""
    lowered = [None if name is None else name.lower() for name in names]
    distinct = sorted({name for name in lowered if name is not None})
    index = {name: i for i, name in enumerate(distinct)}
    return np.array([-1 if name is None else index[name] for name in lowered], dtype=np.int64), distinct


def check_replay(
    predictions: NDArray[np.float64],
    panel: BarPanel,
    params: ReplayParams,
    confidence: NDArray[np.float64] | None,
    profiles: Sequence[Profile] | None,
) -> None:
    """Refuse what cannot be replayed together, with `InputError`."""
    shape = (panel.n_bars, len(panel.symbols))
    if panel.n_bars == 0:
        raise InputError("a replay needs at least one bar")
    if panel.values.shape != (*shape, len(FIELDS)):
        raise InputError(f"panel values must have shape {(*shape, len(FIELDS))}, was {panel.values.shape}")
    if predictions.shape != shape:
        raise InputError(f"predictions must have the shape of the panel {shape}, was {predictions.shape}")
    if np.isinf(predictions).any():
        raise InputError("predictions must be finite or NaN, was infinite")
    if confidence is not None and confidence.shape != shape:
        raise InputError(f"confidence must have the shape of the panel {shape}, was {confidence.shape}")
    if profiles is not None and len(profiles) != shape[1]:
        raise InputError(f"profiles must name {shape[1]} targets, was {len(profiles)}")
    funding = panel.funding
    if params.is_perpetual != (funding is not None):
        given = "none" if funding is None else "some"
        raise InputError(f"a replay of market {params.market} must get funding rates: perp only, got {given}")
    if funding is not None and funding.shape != shape:
        raise InputError(f"funding must have the shape of the panel {shape}, was {funding.shape}")
    if not math.isclose(params.periods_per_year, panel.interval.periods_per_year):
        raise InputError(
            f"periods_per_year must be {panel.interval.periods_per_year} for {panel.interval} bars, "
            f"was {params.periods_per_year}"
        )


def _result(
    panel: BarPanel,
    params: ReplayParams,
    equity: NDArray[np.float64],
    weights: NDArray[np.float64],
    tape: NDArray[np.float64],
    state: State,
) -> ReplayResult:
    book = state.book
    unrealised = np.array([acc.unrealised(book, n) for n in range(len(book))])
    return ReplayResult(
        symbols=panel.symbols,
        params=params,
        ts_ns=panel.ts_ns,
        equity=equity,
        weights=weights,
        fills=fills_of(tape),
        trades=trades_of(tape, book[:, acc.MARK_PRICE], book[:, acc.FUNDING]),
        pnl_quote=book[:, acc.REALISED] + unrealised - book[:, acc.FEE] - book[:, acc.FUNDING],
        fee_quote=book[:, acc.FEE].copy(),
        slippage_quote=book[:, acc.SLIPPAGE].copy(),
        impact_quote=book[:, acc.IMPACT].copy(),
        funding_quote=book[:, acc.FUNDING].copy(),
        funding_gaps=int(state.account[acc.FUNDING_GAPS]),
        n_liquidations=int(state.account[acc.LIQUIDATIONS]),
        worst_day_frac=float(state.account[acc.WORST_DAY]),
        funding=panel.funding,
    )
