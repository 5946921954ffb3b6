"""How orders fared is added up by one statement; a slow twin adds up the fills one by one."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest

from account_fills import AT, MakeBooking, a_fill
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.orders.order import Side
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.ledger import book_fills

SINCE = AT - timedelta(hours=1)


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_sums_are_those_of_the_fills(
    database: Database, ledger: SubLedger, booking: MakeBooking, seed: int
) -> None:
    draw = random.Random(seed)
    edges, notionals = [], []
    for n in range(8):
        side = draw.choice((Side.BUY, Side.SELL))
        status = draw.choice(("filled", "partially_filled", "rejected"))
        est_price = draw.choice((None, "99.5", "101"))
        at = AT - timedelta(hours=draw.choice((0, 2)))
        fills = [
            a_fill(f"{n}-{k}", str(draw.randint(1, 9)), f"{draw.randint(90, 110)}.25", at=at)
            for k in range(draw.randint(1, 3))
        ]
        made = await booking(ledger, *fills, side=side, est_price=est_price, status=status, at=at)
        async with database.transactions() as stores:
            await book_fills(stores, made)
        qty = sum(fill.qty for fill in fills)
        async with database.connection() as connection:
            await connection.execute(
                "UPDATE orders_sim SET filled_qty = %s WHERE id = %s", (qty, made.order_id)
            )
        if est_price is None or status == "rejected" or at < SINCE:
            continue
        average = sum(fill.qty * fill.price for fill in fills) / qty
        edges.append(side.sign * (Decimal(est_price) - average) * qty)
        notionals.append(Decimal(est_price) * qty)
    async with database.transactions() as stores:
        found = await stores.orders.outcomes("liquid", since=SINCE, limit=100)
        newest = await stores.orders.outcomes("liquid", since=SINCE, limit=0)
    assert float(found.edge_quote) == pytest.approx(float(sum(edges)), abs=1e-9)
    assert found.notional_quote == sum(notionals)
    assert (newest.edge_quote, newest.notional_quote) == (0, 0)
