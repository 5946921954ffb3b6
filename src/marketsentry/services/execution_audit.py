"""Why a decision traded, and what came of it: fill, order, signal, prediction, snapshot, model (contract 3.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketsentry.core.market.timestamps import datetime_to_ns, utc_text
from marketsentry.core.orders.order import ZERO, OrderStatus
from marketsentry.exceptions import NotFoundError
from marketsentry.ports import Clock, Transactions
from marketsentry.ports.orders import BookedFill, StoredOrder
from marketsentry.services.execution import ToldOrder, told_orders

DIGITS = 8
_OF_A_WINDOW = ("selection_pnl", "timing_pnl", "risk_constraint_pnl")


@dataclass(frozen=True, slots=True)
class DecisionAudit:
    """Everything that hangs on one decision, as JSON values but for the orders."""

    signals: Sequence[dict[str, Any]]
    orders: Sequence[ToldOrder]
    positions: Sequence[dict[str, Any]]
    fills: Sequence[dict[str, Any]]
    predictions: Sequence[dict[str, Any]]
    feature_snapshots: Sequence[dict[str, Any]]
    models: Sequence[dict[str, Any]]
    pnl: dict[str, Any]
    generated_at: datetime


async def audit_decision(decision_id: str, *, clock: Clock, transactions: Transactions) -> DecisionAudit:
    """Read what hangs on a decision.

    Parameters
    ----------
    decision_id
        Which decision.
    clock
        For the time of the answer.
    transactions
        The record.

    Returns
    -------
    DecisionAudit

    Raises
    ------
    NotFoundError
        `decision not found` when it has no signal, no order and no position.
    """
    now = clock.now()
    async with transactions() as stores:
        signals = await stores.signals.of_decision(decision_id)
        stored = await stores.orders.of_decision(decision_id)
        book = await stores.decisions.book(decision_id)
        if not (signals or stored or book):
            raise NotFoundError("decision not found")
        told = await told_orders(stores, stored)
        fills = await stores.orders.fills(decision_id=decision_id)
        chain = await stores.orders.chain(decision_id)
        prices = {}
        for target in dict.fromkeys(one.target for one in fills):
            price = await stores.predictions.newest_price(target, as_of_ns=datetime_to_ns(now))
            prices[target] = None if price is None else Decimal(repr(price.value))
    return DecisionAudit(
        signals=[plain(one) for one in chain.signals],
        orders=told,
        positions=[plain(asdict(one)) for one in book],
        fills=[plain(asdict(one)) for one in fills],
        predictions=[plain(one) for one in chain.predictions],
        feature_snapshots=[plain(one) for one in chain.feature_snapshots],
        models=[plain(one) for one in chain.models],
        pnl=_pnl(stored, fills, prices),
        generated_at=now,
    )


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Spell a row as JSON values: decimals as numbers of 8 decimals, times as RFC 3339 in UTC."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:  # any column
    if isinstance(value, Decimal):
        return round(float(value), DIGITS)
    if isinstance(value, datetime):
        return utc_text(datetime_to_ns(value))
    return value


def _pnl(
    orders: Sequence[StoredOrder], fills: Sequence[BookedFill], prices: Mapping[str, Decimal | None]
) -> dict[str, Any]:
    """What the fills of a decision earned at the newest prices, and by what.

    `execution_pnl` is what the fills were better than the price decided on, `cost_pnl` the fees, and `market_pnl` what
    the price moved since the decision; the three add up to `net_pnl`. None where a price is not known. What the choice
    of targets, the timing and the limits of risk earned only a window of decisions can tell: they are None here.
    """
    est = {one.id: one.est_price for one in orders}
    targets = [
        _target_pnl(
            target,
            [one for one in orders if one.target == target],
            [one for one in fills if one.target == target],
            est,
            prices.get(target),
        )
        for target in dict.fromkeys(one.target for one in orders)
    ]
    names = ("execution_pnl", "cost_pnl", "market_pnl", "net_pnl", "gross_notional_signed")
    totals: dict[str, Any] = {name: _sum([one[name] for one in targets]) for name in names}
    n_rejected = sum(one.status is OrderStatus.REJECTED for one in orders)
    totals |= dict.fromkeys(_OF_A_WINDOW)
    totals["reject_rate"] = round(n_rejected / len(orders), 6) if orders else 0.0
    return {
        "totals": {name: _plain(value) for name, value in totals.items()},
        "by_target": [plain(one) for one in targets],
    }


def _target_pnl(
    target: str,
    orders: Sequence[StoredOrder],
    fills: Sequence[BookedFill],
    est: Mapping[int, Decimal | None],
    price: Decimal | None,
) -> dict[str, Any]:
    execution: list[Decimal | None] = []
    market: list[Decimal | None] = []
    for fill in fills:
        signed, decided = fill.side.sign * fill.qty, est[fill.order_id]
        execution.append(None if decided is None else signed * (decided - fill.price))
        market.append(None if decided is None or price is None else signed * (price - decided))
    cost = -sum((fill.fee_quote for fill in fills), ZERO)
    parts = (_sum(execution), cost, _sum(market))
    return {
        "target": target,
        "orders": len(orders),
        "rejected": sum(one.status is OrderStatus.REJECTED for one in orders),
        "execution_pnl": parts[0],
        "cost_pnl": parts[1],
        "market_pnl": parts[2],
        **dict.fromkeys(_OF_A_WINDOW),
        "net_pnl": _sum(parts),
        "gross_notional_signed": -sum((fill.side.sign * fill.qty * fill.price for fill in fills), ZERO),
    }


def _sum(values: Sequence[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, ZERO) if len(known) == len(values) else None
