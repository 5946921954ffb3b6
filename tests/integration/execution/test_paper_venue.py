"""The paper venue keeps the promises of every venue, and outlives its program (K-14, K-16, K-17)."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from execution_world import World
from marketsentry.core.orders.order import LegKind, Side, TimeInForce
from marketsentry.ports.venue import LegRef, LegRequest, LegStatus, Venue, VenueRefusedError
from marketsentry.services.venue_check import check_venue
from marketsentry.services.venue_trial import VenueTrial
from recorded_prices import add_prices

IOC = TimeInForce.IOC


async def _venue(world: World) -> Venue:
    return await world.registry.open("paper", "coinbase", fee_bps=Decimal(5))


def _request(name: str, qty: str, limit: str, force: TimeInForce = IOC, **changes: object) -> LegRequest:
    kind = changes.get("kind", LegKind.LIMIT)
    side = changes.get("side", Side.BUY)
    symbol = str(changes.get("symbol", "BTC"))
    assert isinstance(kind, LegKind)
    assert isinstance(side, Side)
    return LegRequest(name, symbol, side, kind, Decimal(qty), Decimal(limit), force)


async def test_the_paper_venue_keeps_the_promises_of_venues(world: World) -> None:
    async def tick(seconds: float) -> None:
        await world.clock.sleep(seconds)
        await asyncio.sleep(0)

    report = await check_venue(VenueTrial(await _venue(world), "BTC", Decimal("0.5"), wait=tick))
    assert {one.name: one.detail for one in report.checks if not one.passed} == {}


async def test_equal_markets_give_equal_fills(world: World) -> None:
    venue = await _venue(world)
    one = await venue.submit(_request("a", "400", "100.20"))
    other = await venue.submit(_request("b", "400", "100.20"))
    assert [(f.qty, f.price, f.fee) for f in one.fills] == [(f.qty, f.price, f.fee) for f in other.fills]
    (fill,) = one.fills
    # half a spread of 3 bps, and impact of the root of 4 % of a bar's volume at 10 bps of volatility
    assert float(fill.price) == pytest.approx(100 * (1 + 3e-4 + 1e-3 * 0.2), rel=1e-6)
    assert float(fill.fee) == pytest.approx(float(fill.notional) * 5e-4)
    assert (fill.reference, fill.fee_currency) == (Decimal("100.0"), "USD")


@pytest.mark.parametrize(
    ("force", "limit", "status"),
    [
        (TimeInForce.IOC, "99", LegStatus.CANCELED),
        (TimeInForce.FOK, "99", LegStatus.CANCELED),
        (TimeInForce.GTC, "99", LegStatus.OPEN),
        (TimeInForce.FOK, "101", LegStatus.CANCELED),  # a fifth of the bar is more than it gives
        (TimeInForce.IOC, "101", LegStatus.CANCELED),
        (TimeInForce.GTC, "101", LegStatus.OPEN),
    ],
)
async def test_time_in_force_is_kept(world: World, force: TimeInForce, limit: str, status: LegStatus) -> None:
    view = await (await _venue(world)).submit(_request("a", "2000", limit, force))
    assert view.status is status
    filled = Decimal(1000) if limit == "101" and force is not TimeInForce.FOK else Decimal(0)
    assert view.filled_qty == filled


async def test_a_resting_order_fills_when_the_market_comes(world: World) -> None:
    venue = await _venue(world)
    placed = await venue.submit(_request("a", "10", "99.50", TimeInForce.GTC))
    ref = LegRef("BTC", "a", placed.venue_order_id, world.clock.at)
    assert await venue.order(ref) == placed
    await world.clock.sleep(60)
    await add_prices(world.database, "BTC", 99.0, until=world.clock.at - timedelta(seconds=1), n=1)
    filled = await venue.order(ref)
    assert filled is not None
    assert (filled.status, filled.filled_qty) == (LegStatus.FILLED, Decimal(10))
    assert filled.fills[0].price <= Decimal("99.50")


async def test_the_same_id_twice_is_one_order(world: World) -> None:
    venue = await _venue(world)
    first = await venue.submit(_request("a", "10", "101"))
    assert await (await _venue(world)).submit(_request("a", "10", "101")) == first
    assert len(await venue.fills_since(world.clock.at - timedelta(days=1))) == 1


async def test_what_has_no_fresh_price_is_refused(world: World) -> None:
    venue = await _venue(world)
    with pytest.raises(VenueRefusedError) as unknown:
        await venue.submit(_request("a", "1", "1", symbol="NOPE"))
    assert unknown.value.code == "no_market_data"
    await world.clock.sleep(3 * 3600)
    with pytest.raises(VenueRefusedError, match="no_market_data"):
        await venue.quote("BTC")


async def test_what_the_account_holds_is_what_its_fills_add_up_to(world: World) -> None:
    venue = await _venue(world)
    await add_prices(world.database, "ETH", 10.0, until=world.clock.at - timedelta(seconds=1))
    views = [
        await venue.submit(_request("a", "3.7", "101")),
        await venue.submit(_request("b", "1.2", "99", side=Side.SELL)),
        await venue.submit(_request("c", "5", "11", symbol="ETH")),
        await venue.submit(_request("d", "2", "90")),  # nothing: too low
    ]
    cash, held = Decimal(100_000), {"BTC": Decimal(0), "ETH": Decimal(0)}
    for view in views:
        for fill in view.fills:
            held[view.symbol] += view.side.sign * fill.qty
            cash -= view.side.sign * fill.notional + fill.fee
    totals = {one.asset: one.total for one in await venue.balances()}
    assert totals == {**held, "USD": cash}
    assert held == {"BTC": Decimal("2.5"), "ETH": Decimal(5)}
    (last,) = views[2].fills
    assert [one.fill for one in await venue.fills_since(last.at)] == [last]
    assert len(await venue.fills_since(last.at - timedelta(days=1))) == 3
