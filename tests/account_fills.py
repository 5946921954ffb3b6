"""Fills of decimal texts, and rows of decisions and orders that they belong to, as execution leaves them."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.database import Database
from marketsentry.core.account.entries import EntryKind
from marketsentry.core.orders.order import Fill, Side
from marketsentry.ports import Stores
from marketsentry.ports.accounts import Booking, SubLedger
from marketsentry.services.ledger import HoldingCost, charge_holding

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAPITAL = Decimal(100_000)

_DECISION = """
INSERT INTO decisions (decision_id, track, strategy_id, source, as_of, is_approved, metadata)
VALUES (%(decision_id)s, 'liquid', %(strategy_id)s, 'orders', %(at)s, true, %(metadata)s)
"""
_BOOK = """
INSERT INTO positions_snapshots (decision_id, target, track, weight)
SELECT %(decision_id)s, wanted.target, 'liquid', wanted.weight
FROM unnest(%(targets)s::text[], %(weights)s::float8[]) AS wanted (target, weight)
"""
_ORDER = """
INSERT INTO orders_sim (decision_id, target, track, side, quantity, base_quantity, est_price, strategy_id, account_id,
                        status, plan, created_at)
VALUES (%(decision_id)s, %(target)s, 'liquid', %(side)s, %(qty)s, %(qty)s, %(est_price)s, %(strategy_id)s,
        %(account_id)s, %(status)s, '{}', %(at)s)
RETURNING id
"""

MakeBooking = Callable[..., Awaitable[Booking]]


def a_fill(
    trade_id: str,
    qty: str,
    price: str,
    *,
    fee: str = "0",
    fee_currency: str = "USD",
    fee_quote: str | None = None,
    at: datetime = AT,
) -> Fill:
    """Make a fill of decimal texts."""
    worth = None if fee_quote is None else Decimal(fee_quote)
    return Fill(trade_id, Decimal(qty), Decimal(price), Decimal(fee), fee_currency, at, fee_quote=worth)


async def charge(
    stores: Stores,
    ledger: SubLedger,
    costs: Sequence[HoldingCost],
    *,
    at: datetime,
    kind: EntryKind = EntryKind.FUNDING,
) -> None:
    """Charge a sub-ledger under the lock of its account."""
    account = await stores.accounts.lock(ledger.account_id)
    states = await stores.accounts.states([ledger], trips_since=at, max_trips=0)
    await charge_holding(stores, account, states, costs, at=at, kind=kind)


def make_booking(database: Database) -> MakeBooking:
    """Return a maker of bookings, each of a new order of a new decision."""

    async def make(
        ledger: SubLedger,
        *fills: Fill,
        side: Side = Side.BUY,
        target: str = "BTC-USD",
        est_price: str | None = None,
        status: str = "filled",
        at: datetime = AT,
        weights: Mapping[str, float] | None = None,
        unconstrained: Mapping[str, float] | None = None,
    ) -> Booking:
        decision_id = uuid.uuid4().hex
        given = {
            "decision_id": decision_id,
            "strategy_id": ledger.strategy_id,
            "account_id": ledger.account_id,
            "at": at,
            "metadata": Jsonb({} if unconstrained is None else {"unconstrained": unconstrained}),
            "targets": list(weights or {}),
            "weights": list((weights or {}).values()),
            "target": target,
            "side": side,
            "qty": sum((fill.qty for fill in fills), Decimal(0)) or Decimal(1),
            "est_price": None if est_price is None else Decimal(est_price),
            "status": status,
        }
        async with database.connection() as connection:
            await connection.execute(_DECISION, given)
            await connection.execute(_BOOK, given)
            row = await (await connection.execute(_ORDER, given)).fetchone()
        assert row is not None
        return Booking(ledger, target, side, row[0], decision_id, f"ms-{row[0]}-l", fills)

    return make
