"""Enter orders, execute decisions, read both (contract 1.6). A decision is executed once, however often it is asked."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from marketsentry.core.ids import DECISION_ID_BYTES, decision_id_from
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.orders.order import OrderStatus, Side, TimeInForce
from marketsentry.core.orders.terms import NO_TERMS, Terms
from marketsentry.core.risk.kill_switch import EffectiveSwitch
from marketsentry.exceptions import ConflictError, InputError, LockedError, NotFoundError
from marketsentry.ports import Entropy, Stores, Transactions
from marketsentry.ports.decisions import Decision, DecisionSource, Idempotency
from marketsentry.ports.orders import NewOrder, OrderFilter, StoredOrder, log_of
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_booking import result_of
from marketsentry.services.execution_holdings import intent_of, read_account_holdings, which_open
from marketsentry.services.execution_request import ACCOUNT, ORDER_TERMS, AdmitParts, RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.expected_costs import EXPECTED_COST, CostBook, read_costs, rounded_bps
from marketsentry.services.paging import Page, page_of
from marketsentry.services.risk_switch import hold_switches, lock_budgets, read_each

WAIT_S = 30.0
_KEY = "idempotency_key"
_HASH = "request_hash"


@dataclass(frozen=True, slots=True)
class ExecutionParts:
    """What execution needs."""

    admit: AdmitParts
    executor: Executor
    entropy: Entropy

    @property
    def transactions(self) -> Transactions:
        """The record."""
        return self.admit.transactions


@dataclass(frozen=True, slots=True)
class EnteredOrder:
    """One order of a client; `quantity` in base units."""

    target: str
    side: Side
    quantity: Decimal
    track: str = "liquid"
    est_price: Decimal | None = None
    strategy_id: str = "default-liquid-v1"
    decision_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    terms: Terms = NO_TERMS


@dataclass(frozen=True, slots=True)
class EnterRequest:
    """Orders to store; they are executed by a run."""

    orders: tuple[EnteredOrder, ...]
    adapter: str = "paper"
    venue: str = "coinbase"
    time_in_force: TimeInForce = TimeInForce.IOC
    max_slippage_bps: Decimal = Decimal(20)
    idempotency: Idempotency | None = None

    def __post_init__(self) -> None:
        if not self.orders:
            raise InputError("orders must be at least one, were none")
        named = {one.decision_id for one in self.orders if one.decision_id is not None}
        if len(named) > 1:
            raise InputError(f"orders must be of one decision, were of {', '.join(sorted(named))}")
        if any(ORDER_TERMS in one.metadata for one in self.orders):
            raise InputError(f"metadata must not hold {ORDER_TERMS!r}: terms are fields of their own")

    @property
    def decision_id(self) -> str | None:
        """The decision that they join, where the client names one."""
        return next((one.decision_id for one in self.orders if one.decision_id is not None), None)


@dataclass(frozen=True, slots=True)
class Entered:
    """What was stored, or had been stored under the same key."""

    decision_id: str
    orders: Sequence[StoredOrder]


@dataclass(frozen=True, slots=True)
class ToldOrder:
    """An order with its execution result; None before it runs."""

    stored: StoredOrder
    execution: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class RunResult:
    """The orders of a decision after a run; `executed_ids` are those that this call admitted."""

    orders: Sequence[ToldOrder]
    executed_ids: frozenset[int]


async def enter_orders(request: EnterRequest, parts: ExecutionParts) -> Entered:
    """Store orders under one decision, all or none.

    Parameters
    ----------
    request
        The orders.
    parts
        The record.

    Returns
    -------
    Entered
        With an idempotency key that was used for the same request: what was stored then.

    Raises
    ------
    LockedError
        With the code of the switch that blocks one of them.
    ConflictError
        If the key was used for another request, or the decision was not approved.
    """
    async with parts.transactions() as stores:
        costs = await read_costs(
            stores,
            [(one.track, one.target) for one in request.orders],
            adapter=request.adapter,
            as_of_ns=datetime_to_ns(parts.admit.clock.now()),
        )
        pairs = dict.fromkeys((one.track, one.strategy_id) for one in request.orders)
        await lock_budgets(stores, pairs)  # one key is entered once
        switches = await read_each(stores, pairs)
        known = await _known(stores, request)
        if known is not None:
            return known
        decision_id = request.decision_id or decision_id_from(parts.entropy(DECISION_ID_BYTES))
        orders = [_new_order(one, request, decision_id, costs) for one in request.orders]
        await _refuse_blocked(stores, request, orders, switches, parts)
        held = await hold_switches(stores, pairs)
        if held != switches:
            await _refuse_blocked(stores, request, orders, held, parts)
        await _decide(stores, request, decision_id, parts)
        return Entered(decision_id, await stores.orders.add(orders))


async def run_decision(
    request: RunRequest, parts: ExecutionParts, *, by: ChangedBy, wait_s: float = WAIT_S
) -> RunResult:
    """Admit and execute the orders of a decision, and wait for what becomes of them.

    Parameters
    ----------
    request
        The decision and how it is executed.
    parts
        Record, risk and executor.
    by
        Who asks.
    wait_s
        How long to wait beyond the time that a limit leg may work; the execution itself goes on without its caller.

    Returns
    -------
    RunResult
        Also when the decision has run before: then nothing is executed.

    Raises
    ------
    NotFoundError
        If the decision has no orders.
    LockedError
        With the code by which risk refuses.
    """
    admitted = await admit(request, parts.admit, by=by)
    executed_ids = frozenset(one.id for one in admitted)
    within_s = wait_s + float(request.limit_timeout_s)
    await parts.executor.settle([one for one in admitted if one.status.is_open], within_s=within_s)
    told = await _told_of_decision(request, parts)
    others = [one.stored for one in told if one.stored.status.is_open and one.stored.id not in executed_ids]
    if others:  # that an earlier run has admitted
        await parts.executor.settle(others, within_s=within_s)
        told = await _told_of_decision(request, parts)
    return RunResult(told, executed_ids)


async def _told_of_decision(request: RunRequest, parts: ExecutionParts) -> Sequence[ToldOrder]:
    async with parts.transactions() as stores:
        orders = await stores.orders.of_decision(request.decision_id, limit=request.max_orders)
        return await told_orders(stores, orders)


async def read_order(order_id: int, *, transactions: Transactions) -> ToldOrder:
    """Read an order with its execution so far; raises `NotFoundError`."""
    async with transactions() as stores:
        return (await told_orders(stores, [await stores.orders.get(order_id)]))[0]


async def list_orders(
    wanted: OrderFilter, *, before_id: int | None, limit: int, transactions: Transactions
) -> Page[ToldOrder, int]:
    """Read one page of orders, newest first.

    Parameters
    ----------
    wanted
        Which ones.
    before_id
        Only ids below it.
    limit
        At most so many.
    transactions
        The record.

    Returns
    -------
    Page
    """
    async with transactions() as stores:
        found = await stores.orders.page(wanted, before_id=before_id, limit=limit + 1)
        page = page_of(found, limit, lambda one: one.id)
        return Page(await told_orders(stores, page.items), page.next_key)


async def told_orders(stores: Stores, stored: Sequence[StoredOrder]) -> Sequence[ToldOrder]:
    """Tell the results of orders: that of a final order is in its row, any other is made from its log."""
    kept = {one.id: one.metadata["execution"] for one in stored if one.status.is_final and one.version}
    rest = [one for one in stored if one.id not in kept and not one.status.is_waiting]
    orders = await stores.orders.orders(rest) if rest else {}
    logs = await stores.orders.events([one.id for one in rest]) if rest else {}
    for one in rest:
        kept[one.id] = result_of(one, orders[one.id], log_of(one, logs[one.id]))
    return [ToldOrder(one, kept.get(one.id)) for one in stored]


async def _known(stores: Stores, request: EnterRequest) -> Entered | None:
    """Find what the idempotency key of a request was used for."""
    key = request.idempotency
    if key is None:
        return None
    decision = await stores.decisions.find(key)
    if decision is not None:
        return Entered(decision.decision_id, await stores.orders.of_decision(decision.decision_id))
    if request.decision_id is None:
        return None
    joined = [
        one
        for one in await stores.orders.of_decision(request.decision_id)
        if one.metadata.get(_KEY) == key.key
    ]
    if any(one.metadata.get(_HASH) != key.request_hash for one in joined):
        raise ConflictError(f"idempotency key {key.key!r} was used for another request")
    return Entered(request.decision_id, joined) if joined else None


def _new_order(one: EnteredOrder, request: EnterRequest, decision_id: str, costs: CostBook) -> NewOrder:
    metadata = dict(one.metadata)
    if said := one.terms.document():
        metadata[ORDER_TERMS] = said
    notional = None if one.est_price is None else one.quantity * one.est_price
    cost = costs.estimate(one.target, notional)
    metadata[EXPECTED_COST] = costs.document(one.target, cost)
    if request.idempotency is not None and request.decision_id is not None:
        metadata |= {_KEY: request.idempotency.key, _HASH: request.idempotency.request_hash}
    return NewOrder(
        decision_id=decision_id,
        target=one.target,
        track=one.track,
        side=one.side,
        quantity=one.quantity,
        base_quantity=one.quantity,
        notional=notional,
        est_price=one.est_price,
        est_cost_bps=rounded_bps(cost),
        status=OrderStatus.SUBMITTED,
        adapter=request.adapter,
        venue=request.venue,
        time_in_force=request.time_in_force,
        max_slippage_bps=request.max_slippage_bps,
        strategy_id=one.strategy_id,
        metadata=metadata,
    )


async def _refuse_blocked(
    stores: Stores,
    request: EnterRequest,
    orders: Sequence[NewOrder],
    switches: Sequence[EffectiveSwitch],
    parts: ExecutionParts,
) -> None:
    blocked = {(one.track, one.strategy_id): one.code for one in switches if one.code is not None}
    if not blocked:
        return
    account = await stores.accounts.find(adapter=request.adapter, venue=request.venue, name=ACCOUNT)
    holdings = await read_account_holdings(
        stores, account, [one.track for one in orders], at=parts.admit.clock.now()
    )
    opening = which_open(holdings, [intent_of(one) for one in orders])
    for order, opens in zip(orders, opening, strict=True):
        code = blocked.get((order.track, order.strategy_id))
        if opens and code is not None:
            raise LockedError(code)


async def _decide(stores: Stores, request: EnterRequest, decision_id: str, parts: ExecutionParts) -> None:
    """Make the decision that the orders hang on, or join the one that the client names."""
    if request.decision_id is not None:
        with suppress(NotFoundError):
            if not (await stores.decisions.get(decision_id)).is_approved:
                raise ConflictError(f"decision {decision_id} was not approved and takes no orders")
            return
    first = request.orders[0]
    decision = Decision(
        decision_id=decision_id,
        track=first.track,
        strategy_id=first.strategy_id,
        source=DecisionSource.ORDERS,
        as_of=parts.admit.clock.now(),
        is_approved=True,
        idempotency=request.idempotency,
    )
    await stores.decisions.add(decision)
