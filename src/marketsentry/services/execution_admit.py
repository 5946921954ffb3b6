"""Let the orders of a decision be executed, or say by which code not: checks 1 to 6 of contract 1.6.

What decides is read and written in one transaction: it holds the budget of the track from its beginning, so that two
decisions never spend one, and the switches from its last reading, so that nothing is admitted after one was pulled
and who pulls it waits for a write at most. Orders that only reduce what is held are never held back (D9). What a
refusal pulls or tells is written after it, for a refusal writes nothing else.
"""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketsentry.core.orders.change import Change, take
from marketsentry.core.orders.events import Admitted, Event, Finished
from marketsentry.core.orders.order import Order, OrderStatus
from marketsentry.core.risk.codes import no_data_code
from marketsentry.core.risk.kill_switch import EffectiveSwitch
from marketsentry.exceptions import LockedError, NotFoundError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import GLOBAL, Account, KnownPrice, LedgerState, SubLedger
from marketsentry.ports.orders import OrderPatch, StoredOrder
from marketsentry.ports.risk import ChangedBy
from marketsentry.ports.together import together
from marketsentry.ports.with_commit import ending_with
from marketsentry.services.account_figures import MAX_TRIPS, STREAK_WINDOW, record_prices
from marketsentry.services.execution_booking import executed_qty, result_of
from marketsentry.services.execution_holdings import Holdings, intent_of, which_open
from marketsentry.services.execution_request import ACCOUNT, AdmitParts, RunRequest, Sized
from marketsentry.services.execution_risk import (
    Refusal,
    TrackFacts,
    judge_market,
    judge_risk,
    mark_strategies,
    read_track_facts,
    tell_refusal,
)
from marketsentry.services.ledger import Marked
from marketsentry.services.risk_switch import effective_switches, hold_switches

Admitting = Coroutine[Any, Any, Sequence[StoredOrder]]
"""The last statement of an admission, not awaited yet: with it the transaction may commit."""


async def admit(request: RunRequest, parts: AdmitParts, *, by: ChangedBy) -> Sequence[StoredOrder]:
    """Admit the orders of a decision that wait for a run.

    Parameters
    ----------
    request
        The decision and how it is executed.
    parts
        Record, risk and venues.
    by
        Who asks.

    Returns
    -------
    sequence of StoredOrder
        Those admitted by this call, in their order; empty when the decision has run before.

    Raises
    ------
    NotFoundError
        If the decision has no orders.
    LockedError
        With the code by which risk refuses.
    """
    try:
        return await ending_with(parts.transactions(), lambda stores: _admitted(stores, request, parts))
    except Refusal as refusal:
        await tell_refusal(refusal, request, parts, by=by)
        raise LockedError(refusal.detail, hard_tracks=refusal.hard_tracks) from None


async def _waiting(stores: Stores, request: RunRequest) -> Sequence[StoredOrder]:
    orders = await stores.orders.lock(request.decision_id, limit=request.max_orders)
    if not orders:
        raise NotFoundError("no orders for decision")
    return [one for one in orders if one.status.is_waiting]


async def _account(stores: Stores, request: RunRequest) -> Account | None:
    return await stores.accounts.find(adapter=request.adapter, venue=request.venue, name=ACCOUNT)


async def _states(
    stores: Stores, account: Account | None, orders: Sequence[StoredOrder], parts: AdmitParts
) -> Mapping[SubLedger, LedgerState]:
    """Read under the lock of the account the strategies of orders and the whole of their tracks, as marks need them."""
    if account is None:
        return {}
    await stores.accounts.hold(account)
    own = [SubLedger(account.id, one.strategy_id, one.track) for one in orders]
    ledgers = tuple(dict.fromkeys((*own, *(one.whole for one in own))))
    since = parts.clock.now() - STREAK_WINDOW
    states = await stores.accounts.states(ledgers, trips_since=since, max_trips=MAX_TRIPS)
    return dict(zip(ledgers, states, strict=True))


def _openers(orders: Sequence[StoredOrder], holdings: Holdings) -> Sequence[StoredOrder]:
    opening = which_open(holdings, [intent_of(one) for one in orders])
    return [order for order, opens in zip(orders, opening, strict=True) if opens]


async def admit_within(
    stores: Stores, request: RunRequest, parts: AdmitParts, judged: frozenset[tuple[str, str]] | None = None
) -> Sequence[StoredOrder]:
    """Admit the orders of a decision in the transaction of the caller.

    Parameters
    ----------
    stores
        Of the transaction; a `Refusal` must leave it, so that nothing of it stays.
    request
        The decision and how it is executed.
    parts
        Risk and venues.
    judged
        Track and target of what the breaker let pass: nothing else may be opened. None: it judges here.

    Returns
    -------
    sequence of StoredOrder
        Those admitted.

    Raises
    ------
    Refusal
        By which codes risk refuses; tell it with `tell_refusal`.
    """
    return await (await _admitted(stores, request, parts, judged))


