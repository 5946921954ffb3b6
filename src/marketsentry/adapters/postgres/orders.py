"""Orders with their events and fills in PostgreSQL.

Sets of rows travel as one JSON parameter, decimals in it as strings, so that any number of orders is one statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres import orders_sql as sql
from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.orders.change import Change
from marketsentry.core.orders.documents import event_document, event_of, kind_of
from marketsentry.core.orders.order import Order, OrderStatus, Side, TimeInForce
from marketsentry.core.risk.losses import OrderOutcomes
from marketsentry.exceptions import ConflictError, NotFoundError
from marketsentry.ports.accounts import DRILL, PARITY
from marketsentry.ports.orders import (
    BookedFill,
    Chain,
    Holder,
    NewOrder,
    OrderFilter,
    OrderPatch,
    StoredEvent,
    StoredOrder,
    log_of,
    order_of,
)

_NO_PATCH = OrderPatch()


class PostgresOrderStore:
    """`OrderStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def add(
        self, orders: Sequence[NewOrder], changes: Sequence[Change] = (), *, holder: Holder | None = None
    ) -> Sequence[StoredOrder]:
        """Insert orders; see `OrderStore.add`."""
        if not orders:
            return []
        rows = [_new_row(one) for one in orders]
        for change in changes:
            after = _after(change)
            for column in ("version", "status", "reject_reason"):
                rows[change.before.id][column] = after[column]
        given = {"orders": Jsonb(rows), "events": Jsonb(list(_event_rows(changes))), **_lease(holder)}
        return await self._orders(sql.ADD, given)

    async def get(self, order_id: int) -> StoredOrder:
        """Read an order; see `OrderStore.get`."""
        rows = await self._statements.rows(sql.GET, {"order_id": order_id})
        if not rows:
            raise NotFoundError("order not found")
        return _stored(rows[0])

    async def of_decision(self, decision_id: str, *, limit: int | None = None) -> Sequence[StoredOrder]:
        """List the orders of a decision, oldest first."""
        return await self._orders(sql.OF_DECISION, {"decision_id": decision_id, "limit": limit})

    async def page(self, wanted: OrderFilter, *, before_id: int | None, limit: int) -> Sequence[StoredOrder]:
        """List orders, newest first; see `OrderStore.page`."""
        given = {
            "statuses": [str(one) for one in wanted.statuses] or None,
            "track": wanted.track,
            "target": wanted.target,
            "strategy_id": wanted.strategy_id,
            "decision_id": wanted.decision_id,
            "before_id": before_id,
            "limit": limit,
        }
        return await self._orders(sql.PAGE, given)

    async def open(self, *, account_id: int | None = None, track: str | None = None) -> Sequence[StoredOrder]:
        """List open orders; see `OrderStore.open`."""
        return await self._orders(sql.OPEN, {"account_id": account_id, "track": track})

    async def events(self, order_ids: Sequence[int]) -> Mapping[int, Sequence[StoredEvent]]:
        """Read the logs of orders; see `OrderStore.events`."""
        found: dict[int, list[StoredEvent]] = {order_id: [] for order_id in order_ids}
        for row in await self._statements.rows(sql.EVENTS, {"order_ids": list(order_ids)}):
            event = event_of(row["kind"], row["at"], row["payload"])
            found[row["order_id"]].append(StoredEvent(row["order_id"], row["version"], event))
        return found

    async def orders(self, stored: Sequence[StoredOrder]) -> Mapping[int, Order]:
        """Rebuild orders from their logs; see `OrderStore.orders`."""
        begun = [one.id for one in stored if one.version]
        logs = await self.events(begun) if begun else {}
        return {one.id: order_of(one, log_of(one, logs.get(one.id, ()))) for one in stored}

    async def fills(
        self, *, decision_id: str | None = None, order_id: int | None = None
    ) -> Sequence[BookedFill]:
        """Read fills; see `OrderStore.fills`."""
        rows = await self._statements.rows(sql.FILLS, {"decision_id": decision_id, "order_id": order_id})
        return [_booked_fill(row) for row in rows]

    async def outcomes(self, track: str, *, since: datetime, limit: int) -> OrderOutcomes:
        """Add up how executed orders fared; see `OrderStore.outcomes`."""
        given = {"track": track, "since": since, "limit": limit, "drill": DRILL, "parity": PARITY}
        ((edge, notional),) = await self._statements.tuples(sql.OUTCOMES, given)
        return OrderOutcomes(edge, notional)

    async def known_legs(self, client_order_ids: Sequence[str]) -> Mapping[str, int]:
        """Tell which of these were sent as legs; see `OrderStore.known_legs`."""
        rows = await self._statements.rows(sql.KNOWN_LEGS, {"client_order_ids": list(client_order_ids)})
        return {row["client_order_id"]: row["order_id"] for row in rows}

    async def known_trades(self, account_id: int, trade_ids: Sequence[str]) -> frozenset[str]:
        """Tell which of these trades are booked; see `OrderStore.known_trades`."""
        given = {"account_id": account_id, "trade_ids": list(trade_ids)}
        return frozenset(
            row["venue_trade_id"] for row in await self._statements.rows(sql.KNOWN_TRADES, given)
        )

    async def chain(self, decision_id: str) -> Chain:
        """Read what a decision rests on; see `OrderStore.chain`."""
        signals = await self._statements.rows(sql.CHAIN_SIGNALS, {"decision_id": decision_id})
        ids = [row["prediction_id"] for row in signals if row["prediction_id"] is not None]
        predictions = await self._statements.rows(sql.CHAIN_PREDICTIONS, {"ids": ids})
        snapshots = [
            row["feature_snapshot_id"] for row in predictions if row["feature_snapshot_id"] is not None
        ]
        models = [row["model_id"] for row in predictions if row["model_id"] is not None]
        return Chain(
            signals=signals,
            predictions=predictions,
            feature_snapshots=await self._statements.rows(sql.CHAIN_SNAPSHOTS, {"ids": snapshots}),
            models=await self._statements.rows(sql.CHAIN_MODELS, {"ids": models}),
        )

    async def append(
        self,
        changes: Sequence[Change],
        *,
        owner: str | None = None,
        patches: Mapping[int, OrderPatch] | None = None,
        holder: Holder | None = None,
    ) -> Sequence[StoredOrder]:
        """Write events and rows; see `OrderStore.append`."""
        changes = [one for one in changes if one.events]
        if not changes:
            return []
        patches = patches or {}
        moved = [_moved_row(one, patches.get(one.before.id, _NO_PATCH)) for one in changes]
        given = {
            "orders": Jsonb(moved),
            "events": Jsonb(list(_event_rows(changes))),
            "owner": owner,
            **_lease(holder),
        }
        after = await self._orders(sql.MOVE, given)
        found = {one.id for one in after}
        for change in changes:
            if change.before.id not in found:
                raise _moved_on(change)
        return after

    async def move(self, change: Change, *, owner: str, metadata: Mapping[str, object] | None = None) -> None:
        """Write what came of an order that is driven; see `OrderStore.move`."""
        given = {**_driven_row(change), "owner": owner, "metadata": Jsonb(dict(metadata or {}))}
        if not await self._statements.tuples(sql.MOVE_HELD, given):
            raise _moved_on(change)

    async def lock(self, decision_id: str, *, limit: int) -> Sequence[StoredOrder]:
        """Read the orders of a decision and hold their rows; see `OrderStore.lock`."""
        return await self._orders(sql.LOCK, {"decision_id": decision_id, "limit": limit})

    async def claim(
        self, owner: str, *, lease_s: float, limit: int, order_ids: Sequence[int] | None = None
    ) -> Sequence[StoredOrder]:
        """Take open orders that nobody holds; see `OrderStore.claim`."""
        given = {
            "owner": owner,
            "lease_s": lease_s,
            "limit": limit,
            "order_ids": None if order_ids is None else list(order_ids),
        }
        rows = await self._statements.rows(sql.CLAIM, given)
        for row in rows:
            del row["commits_late"]
        return [_stored(row) for row in rows]

    async def renew(self, owner: str, order_ids: Sequence[int], *, lease_s: float) -> Sequence[int]:
        """Hold orders longer; see `OrderStore.renew`."""
        given = {"owner": owner, "order_ids": list(order_ids), "lease_s": lease_s}
        return [row["id"] for row in await self._statements.rows(sql.RENEW, given)]

    async def release(self, owner: str, order_ids: Sequence[int]) -> None:
        """Let go of orders; see `OrderStore.release`."""
        await self._statements.send(sql.RELEASE, {"owner": owner, "order_ids": list(order_ids)})

    async def _orders(self, query: LiteralString, given: Mapping[str, Any]) -> list[StoredOrder]:
        return [_stored(row) for row in await self._statements.rows(query, given)]


def _lease(holder: Holder | None) -> dict[str, Any]:
    return {
        "holder": None if holder is None else holder.owner,
        "lease_s": None if holder is None else holder.lease_s,
    }


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _new_row(order: NewOrder) -> dict[str, Any]:
    return {
        "decision_id": order.decision_id,
        "signal_id": order.signal_id,
        "target": order.target,
        "track": order.track,
        "side": str(order.side),
        "quantity": str(order.quantity),
        "base_quantity": _text(order.base_quantity),
        "notional": _text(order.notional),
        "est_price": _text(order.est_price),
        "price_ts": None if order.price_ts is None else order.price_ts.isoformat(),
        "est_cost_bps": str(order.est_cost_bps),
        "reduce_only": order.is_reduce_only,
        "status": str(order.status),
        "adapter": order.adapter,
        "venue": order.venue,
        "time_in_force": str(order.time_in_force),
        "max_slippage_bps": str(order.max_slippage_bps),
        "strategy_id": order.strategy_id,
        "account_id": order.account_id,
        "plan": None if order.plan is None else dict(order.plan),
        "reject_reason": order.reject_reason,
        "metadata": dict(order.metadata),
        "version": 0,
        "has_signal": order.has_signal,
    }


def _after(change: Change) -> dict[str, Any]:
    after = change.after
    return {
        "id": after.id,
        "before_version": change.before.version,
        "version": after.version,
        "status": str(after.status),
        "is_over": after.status.is_final,
        "filled_qty": str(after.filled_qty),
        "reject_reason": after.reject_reason,
    }


def _moved_row(change: Change, patch: OrderPatch) -> dict[str, Any]:
    return {
        **_after(change),
        "account_id": patch.account_id,
        "plan": None if patch.plan is None else dict(patch.plan),
        "adapter": patch.adapter,
        "venue": patch.venue,
        "time_in_force": _text(patch.time_in_force),
        "max_slippage_bps": _text(patch.max_slippage_bps),
        "base_quantity": _text(patch.base_quantity),
        "notional": _text(patch.notional),
        "reduce_only": patch.is_reduce_only,
        "metadata": dict(patch.metadata),
    }


def _driven_row(change: Change) -> dict[str, Any]:
    return {
        **_after(change),
        "filled_qty": change.after.filled_qty,
        "events": Jsonb(list(_event_rows([change]))),
    }


def _moved_on(change: Change) -> ConflictError:
    return ConflictError(
        f"order {change.before.id} is not at version {change.before.version} any more, "
        "or another executor holds it"
    )


def _event_rows(changes: Iterable[Change]) -> Iterable[dict[str, Any]]:
    for change in changes:
        for version, event in enumerate(change.events, change.before.version + 1):
            yield {
                "order_id": change.before.id,
                "version": version,
                "kind": kind_of(event),
                "client_order_id": getattr(event, "client_order_id", None),
                "at": event.at.isoformat(),
                "payload": event_document(event),
            }


def _stored(row: dict[str, Any]) -> StoredOrder:
    return StoredOrder(
        **{
            **row,
            "side": Side(row["side"]),
            "status": OrderStatus(row["status"]),
            "time_in_force": TimeInForce(row["time_in_force"]),
        }
    )


def _booked_fill(row: dict[str, Any]) -> BookedFill:
    return BookedFill(**{**row, "side": Side(row["side"])})
