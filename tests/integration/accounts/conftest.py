"""A paper account with one strategy, and orders to book fills of."""

import pytest

from account_fills import AT, CAPITAL, MakeBooking, make_booking
from marketsentry.adapters.postgres.database import Database
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.ledger import open_ledger


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
    return make_booking(database)
