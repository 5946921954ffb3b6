"""Let the trader trade recorded bars, one after the other, on a clock of its own.

Trader, risk, orders, paper venue and ledger are those of any other trading, in an account of its own. Nothing later
than the clock is read. A replay that was stopped goes on where it stood: its state is that of any trader.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from marketsentry.core.lineage import hash_params
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime, utc_text
from marketsentry.core.serving.answer import Why
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.ports.account_lists import Wanted
from marketsentry.ports.accounts import PARITY, SubLedger
from marketsentry.ports.orders import OrderFilter
from marketsentry.services.execution_request import ACCOUNT
from marketsentry.services.parity import MovableClock
from marketsentry.services.predict import ServingParts
from marketsentry.services.serving import load_served
from marketsentry.services.trader_live import SETTLE_WITHIN_S, LiveParts, LiveRules, LiveTrader, Waiting
from marketsentry.services.trader_parts import TRACK, BarStep

PAPER = "paper"
_PAGE = 1_000
_TRIES = 3
_AFTER_CLOSE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ReplaySpan:
    """Bars that open from `start_ns` on and close by `stop_ns`; `speed` times as fast as they came, None at once."""

    start_ns: int
    stop_ns: int
    speed: float | None = None

    def __post_init__(self) -> None:
        if self.stop_ns <= self.start_ns:
            raise InputError(
                f"the end of a replay must be after its start {utc_text(self.start_ns)}, was {utc_text(self.stop_ns)}"
            )
        if self.speed is not None and not 0.0 < self.speed < float("inf"):
            raise InputError(f"speed must be max or a number > 0, was {self.speed:g}")

    def ends_ns(self, interval: Interval) -> range:
        """Closes of the whole bars in it."""
        first = -(-self.start_ns // interval.ns) * interval.ns + interval.ns
        return range(first, self.stop_ns + 1, interval.ns)


@dataclass(frozen=True, slots=True)
class ReplayParts:
    """A trading plane on a clock that is moved here; set `stop` to end after the bar under way."""

    clock: MovableClock
    live: LiveParts
    stop: asyncio.Event


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What came of it, from its first bar on; `resumed_at` is the bar after which this run of it began.

    `codes` are those by which risk held orders back in this run.
    """

    strategy_id: str
    model: str
    symbols: tuple[str, ...]
    start: datetime
    end: datetime
    resumed_at: datetime | None
    is_complete: bool
    bars: int
    orders: int
    fills: int
    equity_quote: Decimal | None
    codes: tuple[str, ...]


