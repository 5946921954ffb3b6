"""Let the orders of a decision be executed, or say by which code not: checks 1 to 6 of contract 1.6.

What decides is read and written in one transaction: it holds the switches and the budget of the track, so that nothing
is admitted after a switch was pulled and two decisions never spend one budget. Orders that only reduce what is held are
never held back (D9). What a refusal pulls or tells is written after it, for a refusal writes nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.orders.change import Change, take
from marketsentry.core.orders.events import Admitted, Event, Finished
from marketsentry.core.orders.order import OrderStatus
from marketsentry.core.risk.codes import no_data_code
from marketsentry.exceptions import LockedError, NotFoundError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import Account
from marketsentry.ports.orders import OrderPatch, StoredOrder
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.execution_booking import executed_qty, result_of
from marketsentry.services.execution_holdings import held_positions, intent_of, which_open
from marketsentry.services.execution_request import ACCOUNT, AdmitParts, RunRequest, Sized
from marketsentry.services.execution_risk import Refusal, judge_market, judge_risk, tell_refusal
from marketsentry.services.risk_switch import hold_switches


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
    async with parts.transactions() as stores:
        orders = await _waiting(stores, request)
        openers = await _openers(stores, request, orders)
        switches = await _blocking(stores, openers)
    if not orders:
        return []
    try:
        if switches:
            raise Refusal(switches[:1], by_switch=True)
        judged = await judge_market(((one.track, one.target) for one in openers), parts, by=by)
        async with parts.transactions() as stores:
            return await admit_within(stores, request, parts, judged)
    except Refusal as refusal:
        await tell_refusal(refusal, request, parts, by=by)
        raise LockedError(refusal.detail) from None


async def _waiting(stores: Stores, request: RunRequest) -> Sequence[StoredOrder]:
    orders = await stores.orders.of_decision(request.decision_id, limit=request.max_orders)
    if not orders:
        raise NotFoundError("no orders for decision")
    return [one for one in orders if one.status.is_waiting]


async def _openers(
    stores: Stores, request: RunRequest, orders: Sequence[StoredOrder]
) -> Sequence[StoredOrder]:
    account = await stores.accounts.find(adapter=request.adapter, venue=request.venue, name=ACCOUNT)
    opening = await which_open(stores, account, [intent_of(one) for one in orders])
    return [order for order, opens in zip(orders, opening, strict=True) if opens]


async def _blocking(stores: Stores, orders: Sequence[StoredOrder]) -> Sequence[str]:
    pairs = dict.fromkeys((one.track, one.strategy_id) for one in orders)
    return [one.code for one in await hold_switches(stores, pairs) if one.code is not None] if pairs else []


async def admit_within(
    stores: Stores, request: RunRequest, parts: AdmitParts, judged: frozenset[tuple[str, str]]
) -> Sequence[StoredOrder]:
    """Admit the orders of a decision in the transaction of the caller, who made them or read them.

    Parameters
    ----------
    stores
        Of the transaction; a `Refusal` must leave it, so that nothing of it stays.
    request
        The decision and how it is executed.
    parts
        Risk and venues.
    judged
        Track and target of what the breaker let pass; nothing else may be opened.

    Returns
    -------
    sequence of StoredOrder
        Those admitted.

    Raises
    ------
    Refusal
        By which codes risk refuses; tell it with `tell_refusal`.
    """
    waiting = await _waiting(stores, request)
    pairs = dict.fromkeys((one.track, one.strategy_id) for one in waiting)
    if not pairs:
        return []
    switches = await hold_switches(stores, pairs)
    for track in sorted({track for track, _ in pairs}):
        await stores.risk.lock_budget(track)
    locked = await stores.orders.lock([one.id for one in waiting])
    orders = [one for one in locked if one.status.is_waiting]
    if not orders:
        return []
    decision = await stores.decisions.get(request.decision_id)
    if not decision.is_approved:
        raise Refusal(tuple(str(one["code"]) for one in decision.violations) or ("decision_not_approved",))
    openers = await _openers(stores, request, orders)
    blocked = {(one.track, one.strategy_id): one.code for one in switches if one.code is not None}
    for order in openers:
        if (code := blocked.get((order.track, order.strategy_id))) is not None:
            raise Refusal([code], by_switch=True)
        if (order.track, order.target) not in judged:
            raise Refusal((no_data_code(order.target),))
    sized = await _sized(stores, request, parts, orders, openers)
    account, refusal = None, parts.venues.refusal(request.adapter, request.venue)
    if refusal is None:  # else nothing can be sent, and there is nothing to be at risk
        account = await stores.accounts.open(
            adapter=request.adapter,
            venue=request.venue,
            name=ACCOUNT,
            currency=parts.venues.currency(request.adapter, request.venue),
        )
        prices = await _prices(stores, account, orders, parts.clock.now())
        for track in dict.fromkeys(one.track for one in openers):
            of_track = [one for one in sized if one.order.track == track]
            await judge_risk(stores, parts, account, of_track, prices)
    await _reserve(stores, request, parts, sized, account=account, refusal=refusal)
    return await stores.orders.lock([one.id for one in orders])


async def _sized(
    stores: Stores,
    request: RunRequest,
    parts: AdmitParts,
    orders: Sequence[StoredOrder],
    openers: Sequence[StoredOrder],
) -> Sequence[Sized]:
    opening = {one.id for one in openers}
    stages = {
        track: await parts.stage_of(stores, track=track, is_live=request.is_live)
        for track in dict.fromkeys(one.track for one in orders)
    }
    sized = []
    for order in orders:
        opens = order.id in opening
        stage = stages[order.track] if opens else 100
        qty = None if order.base_quantity is None else executed_qty(order.base_quantity, stage)
        sized.append(Sized(order, qty, opens, stage))
    return sized


async def _prices(
    stores: Stores, account: Account, orders: Sequence[StoredOrder], now: datetime
) -> Mapping[str, Decimal]:
    """Newest prices of what is held and of what is to be traded."""
    tracks = dict.fromkeys(one.track for one in orders)
    held = [one.target for one in await held_positions(stores, account.id, tracks) if one.position.qty]
    found = {}
    for target in dict.fromkeys([*held, *(one.target for one in orders)]):
        price = await stores.predictions.newest_price(target, as_of_ns=datetime_to_ns(now))
        if price is not None:
            found[target] = Decimal(str(price.value))
    return found


async def _reserve(
    stores: Stores,
    request: RunRequest,
    parts: AdmitParts,
    sized: Sequence[Sized],
    *,
    account: Account | None,
    refusal: str | None,
) -> None:
    """Write that the orders are admitted; those that cannot be sent at all end here, each with its reason."""
    now = parts.clock.now()
    logs = await stores.orders.orders([one.order for one in sized])
    changes: list[Change] = []
    patches: dict[int, OrderPatch] = {}
    for one in sized:
        order, reason = logs[one.order.id], refusal
        if one.qty is None:
            reason = "no_market_data"
        elif not one.qty:
            reason = "below_min_size"
        elif one.opens and request.terms_for(one.order).reduce_only:
            reason = "reduce_only_opens"
        events: list[Event] = [Admitted(now, one.qty or order.qty)]
        if reason is not None:
            events.append(Finished(now, OrderStatus.REJECTED, reason))
        change = take(order, events)
        changes.append(change)
        metadata: dict[str, object] = {"rollout_stage_pct": one.stage_pct}
        if reason is not None:
            metadata["execution"] = result_of(one.order, change.after, events)
        patches[order.id] = OrderPatch(
            account_id=None if account is None else account.id,
            plan=request.plan_for(one.order).document(),
            adapter=request.adapter,
            venue=request.venue,
            time_in_force=request.time_in_force,
            max_slippage_bps=request.max_slippage_bps,
            base_quantity=one.qty or None,
            notional=_scaled(one),
            is_reduce_only=not one.opens,
            metadata=metadata,
        )
    await stores.orders.append(changes, patches=patches)


def _scaled(one: Sized) -> Decimal | None:
    if not one.qty or one.order.est_price is None:
        return None
    return one.qty * one.order.est_price
