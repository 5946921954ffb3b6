"""The Bitget adapter trades spot and perpetuals on the simulated venue, and never says more than it saw."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from live_venues import bitget, bitget_exchange, limit, market, ref
from marketsentry.adapters.venues.bitget_perpetual import Contracts
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import Side, TimeInForce
from marketsentry.core.orders.terms import MarginMode, Terms
from marketsentry.ports.venue import LegStatus, OutcomeUnknownError, VenueRefusedError
from marketsentry.simexchange.accounts import Permission
from marketsentry.simexchange.faults import VenueFault
from marketsentry.simexchange.orders import HoldSide

ORDERS = "POST */place-order"
CONTRACTS = Contracts(leverage=Decimal(20))
SYMBOLS = {Market.SPOT: "BTC", Market.PERP: "BTC-PERP"}


@pytest.fixture
async def exchange():
    async with bitget_exchange() as running:
        yield running


@pytest.fixture(params=list(Market))
def kind(request):
    return request.param


@pytest.fixture
async def venue(exchange, kind):
    async with bitget(exchange, kind, contracts=CONTRACTS) as running:
        yield running


@pytest.fixture
def at(kind):
    """Put an order at the market under test."""
    return lambda request: replace(request, symbol=SYMBOLS[kind])


async def test_what_can_be_traded_comes_with_its_rules(venue, kind):
    (btc,) = await venue.products()
    assert (btc.symbol, btc.venue_symbol, btc.market) == (SYMBOLS[kind], "BTCUSDT", kind)
    steps = {Market.SPOT: ("0.01", "0.000001", 1), Market.PERP: ("0.1", "0.0001", 5)}
    tick, lot, least = steps[kind]
    assert (btc.tick_size, btc.lot_size, btc.min_notional) == (Decimal(tick), Decimal(lot), least)
    quote = await venue.quote(SYMBOLS[kind])
    assert quote.bid < 60_000 < quote.ask
    assert abs(datetime.now(UTC) - quote.at) < timedelta(seconds=5)
    assert await venue.positions() == [] if kind is Market.PERP else await venue.positions() == ()


async def test_an_order_rests_is_found_by_both_ids_and_is_cancelled(venue, at):
    request = at(limit())
    placed = await venue.submit(request)
    assert (placed.status, placed.qty, placed.filled_qty) == (LegStatus.OPEN, Decimal("0.5"), 0)
    assert await venue.order(ref(request)) == await venue.order(ref(request, placed.venue_order_id)) == placed
    assert await venue.open_orders() == [placed]
    await venue.cancel(ref(request))
    ended = await venue.order(ref(request))
    assert (ended.status, ended.filled_qty) == (LegStatus.CANCELED, 0)
    await venue.cancel(ref(request, placed.venue_order_id))
    assert await venue.fills(ref(request)) == []
    assert await venue.open_orders() == []


async def test_a_market_leg_is_bounded_and_its_fees_are_told_k17_k23(venue, at, kind, exchange):
    """K-17, K-23."""
    before = {one.asset: one for one in await venue.balances()}
    since = datetime.now(UTC) - timedelta(seconds=5)
    best = (await venue.quote(SYMBOLS[kind])).ask
    request = at(market(qty="1.5", bound=str(best)))
    done = await venue.submit(request)
    assert done.status is LegStatus.CANCELED
    assert 0 < done.filled_qty < Decimal("1.5")
    fills = await venue.fills(ref(request, done.venue_order_id))
    assert sum(one.qty for one in fills) == done.filled_qty
    currency = {Market.SPOT: "BTC", Market.PERP: "USDT"}[kind]
    assert all(one.price <= best and one.fee > 0 and one.fee_currency == currency for one in fills)
    after = {one.asset: one for one in await venue.balances()}
    fees = sum(one.fee for one in fills)
    if kind is Market.SPOT:
        assert after["BTC"].total - before["BTC"].total == done.filled_qty - fees
    else:
        (position,) = await venue.positions()
        assert (position.symbol, position.qty, position.average_price) == ("BTC-PERP", done.filled_qty, best)
        assert before["USDT"].total - after["USDT"].total == fees
    told = await venue.fills_since(since)
    assert [one.fill for one in told] == fills
    assert {(one.symbol, one.client_order_id, one.side) for one in told} == {
        (SYMBOLS[kind], "ms-1-m1", Side.BUY)
    }


@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK])
async def test_what_may_not_rest_does_not_k16(venue, at, force):
    done = await venue.submit(at(limit(force=force)))
    assert (done.status.is_over, done.filled_qty) == (True, 0)
    assert await venue.open_orders() == []


async def test_the_same_id_twice_makes_one_order_and_another_one_is_refused(venue, at, exchange):
    first = await venue.submit(at(limit()))
    assert await venue.submit(at(limit())) == first
    with pytest.raises(VenueRefusedError, match="client_id_collision"):
        await venue.submit(at(limit(qty="0.4")))
    assert len(exchange.truth()["orders"]) == 1


async def test_an_older_order_with_our_id_is_not_ours_and_not_cancelled(venue, at, exchange):
    placed = await venue.submit(at(limit()))
    later = ref(at(limit()), sent_at=datetime.now(UTC) + timedelta(hours=1))
    assert await venue.order(later) is None
    assert await venue.fills(later) == ()
    await venue.cancel(later)
    assert await venue.open_orders() == [placed]


async def test_an_order_that_never_was_is_told_as_none(venue, at):
    assert await venue.order(ref(at(limit()))) is None
    assert await venue.order(ref(at(limit()), "1234567890")) is None
    assert await venue.fills(ref(at(limit()))) == ()
    await venue.cancel(ref(at(limit())))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"qty": "0.00001"}, "below_min_size"),
        ({"qty": "0.5000001"}, "venue_error:precision"),
        ({"price": "59000.001"}, "venue_error:precision"),
        ({"qty": "9000"}, "venue_rejected:4"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_its_code_k23(venue, at, exchange, changes, code):
    with pytest.raises(VenueRefusedError) as refused:
        await venue.submit(at(limit(**changes)))
    assert refused.value.code.startswith(code)
    assert exchange.truth()["orders"] == []


@pytest.mark.parametrize(
    ("fault", "is_there"),
    [
        (VenueFault.TIMEOUT_BEFORE, False),
        (VenueFault.TIMEOUT_AFTER, True),
        (VenueFault.DROP_BEFORE, False),
        (VenueFault.DROP_AFTER, True),
        (VenueFault.SERVER_ERROR, False),
        (VenueFault.ERROR_AFTER, True),
    ],
)
async def test_an_answer_that_was_not_seen_leaves_the_outcome_unknown_k20(
    venue, at, exchange, fault, is_there
):
    exchange.inject(fault, ORDERS, times=1)
    with pytest.raises(OutcomeUnknownError):
        await venue.submit(at(limit()))
    assert ((await venue.order(ref(at(limit())))) is not None) is is_there
    assert len(exchange.truth()["orders"]) == is_there


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (VenueFault.TOO_MANY, "venue_http_429"),
        (VenueFault.INSUFFICIENT_FUNDS, "venue_rejected:4"),
        (VenueFault.HALTED, "venue_rejected:41114"),
    ],
)
async def test_a_refusal_on_the_wire_is_one(venue, at, exchange, fault, code):
    exchange.inject(fault, ORDERS, times=1)
    with pytest.raises(VenueRefusedError) as refused:
        await venue.submit(at(limit()))
    assert refused.value.code.startswith(code)
    assert exchange.truth()["orders"] == []


async def test_a_partial_fill_is_told_to_the_last_lot(venue, at, exchange):
    exchange.inject(VenueFault.PARTIAL_FILL, ORDERS, times=1, value=0.5)
    request = at(limit(qty="0.8", price="60600", force=TimeInForce.IOC))
    done = await venue.submit(request)
    fills = await venue.fills(ref(request, done.venue_order_id))
    assert 0 < done.filled_qty == sum(one.qty for one in fills)


async def test_a_key_that_may_withdraw_or_only_reads_is_refused(exchange):
    rights = {
        "key_can_withdraw": (Permission.VIEW, Permission.TRADE, Permission.TRANSFER),
        "key_cannot_trade": (Permission.VIEW,),
    }
    for code, granted in rights.items():
        async with bitget(exchange, key=exchange.add_key("demo", granted)) as venue:
            with pytest.raises(VenueRefusedError, match=code):
                await venue.submit(limit())
            assert await venue.balances()
    assert exchange.truth()["orders"] == []


@pytest.mark.parametrize("changes", [{"api_key": "bg_x"}, {"api_secret": "x"}, {"passphrase": "x"}])
async def test_a_wrong_key_is_refused(exchange, changes):
    async with bitget(exchange, **changes) as venue:
        with pytest.raises(VenueRefusedError, match=r"venue_rejected:400\d\d"):
            await venue.balances()


async def test_the_modes_of_the_account_are_read_before_a_perpetual(exchange):
    request = replace(limit(), symbol="BTC-PERP")
    async with bitget(exchange, Market.PERP, contracts=Contracts(leverage=Decimal(3))) as venue:
        with pytest.raises(VenueRefusedError, match="crossedMarginLeverage of BTCUSDT must be 3, was 20"):
            await venue.submit(request)
    isolated = Contracts(MarginMode.ISOLATED, Decimal(20))
    async with bitget(exchange, Market.PERP, contracts=isolated) as venue:
        placed = await venue.submit(request)
        await venue.cancel(ref(request, placed.venue_order_id))
    exchange.venue.margin.is_hedged["demo"] = True
    async with bitget(exchange, Market.PERP, contracts=CONTRACTS) as venue:
        with pytest.raises(VenueRefusedError, match="must be in one_way_mode, was 'hedge_mode'"):
            await venue.submit(request)


async def test_closing_is_not_held_up_by_what_stands_against_opening(exchange):
    bought = replace(market(qty="0.2"), symbol="BTC-PERP")
    async with bitget(exchange, Market.PERP, contracts=CONTRACTS) as venue:
        await venue.submit(bought)
    margin = exchange.venue.margin
    product = exchange.venue.products["BTC-USDT:USDT"]
    margin.set_leverage("demo", product, Decimal(5), HoldSide.NET)
    closing = replace(
        market(Side.SELL, "0.3", "59000", client_order_id="ms-2-m1"), symbol="BTC-PERP", is_reduce_only=True
    )
    async with bitget(exchange, Market.PERP, contracts=CONTRACTS) as venue:
        done = await venue.submit(closing)
        assert (done.filled_qty, done.status) == (Decimal("0.2"), LegStatus.FILLED)
        assert await venue.positions() == []


async def test_a_clock_that_is_off_is_refused(exchange):
    exchange.inject(VenueFault.CLOCK_SKEW, "GET /api/v2/public/time", value=20.0)
    async with bitget(exchange) as venue:
        with pytest.raises(VenueRefusedError, match="clock_skew"):
            await venue.submit(limit())


async def test_an_order_for_the_other_market_is_not_sent(exchange, venue, at, kind):
    other = {Market.SPOT: Market.PERP, Market.PERP: Market.SPOT}[kind]
    with pytest.raises(VenueRefusedError, match="venue_error:market_type"):
        await venue.submit(at(replace(limit(), terms=Terms(market_type=other))))
    assert exchange.truth()["orders"] == []
    placed = await venue.submit(at(replace(limit(), terms=Terms(market_type=kind))))
    assert placed.status is LegStatus.OPEN


async def test_an_order_that_meets_one_of_ours_goes_on_and_the_other_is_cancelled(venue, at, exchange):
    best = (await venue.quote(at(limit()).symbol)).bid
    waiting = at(limit(price=str(best + 1), qty="0.1"))
    placed = await venue.submit(waiting)
    assert placed.status is LegStatus.OPEN
    done = await venue.submit(at(market(Side.SELL, "0.3", str(best - 50), client_order_id="ms-2-m1")))
    assert (done.status, done.filled_qty) == (LegStatus.FILLED, Decimal("0.3"))
    assert all(one.price <= best for one in await venue.fills(ref(at(market(client_order_id="ms-2-m1")))))
    ended = await venue.order(ref(waiting, placed.venue_order_id))
    assert (ended.status, ended.filled_qty) == (LegStatus.CANCELED, 0)
