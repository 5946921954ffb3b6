"""Trade one bar: what was decided, the orders of it and their admission in one transaction (design sections 3 and 6).

The decision core decides from what the ledger holds. Risk then lets the orders pass or not, under the same locks as any
other run of a decision; what it does not let pass is stored as blocked, with the codes, and what only closes goes on.
The executor carries the orders out. After a crash the trader takes up the state that the last decision left.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from marketsentry.core.account.entries import EntryKind
from marketsentry.core.account.position import Position
from marketsentry.core.orders.order import ZERO, OrderStatus
from marketsentry.core.risk.kill_switch import EffectiveSwitch
from marketsentry.core.trading.decider import Decided, Decider, Holdings
from marketsentry.core.trading.orders import Wanted, wanted_orders
from marketsentry.exceptions import DataQualityError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import Account, LedgerState, SubLedger
from marketsentry.ports.costs import CostFit
from marketsentry.ports.decisions import BookEntry, Decision, DecisionSource
from marketsentry.ports.orders import NewOrder, StoredOrder
from marketsentry.ports.risk import ChangedBy
from marketsentry.ports.together import together
from marketsentry.ports.trader import TraderState
from marketsentry.services.account_figures import MAX_TRIPS, STREAK_WINDOW
from marketsentry.services.execution_admit import Held, Known, admit_held
from marketsentry.services.execution_request import ACCOUNT, AdmitParts, RunRequest
from marketsentry.services.execution_risk import Refusal, judge_market, read_track_facts, tell_refusal
from marketsentry.services.expected_costs import EXPECTED_COST, CostBook, liquidity_at_close, rounded_bps
from marketsentry.services.ledger import HoldingCost, Marked, charge_holding, mark_states, open_ledger
from marketsentry.services.risk_switch import hold_switches, lock_budgets
from marketsentry.services.trader_parts import TRACK, BarStep, ClosedBar, TradedModel, TraderRules
from marketsentry.services.trader_signals import SignalSource, signals_of, write_predictions

AGREEMENT = 1e-9
_BY = ChangedBy("trader")


@dataclass(frozen=True, slots=True)
class _Held:
    qty: Mapping[str, Decimal]
    average_price: Mapping[str, Decimal]
    cash: Decimal

    def holdings(self, symbols: Sequence[str]) -> Holdings:
        return Holdings(
            np.array([float(self.qty.get(symbol, ZERO)) for symbol in symbols]),
            np.array([float(self.average_price.get(symbol, ZERO)) for symbol in symbols]),
            float(self.cash),
        )


class Trader:
    """Trades one strategy on one account; made once, then given one closed bar after the other.

    Parameters
    ----------
    decider
        Decides; of the targets that are traded.
    model
        Whose predictions it is given.
    rules
        Where and how.
    parts
        Record, risk and venues.
    new_id
        Names decisions.
    """

    def __init__(
        self,
        decider: Decider,
        model: TradedModel,
        rules: TraderRules,
        parts: AdmitParts,
        *,
        new_id: Callable[[], str],
    ) -> None:
        self._decider, self._model, self._rules, self._parts = decider, model, rules, parts
        self._new_id = new_id
        self._source = SignalSource(decider.symbols, model, rules.strategy_id)
        self._account: Account | None = None
        self._ledger: SubLedger | None = None

    async def open(self) -> datetime | None:
        """Open the account and take up the state that is in the record; returns the end of the last traded bar.

        Raises `ConflictError` when the state is of other targets.
        """
        rules, parts = self._rules, self._parts
        async with parts.transactions() as stores:
            account = await stores.accounts.open(
                adapter=rules.adapter,
                venue=rules.venue,
                name=ACCOUNT,
                currency=parts.venues.currency(rules.adapter, rules.venue),
            )
            self._account = account
            self._ledger = await open_ledger(
                stores,
                account,
                strategy_id=rules.strategy_id,
                track=TRACK,
                paper_capital=parts.paper_capital,
                at=parts.clock.now(),
            )
            state = await stores.trader.get(rules.strategy_id, account.id)
        if state is None:
            return None
        self._decider.restore(state.document)
        return state.bar_end

    @property
    def account(self) -> Account:
        """The account that is traded; there once it was opened."""
        assert self._account is not None
        return self._account

    @property
    def ledger(self) -> SubLedger:
        """The sub-ledger that is traded; there once it was opened."""
        assert self._ledger is not None
        return self._ledger

    async def read_holdings(self, stores: Stores) -> Holdings:
        """Read what the strategy holds, in the order of the targets."""
        return (await self._read_held(stores)).holdings(self._decider.symbols)

    async def close_bar(self, bar: ClosedBar) -> BarStep:
        """Decide at the close of a bar and let the orders be executed.

        Parameters
        ----------
        bar
            Later than the one before; every fill of orders sent before it is booked.

        Returns
        -------
        BarStep
            `orders` are those admitted, for the executor.

        Raises
        ------
        DataQualityError
            If the ledger and the decision core do not agree on the equity, or a snapshot is not stored.
        ConflictError
            If another trader has traded the bar.
        DependencyError
            If the record is away. The state in memory is ahead of the record then: open the trader again.
        """
        plan: _Plan | None = None
        try:
            async with self._parts.transactions() as stores:
                opened = await self._open_bar(stores)
                decided = self._decider.close_bar(
                    bar.ts_ns, bar.bars, bar.predictions, opened.held.holdings(self._decider.symbols)
                )
                wanted = wanted_orders(
                    self._decider.symbols, decided, opened.held.qty, lot_size=self._rules.lot_size
                )
                plan = _Plan(self._new_id(), bar, decided, wanted)
                return await self._write(stores, plan, opened)
        except Refusal as refusal:
            assert plan is not None
            return await self._write_refused(plan, refusal)

    async def _open_bar(self, stores: Stores) -> "_Opened":
        """Take the locks of an admission and read, under them and by one round trip, all that a decision rests on."""
        pairs = [(TRACK, self._rules.strategy_id)]
        await lock_budgets(stores, pairs)
        await stores.accounts.hold(self.account)
        switches, states, fits = await together(
            hold_switches(stores, pairs),
            self._read_states(stores),
            stores.costs.newest(self._rules.adapter, self._decider.symbols),
        )
        own = states[0]
        held = self._held_of({one.target: one.position for one in own.positions}, own.cash)
        return _Opened(held, switches, states, fits)

    async def _read_states(self, stores: Stores) -> tuple[LedgerState, ...]:
        """Read the strategy and the whole track in the account."""
        window: dict[str, Any] = {
            "trips_since": self._parts.clock.now() - STREAK_WINDOW,
            "max_trips": MAX_TRIPS,
        }
        return await together(
            *(stores.accounts.state(one, **window) for one in (self.ledger, self.ledger.whole))
        )

    async def _read_held(self, stores: Stores) -> _Held:
        positions, cash = await together(
            stores.accounts.positions(self.ledger), stores.accounts.cash(self.ledger)
        )
        return self._held_of({one.target: one.position for one in positions}, cash)

    def _held_of(self, positions: Mapping[str, Position], cash: Mapping[str, Decimal]) -> _Held:
        currency = self.account.currency
        other = sorted(name for name, amount in cash.items() if amount and name != currency)
        if other:
            raise DataQualityError(f"cash of the trader must be {currency} alone, has {other}")
        return _Held(
            {target: one.qty for target, one in positions.items()},
            {target: one.average_price for target, one in positions.items()},
            cash.get(currency, ZERO),
        )

    async def _write(self, stores: Stores, plan: "_Plan", opened: "_Opened") -> BarStep:
        """Write a decision and admit its orders: one round trip for all that is written, one for the admission."""
        bar = plan.bar
        marked = await self._mark(stores, plan, await self._charge(stores, plan, opened))
        equity = marked[self.ledger].mark.equity.equity_quote
        state = TraderState(bar.end, self._decider.document())
        writes: list[Coroutine[Any, Any, Any]] = [
            stores.trader.put(self.ledger.strategy_id, self.ledger.account_id, state)
        ]
        if plan.asks or np.isfinite(bar.predictions).any():
            writes += self._decision(stores, plan, equity)
        if not plan.asks:
            await together(*writes)
            return BarStep(plan.decided, equity, None, (), plan.codes)
        ids = bar.prediction_ids
        if ids is None:
            *_, ids = await together(*writes, write_predictions(stores, plan.decision_id, bar, self._source))
            writes = []
        signals = signals_of(plan.decision_id, bar, plan.every, self._source, ids)
        *_, added, judged, facts = await together(
            *writes,
            stores.signals.add_many(signals),
            stores.orders.add(self._orders(plan, opened)),
            judge_market(stores, [(TRACK, one.target) for one in plan.wanted if one.opens], self._parts),
            read_track_facts(stores, TRACK, self._targets(opened), self._parts),
        )
        orders: Sequence[StoredOrder] = ()
        if plan.wanted:
            known = Known(marked[self.ledger.whole], facts)
            held = Held(added[: len(plan.wanted)], opened.switches, judged, known=known, holds_switches=True)
            orders = await admit_held(stores, self._request(plan), self._parts, held)
        return BarStep(plan.decided, equity, plan.decision_id, orders, plan.codes)

    async def _write_refused(self, plan: "_Plan", refusal: Refusal) -> BarStep:
        """Close what is to be closed and store the rest as blocked; the core goes on from what is held."""
        closing = [replace(one, qty=one.closing) for one in plan.wanted if one.closing]
        held_back = [
            replace(one, qty=one.qty - one.closing, closing=ZERO) for one in plan.wanted if one.opens
        ]
        for one in held_back:
            self._decider.keep(one.target)
        left = replace(
            plan, decision_id=self._new_id(), wanted=closing, held_back=held_back, codes=refusal.codes
        )
        async with self._parts.transactions() as stores:
            step = await self._write(stores, left, await self._open_bar(stores))
        await tell_refusal(refusal, self._request(left), self._parts, by=_BY)
        return step

    async def _charge(self, stores: Stores, plan: "_Plan", opened: "_Opened") -> Sequence[LedgerState]:
        """Charge what holding cost in the bar; returns the states after it."""
        costs = [
            HoldingCost(symbol, Decimal(repr(paid)), f"borrow-{symbol}-{plan.bar.end_ns}")
            for symbol, paid in zip(self._decider.symbols, plan.decided.funding_quote.tolist(), strict=True)
            if paid
        ]
        return await charge_holding(
            stores, self.account, opened.states, costs, at=plan.bar.end, kind=EntryKind.BORROW
        )

    async def _mark(
        self, stores: Stores, plan: "_Plan", states: Sequence[LedgerState]
    ) -> Mapping[SubLedger, Marked]:
        """Mark; the ledger must come to the equity that was decided on."""
        decided = plan.decided
        taken = await mark_states(stores, self.account, states, self._prices(decided), at=plan.bar.end)
        equity = taken[self.ledger].mark.equity.equity_quote
        if not abs(float(equity) - decided.equity) <= AGREEMENT * max(1.0, abs(decided.equity)):
            raise DataQualityError(
                f"equity of strategy {self.ledger.strategy_id} must be that of its ledger {equity}, "
                f"was decided on {decided.equity!r}"
            )
        return taken

    def _prices(self, decided: Decided) -> Mapping[str, Decimal]:
        return {
            symbol: Decimal(repr(price))
            for symbol, price in zip(self._decider.symbols, decided.marks.tolist(), strict=True)
            if price > 0.0
        }

    def _targets(self, opened: "_Opened") -> Sequence[str]:
        """What is traded, and what anybody holds in the track."""
        return (*self._decider.symbols, *(one.target for one in opened.states[1].positions))

    def _decision(self, stores: Stores, plan: "_Plan", equity: Decimal) -> list[Coroutine[Any, Any, Any]]:
        bar = plan.bar
        decision = Decision(
            decision_id=plan.decision_id,
            track=TRACK,
            strategy_id=self._rules.strategy_id,
            source=DecisionSource.TRADER,
            as_of=bar.end,
            is_approved=True,
            capital=equity if equity > 0 else None,
            violations=tuple({"code": code, "tag": "breach"} for code in plan.codes),
            metadata={"model": self._model.name, "bar_end": bar.end.isoformat()},
        )
        book = [
            BookEntry(symbol, TRACK, weight, reason="trader")
            for symbol, weight in zip(self._decider.symbols, plan.decided.wanted.tolist(), strict=True)
            if np.isfinite(weight)
        ]
        return [stores.decisions.add(decision), stores.decisions.add_book(plan.decision_id, book)]

    def _orders(self, plan: "_Plan", opened: "_Opened") -> Sequence[NewOrder]:
        """Those that are wanted, and behind them those that are held back."""
        liquidity = liquidity_at_close(self._decider.symbols, plan.bar.bars, plan.decided.volatility)
        costs, prices = CostBook(opened.fits, liquidity), self._prices(plan.decided)
        made = [self._order(plan, one, costs, prices.get(one.target)) for one in plan.every]
        return [
            *made[: len(plan.wanted)],
            *(
                replace(one, status=OrderStatus.BLOCKED, reject_reason=plan.codes[0])
                for one in made[len(plan.wanted) :]
            ),
        ]

    def _order(self, plan: "_Plan", one: Wanted, costs: CostBook, price: Decimal | None) -> NewOrder:
        notional = None if price is None else one.qty * price
        cost = costs.estimate(one.target, notional)
        return NewOrder(
            decision_id=plan.decision_id,
            target=one.target,
            track=TRACK,
            side=one.side,
            quantity=one.qty,
            base_quantity=one.qty,
            notional=notional,
            est_price=price,
            price_ts=plan.bar.end,
            est_cost_bps=rounded_bps(cost),
            is_reduce_only=not one.opens,
            adapter=self._rules.adapter,
            venue=self._rules.venue,
            max_slippage_bps=self._rules.max_slippage_bps,
            strategy_id=self._rules.strategy_id,
            has_signal=True,
            metadata={EXPECTED_COST: costs.document(one.target, cost)},
        )

    def _request(self, plan: "_Plan") -> RunRequest:
        rules = self._rules
        return RunRequest(
            decision_id=plan.decision_id,
            adapter=rules.adapter,
            venue=rules.venue,
            max_slippage_bps=rules.max_slippage_bps,
            max_orders=max(1, len(plan.wanted)),
            max_retries=rules.max_retries,
            fee_bps=rules.fee_bps,
            style=rules.style,
        )


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is held, under the locks of an admission; `states` are of the strategy and of the whole track."""

    held: _Held
    switches: Sequence[EffectiveSwitch]
    states: Sequence[LedgerState]
    fits: Mapping[str, CostFit]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be written of a bar: orders that are wanted, and those that risk holds back by `codes`."""

    decision_id: str
    bar: ClosedBar
    decided: Decided
    wanted: Sequence[Wanted]
    held_back: Sequence[Wanted] = ()
    codes: tuple[str, ...] = ()

    @property
    def every(self) -> Sequence[Wanted]:
        """All orders in the order in which they are stored."""
        return (*self.wanted, *self.held_back)

    @property
    def asks(self) -> bool:
        """Whether there is any."""
        return bool(self.wanted or self.held_back)
