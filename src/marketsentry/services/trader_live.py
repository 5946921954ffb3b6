"""Trade each bar as it closes (design section 3): wait for the bars, predict, decide, execute.

One pass (`tick`) does what is due and says what it waits for; the role calls it again and again. A start after a crash
or a pause is an ordinary start: the state of the last decision is taken up, and the bars that were missed only move
what the decision core remembers (volatility, ages). Nothing is ordered for them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams, params_for
from marketsentry.core.gates.verdict import Outcome
from marketsentry.core.market.bars import FIELDS, align_panel
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime, utc_text
from marketsentry.core.orders.plan import PlanStyle
from marketsentry.core.risk.profiles import fallback_profile
from marketsentry.core.serving.answer import Why
from marketsentry.core.trading.decider import Decider
from marketsentry.exceptions import ConflictError, DataQualityError, NotFoundError
from marketsentry.ports import Entropy
from marketsentry.ports.bars import BarWindow
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.executor import Executor
from marketsentry.services.ledger import PAPER
from marketsentry.services.predict import ServingParts, open_universe
from marketsentry.services.predict_told import Told, store_told
from marketsentry.services.serving import ServedModel, load_served
from marketsentry.services.trader import Trader
from marketsentry.services.trader_parts import TRACK, BarStep, ClosedBar, TradedModel, TraderRules

if TYPE_CHECKING:
    from marketsentry.services.serving_rows import OpenedRows

S = TypeVar("S")
WARM_BARS = 200
HEADROOM_FRAC = 0.1
LOT_SIZE = Decimal("1e-8")
_ABOVE_SMALLEST = 1.05  # until it is sent the price moves
_CAPS = ("max_single_weight", "max_gross_exposure", "max_sector_exposure", "max_style_exposure")
SETTLE_WITHIN_S = 30.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LiveRules:
    """What is traded live.

    `symbols` are those of them that the model knows. A bar that is not there `patience` after its close is lost, and
    one that is traded later than `late_frac` of its length after it opens nothing: the market has moved on.
    `replay` changes parameters of the decision core by name, like those of a backtest; what it decides stays
    `HEADROOM_FRAC` below the caps of risk, so that drift and slippage do not make risk refuse it.
    """

    horizon: str
    strategy_id: str
    symbols: tuple[str, ...]
    adapter: str = PAPER
    venue: str = "coinbase"
    max_slippage_bps: Decimal = Decimal(20)
    fee_bps: Decimal = Decimal(5)
    patience: timedelta = timedelta(seconds=60)
    late_frac: float = 0.25
    replay: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What live trading needs. `refresh` brings new bars into the record, where a source is set."""

    admit: AdmitParts
    executor: Executor
    serving: ServingParts
    entropy: Entropy
    refresh: Callable[[Sequence[str], Interval], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing was traded: why, and whether only time or somebody else changes that."""

    reason: str


class LiveTrader:
    """Trades one strategy as bars close; call `tick` again and again.

    Parameters
    ----------
    rules
        What is traded.
    parts
        The trading plane.
    """

    def __init__(self, rules: LiveRules, parts: LiveParts) -> None:
        self._rules, self._parts = rules, parts
        self._desk: _Desk | None = None

    async def tick(self) -> BarStep | Waiting:
        """Trade the newest closed bar where it is due and there.

        Returns
        -------
        BarStep or Waiting
            What was traded, its orders settled or left to the executor; or what is waited for.

        Raises
        ------
        MarketSentryError
            If the record or the source is away, or ledger and core disagree. The next tick begins from the record.
        """
        try:
            if self._desk is None:
                opened = await self._open()
                if isinstance(opened, Waiting):
                    return opened
                self._desk = opened
            return await self._trade(self._desk)
        except BaseException:
            self._desk = None  # what is in memory may be ahead of the record
            raise

    async def _open(self) -> "_Desk | Waiting":
        rules, parts = self._rules, self._parts
        served = await self._find_model()
        if isinstance(served, Waiting):
            return served
        scoring, registered = served.scoring, served.scoring.registered
        symbols = tuple(symbol for symbol in served.symbols if symbol in rules.symbols)
        if not symbols:
            known, wanted = ", ".join(served.symbols), ", ".join(rules.symbols)
            return Waiting(f"the model knows {known}, and LIQUID_SYMBOLS asks for {wanted}")
        sizes = await self._order_sizes(symbols)
        if isinstance(sizes, Waiting):
            return sizes
        params = params_for(
            scoring.interval,
            scoring.horizon_bars,
            **{
                "capital_quote": float(parts.admit.paper_capital),
                "fee_bps": float(rules.fee_bps),
                **(rules.replay or {}),
            },
        )
        params = replace(
            params,
            min_notional_quote=max(params.min_notional_quote, sizes.smallest_quote),
            allow_short=params.allow_short and rules.adapter == PAPER,  # a spot account has nothing to lend
            **{name: (1.0 - HEADROOM_FRAC) * getattr(params, name) for name in _CAPS},
        )
        decider = _decider(symbols, params)
        model = TradedModel(
            id=registered.id,
            name=f"{registered.model.name}-{registered.model.version}",
            horizon=rules.horizon,
            feature_version=served.feature_set.schema.version,
            feature_lineages={},
            is_tradeable=registered.model.verdict.get("outcome") == Outcome.PASS,
        )
        style = PlanStyle.MARKET if rules.adapter == PAPER else PlanStyle.LIMIT_FIRST
        trader = Trader(
            decider,
            model,
            TraderRules(
                rules.strategy_id,
                adapter=rules.adapter,
                venue=rules.venue,
                style=style,
                max_slippage_bps=rules.max_slippage_bps,
                fee_bps=rules.fee_bps,
                max_retries=1,
                lots=sizes.lots,
                smallest_quote=sizes.smallest_quote,
            ),
            parts.admit,
            new_id=lambda: parts.entropy(16).hex(),
        )
        last_end = await trader.open()
        if last_end is None:
            await trader.begin()
        return _Desk(
            symbols,
            scoring.interval,
            decider,
            trader,
            traded_end_ns=None if last_end is None else datetime_to_ns(last_end),
        )

    async def _order_sizes(self, symbols: Sequence[str]) -> "_Sizes | Waiting":
        """Tell the orders that a live venue takes; on paper it takes any."""
        rules, venues = self._rules, self._parts.admit.venues
        if rules.adapter == PAPER:
            return _Sizes(dict.fromkeys(symbols, LOT_SIZE), 0.0)
        if (refusal := venues.refusal(rules.adapter, rules.venue)) is not None:
            return Waiting(f"{rules.venue} may not be sent orders: {refusal}")
        venue = await venues.open(rules.adapter, rules.venue, fee_bps=rules.fee_bps)
        products = {one.symbol: one for one in await venue.products()}
        absent = [symbol for symbol in symbols if symbol not in products]
        if absent:
            return Waiting(f"{rules.venue} has no product of {', '.join(absent)}; see LIQUID_SYMBOLS")
        smallest = max(float(products[symbol].min_notional) for symbol in symbols)
        return _Sizes({symbol: products[symbol].lot_size for symbol in symbols}, _ABOVE_SMALLEST * smallest)

    async def _find_model(self) -> "ServedModel | Waiting":
        parts = self._parts.serving
        name, version = parts.rules.models[self._rules.horizon]
        async with parts.transactions() as stores:
            try:
                registered = await stores.models.get(name, version, track=TRACK)
            except NotFoundError as error:
                return Waiting(f"{error}; train it, or name another with MS_SERVED_MODELS")
        served = await load_served(registered, parts.cache, parts.artifacts)
        return Waiting(served.detail) if isinstance(served, Why) else served

    async def _trade(self, desk: "_Desk") -> BarStep | Waiting:
        now = self._parts.admit.clock.now()
        end_ns = datetime_to_ns(now) // desk.interval.ns * desk.interval.ns
        if desk.traded_end_ns is not None and end_ns <= desk.traded_end_ns:
            next_end = ns_to_datetime(desk.traded_end_ns + desk.interval.ns)
            return Waiting(f"the next {desk.interval} bar closes at {next_end:%Y-%m-%dT%H:%MZ}")
        if self._parts.refresh is not None:
            await self._parts.refresh(desk.symbols, desk.interval)
        try:
            read = await self._read(
                desk, end_ns, is_patient=now < ns_to_datetime(end_ns) + self._rules.patience
            )
        except NotFoundError as error:
            return Waiting(f"{error}; see `ms data download`, or set MS_TRADER_SOURCE")
        if isinstance(read, Waiting):
            return read
        newest_ns = end_ns - desk.interval.ns
        bars = np.full((len(desk.symbols), len(FIELDS)), np.nan)
        for at_ns, row in zip(read.ts_ns.tolist(), read.rows, strict=True):
            if at_ns == newest_ns:
                bars = row
            else:
                await self._remember(desk, at_ns, row)
        step = await self._close_bar(desk, self._closed_bar(desk, newest_ns, end_ns, bars, read.told))
        desk.traded_end_ns = end_ns
        if step.orders:
            await self._parts.executor.settle(step.orders, within_s=SETTLE_WITHIN_S)
        return step

    async def _read(self, desk: "_Desk", end_ns: int, *, is_patient: bool) -> "_Read | Waiting":
        """Read by one round trip what orders may still fill, the bars that closed and what predictions rest on.

        What is held is not known before those orders are settled, and nothing is predicted while a bar of a symbol
        that is traded is waited for.
        """
        horizon, account_id = self._rules.horizon, desk.trader.ledger.account_id
        first_ns = end_ns - WARM_BARS * desk.interval.ns
        start_ns = first_ns if desk.traded_end_ns is None else max(desk.traded_end_ns, first_ns)
        async with open_universe(
            desk.symbols,
            horizon,
            self._parts.serving,
            beside=lambda stores: stores.orders.open(account_id=account_id),
        ) as opened:
            pending = [one.id for one in opened.rows.beside if one.strategy_id == self._rules.strategy_id]
            if pending:
                self._parts.executor.start(pending)
                return Waiting(
                    f"orders {', '.join(map(str, pending))} of strategy {self._rules.strategy_id} are open"
                )
            rows, ts_ns = await self._bars(desk, opened.rows, start_ns, end_ns)
            is_whole = (
                bool(ts_ns.size)
                and int(ts_ns[-1]) == end_ns - desk.interval.ns
                and np.isfinite(rows[-1]).all()
            )
            if not is_whole and is_patient:
                return Waiting(
                    f"bars that closed at {ns_to_datetime(end_ns):%Y-%m-%dT%H:%MZ} are not all there"
                )
            return _Read(rows, ts_ns, await opened.tell())

    async def _bars(
        self, desk: "_Desk", read: "OpenedRows[Any]", start_ns: int, end_ns: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Take the bars that opened in [start, end) of what was read for the rows, or read them where that is less."""
        covers = read.live_from_ns is not None and read.live_from_ns <= start_ns
        if not covers:
            return _aligned(
                desk,
                await read.stores.bars.windows(
                    desk.symbols, desk.interval, start_ns=start_ns, stop_ns=end_ns
                ),
            )
        if start_ns + desk.interval.ns < end_ns:
            return _aligned(desk, {symbol: one.window(start_ns, end_ns) for symbol, one in read.live.items()})
        rows = np.array([[_known(desk, read.live, symbol).bar_at(start_ns) for symbol in desk.symbols]])
        return rows, np.array([start_ns])

    async def _remember(self, desk: "_Desk", ts_ns: int, bars: NDArray[np.float64]) -> None:
        """Let the core see a bar that nothing is ordered for."""
        async with self._parts.admit.transactions() as stores:
            held = await desk.trader.read_holdings(stores)
        nothing = np.full(len(desk.symbols), np.nan)
        desk.decider.close_bar(ts_ns, bars, nothing, held)
        for symbol in desk.symbols:
            desk.decider.keep(symbol)

    def _closed_bar(
        self, desk: "_Desk", ts_ns: int, end_ns: int, bars: NDArray[np.float64], told: Sequence[Told]
    ) -> ClosedBar:
        """Take what was said of every symbol; what abstains, may not trade or is of another bar is no prediction."""
        late_s = (self._parts.admit.clock.now() - ns_to_datetime(end_ns)).total_seconds()
        is_late = not late_s <= self._rules.late_frac * desk.interval.seconds
        if is_late:
            log.warning("bar_is_late", bar=ts_ns, late_s=late_s)
        end = utc_text(end_ns)
        scores = {
            one.asked.symbol: one.answer.score
            for one in told
            if one.answer.tradeable and one.answer.outputs.get("bar_end") == end and not is_late
        }
        predictions = np.array([scores.get(symbol) for symbol in desk.symbols], dtype=np.float64)
        return ClosedBar(ts_ns, end_ns, bars, predictions, np.full(len(desk.symbols), np.nan), told)

    async def _close_bar(self, desk: "_Desk", bar: ClosedBar) -> BarStep:
        """Decide; what was predicted is kept where the record is there and the decision is not."""
        try:
            return await desk.trader.close_bar(bar)
        except (ConflictError, DataQualityError):
            async with self._parts.admit.transactions() as stores:
                await store_told(stores, bar.told or ())
            raise


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Lots by symbol, and the least that an order must be worth."""

    lots: Mapping[str, Decimal]
    smallest_quote: float


@dataclass(frozen=True, slots=True)
class _Read:
    """Bars (T, N, 5) by their open times (T,) since the last traded one, and what is said of the newest."""

    rows: NDArray[np.float64]
    ts_ns: NDArray[np.int64]
    told: Sequence[Told]


@dataclass(slots=True)
class _Desk:
    """An opened trader, and how far it has traded."""

    symbols: tuple[str, ...]
    interval: Interval
    decider: Decider
    trader: Trader
    traded_end_ns: int | None


def _aligned(desk: _Desk, windows: Mapping[str, BarWindow]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Put the windows of what is traded on one grid; raises `NotFoundError` where a symbol has no bars at all."""
    found = [_known(desk, windows, symbol) for symbol in desk.symbols]
    there = [n for n, one in enumerate(found) if one.bars.ts_ns.size]
    if not there:
        return np.empty((0, len(desk.symbols), len(FIELDS))), np.empty(0, dtype=np.int64)
    panel = align_panel(
        [found[n].bars for n in there], no_trade_ts_ns=[found[n].no_trade_ts_ns for n in there]
    )
    rows = np.full((panel.n_bars, len(desk.symbols), len(FIELDS)), np.nan)
    rows[:, there] = panel.values
    return rows, panel.ts_ns


def _known(desk: _Desk, found: Mapping[str, S], symbol: str) -> S:
    if symbol not in found:
        raise NotFoundError(f"there are no bars of {symbol} {desk.interval}")
    return found[symbol]


def _decider(symbols: tuple[str, ...], params: ReplayParams) -> Decider:
    return Decider(symbols, params, profiles=[fallback_profile(TRACK, symbol) for symbol in symbols])