async def _admitted(
    stores: Stores, request: RunRequest, parts: AdmitParts, judged: frozenset[tuple[str, str]] | None = None
) -> Admitting:
    """Do all of an admission but its last statement, which is returned; see `admit_within`."""
    await stores.risk.lock_budgets_of(request.decision_id)
    orders, switches, decision, _ = await together(
        _waiting(stores, request),
        stores.risk.all_switches(),
        stores.decisions.get(request.decision_id),
        _account(stores, request),
    )
    if not orders:
        return stores.orders.append(())
    refused: tuple[str, ...] = ()
    if not decision.is_approved:
        refused = tuple(str(one["code"]) for one in decision.violations) or ("decision_not_approved",)
    known = effective_switches(switches, dict.fromkeys((one.track, one.strategy_id) for one in orders))
    return await admit_held(stores, request, parts, Held(orders, known, judged, refused))


@dataclass(frozen=True, slots=True)
class Held:
    """Orders of a decision under locks: their rows and the budget, and with `known` those of `switches`.

    `judged` is track and target of what the breaker let pass: nothing else may be opened; None: it judges here.
    `refused` are the codes of a decision that was not approved. `known` is what is known already of their one track.
    `stage_pct` is the stage that was decided with: their quantities are of it already. None: they are scaled here.
    """

    orders: Sequence[StoredOrder]
    switches: Sequence[EffectiveSwitch]
    judged: frozenset[tuple[str, str]] | None = None
    refused: tuple[str, ...] = ()
    known: "Known | None" = None
    stage_pct: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What a track was just marked at by the prices of the orders, and what was read beside it where one opens.

    `prices` are of what is on its way and not held.
    """

    marked: Marked
    facts: TrackFacts | None
    prices: Sequence[KnownPrice] = ()

    @property
    def states(self) -> Mapping[SubLedger, LedgerState]:
        """What the track holds."""
        return {self.marked.state.ledger: self.marked.state}


@dataclass(frozen=True, slots=True)
class Admission:
    """What risk let pass: the orders with their sizes, the account that they move, and why nothing can be sent."""

    sized: Sequence[Sized]
    account: Account | None
    refusal: str | None

    def changes(
        self, request: RunRequest, logs: Mapping[int, Order], *, at: datetime
    ) -> tuple[Sequence[Change], Mapping[int, OrderPatch]]:
        """Tell what becomes of the orders, given as they are; those that cannot be sent at all end, with the reason."""
        changes: list[Change] = []
        patches: dict[int, OrderPatch] = {}
        for one in self.sized:
            order, reason = logs[one.order.id], self.refusal
            plan = request.plan_for(one)
            if one.qty is None:
                reason = "no_market_data"
            elif not one.qty:
                reason = "below_min_size"
            elif one.opens and plan.terms.reduce_only:
                reason = "reduce_only_opens"
            events: list[Event] = [Admitted(at, one.qty or order.qty)]
            if reason is not None:
                events.append(Finished(at, OrderStatus.REJECTED, reason))
            change = take(order, events)
            changes.append(change)
            metadata: dict[str, object] = {"rollout_stage_pct": one.stage_pct}
            if reason is not None:
                metadata["execution"] = result_of(one.order, change.after, events)
            patches[order.id] = OrderPatch(
                account_id=None if self.account is None else self.account.id,
                plan=plan.document(),
                adapter=request.adapter,
                venue=request.venue,
                time_in_force=plan.time_in_force,
                max_slippage_bps=plan.max_slippage_bps,
                base_quantity=one.qty or None,
                notional=_scaled(one),
                is_reduce_only=not one.opens,
                metadata=metadata,
            )
        return changes, patches


async def admit_held(stores: Stores, request: RunRequest, parts: AdmitParts, held: Held) -> Admitting:
    """Judge orders that nobody else can move; returns the statement that admits them. See `admit_within`."""
    admission = await judge_held(stores, request, parts, held)
    logs = await stores.orders.orders(held.orders)
    changes, patches = admission.changes(request, logs, at=parts.clock.now())
    return stores.orders.append(changes, patches=patches, holder=parts.holder)


async def judge_held(stores: Stores, request: RunRequest, parts: AdmitParts, held: Held) -> Admission:
    """Run checks 1 to 6 over orders that nobody else can move, stored or not; raises `Refusal`."""
    orders, known = held.orders, held.known
    account = await _account(stores, request)
    states = await _states(stores, account, orders, parts) if known is None else known.states
    holdings = Holdings([state for ledger, state in states.items() if ledger.is_whole])
    openers = _openers(orders, holdings)
    _refuse_blocked(openers, held.switches)
    if held.refused:
        raise Refusal(held.refused)
    refusal = parts.venues.refusal(request.adapter, request.venue)
    if refusal is None:  # else nothing can be sent, and there is nothing to be at risk
        account = await stores.accounts.open(
            adapter=request.adapter,
            venue=request.venue,
            name=ACCOUNT,
            currency=parts.venues.currency(request.adapter, request.venue),
        )
        await stores.accounts.hold(account)
    else:
        account = None
    market = await _market(stores, request, parts, held, openers, holdings)
    _refuse_blocked(openers, market.switches)
    for order in openers:
        if (order.track, order.target) not in market.judged:
            raise Refusal((no_data_code(order.target),))
    sized = await _sized(stores, request, parts, held, openers, holdings)
    if account is not None and openers:
        await _judge(stores, parts, account, known, sized, market, states)
    return Admission(sized, account, refusal)


def _refuse_blocked(openers: Sequence[StoredOrder], switches: Sequence[EffectiveSwitch]) -> None:
    blocked = {(one.track, one.strategy_id): one.code for one in switches if one.code is not None}
    for order in openers:
        if (code := blocked.get((order.track, order.strategy_id))) is not None:
            raise Refusal([code], by_switch=True)


@dataclass(frozen=True, slots=True)
class _Market:
    """What the breaker let pass, newest prices, by track what risk must know, and the switches, which are held now."""

    judged: frozenset[tuple[str, str]]
    known: Sequence[KnownPrice]
    facts: Mapping[str, TrackFacts]
    switches: Sequence[EffectiveSwitch]

    @property
    def prices(self) -> Mapping[str, Decimal]:
        """By target."""
        return {one.target: one.price for one in self.known}


async def _market(
    stores: Stores,
    request: RunRequest,
    parts: AdmitParts,
    held: Held,
    openers: Sequence[StoredOrder],
    holdings: Holdings,
) -> _Market:
    """Ask the breaker, read what risk asks for and take the last lock, by one round trip where nothing is known."""
    if held.known is not None and held.judged is not None:
        facts = held.known.facts
        read_facts = {} if facts is None else {held.orders[0].track: facts}
        return _Market(held.judged, held.known.prices, read_facts, held.switches)
    if not openers:
        return _Market(frozenset(), (), {}, ())
    targets = tuple(
        dict.fromkeys((*holdings.targets, *holdings.on_their_way, *(one.target for one in held.orders)))
    )
    tracks = tuple(dict.fromkeys(one.track for one in openers))
    opening = [(one.track, one.target) for one in openers] if held.judged is None else []
    passed, prices, read, switches = await together(
        judge_market(stores, opening, parts),
        record_prices(stores, request.adapter, targets, at=parts.clock.now()),
        together(*(read_track_facts(stores, track, targets, parts) for track in tracks)),
        hold_switches(stores, dict.fromkeys((one.track, one.strategy_id) for one in openers)),
    )
    return _Market(
        passed if held.judged is None else held.judged, prices, dict(zip(tracks, read, strict=True)), switches
    )


async def _judge(
    stores: Stores,
    parts: AdmitParts,
    account: Account,
    known: Known | None,
    sized: Sequence[Sized],
    market: _Market,
    states: Mapping[SubLedger, LedgerState],
) -> None:
    """Let risk judge each track in which something is opened."""
    for track in dict.fromkeys(one.order.track for one in sized if one.opens):
        of_track = [one for one in sized if one.order.track == track]
        if known is None:
            taken = await mark_strategies(stores, parts, account, of_track, market.known, states)
            marked = taken[SubLedger(account.id, GLOBAL, track)]
        else:
            marked = known.marked
        judge_risk(marked, of_track, market.prices, market.facts[track], parts)


async def _sized(
    stores: Stores,
    request: RunRequest,
    parts: AdmitParts,
    held: Held,
    openers: Sequence[StoredOrder],
    holdings: Holdings,
) -> Sequence[Sized]:
    opening = {one.id for one in openers}
    stages = {
        track: held.stage_pct or await parts.stage_of(stores, track=track, is_live=request.is_live)
        for track in dict.fromkeys(one.track for one in held.orders)
    }
    sized = []
    for order in held.orders:
        opens = order.id in opening
        stage = stages[order.track] if opens else 100
        left_pct = 100 if held.stage_pct is not None else stage
        qty = None if order.base_quantity is None else executed_qty(order.base_quantity, left_pct)
        sized.append(Sized(order, qty, opens, stage, not opens and holdings.is_netted(intent_of(order))))
    return sized


def _scaled(one: Sized) -> Decimal | None:
    if not one.qty or one.order.est_price is None:
        return None
    return one.qty * one.order.est_price
