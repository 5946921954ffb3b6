"""Let the orders of a decision be executed, or say by which code not: checks 1 to 6 of contract 1.6.

What decides is read and written in one transaction: it holds the budget of the track from its beginning, so that two
decisions never spend one, and the switches from just before it writes, so that nothing is admitted after one was pulled
and who pulls it waits for a write at most. Orders that only reduce what is held are never held back (D9). What a
refusal pulls or tells is written after it, for a refusal writes nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketsentry.core.market.symbols import SYNTHETIC_SOURCE
from marketsentry.core.orders.change import Change, take
from marketsentry.core.orders.events import Admitted, Event, Finished
from marketsentry.core.orders.order import Order, OrderStatus
from marketsentry.core.risk.codes import no_data_code
from marketsentry.core.risk.kill_switch import EffectiveSwitch
from marketsentry.exceptions import LockedError, NotFoundError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import GLOBAL, Account, KnownPrice, SubLedger
from marketsentry.ports.orders import OrderPatch, StoredOrder
from marketsentry.ports.risk import ChangedBy
from marketsentry.ports.together import together
from marketsentry.services.execution_booking import executed_qty, result_of
from marketsentry.services.execution_holdings import Holdings, intent_of, read_account_holdings, which_open
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
from marketsentry.services.ledger import PAPER, Marked
from marketsentry.services.risk_switch import hold_switches, lock_budgets, read_each


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
        async with parts.transactions() as stores:
            return await admit_within(stores, request, parts)
    except Refusal as refusal:
        await tell_refusal(refusal, request, parts, by=by)
        raise LockedError(refusal.detail, hard_tracks=refusal.hard_tracks) from None


async def _waiting(stores: Stores, request: RunRequest) -> Sequence[StoredOrder]:
    orders = await stores.orders.of_decision(request.decision_id, limit=request.max_orders)
    if not orders:
        raise NotFoundError("no orders for decision")
    return [one for one in orders if one.status.is_waiting]


async def _account(stores: Stores, request: RunRequest) -> Account | None:
    return await stores.accounts.find(adapter=request.adapter, venue=request.venue, name=ACCOUNT)


async def _holdings(
    stores: Stores, account: Account | None, orders: Sequence[StoredOrder], parts: AdmitParts
) -> Holdings:
    tracks = [one.track for one in orders]
    return await read_account_holdings(stores, account, tracks, at=parts.clock.now())


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
    waiting = await _waiting(stores, request)
    pairs = dict.fromkeys((one.track, one.strategy_id) for one in waiting)
    if not pairs:
        return []
    await lock_budgets(stores, pairs)
    switches, locked, decision, _ = await together(
        read_each(stores, pairs),
        stores.orders.lock([one.id for one in waiting]),
        stores.decisions.get(request.decision_id),
        _account(stores, request),
    )
    orders = [one for one in locked if one.status.is_waiting]
    if not orders:
        return []
    refused: tuple[str, ...] = ()
    if not decision.is_approved:
        refused = tuple(str(one["code"]) for one in decision.violations) or ("decision_not_approved",)
    return await admit_held(stores, request, parts, Held(orders, switches, judged, refused))


@dataclass(frozen=True, slots=True)
class Held:
    """Orders of a decision under locks: their rows and the budget, and with `holds_switches` those of `switches`.

    `judged` is track and target of what the breaker let pass: nothing else may be opened; None: it judges here.
    `refused` are the codes of a decision that was not approved. `known` is what is known already of their one track.
    """

    orders: Sequence[StoredOrder]
    switches: Sequence[EffectiveSwitch]
    judged: frozenset[tuple[str, str]] | None = None
    refused: tuple[str, ...] = ()
    known: "Known | None" = None
    holds_switches: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What a track was just marked at by the prices of the orders, and what was read beside it where one opens."""

    marked: Marked
    facts: TrackFacts | None


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


async def admit_held(
    stores: Stores, request: RunRequest, parts: AdmitParts, held: Held
) -> Sequence[StoredOrder]:
    """Admit orders that nobody else can move; see `admit_within`."""
    admission = await judge_held(stores, request, parts, held)
    logs = await stores.orders.orders(held.orders)
    changes, patches = admission.changes(request, logs, at=parts.clock.now())
    return await stores.orders.append(changes, patches=patches)


