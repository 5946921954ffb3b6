"""The conformance kit passes our live adapters, and names the promise that a broken one breaks."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from live_venues import bitget, bitget_exchange, coinbase, coinbase_exchange
from marketsentry.adapters.clock import SystemClock
from marketsentry.adapters.venues.bitget_perpetual import Contracts
from marketsentry.adapters.venues.paper import PaperParts, PaperRules, PaperVenue
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import LegKind, TimeInForce
from marketsentry.services.venue_check import check_venue
from marketsentry.services.venue_trial import VenueTrial
from recorded_prices import add_bars, add_prices


@asynccontextmanager
async def on_coinbase():
    async with coinbase_exchange() as exchange, coinbase(exchange) as venue:
        yield venue, "BTC"


@asynccontextmanager
async def on_bitget(kind):
    contracts = Contracts(leverage=Decimal(20))
    async with bitget_exchange() as exchange, bitget(exchange, kind, contracts=contracts) as venue:
        yield venue, "BTC" if kind is Market.SPOT else "BTC-PERP"


@pytest.mark.parametrize(
    "opened",
    [on_coinbase, lambda: on_bitget(Market.SPOT), lambda: on_bitget(Market.PERP)],
    ids=["coinbase", "bitget_spot", "bitget_perpetual"],
)
async def test_our_adapters_keep_every_promise(opened):
    async with opened() as (venue, symbol):
        report = await check_venue(VenueTrial(venue, symbol))
        assert [(one.name, one.detail) for one in report.checks if not one.passed] == []
        assert len(report.checks) == 11
        assert await venue.open_orders() == []


async def test_the_paper_venue_keeps_every_promise(database):
    now = datetime.now(UTC)
    await add_prices(database, "BTC", 60_000.0, until=now)
    await add_bars(database, "BTC", price=60_000.0, volume=1_000.0, until=now)
    market = RecordedMarket(database.transactions, max_age=timedelta(minutes=5))
    parts = PaperParts(database.transactions, market, SystemClock(), PaperRules(latency_s=0.0))
    venue = PaperVenue(parts, venue="coinbase", currency="USD", fee_bps=Decimal(5))
    report = await check_venue(VenueTrial(venue, qty=Decimal("0.01")))
    assert [(one.name, one.detail) for one in report.checks if not one.passed] == []


class Changed:
    """Another venue with some of its methods replaced."""

    def __init__(self, venue, **methods):
        self._venue = venue
        self.__dict__.update({name: method(venue) for name, method in methods.items()})

    def __getattr__(self, name):
        return getattr(self._venue, name)


def lets_everything_rest(venue):
    async def submit(request):
        return await venue.submit(replace(request, kind=LegKind.LIMIT, time_in_force=TimeInForce.GTC))

    return submit


def forgets_the_bound(venue):
    async def submit(request):
        is_market = request.kind is LegKind.MARKET
        return await venue.submit(replace(request, limit_price=Decimal(66_000)) if is_market else request)

    return submit


def gives_floats(venue):
    async def quote(symbol):
        found = await venue.quote(symbol)
        return replace(found, bid=float(found.bid))

    return quote


def makes_ids_of_its_own(venue):
    made = []

    async def submit(request):
        made.append(request)
        return await venue.submit(
            replace(request, client_order_id=f"own-{len(made)}-{request.client_order_id}")
        )

    return submit


def rounds_to_lots(venue):
    async def submit(request):
        product = await venue.product(request.symbol)
        return await venue.submit(replace(request, qty=product.round_qty(request.qty)))

    return submit


def loses_fees(venue):
    async def fills(leg):
        return [replace(one, fee_currency="") for one in await venue.fills(leg)]

    return fills


def forgets_fills(venue):
    async def fills_since(since):
        return []

    return fills_since


def invents_orders(venue):
    async def order(leg):
        found = await venue.order(leg)
        return found or (await venue.open_orders() or [None])[0] or "open"

    return order


@pytest.mark.parametrize(
    ("methods", "broken"),
    [
        ({"submit": lets_everything_rest}, "what may not rest does not"),
        ({"submit": forgets_the_bound}, "a market leg is bounded"),
        ({"quote": gives_floats}, "products and prices"),
        ({"submit": makes_ids_of_its_own}, "one client order id, one order"),
        ({"submit": rounds_to_lots}, "lots, ticks and smallest orders are kept"),
        ({"fills": loses_fees}, "an immediate order fills, fees and books agree"),
        ({"fills_since": forgets_fills}, "an immediate order fills, fees and books agree"),
        ({"order": invents_orders}, "an order that never was"),
    ],
)
async def test_a_broken_promise_is_named(methods, broken):
    waits = []

    async def wait(seconds):
        waits.append(seconds)

    async with on_coinbase() as (venue, symbol):
        report = await check_venue(VenueTrial(Changed(venue, **methods), symbol, wait=wait))
    assert not report.passed
    assert broken in [one.name for one in report.checks if not one.passed]


async def test_a_product_that_is_not_there_ends_the_trial():
    async with on_coinbase() as (venue, _):
        report = await check_venue(VenueTrial(venue, "DOGE"))
    assert [(one.name, one.passed) for one in report.checks] == [("products and prices", False)]
    assert "DOGE must be among the products: BTC" in report.checks[0].detail
