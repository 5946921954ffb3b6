"""Orders and their execution over HTTP (contract section 1.6)."""

from dataclasses import fields
from time import perf_counter
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from marketsentry.api.deps import MetricsDep, SystemDep
from marketsentry.api.idempotency import IdempotencyKey
from marketsentry.api.routers.risk import By
from marketsentry.api.schemas.execution import (
    MAX_PAGE,
    DecisionAuditOut,
    ExecutedOrderOut,
    InForce,
    OrderIn,
    OrderOut,
    OrderPageOut,
    OrdersIn,
    OrdersOut,
    RunIn,
    RunOut,
    Status,
    Track,
)
from marketsentry.api.schemas.ids import MAX_ID, RowId
from marketsentry.api.schemas.order_terms import Name, TermsIn
from marketsentry.api.schemas.texts import stored_text
from marketsentry.core.lineage import hash_params
from marketsentry.core.orders.order import OrderStatus, Side, TimeInForce
from marketsentry.core.orders.terms import terms_of
from marketsentry.exceptions import InputError, LockedError
from marketsentry.ports.decisions import Idempotency
from marketsentry.ports.orders import OrderFilter, StoredOrder
from marketsentry.services.execution import (
    EnteredOrder,
    EnterRequest,
    ToldOrder,
    enter_orders,
    list_orders,
    read_order,
    run_decision,
)
from marketsentry.services.execution_audit import audit_decision
from marketsentry.services.execution_request import ORDER_TERMS, RunRequest
from marketsentry.services.expected_costs import EXPECTED_COST, expected_cost

DIGITS = 8
LIQUID = "liquid"
_STORED = tuple(one.name for one in fields(StoredOrder))
_FILLED = (OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED)
_LOCKED: dict[int | str, dict[str, Any]] = {423: {"description": "the code by which risk refuses"}}

router = APIRouter(prefix="/execution", tags=["execution"])


@router.post(
    "/orders",
    summary="Store orders",
    responses={
        400: {"description": "`orders cannot be empty`"},
        409: {"description": "the key was used for another request"},
        **_LOCKED,
    },
)
async def enter(body: OrdersIn, system: SystemDep, idempotency_key: IdempotencyKey = None) -> OrdersOut:
    """Store orders under one decision, all or none; `execution/run` executes them.

    Blocked by a switch is 423, and nothing is stored. Orders that only reduce what is held are never blocked.
    """
    _check_market(body, system)
    if not body.orders:
        raise HTTPException(400, "orders cannot be empty")
    known = None
    if idempotency_key is not None:
        known = Idempotency(idempotency_key, hash_params(body.model_dump(mode="json")))
    request = EnterRequest(
        orders=tuple(_entered(one, body) for one in body.orders),
        adapter=body.adapter,
        venue=body.venue,
        time_in_force=TimeInForce(body.time_in_force),
        max_slippage_bps=body.max_slippage_bps,
        idempotency=known,
    )
    entered = await enter_orders(request, system.execution)
    return OrdersOut(
        decision_id=entered.decision_id,
        adapter=body.adapter,
        venue=body.venue,
        accepted_orders=len(entered.orders),
        order_ids=[one.id for one in entered.orders],
    )


@router.get(
    "/orders/{order_id}", summary="Read an order", responses={404: {"description": "`order not found`"}}
)
async def read(order_id: RowId, system: SystemDep) -> OrderOut:
    """Answer an order; `metadata.execution` holds what became of it so far."""
    told = await read_order(order_id, transactions=system.transactions)
    return OrderOut.model_validate(_columns(told))


