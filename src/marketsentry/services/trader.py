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
from marketsentry.core.orders.change import Change
from marketsentry.core.orders.order import ZERO
from marketsentry.core.risk.kill_switch import EffectiveSwitch
from marketsentry.core.trading.decider import Decider, Holdings
from marketsentry.core.trading.orders import wanted_orders
from marketsentry.exceptions import ConflictError, DataQualityError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import Account, KnownPrice, LedgerState, SubLedger
from marketsentry.ports.costs import CostFit
from marketsentry.ports.orders import NewOrder, drafted, order_of, patched
from marketsentry.ports.risk import ChangedBy
from marketsentry.ports.together import together
from marketsentry.ports.trader import TraderState
from marketsentry.ports.with_commit import ending_with
from marketsentry.services.account_figures import MAX_TRIPS, STREAK_WINDOW, record_prices
from marketsentry.services.execution_admit import Held, Known, judge_held
from marketsentry.services.execution_request import ACCOUNT, AdmitParts
from marketsentry.services.execution_risk import (
    Refusal,
    TrackFacts,
    judge_market,
    read_track_facts,
    tell_refusal,
)
from marketsentry.services.ledger import (
    PAPER,
    HoldingCost,
    Marked,
    charge_holding,
    mark_states,
    open_ledger,
)
from marketsentry.services.risk_switch import hold_switches, lock_budgets
from marketsentry.services.trader_parts import TRACK, BarStep, ClosedBar, TradedModel, TraderRules
from marketsentry.services.trader_record import BarPlan, BarRecords
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
        self._pair = (TRACK, rules.strategy_id)
        self._source = SignalSource(decider.symbols, model, rules.strategy_id)
        self._records = BarRecords(decider.symbols, model, rules)
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

    async def begin(self) -> None:
        """Begin with the cash that the ledger has.

        Raises `ConflictError` where there is none, and `InputError` where something is held.
        """
        rules = self._rules
        async with self._parts.transactions() as stores:
            holdings, stage_pct = await self.read_holdings(stores), await self._stage_pct(stores)
        if not holdings.cash > 0.0 and not holdings.qty.any():
            raise ConflictError(
                f"strategy {rules.strategy_id} must have cash in {rules.adapter} at {rules.venue}, had "
                f"{holdings.cash:g}; book what is there for it with `ms account deposit`"
            )
        self._decider.begin(holdings, capital_frac=stage_pct / 100)

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
        plan: BarPlan | None = None

        async def work(stores: Stores) -> Coroutine[Any, Any, BarStep]:
            nonlocal plan
            opened = await self._open_bar(stores)
            decided = self._decider.close_bar(
                bar.ts_ns,
                bar.bars,
                bar.predictions,
                opened.held.holdings(self._decider.symbols),
                capital_frac=opened.stage_pct / 100,
            )
            wanted = wanted_orders(
                self._decider.symbols,
                decided,
                opened.held.qty,
                lots=self._rules.lots,
                smallest_quote=self._rules.smallest_quote,
            )
            plan = BarPlan(self._new_id(), bar, decided, wanted)
            return await self._write(stores, plan, opened)

        try:
            return await ending_with(self._parts.transactions(), work)
        except Refusal as refusal:
            assert plan is not None
            return await self._write_refused(plan, refusal)

    async def _open_bar(self, stores: Stores) -> "_Opened":
        """Lock budget and account and read, under them and by one round trip, all that a decision rests on."""
        await lock_budgets(stores, [self._pair])
        await stores.accounts.hold(self.account)
        states, fits = await together(
            stores.accounts.states(
                (self.ledger, self.ledger.whole),
                trips_since=self._parts.clock.now() - STREAK_WINDOW,
                max_trips=MAX_TRIPS,
            ),
            stores.costs.newest(self._rules.adapter, self._decider.symbols),
        )
        own = states[0]
        held = self._held_of({one.target: one.position for one in own.positions}, own.cash)
        return _Opened(held, states, fits, await self._stage_pct(stores))

    async def _stage_pct(self, stores: Stores) -> int:
        """Read which share of the capital the strategy may trade with, in percent."""
        is_live = self._rules.adapter != PAPER
        return await self._parts.stage_of(stores, track=TRACK, is_live=is_live)

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

    async def _write(self, stores: Stores, plan: BarPlan, opened: "_Opened") -> Coroutine[Any, Any, BarStep]:
        """Write a decision and its orders as risk admits them; returns what is left to be sent with the commit.

        Two round trips: one for what has to be known before the orders are admitted, one for all that is written.
        """
        _, states, switches, judged, (facts, prices), ids = await together(
            self._put_state(stores, plan),
            self._charge(stores, plan, opened),
            self._hold_switches(stores, plan),
            judge_market(stores, plan.openings, self._parts),
            self._read_facts(stores, plan, opened),
            self._prediction_ids(stores, plan),  # after the switches: lineages are the last lock
        )
        marked = await self._mark(stores, plan, states)
        equity = marked[self.ledger].mark.equity.equity_quote
        records = self._records
        if plan.is_decision:
            await stores.decisions.put(records.decision(plan, equity), records.book(plan))
        await stores.signals.put_many(signals_of(plan.decision_id, plan.bar, plan.every, self._source, ids))
        new = records.orders(plan, opened.fits)
        changes: Sequence[Change] = ()
        if plan.wanted:
            known = Known(marked[self.ledger.whole], facts, prices)
            held = Held((), switches, judged, known=known, stage_pct=opened.stage_pct)
            new, changes = await self._admitted(stores, plan, new, held)
        return self._step(stores, plan, equity, new, changes)

    async def _step(
        self,
        stores: Stores,
        plan: BarPlan,
        equity: Decimal,
        new: Sequence[NewOrder],
        changes: Sequence[Change],
    ) -> BarStep:
        """Send the orders; those that are wanted are for the executor."""
        added = await stores.orders.add(new, changes, holder=self._parts.holder)
        decision_id = plan.decision_id if plan.asks else None
        return BarStep(plan.decided, equity, decision_id, added[: len(plan.wanted)], plan.codes)

    async def _admitted(
        self,
        stores: Stores,
        plan: BarPlan,
        new: Sequence[NewOrder],
        held: Held,
    ) -> tuple[Sequence[NewOrder], Sequence[Change]]:
        """Let risk admit the orders that are wanted, before they are stored, by what is held; raises `Refusal`."""
        at, request = self._parts.clock.now(), self._records.request(plan)
        drafts = [drafted(one, place, at=at) for place, one in enumerate(new[: len(plan.wanted)])]
        admission = await judge_held(stores, request, self._parts, replace(held, orders=drafts))
        begun = {one.id: order_of(one, ()) for one in drafts}
        changes, patches = admission.changes(request, begun, at=at)
        admitted = [patched(one, patches[place]) for place, one in enumerate(new[: len(drafts)])]
        return [*admitted, *new[len(drafts) :]], changes

    async def _put_state(self, stores: Stores, plan: BarPlan) -> None:
        state = TraderState(plan.bar.end, self._decider.document())
        await stores.trader.put(self.ledger.strategy_id, self.ledger.account_id, state)

    async def _hold_switches(self, stores: Stores, plan: BarPlan) -> Sequence[EffectiveSwitch]:
        """Lock the switches, after every other lock, where something is opened."""
        return await hold_switches(stores, [self._pair]) if plan.openings else ()

    async def _read_facts(
        self, stores: Stores, plan: BarPlan, opened: "_Opened"
    ) -> tuple[TrackFacts | None, Sequence[KnownPrice]]:
        """Read what risk must know, where something is opened, of all that anybody trades, holds or has on its way."""
        if not plan.openings:
            return None, ()
        whole = opened.states[1]
        targets = (*self._decider.symbols, *(one.target for one in whole.positions), *whole.on_their_way)
        return await together(
            read_track_facts(stores, TRACK, targets, self._parts),
            record_prices(stores, self._rules.adapter, whole.on_their_way, at=self._parts.clock.now()),
        )

    async def _prediction_ids(self, stores: Stores, plan: BarPlan) -> Mapping[str, int]:
        """Store the predictions, those of a replay where something is ordered; names them by their targets."""
        if plan.bar.told is None and not plan.asks:
            return {}
        return await write_predictions(stores, plan.decision_id, plan.bar, self._source)

    async def _write_refused(self, plan: BarPlan, refusal: Refusal) -> BarStep:
        """Close what is to be closed and store the rest as blocked; the core goes on from what is held."""
        left = plan.without_openings(self._new_id(), refusal.codes)
        for one in left.held_back:
            self._decider.keep(one.target)

        async def work(stores: Stores) -> Coroutine[Any, Any, BarStep]:
            return await self._write(stores, left, await self._open_bar(stores))

        step = await ending_with(self._parts.transactions(), work)
        await tell_refusal(refusal, self._records.request(left), self._parts, by=_BY)
        return step

    async def _charge(self, stores: Stores, plan: BarPlan, opened: "_Opened") -> Sequence[LedgerState]:
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
        self, stores: Stores, plan: BarPlan, states: Sequence[LedgerState]
    ) -> Mapping[SubLedger, Marked]:
        """Mark; the ledger must come to the equity that was decided on."""
        decided = plan.decided
        taken = await mark_states(
            stores, self.account, states, self._records.prices(decided), at=plan.bar.end
        )
        equity = taken[self.ledger].mark.equity.equity_quote
        if not abs(float(equity) - decided.equity) <= AGREEMENT * max(1.0, abs(decided.equity)):
            raise DataQualityError(
                f"equity of strategy {self.ledger.strategy_id} must be that of its ledger {equity}, "
                f"was decided on {decided.equity!r}"
            )
        return taken


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is held, under the locks of an admission; `states` are of the strategy and of the whole track."""

    held: _Held
    states: Sequence[LedgerState]
    fits: Mapping[str, CostFit]
    stage_pct: int
