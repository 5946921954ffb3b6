"""The net of strategies against a venue: differences are told and nothing is changed."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import cast

from account_fills import CAPITAL, MakeBooking, a_fill
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import Side
from marketsentry.core.orders.product import Product
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.venue import Balance, Venue, VenuePosition
from marketsentry.services.ledger import book_fills
from marketsentry.services.netting import compare_with_venue, net_positions


@dataclass(frozen=True)
class ShownVenue:
    """A venue that shows what it is told to."""

    shown: dict[str, str]
    held: dict[str, str]

    async def balances(self) -> list[Balance]:
        return [Balance(asset, Decimal(total), Decimal(0)) for asset, total in self.shown.items()]

    async def positions(self) -> list[VenuePosition]:
        return [VenuePosition(symbol, Decimal(qty), Decimal(100)) for symbol, qty in self.held.items()]

    async def products(self) -> list[Product]:
        lot = Decimal("0.001")
        return [
            Product("BTC-USD", "BTC-USD", "BTC", "USD", Market.SPOT, lot_size=lot),
            Product("BTC-USD-PERP", "BTC-PERP-INTX", "BTC", "USD", Market.PERP, lot_size=lot),
        ]


async def test_what_the_venue_shows_is_compared_with_the_net_of_all_strategies(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    other = replace(ledger, strategy_id="event")
    async with database.transactions() as stores:
        await book_fills(
            stores, await booking(ledger, a_fill("1", "2", "100", fee="0.001", fee_currency="BTC"))
        )
        await book_fills(stores, await booking(other, a_fill("2", "0.5", "100"), side=Side.SELL))
        await book_fills(
            stores, await booking(other, a_fill("3", "3", "100"), side=Side.SELL, target="BTC-USD-PERP")
        )
        account = await stores.accounts.get(ledger.account_id)
        assert await net_positions(stores, account.id) == {
            "BTC-USD": Decimal("1.499"),
            "BTC-USD-PERP": Decimal(-3),
        }
    same = ShownVenue({"BTC": "1.4995", "USD": str(CAPITAL - 150)}, {"BTC-USD-PERP": "-3"})
    found = await compare_with_venue(account, cast(Venue, same), transactions=database.transactions)
    assert found == []
    strange = ShownVenue({"BTC": "1.4", "USD": str(CAPITAL), "DOGE": "5"}, {})
    found = await compare_with_venue(account, cast(Venue, strange), transactions=database.transactions)
    assert {one.name: one.missing_qty for one in found} == {
        "BTC": Decimal("-0.099"),
        "BTC-USD-PERP": Decimal(3),
        "DOGE": Decimal(5),
        "USD": Decimal(150),
    }
    async with database.transactions() as stores:
        assert await stores.accounts.cash(ledger) == {"USD": CAPITAL - 200}
