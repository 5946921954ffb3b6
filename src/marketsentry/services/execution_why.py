"""Why an order traded: fill, order, risk, signal, prediction, snapshot, model, data, in one document (contract 3.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from marketsentry.core.lineage import hash_params
from marketsentry.core.orders.documents import event_document, kind_of
from marketsentry.ports import Transactions
from marketsentry.ports.costs import PaidCost
from marketsentry.ports.orders import StoredOrder
from marketsentry.services.execution import ToldOrder, told_orders
from marketsentry.services.execution_audit import plain
from marketsentry.services.expected_costs import expected_cost

_ORDER = (
    *("id", "decision_id", "target", "track", "side", "status", "reject_reason", "quantity", "base_quantity"),
    *("notional", "est_price", "filled_qty", "adapter", "venue", "strategy_id", "created_at", "updated_at"),
)


def order_row(told: ToldOrder) -> dict[str, Any]:
    """Spell what identifies an order and how it stands."""
    row = asdict(told.stored)
    return {**plain({name: row[name] for name in _ORDER}), "execution": told.execution}


async def why_order(order_id: int, *, transactions: Transactions) -> dict[str, Any]:
    """Follow an order back to the data that it rests on.

    Parameters
    ----------
    order_id
        Which order.
    transactions
        The record.

    Returns
    -------
    dict
        `fills`, `order` with its execution, `cost` as it was expected and as it came, `events`, `risk` (the decision
        and what it may do), then `signal`, `prediction`, `feature_snapshot`, `model` and `data`; each is None where the
        order does not rest on one.

    Raises
    ------
    NotFoundError
        If there is no such order.
    """
    async with transactions() as stores:
        stored = await stores.orders.get(order_id)
        told = (await told_orders(stores, [stored]))[0]
        decision = await stores.decisions.get(stored.decision_id)
        chain = await stores.orders.chain(stored.decision_id)
        events = (await stores.orders.events([order_id]))[order_id]
        fills = await stores.orders.fills(order_id=order_id)
        cost = await stores.costs.of_order(order_id)
    signal = _find(chain.signals, stored.signal_id)
    prediction = _find(chain.predictions, _of(signal, "prediction_id"))
    snapshot = _find(chain.feature_snapshots, _of(prediction, "feature_snapshot_id"))
    model = _find(chain.models, _of(prediction, "model_id"))
    return {
        "fills": [plain(asdict(one)) for one in fills],
        "order": order_row(told),
        "cost": _cost(stored, cost),
        "events": [
            {
                "version": one.version,
                "kind": kind_of(one.event),
                **plain({"at": one.event.at}),
                "said": event_document(one.event),
            }
            for one in events
        ],
        "risk": {
            "is_approved": decision.is_approved,
            "violations": [dict(one) for one in decision.violations],
            "source": str(decision.source),
            "reduce_only": stored.is_reduce_only,
            "rollout_stage_pct": stored.metadata.get("rollout_stage_pct"),
            **plain({"as_of": decision.as_of, "capital": decision.capital}),
        },
        "signal": signal,
        "prediction": prediction,
        "feature_snapshot": snapshot,
        "model": model,
        "data": _data(snapshot, model),
    }


def _cost(stored: StoredOrder, paid: PaidCost | None) -> dict[str, Any]:
    """Set what an order was expected to cost beside what it did, in bps of its notional."""
    slippage, fee = (None, None) if paid is None else (paid.slippage_bps, paid.fee_bps)
    return {
        "expected_bps": float(stored.est_cost_bps),
        "expected": expected_cost(stored.metadata),
        "slippage_bps": slippage,
        "fee_bps": fee,
        "came_to_bps": None if slippage is None or fee is None else slippage + fee,
    }


def _find(rows: Sequence[Mapping[str, Any]], row_id: int | None) -> dict[str, Any] | None:
    found = next((row for row in rows if row["id"] == row_id), None)
    return None if found is None else plain(found)


def _of(row: Mapping[str, Any] | None, name: str) -> Any:  # a column of a row that may not be there
    return None if row is None else row[name]


def _data(snapshot: Mapping[str, Any] | None, model: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Name the data by its lineage and its content: what was served, and what the model was trained on."""
    if snapshot is None and model is None:
        return None
    return {
        "data_version": _of(snapshot, "data_version"),
        "lineage_id": _of(snapshot, "lineage_id"),
        "features_hash": None if snapshot is None else hash_params(snapshot["feature_payload"]),
        "train_lineage_id": _of(model, "train_lineage_id"),
        "code_version": _of(model, "code_version"),
    }
