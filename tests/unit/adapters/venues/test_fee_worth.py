"""Fees in a third coin are worth what the coin costs when they are read."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from marketsentry.adapters.venues.fee_worth import KEPT_S, FeeWorth
from marketsentry.core.orders.order import Fill
from marketsentry.ports.venue import OutcomeUnknownError, VenueRefusedError

AT = datetime(2026, 3, 1, tzinfo=UTC)


def a_fill(fee: str, currency: str) -> Fill:
    return Fill("t", Decimal(2), Decimal(100), Decimal(fee), currency, AT)


class Venue:
    """Names its prices, and counts the questions."""

    def __init__(self, price: Decimal | VenueRefusedError) -> None:
        self.price, self.n_asked, self.now = price, 0, 0.0
        self.worth = FeeWorth(self.ask, now=lambda: self.now)

    async def ask(self, coin: str, quote: str) -> Decimal:
        self.n_asked += 1
        if isinstance(self.price, VenueRefusedError):
            raise self.price
        return self.price

    async def fee_quote(self, fill: Fill, symbol: str = "BTC") -> Decimal | None:
        return (await self.worth.told(fill, symbol, quote="USDT")).fee_quote


async def test_a_third_coin_is_priced_and_others_are_left() -> None:
    venue = Venue(Decimal(4))
    assert await venue.fee_quote(a_fill("0.5", "BGB")) == 2
    assert await venue.fee_quote(a_fill("-0.5", "BGB")) == -2  # a rebate
    for free in (a_fill("0", "BGB"), a_fill("1", "USDT"), a_fill("0.1", "BTC")):
        assert await venue.fee_quote(free) is None
    assert await venue.fee_quote(a_fill("0.1", "BTC"), "BTC-PERP") == Decimal("0.4")


async def test_a_price_is_kept_for_a_minute() -> None:
    venue = Venue(Decimal(4))
    await venue.fee_quote(a_fill("1", "BGB"))
    venue.price, venue.now = Decimal(5), KEPT_S - 1
    assert await venue.fee_quote(a_fill("1", "BGB")) == 4
    venue.now = KEPT_S
    assert await venue.fee_quote(a_fill("1", "BGB")) == 5
    assert venue.n_asked == 2


@pytest.mark.parametrize("code", ["no_market_data", "venue_rejected:40034"])
async def test_a_coin_without_a_price_has_no_worth(code: str) -> None:
    assert await Venue(VenueRefusedError(code, "no such market")).fee_quote(a_fill("1", "BGB")) is None


@pytest.mark.parametrize("code", ["venue_http_429", "venue_http_503", "venue_error:rate_budget"])
async def test_a_venue_that_cannot_be_asked_now_is_asked_again(code: str) -> None:
    venue = Venue(VenueRefusedError(code, "later"))
    with pytest.raises(OutcomeUnknownError, match="the price of BGB, in which a fee was paid"):
        await venue.fee_quote(a_fill("1", "BGB"))
    venue.price = Decimal(4)
    assert await venue.fee_quote(a_fill("1", "BGB")) == 4