async def judge_held(stores: Stores, request: RunRequest, parts: AdmitParts, held: Held) -> Admission:
    """Run checks 1 to 6 over orders that nobody else can move, stored or not; raises `Refusal`."""
    orders, known = held.orders, held.known
    account = await _account(stores, request)
    holdings = (
        await _holdings(stores, account, orders, parts) if known is None else Holdings([known.marked.state])
    )
    openers = _openers(orders, holdings)
    _refuse_blocked(openers, held.switches)
    if held.refused:
        raise Refusal(held.refused)
    market = await _market(stores, request, parts, held, openers, holdings)
    for order in openers:
        if (order.track, order.target) not in market.judged:
            raise Refusal((no_data_code(order.target),))
    sized = await _sized(stores, request, parts, orders, openers, holdings)
    refusal = parts.venues.refusal(request.adapter, request.venue)
    if refusal is None:  # else nothing can be sent, and there is nothing to be at risk
        account = await stores.accounts.open(
            adapter=request.adapter,
            venue=request.venue,
            name=ACCOUNT,
            currency=parts.venues.currency(request.adapter, request.venue),
        )
        if openers:
            await _judge(stores, parts, account, known, sized, market)
    else:
        account = None
    if openers and not held.holds_switches:
        pairs = dict.fromkeys((one.track, one.strategy_id) for one in openers)
        _refuse_blocked(openers, await hold_switches(stores, pairs))
    return Admission(sized, account, refusal)


def _refuse_blocked(openers: Sequence[StoredOrder], switches: Sequence[EffectiveSwitch]) -> None:
    blocked = {(one.track, one.strategy_id): one.code for one in switches if one.code is not None}
    for order in openers:
        if (code := blocked.get((order.track, order.strategy_id))) is not None:
            raise Refusal([code], by_switch=True)


@dataclass(frozen=True, slots=True)
class _Market:
    """What the breaker let pass, newest prices, and by track what risk must know."""

    judged: frozenset[tuple[str, str]]
    known: Sequence[KnownPrice]
    facts: Mapping[str, TrackFacts]

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
    """Ask the breaker, and read what risk asks for, by one round trip where nothing is known yet."""
    if held.known is not None and held.judged is not None:
        facts = held.known.facts
        return _Market(held.judged, (), {} if facts is None else {held.orders[0].track: facts})
    if not openers:
        return _Market(frozenset(), (), {})
    targets = tuple(
        dict.fromkeys((*holdings.targets, *holdings.on_their_way, *(one.target for one in held.orders)))
    )
    tracks = tuple(dict.fromkeys(one.track for one in openers))
    opening = [(one.track, one.target) for one in openers] if held.judged is None else []
    passed, prices, read = await together(
        judge_market(stores, opening, parts),
        _prices(stores, request, targets, parts),
        together(*(read_track_facts(stores, track, targets, parts) for track in tracks)),
    )
    return _Market(
        passed if held.judged is None else held.judged, prices, dict(zip(tracks, read, strict=True))
    )


async def _judge(
    stores: Stores,
    parts: AdmitParts,
    account: Account,
    known: Known | None,
    sized: Sequence[Sized],
    market: _Market,
) -> None:
    """Let risk judge each track in which something is opened."""
    for track in dict.fromkeys(one.order.track for one in sized if one.opens):
        of_track = [one for one in sized if one.order.track == track]
        if known is None:
            taken = await mark_strategies(stores, parts, account, of_track, market.known)
            marked = taken[SubLedger(account.id, GLOBAL, track)]
        else:
            marked = known.marked
        judge_risk(marked, of_track, market.prices, market.facts[track], parts)


async def _sized(
    stores: Stores,
    request: RunRequest,
    parts: AdmitParts,
    orders: Sequence[StoredOrder],
    openers: Sequence[StoredOrder],
    holdings: Holdings,
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
        sized.append(Sized(order, qty, opens, stage, not opens and holdings.is_netted(intent_of(order))))
    return sized


async def _prices(
    stores: Stores, request: RunRequest, targets: Sequence[str], parts: AdmitParts
) -> Sequence[KnownPrice]:
    """Newest prices; what was made up prices paper alone."""
    found = await stores.accounts.known_prices(targets, as_of=parts.clock.now())
    return [one for one in found if request.adapter == PAPER or not one.source.startswith(SYNTHETIC_SOURCE)]


def _scaled(one: Sized) -> Decimal | None:
    if not one.qty or one.order.est_price is None:
        return None
    return one.qty * one.order.est_price