@router.get("/orders", summary="List orders")
async def list_page(
    system: SystemDep,
    status: Annotated[list[Status] | None, Query(description="any of these")] = None,
    track: Track | None = None,
    target: Annotated[Annotated[str, stored_text(512)] | None, Query(description="as it is stored")] = None,
    strategy_id: Annotated[Name | None, Query()] = None,
    decision_id: Annotated[Name | None, Query()] = None,
    cursor: Annotated[int | None, Query(ge=1, le=MAX_ID, description="`next_cursor` of a page")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> OrderPageOut:
    """Answer orders, newest first; a page goes on where the one before it ended, whatever was added since."""
    wanted = OrderFilter(
        statuses=tuple(OrderStatus(one) for one in status or ()),
        track=track,
        target=target,
        strategy_id=strategy_id,
        decision_id=decision_id,
    )
    page = await list_orders(wanted, before_id=cursor, limit=limit, transactions=system.transactions)
    items = [OrderOut.model_validate(_columns(one)) for one in page.items]
    return OrderPageOut(items=items, next_cursor=page.next_key)


@router.post(
    "/run",
    summary="Execute a decision",
    responses={404: {"description": "`no orders for decision`"}, **_LOCKED},
)
async def run(body: RunIn, system: SystemDep, metrics: MetricsDep, by: By) -> RunOut:
    """Check, admit and execute the orders of a decision that have not run, and answer what became of all of them.

    A decision runs once: a repeated call answers the stored results. The execution goes on without its caller.
    """
    _check_market(body, system)
    said = body.model_fields_set  # what a run does not say is as each order was entered
    request = RunRequest(
        decision_id=body.decision_id,
        adapter=body.adapter,
        venue=body.venue,
        time_in_force=TimeInForce(body.time_in_force) if "time_in_force" in said else None,
        max_slippage_bps=body.max_slippage_bps if "max_slippage_bps" in said else None,
        max_orders=body.max_orders,
        limit_timeout_s=body.limit_timeout_sec,
        max_retries=body.max_retries,
        fee_bps=body.fee_bps,
        terms=body.terms(reduce_only=body.reduce_only),
    )
    started = perf_counter()
    try:
        result = await run_decision(request, system.execution, by=by)
    except LockedError as locked:
        for track in locked.hard_tracks:
            metrics.risk_hard_blocks.labels(track).inc()
        raise
    if result.executed_ids:
        metrics.execution_latency.labels(body.adapter).observe(perf_counter() - started)
    for told in result.orders:
        if told.stored.id in result.executed_ids:
            metrics.execution_orders.labels(body.adapter, str(told.stored.status)).inc()
    statuses = [told.stored.status for told in result.orders]
    return RunOut(
        decision_id=body.decision_id,
        adapter=body.adapter,
        total=len(statuses),
        filled=sum(one in _FILLED for one in statuses),
        rejected=statuses.count(OrderStatus.REJECTED),
        orders=[_executed(one) for one in result.orders],
    )


@router.get(
    "/audit/{decision_id}",
    summary="Everything that hangs on a decision",
    responses={404: {"description": "`decision not found`"}},
)
async def audit(decision_id: Name, system: SystemDep) -> DecisionAuditOut:
    """Answer signals, orders, positions, fills, and what they rest on: predictions, snapshots, models."""
    found = await audit_decision(decision_id, clock=system.clock, transactions=system.transactions)
    return DecisionAuditOut(
        decision_id=decision_id,
        signals=list(found.signals),
        orders=[_executed(one) for one in found.orders],
        positions=list(found.positions),
        fills=list(found.fills),
        predictions=list(found.predictions),
        feature_snapshots=list(found.feature_snapshots),
        models=list(found.models),
        pnl=found.pnl,
        generated_at=found.generated_at,
    )


def _check_market(body: TermsIn, system: SystemDep) -> None:
    """Refuse a market that the adapter does not trade here."""
    here = system.settings.bitget_market
    if body.market_type is not None and body.market_type != here:
        raise InputError(f"market_type must be {here} as BITGET_MARKET says, was {body.market_type}")


def _entered(one: OrderIn, body: OrdersIn) -> EnteredOrder:
    return EnteredOrder(
        target=one.target.upper() if one.track == LIQUID else one.target,
        side=Side(one.side),
        quantity=one.quantity,
        track=one.track,
        est_price=one.est_price,
        strategy_id=one.strategy_id,
        decision_id=one.decision_id,
        metadata=one.metadata,
        terms=body.terms(reduce_only=one.reduce_only),
    )


def _executed(told: ToldOrder) -> ExecutedOrderOut:
    return ExecutedOrderOut.model_validate({**_columns(told), "execution": told.execution})


def _columns(told: ToldOrder) -> dict[str, Any]:
    stored = told.stored
    columns = {name: getattr(stored, name) for name in _STORED}
    for name in (
        *("quantity", "base_quantity", "notional", "est_price"),
        *("est_cost_bps", "max_slippage_bps", "filled_qty"),
    ):
        value = columns[name]
        columns[name] = None if value is None else round(float(value), DIGITS)
    apart = ("execution", ORDER_TERMS, EXPECTED_COST)
    metadata = {name: value for name, value in stored.metadata.items() if name not in apart}
    terms = terms_of(stored.metadata.get(ORDER_TERMS) if stored.plan is None else stored.plan.get("terms"))
    if told.execution is not None:
        metadata["execution"] = told.execution
    in_force: InForce = stored.time_in_force.value
    return {
        **columns,
        "order_id": stored.id,
        "reduce_only": stored.is_reduce_only or terms.reduce_only,
        "market_type": terms.market_type,
        "product_type": terms.product_type,
        "leverage": terms.leverage,
        "position_mode": terms.position_mode,
        "margin_mode": terms.margin_mode,
        "time_in_force": in_force,
        "expected_cost": expected_cost(stored.metadata),
        "metadata": metadata,
    }
