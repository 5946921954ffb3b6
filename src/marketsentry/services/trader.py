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
from marketsentry.core.orders.order import ZERO, OrderStatus
from marketsentry.core.risk.kill_switch import EffectiveSwitch
from marketsentry.core.trading.decider import Decided, Decider, Holdings
from marketsentry.core.trading.orders import Wanted, wanted_orders
from marketsentry.exceptions import DataQualityError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import Account, SubLedger
from marketsentry.ports.decisions import BookEntry, Decision, DecisionSource
from marketsentry.ports.orders import NewOrder, StoredOrder
from marketsentry.ports.risk import ChangedBy
from marketsentry.ports.together import together
from marketsentry.ports.trader import TraderState
from marketsentry.services.account_figures import MAX_TRIPS, STREAK_WINDOW
from marketsentry.services.execution_admit import Held, admit_held
from marketsentry.services.execution_request import ACCOUNT, AdmitParts, RunRequest
from marketsentry.services.execution_risk import Refusal, judge_market, tell_refusal
from marketsentry.services.expected_costs import EXPECTED_COST, CostBook, costs_at_close, rounded_bps
from marketsentry.services.ledger import HoldingCost, Marked, charge_holding, mark, open_ledger
from marketsentry.services.risk_switch import lock_switches, read_locked
from marketsentry.services.trader_parts import TRACK, BarStep, ClosedBar, TradedModel, TraderRules
from marketsentry.services.trader_signals import SignalSource, write_signals

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
        try:
            async with self._parts.transactions() as stores:
                held = await self._read_held(stores)
                decided = self._decider.close_bar(
                    bar.ts_ns, bar.bars, bar.predictions, held.holdings(self._decider.symbols)
                )
                wanted = wanted_orders(
                    self._decider.symbols, decided, held.qty, lot_size=self._rules.lot_size
                )
                judged = await self._judge_market(wanted)
                return await self._write(stores, bar, decided, wanted, judged)
        except Refusal as refusal:
            return await self._write_refused(bar, decided, wanted, refusal)

    async def _read_held(self, stores: Stores) -> _Held:
        assert self._account is not None
        positions, cash = await together(
            stores.accounts.positions(self.ledger), stores.accounts.cash(self.ledger)
        )
        other = sorted(name for name, amount in cash.items() if amount and name != self._account.currency)
        if other:
            raise DataQualityError(f"cash of the trader must be {self._account.currency} alone, has {other}")
        return _Held(
            {one.target: one.position.qty for one in positions},
            {one.target: one.position.average_price for one in positions},
            cash.get(self._account.currency, ZERO),
        )

    async def _judge_market(self, wanted: Sequence[Wanted]) -> frozenset[tuple[str, str]]:
        return await judge_market(((TRACK, one.target) for one in wanted if one.opens), self._parts, by=_BY)

    async def _write(
        self,
        stores: Stores,
        bar: ClosedBar,
        decided: Decided,
        wanted: Sequence[Wanted],
        judged: frozenset[tuple[str, str]],
        *,
        held_back: Sequence[Wanted] = (),
        codes: tuple[str, ...] = (),
    ) -> BarStep:
        assert self._account is not None
        decision_id = self._new_id()
        asks = bool(wanted or held_back)
        pairs = [(TRACK, self._rules.strategy_id)] if wanted else []
        await lock_switches(stores, pairs, spends=True)
        await stores.accounts.hold(self._account)
        switches: Sequence[EffectiveSwitch] = ()
        if pairs:
            switches, _ = await together(
                read_locked(stores, pairs), self._charge_holding(stores, bar, decided)
            )
        else:
            await self._charge_holding(stores, bar, decided)
        marked = await self._mark(stores, bar, decided)
        equity = marked[self.ledger].mark.equity.equity_quote
        state = TraderState(bar.end, self._decider.document())
        writes: list[Coroutine[Any, Any, Any]] = [
            stores.trader.put(self.ledger.strategy_id, self.ledger.account_id, state)
        ]
        if asks or np.isfinite(bar.predictions).any():
            writes += self._decision(stores, decision_id, bar, decided, equity, codes)
        orders: Sequence[StoredOrder] = ()
        if not asks:
            await together(*writes)
        else:
            costs_read = costs_at_close(
                stores, self._decider.symbols, bar.bars, decided.volatility, adapter=self._rules.adapter
            )
            told = write_signals(stores, decision_id, bar, (*wanted, *held_back), self._source)
            *_, costs, signals = await together(*writes, costs_read, told)
            made = [self._order(decision_id, one, bar, decided, signals, costs) for one in wanted]
            blocked = [
                replace(
                    self._order(decision_id, one, bar, decided, signals, costs),
                    status=OrderStatus.BLOCKED,
                    reject_reason=codes[0],
                )
                for one in held_back
            ]
            added = await stores.orders.add([*made, *blocked])
            if wanted:
                held = Held(added[: len(made)], switches, judged, marked[self.ledger.whole])
                request = self._request(decision_id, len(wanted))
                orders = await admit_held(stores, request, self._parts, held)
        return BarStep(decided, equity, decision_id if asks else None, orders, codes)

    async def _write_refused(
        self, bar: ClosedBar, decided: Decided, wanted: Sequence[Wanted], refusal: Refusal
    ) -> BarStep:
        """Close what is to be closed and store the rest as blocked; the core goes on from what is held."""
        closing = [replace(one, qty=one.closing) for one in wanted if one.closing]
        held_back = [replace(one, qty=one.qty - one.closing, closing=ZERO) for one in wanted if one.opens]
        for one in held_back:
            self._decider.keep(one.target)
        async with self._parts.transactions() as stores:
            step = await self._write(
                stores, bar, decided, closing, frozenset(), held_back=held_back, codes=refusal.codes
            )
        assert step.decision_id is not None
        await tell_refusal(refusal, self._request(step.decision_id, len(wanted)), self._parts, by=_BY)
        return step

    async def _charge_holding(self, stores: Stores, bar: ClosedBar, decided: Decided) -> None:
        costs = [
            HoldingCost(symbol, Decimal(repr(paid)), f"borrow-{symbol}-{bar.end_ns}")
            for symbol, paid in zip(self._decider.symbols, decided.funding_quote.tolist(), strict=True)
            if paid
        ]
        await charge_holding(stores, self.ledger, costs, at=bar.end, kind=EntryKind.BORROW)

    async def _mark(self, stores: Stores, bar: ClosedBar, decided: Decided) -> Mapping[SubLedger, Marked]:
        """Mark; the ledger must come to the equity that was decided on."""
        marks = {
            symbol: Decimal(repr(price))
            for symbol, price in zip(self._decider.symbols, decided.marks.tolist(), strict=True)
            if price > 0.0
        }
        taken = await mark(
            stores,
            [self.ledger],
            marks,
            at=bar.end,
            trips_since=self._parts.clock.now() - STREAK_WINDOW,
            max_trips=MAX_TRIPS,
        )
        equity = taken[self.ledger].mark.equity.equity_quote
        if not abs(float(equity) - decided.equity) <= AGREEMENT * max(1.0, abs(decided.equity)):
            raise DataQualityError(
                f"equity of strategy {self.ledger.strategy_id} must be that of its ledger {equity}, "
                f"was decided on {decided.equity!r}"
            )
        return taken

    def _decision(
        self,
        stores: Stores,
        decision_id: str,
        bar: ClosedBar,
        decided: Decided,
        equity: Decimal,
        codes: tuple[str, ...],
    ) -> list[Coroutine[Any, Any, Any]]:
        decision = Decision(
            decision_id=decision_id,
            track=TRACK,
            strategy_id=self._rules.strategy_id,
            source=DecisionSource.TRADER,
            as_of=bar.end,
            is_approved=True,
            capital=equity if equity > 0 else None,
            violations=tuple({"code": code, "tag": "breach"} for code in codes),
            metadata={"model": self._model.name, "bar_end": bar.end.isoformat()},
        )
        book = [
            BookEntry(symbol, TRACK, weight, reason="trader")
            for symbol, weight in zip(self._decider.symbols, decided.wanted.tolist(), strict=True)
            if np.isfinite(weight)
        ]
        return [stores.decisions.add(decision), stores.decisions.add_book(decision_id, book)]

    def _order(
        self,
        decision_id: str,
        one: Wanted,
        bar: ClosedBar,
        decided: Decided,
        signals: Mapping[str, int],
        costs: CostBook,
    ) -> NewOrder:
        price = float(decided.marks[self._decider.symbols.index(one.target)])
        known = Decimal(repr(price)) if price > 0.0 else None
        cost = costs.estimate(one.target, None if known is None else one.qty * known)
        return NewOrder(
            decision_id=decision_id,
            target=one.target,
            track=TRACK,
            side=one.side,
            quantity=one.qty,
            base_quantity=one.qty,
            notional=None if known is None else one.qty * known,
            est_price=known,
            price_ts=bar.end,
            est_cost_bps=rounded_bps(cost),
            is_reduce_only=not one.opens,
            adapter=self._rules.adapter,
            venue=self._rules.venue,
            max_slippage_bps=self._rules.max_slippage_bps,
            strategy_id=self._rules.strategy_id,
            signal_id=signals[one.target],
            metadata={EXPECTED_COST: costs.document(one.target, cost)},
        )

    def _request(self, decision_id: str, n_orders: int) -> RunRequest:
        rules = self._rules
        return RunRequest(
            decision_id=decision_id,
            adapter=rules.adapter,
            venue=rules.venue,
            max_slippage_bps=rules.max_slippage_bps,
            max_orders=max(1, n_orders),
            max_retries=rules.max_retries,
            fee_bps=rules.fee_bps,
            style=rules.style,
        )
