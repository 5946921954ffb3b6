"""Trade a stored backtest again on paper, bar by bar through the whole stack, and compare (design reason 1).

Decision, risk, orders, paper venue and ledger are those of any other trading; the clock and the market are the recorded
ones. Risk rules that a backtest does not have (breaker, daily loss, streak, drawdown) are lifted by the caller: what
they would have held back is a difference of rules, not of execution.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams, params_from
from marketsentry.core.backtest.policy import UserPolicy
from marketsentry.core.backtest.request import request_from
from marketsentry.core.backtest.stored import RunFiles, read_run
from marketsentry.core.gates.verdict import Outcome
from marketsentry.core.market.bars import OPEN, VOLUME, BarPanel
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.core.risk.profiles import Profile
from marketsentry.core.trading.decider import Decider
from marketsentry.core.trading.parity import TRADED_FILL, Parity, Traded, measure_parity
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.ports import Stores
from marketsentry.ports.account_lists import Wanted
from marketsentry.ports.accounts import PARITY
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.runs import StoredRun
from marketsentry.services.backtest import BacktestDefaults, Prepared, RunContext, prepare
from marketsentry.services.backtest_inputs import Pin
from marketsentry.services.backtest_model import Refusal
from marketsentry.services.backtest_outcome import profiles_of, score_window
from marketsentry.services.backtest_policy import recorded_policy
from marketsentry.services.execution_begin import begin
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.trader import Trader
from marketsentry.services.trader_parts import BarStep, ClosedBar, TradedModel, TraderRules

_OWNER = "parity"
_PAGE = 1_000
_TREND = "efficiency_24"


class MovableClock(Protocol):
    """A clock of a replay."""

    def move_to(self, at: datetime) -> None:
        """Go on to a time."""
        ...


class ShownMarket(Protocol):
    """A market of a replay."""

    def show(self, at: datetime, bars: Mapping[str, tuple[float, float, float]]) -> None:
        """Show the bar that opens at a time: open, volume and volatility by symbol."""
        ...


@dataclass(frozen=True, slots=True)
class ReplayedRun:
    """A stored backtest with what it ran on."""

    run_id: int
    panel: BarPanel
    predictions: NDArray[np.float64]
    trend: NDArray[np.float64]
    params: ReplayParams
    profiles: tuple[Profile, ...]
    policy: UserPolicy | None
    model: TradedModel
    backtest: Traded


@dataclass(frozen=True, slots=True)
class ParityParts:
    """Time, market, and the parts of the trading plane that stand on them."""

    clock: MovableClock
    market: ShownMarket
    admit: AdmitParts
    drive: DriveParts
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class ParityReport:
    """How far the paper run was from its backtest. `blocked` counts orders that risk held back."""

    run_id: int
    strategy_id: str
    parity: Parity
    start: datetime
    end: datetime
    blocked: int
    codes: tuple[str, ...]


async def load_run(run_id: int, *, context: RunContext, defaults: BacktestDefaults) -> ReplayedRun:
    """Read a stored backtest and all that it ran on.

    Parameters
    ----------
    run_id
        Of the run; 0 takes the newest.
    context
        The record and the artifacts.
    defaults
        Limits of the data gate.

    Returns
    -------
    ReplayedRun

    Raises
    ------
    NotFoundError
        If there is no such run.
    ConflictError
        If the run failed, or what it ran on is no longer there.
    InputError
        If it is one of perpetuals.
    """
    if run_id < 0:
        raise InputError(f"run id must be >= 0, was {run_id}")
    async with context.transactions() as stores:
        stored = await (stores.runs.get(run_id) if run_id else stores.runs.newest())
    files = await asyncio.to_thread(_files, stored, context)
    config = stored.run.config
    policy = recorded_policy(config.get("policy"), None)
    params = params_from(config["replay"])
    if params.is_perpetual:
        raise InputError(
            f"run {stored.id} must be one of spot markets to be traded bar by bar, was {params.market}"
        )
    request = request_from(dict(config))
    pin = Pin(config["window"]["end_ns"], config["lineages"], params)
    prepared = await prepare(request, defaults, context, pin=pin)
    if not isinstance(prepared, Prepared):
        raise ConflictError(f"run {stored.id} cannot be repeated: {prepared.refusal.detail}")
    inputs = prepared.inputs
    scored = await asyncio.to_thread(score_window, prepared.request, prepared.scoring, inputs)
    if isinstance(scored, Refusal):
        raise ConflictError(f"run {stored.id} cannot be repeated: {scored.detail}")
    names, registered = prepared.scoring.feature_names, prepared.scoring.registered
    trend = np.full(inputs.panel.values.shape[:2], np.nan)
    if _TREND in names:
        trend = inputs.features[:, :, names.index(_TREND)]
    return ReplayedRun(
        run_id=stored.id,
        panel=inputs.panel,
        predictions=scored[1],
        trend=trend,
        params=params,
        profiles=tuple(profiles_of(prepared.request, inputs.panel)),
        policy=None if policy is None else policy.compiled,
        model=TradedModel(
            id=registered.id,
            name=f"{registered.model.name}-{registered.model.version}",
            horizon=prepared.scoring.horizon,
            feature_version=registered.model.manifest["feature_version"],
            feature_lineages=inputs.lineages,
            is_tradeable=registered.model.verdict.get("outcome") == Outcome.PASS,
        ),
        backtest=Traded(files.ts_ns, files.equity, files.weights, _fills_of_backtest(files)),
    )


async def trade_again(
    run: ReplayedRun, parts: ParityParts, *, progress: Callable[[int, int], None] | None = None
) -> ParityReport:
    """Trade the bars of a backtest on paper and compare what the ledger holds with what the backtest says.

    Parameters
    ----------
    run
        Of `load_run`.
    parts
        The trading plane on a clock and a market that are moved here.
    progress
        Told the bars done and all of them.

    Returns
    -------
    ParityReport

    Raises
    ------
    DataQualityError
        If ledger and decision core do not agree at some bar.
    """
    panel, strategy_id = run.panel, f"{PARITY}{run.run_id}-{parts.new_id()[:8]}"
    decider = Decider(panel.symbols, run.params, profiles=run.profiles, policy=run.policy)
    rules = TraderRules(strategy_id, venue=strategy_id, fee_bps=Decimal(repr(run.params.fee_bps)))
    trader = Trader(decider, run.model, rules, parts.admit, new_id=parts.new_id)
    parts.clock.move_to(ns_to_datetime(int(panel.ts_ns[0])))
    await trader.open()
    equity, weights = np.empty(panel.n_bars), np.full(panel.values.shape[:2], np.nan)
    codes: dict[str, None] = {}
    blocked = 0
    step: BarStep | None = None
    for t, ts_ns in enumerate(panel.ts_ns.tolist()):
        if step is not None and step.orders:
            _show(parts, panel, t, step)
            for order in step.orders:
                await _execute(order, parts)
        bar = ClosedBar(ts_ns, ts_ns + panel.interval.ns, panel.values[t], run.predictions[t], run.trend[t])
        parts.clock.move_to(bar.end)
        step = await trader.close_bar(bar)
        equity[t], weights[t] = float(step.equity_quote), step.decided.weights
        blocked += len(step.codes)
        codes.update(dict.fromkeys(step.codes))
        if progress is not None:
            progress(t + 1, panel.n_bars)
    async with parts.admit.transactions() as stores:
        fills = await _fills_of_ledger(stores, trader, panel)
    return ParityReport(
        run_id=run.run_id,
        strategy_id=strategy_id,
        parity=measure_parity(Traded(panel.ts_ns, equity, weights, fills), run.backtest),
        start=ns_to_datetime(int(panel.ts_ns[0])),
        end=ns_to_datetime(int(panel.ts_ns[-1]) + panel.interval.ns),
        blocked=blocked,
        codes=tuple(codes),
    )


def _show(parts: ParityParts, panel: BarPanel, t: int, step: BarStep) -> None:
    at = ns_to_datetime(int(panel.ts_ns[t]))
    parts.clock.move_to(at)
    opens, volumes = panel.values[t, :, OPEN].tolist(), panel.values[t, :, VOLUME].tolist()
    deviations = step.decided.volatility.tolist()
    parts.market.show(
        at,
        {
            symbol: (price, volume, deviation)
            for symbol, price, volume, deviation in zip(
                panel.symbols, opens, volumes, deviations, strict=True
            )
            if price > 0.0 and volume > 0.0
        },
    )


async def _execute(order: StoredOrder, parts: ParityParts) -> None:
    """Drive one order to its end: the market of a bar fills it or not, and nothing is waited for."""
    driver = await begin(order, parts.drive, owner=_OWNER)
    if driver is not None:
        await driver.run()


async def _fills_of_ledger(stores: Stores, trader: Trader, panel: BarPanel) -> NDArray[np.void]:
    starts = {int(ts_ns): t for t, ts_ns in enumerate(panel.ts_ns)}
    wanted = Wanted(account_id=trader.ledger.account_id, strategy_id=trader.ledger.strategy_id)
    rows: list[tuple[int, int, int, float, float]] = []
    before_id: int | None = None
    while page := await stores.account_lists.fills(
        wanted, decision_id=None, order_id=None, before_id=before_id, limit=_PAGE
    ):
        before_id = page[-1].id
        for one in page:
            column = panel.symbols.index(one.target)
            place = starts[datetime_to_ns(one.fill.at)], column, one.side.sign
            rows.append((*place, float(one.fill.qty), float(one.fill.price)))
    return np.array(rows, dtype=TRADED_FILL)


def _fills_of_backtest(files: RunFiles) -> NDArray[np.void]:
    fills = np.empty(files.fills.size, dtype=TRADED_FILL)
    for name in ("bar", "symbol", "side", "qty", "price"):
        fills[name] = files.fills[name]
    return fills


def _files(stored: StoredRun, context: RunContext) -> RunFiles:
    run = stored.run
    if run.artifact_path is None or run.artifact_sha256 is None:
        raise ConflictError(f"run {stored.id} must have completed to be traded again, was {run.status}")
    return read_run(context.artifacts.get(run.artifact_path, run.artifact_sha256))