async def replay_trader(
    rules: LiveRules,
    span: ReplaySpan,
    parts: ReplayParts,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ReplaySummary:
    """Trade the recorded bars of a span on paper.

    Parameters
    ----------
    rules
        What is traded; strategy and venue are named here.
    span
        Which bars.
    parts
        The trading plane.
    progress
        Told the bars done and all of them.

    Returns
    -------
    ReplaySummary
        Of all bars up to where it ended or was stopped.

    Raises
    ------
    InputError
        If the adapter is a live one, the span holds no whole bar, or the model cannot be served.
    NotFoundError
        If there is no such model.
    ConflictError
        If a bar cannot be traded, with the reason.
    """
    if rules.adapter != PAPER:
        raise InputError(f"a replay trades on paper, was {rules.adapter}")
    name, version = parts.live.serving.rules.models[rules.horizon]
    interval = await _interval(name, version, parts.live.serving)
    ends = span.ends_ns(interval)
    if not ends:
        raise InputError(
            f"{utc_text(span.start_ns)} to {utc_text(span.stop_ns)} must hold a whole {interval} bar, holds none"
        )
    strategy_id = _strategy_id(rules, (name, version), ends)
    replay = _Replay(rules, strategy_id, parts)
    done_ns = await replay.done_ns()
    todo = [end_ns for end_ns in ends if done_ns is None or end_ns > done_ns]
    if done_ns is not None:
        await replay.settle_left(done_ns)
    await replay.trade(
        todo, span, interval, progress=lambda n: progress(len(ends) - len(todo) + n, len(ends))
    )
    last_ns = await replay.done_ns()
    orders, fills, equity = await replay.booked()
    return ReplaySummary(
        strategy_id=strategy_id,
        model=f"{name}:{version}",
        symbols=rules.symbols,
        start=ns_to_datetime(ends[0] - interval.ns),
        end=ns_to_datetime(ends[0] - interval.ns if last_ns is None else last_ns),
        resumed_at=None if done_ns is None else ns_to_datetime(done_ns),
        is_complete=last_ns == ends[-1],
        bars=0 if last_ns is None else (last_ns - ends[0]) // interval.ns + 1,
        orders=orders,
        fills=fills,
        equity_quote=equity,
        codes=tuple(replay.codes),
    )


async def _interval(name: str, version: str, serving: ServingParts) -> Interval:
    async with serving.transactions() as stores:
        registered = await stores.models.get(name, version, track=TRACK)
    served = await load_served(registered, serving.cache, serving.artifacts)
    if isinstance(served, Why):
        raise InputError(served.detail)
    return served.scoring.interval


def _strategy_id(rules: LiveRules, model: tuple[str, str], ends: range) -> str:
    """Name the replay by what it trades, so that the same one goes on and another one begins anew."""
    told = {
        "model": list(model),
        "horizon": rules.horizon,
        "symbols": list(rules.symbols),
        "ends": [ends.start, ends[-1]],
        "rules": {
            "slippage": str(rules.max_slippage_bps),
            "fee": str(rules.fee_bps),
            "replay": dict(rules.replay or {}),
        },
    }
    return f"{PARITY}trader-{hash_params(told)[:12]}"


class _Replay:
    """One replay: its trader, and what it has led to."""

    def __init__(self, rules: LiveRules, strategy_id: str, parts: ReplayParts) -> None:
        self.strategy_id, self.parts = strategy_id, parts
        self.trader = LiveTrader(
            replace(rules, strategy_id=strategy_id, venue=strategy_id, patience=timedelta(0)), parts.live
        )
        self.codes: dict[str, None] = {}

    async def trade(
        self, todo: Iterable[int], span: ReplaySpan, interval: Interval, *, progress: Callable[[int], None]
    ) -> None:
        for n, end_ns in enumerate(todo, start=1):
            if self.parts.stop.is_set():
                return
            self.parts.clock.move_to(ns_to_datetime(end_ns) + _AFTER_CLOSE)
            step = await self._bar(end_ns)
            self.codes.update(dict.fromkeys(step.codes))
            progress(n)
            if span.speed is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(interval.seconds / span.speed):
                        await self.parts.stop.wait()

    async def settle_left(self, done_ns: int) -> None:
        """Settle what a killed run left open, at the close of its last bar as that run would have."""
        self.parts.clock.move_to(ns_to_datetime(done_ns) + _AFTER_CLOSE)
        await self._settle()

    async def _bar(self, end_ns: int) -> BarStep:
        """Trade one bar; its orders are over before the clock moves on."""
        step = await self.trader.tick()
        if isinstance(step, Waiting):
            raise ConflictError(f"the bar that closed at {utc_text(end_ns)} cannot be traded: {step.reason}")
        if step.orders:
            await self._settle()
        return step

    async def _settle(self) -> None:
        left = await self._open_ids()
        for _ in range(_TRIES):
            if not left:
                return
            await self.parts.live.executor.settle(left, within_s=SETTLE_WITHIN_S)
            left = await self._open_ids()
        if left:
            raise ConflictError(f"orders {', '.join(map(str, left))} of {self.strategy_id} are still open")

    async def _open_ids(self) -> list[int]:
        async with self.parts.live.admit.transactions() as stores:
            found = await stores.orders.open(track=TRACK)
        return [one.id for one in found if one.strategy_id == self.strategy_id]

    async def done_ns(self) -> int | None:
        """Close of the last bar that was traded; None before the first."""
        async with self.parts.live.admit.transactions() as stores:
            account = await stores.accounts.find(adapter=PAPER, venue=self.strategy_id, name=ACCOUNT)
            state = None if account is None else await stores.trader.get(self.strategy_id, account.id)
        return None if state is None else datetime_to_ns(state.bar_end)

    async def booked(self) -> tuple[int, int, Decimal | None]:
        """Count its orders and fills, and read its newest equity."""
        wanted = Wanted(strategy_id=self.strategy_id)
        n_orders = n_fills = 0
        before_id: int | None = None
        async with self.parts.live.admit.transactions() as stores:
            while orders := await stores.orders.page(
                OrderFilter(strategy_id=self.strategy_id), before_id=before_id, limit=_PAGE
            ):
                n_orders, before_id = n_orders + len(orders), orders[-1].id
            before_id = None
            while fills := await stores.account_lists.fills(
                wanted, decision_id=None, order_id=None, before_id=before_id, limit=_PAGE
            ):
                n_fills, before_id = n_fills + len(fills), fills[-1].id
            account = await stores.accounts.find(adapter=PAPER, venue=self.strategy_id, name=ACCOUNT)
            if account is None:
                return n_orders, n_fills, None
            mark = await stores.accounts.newest_mark(SubLedger(account.id, self.strategy_id, TRACK))
        return n_orders, n_fills, None if mark is None else mark.equity.equity_quote
