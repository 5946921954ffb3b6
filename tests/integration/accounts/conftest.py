"""Orders to book fills of: rows of decisions and orders, as execution leaves them."""

import itertools

import pytest

from account_fills import AT, CAPITAL, MakeBooking
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.orders.order import Fill, Side
from marketsentry.ports.accounts import Booking, SubLedger
from marketsentry.services.ledger import open_ledger

_numbers = itertools.count(1)

_DECISION = """
INSERT INTO decisions (decision_id, track, strategy_id, source, as_of, is_approved)
VALUES (%(decision_id)s, 'liquid', %(strategy_id)s, 'orders', %(at)s, true)
"""
_ORDER = """
INSERT INTO orders_sim (decision_id, target, track, side, quantity, strategy_id)
VALUES (%(decision_id)s, %(target)s, 'liquid', %(side)s, 1, %(strategy_id)s)
RETURNING id
"""


@pytest.fixture
async def ledger(database: Database) -> SubLedger:
    """The paper sub-ledger of one strategy, with its capital."""
    async with database.transactions() as stores:
        account = await stores.accounts.open(adapter="paper", venue="coinbase", name="main", currency="USD")
        return await open_ledger(
            stores, account, strategy_id="trend", track="liquid", paper_capital=CAPITAL, at=AT
        )


@pytest.fixture
def booking(database: Database) -> MakeBooking:
    """Makes a booking of a new order of a sub-ledger."""

    async def make(
        ledger: SubLedger,
        *fills: Fill,
        side: Side = Side.BUY,
        target: str = "BTC-USD",
        order_id: int | None = None,
    ) -> Booking:
        decision_id = f"{next(_numbers):032x}"
        given = {
            "decision_id": decision_id,
            "strategy_id": ledger.strategy_id,
            "at": AT,
            "target": target,
            "side": side,
        }
        async with database.connection() as connection:
            await connection.execute(_DECISION, given)
            row = await (await connection.execute(_ORDER, given)).fetchone()
        assert row is not None
        return Booking(ledger, target, side, row[0], decision_id, f"ms-{row[0]}-l", fills)

    return make
